"""The questions that a collection answers: by words and by meaning, page by page, by example, explained, with sources."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from vicinal._arrays import share, texts_list, whole_number
from vicinal.answer import Answer, answer
from vicinal.answer.answer import BUDGET_TOKENS
from vicinal.errors import DtypeError, InputError, SpaceMismatchError
from vicinal.lifecycle import examples
from vicinal.lifecycle.asking import ask, facets_of
from vicinal.lifecycle.explanation import Explanation, explain
from vicinal.lifecycle.question import Question
from vicinal.lifecycle.records import checked_id
from vicinal.opened import following
from vicinal.questioning import MAX_K, Questioning, Told, filled, listed, words_of
from vicinal.rerank import CallableReranker, Reranker, by_name
from vicinal.rerank import rerank as reranked
from vicinal.rerank.names import LATE
from vicinal.rerank.ranking import CANDIDATES
from vicinal.search import compile_filter
from vicinal.search.background import Background
from vicinal.search.cache import Answers, AnswerStatistics, Binding
from vicinal.search.cursor import cursor_of
from vicinal.search.facets import Facet, RangeFacet
from vicinal.search.hybrid import Fusion, Mode
from vicinal.search.shape import Shape
from vicinal.space import Vectors
from vicinal.types import Hits, Progress, Record, Where

EXPLAINED_PLACES = 100
"""Hits among which an explained record is looked for."""

RerankerLike = str | Reranker | Callable[[str, list[str]], Any]


class Searches(Questioning):
    """The verbs of a collection that answer questions. Safe for many threads."""

    @following
    def search(  # noqa: PLR0913 - one verb, and what can be asked of it
        self,
        query: str | Sequence[str] | Vectors,
        *,
        k: int = 10,
        where: Where | None = None,
        unlike: str | Sequence[str] = (),
        highlight: bool = False,
        recall: float | None = None,
        exact: bool = False,
        mode: Mode | None = None,
        fusion: Fusion | None = None,
        weight: float | None = None,
        rerank: RerankerLike | None = None,
        candidates: int = CANDIDATES,
        per_record: int | None = None,
        overlapping: bool = True,
        most_similarity: float | None = None,
        diversity: float | None = None,
        least_score: float | None = None,
        most_unrelated: float | None = None,
        parent_chars: int | None = None,
    ) -> Hits:
        """Return the k chunks that answer a question best: by meaning, by its words, or by both.

        Parameters
        ----------
        query : str, list of str, or Vectors
            A question; several ways to put it, whose rankings are fused by rank; or vectors of this collection's space.
        k : int, 1 <= k <= 100,000
            How many; fewer come back when fewer are stored, let through or shown.
        where : mapping, optional
            A filter over fields, applied before the vectors are compared: ``{"year": {"$gte": 2020}}``.
        unlike : str or list of str
            What is not meant: the question's vector loses what it has in common with theirs (orthogonal negation). Words
            are not touched by it: for them there is ``-word``.
        highlight : bool
            Whether each hit says which of its sentences is nearest (encodes the sentences: some 10 ms a hit).
        recall : float, 0 < recall <= 1, optional
            The share of the true nearest that is wanted, on average over questions. Default: the collection's.
        exact : bool
            Compare every vector that the filter lets through, as ``recall=1``.
        mode : {"dense", "lexical", "hybrid"}, optional
            ``dense`` compares vectors, ``lexical`` words (BM25), ``hybrid`` fuses both; words may be "phrases",
            beginnings*, misspelt~; +must and -not bind what words find, so all that ``lexical`` gives. Default:
            ``hybrid`` for a text, ``dense`` for a vector.
        fusion : {"convex", "dbsf", "min_max", "rrf"}, optional
            How ``hybrid`` makes one list of two. Default: ``convex``, cosine and share of the best BM25.
        weight : float, 0 <= weight <= 1, optional
            How much meaning counts in ``hybrid``; words have the rest. Default: 0.8 for ``convex`` (0.6 where the question
            names a code), else 0.5.
        rerank : str, Reranker or callable, optional
            What puts the best candidates into a better order: ``"late-interaction"``, a cross-encoder's folder or
            ``owner/name``, a provider's model such as ``"cohere:rerank-v3.5"``, or your own ``(query, texts) -> scores``.
        candidates : int, 1 <= candidates
            How many hits it looks at.
        per_record : int, 1 <= per_record, optional
            How many chunks of a record at most; 1 gives the best chunk of each.
        overlapping : bool
            Whether hits may share text: chunks overlap, so that neighbours often answer alike.
        most_similarity : float, 0 < most_similarity <= 1, optional
            A hit goes whose vector is at least so near to that of a better one, and one whose text is the same.
        diversity : float, 0 <= diversity <= 1, optional
            How much unlikeness to the better hits counts against relevance (maximal marginal relevance). The hits come in
            the order in which they were chosen, and not by score.
        least_score : float, optional
            What a hit must score, on the scale of ``score_kind``; before reranking.
        most_unrelated : float, 0 <= most_unrelated <= 1, optional
            The same, told by what it means: hits go whose score more than this share of unrelated pairs of this collection
            reaches; see ``background``. In the mode ``dense``.
        parent_chars : int, 1 <= parent_chars, optional
            Each hit holds the section around its chunk, or as many sentences as fit, of at most so many code points (about
            four make an English token): small chunks are found, and what they stand in is read. A chunk within the
            section of a better one is no hit of its own. A reranker reads the sections.

        Returns
        -------
        Hits
            Best first; equal scores by id. Scores are exact. ``complete`` is true where every vector was compared;
            else ``recall_estimate`` is the share of the true nearest that was measured for such a search.
            A hybrid search is complete where both sides gave all that they have; of more than a hundred chunks that
            are equal on a side, those written first are fused.
            ``score_kind`` says what the scores are; each hit's ``ranks`` what each side said of it.

        Raises
        ------
        SpaceMismatchError
            The vector is of another space.
        CanaryMismatchError
            The encoder gives other vectors now than it did, or was found to when the vector was given.
        InputError
            ``k``, the recall, the question, the filter, the mode or another parameter is wrong.
        UnsupportedError
            ``unlike`` in a space of Euclidean distances, where vectors have no directions.
        """
        told, negatives = self._told(query), listed(unlike, "unlike")
        asked = self._question(
            told, k, where, recall, exact=exact, mode=mode, fusion=fusion, weight=weight, negatives=negatives
        )
        shape = Shape(
            per_record=per_record,
            overlapping=overlapping,
            most_similarity=most_similarity,
            diversity=diversity,
            least_score=self._least(least_score, most_unrelated, asked),
            parent_chars=parent_chars,
        )
        question = asked if shape.is_plain else replace(asked, shape=shape)
        if most_unrelated is not None:
            self = self._uncrossed()  # noqa: PLW0642 - the background was measured in the lane's own space
        if rerank is None:
            return self._remembered(told, question, where, negatives, highlight=highlight)
        if diversity is not None:
            raise InputError("diversity orders by the first scores, which a reranker replaces; give one of the two.")
        text = " ".join(told.texts) if told.texts else words_of(query, "hybrid")
        reranker = self._reranker(rerank)
        question = replace(question, k=max(question.k, whole_number(candidates, "candidates", low=1, high=MAX_K)))
        begun = time.perf_counter()
        hits = reranked(self._answered(told, question, negatives), text, reranker, candidates=candidates).hits
        hits = replace(hits, items=hits.items[:k])
        return self._timed(hits, told, begun, highlight=highlight)

    @following
    def pages(  # noqa: PLR0913 - as search, without what has no pages
        self,
        query: str | Sequence[str] | Vectors,
        *,
        k: int = 10,
        after: str | None = None,
        depth: int = 1000,
        where: Where | None = None,
        unlike: str | Sequence[str] = (),
        recall: float | None = None,
        exact: bool = False,
        mode: Mode | None = None,
        fusion: Fusion | None = None,
        weight: float | None = None,
        per_record: int | None = None,
        overlapping: bool = True,
        most_similarity: float | None = None,
        least_score: float | None = None,
        parent_chars: int | None = None,
    ) -> Iterator[Hits]:
        """Go through the hits of a question page by page: each hit comes once, and none is lost between two pages.

        Parameters
        ----------
        query, where, unlike, recall, exact, mode, fusion, weight, per_record, overlapping, most_similarity, least_score, parent_chars
            As ``search``; the same on every page.
        k : int, 1 <= k
            How many hits a page has.
        after : str, optional
            The ``cursor`` of the page before, to go on in another call or process. None: from the first.
        depth : int, k <= depth <= 100,000
            How many places of the ranking the pages are cut from; the same on every page. Each page costs such a search.

        Yields
        ------
        Hits
            ``cursor`` is None on the last: all pages together are ``search(k=depth)``.

        Raises
        ------
        InputError
            The cursor is of another question, or something was written to the collection since: the pages would repeat or
            lose hits.
        """
        told, negatives = self._told(query), listed(unlike, "unlike")
        question = self._question(
            told, k, where, recall, exact=exact, mode=mode, fusion=fusion, weight=weight, negatives=negatives
        )
        shape = Shape(
            per_record=per_record,
            overlapping=overlapping,
            most_similarity=most_similarity,
            least_score=least_score,
            parent_chars=parent_chars,
        )
        depth = whole_number(depth, "depth", low=question.k, high=MAX_K)
        cursor = None if after is None else cursor_of(after)
        question = replace(question, shape=shape, paged=True, depth=depth, after=cursor)
        parameters = {**self._parameters(question, where, negatives), "k": None, "depth": depth, "texts": told.texts}
        if told.vectors is not None:
            parameters["vectors"] = np.asarray(told.vectors).tobytes().hex()
        told = self._encoded(told, question, negatives)
        bound = Binding(space=self.space.id, collection="", sequence=0, parameters=parameters)  # asking knows the rest
        question = replace(question, binding=bound.digest)
        begun = time.perf_counter()
        first = self._timed(self._answered(told, question, ()), told, begun, highlight=False)
        return itertools.chain([first], self._pages_after(first, told, question))

    def _pages_after(self, page: Hits, told: Told, question: Question) -> Iterator[Hits]:
        while page.cursor is not None:
            begun = time.perf_counter()
            try:
                page = self._answered(told, replace(question, after=cursor_of(page.cursor)), ())
            except SpaceMismatchError as error:
                raise InputError(
                    f"Collection {self.name!r} was cut over to another space since the page before. "
                    "Ask for the first page again.",
                    where="after",
                ) from error
            page = self._timed(page, told, begun, highlight=False)
            yield page

    @following
    def recommend(  # noqa: PLR0913 - as search
        self,
        like: str | Sequence[str],
        *,
        unlike: str | Sequence[str] = (),
        k: int = 10,
        where: Where | None = None,
        recall: float | None = None,
        exact: bool = False,
        per_record: int | None = 1,
        overlapping: bool = True,
        most_similarity: float | None = None,
        diversity: float | None = None,
        least_score: float | None = None,
    ) -> Hits:
        """Return what is near to stored records, and has nothing of others: like these, not those.

        Parameters
        ----------
        like : str or list of str
            Ids. Several are asked by their mean, each at length 1; a record of several chunks is the mean of these.
        unlike : str or list of str
            Ids: what the examples have in common with them does not count.
        k, where, recall, exact, per_record, overlapping, most_similarity, diversity, least_score
            As ``search``; the best chunk of each record by default.

        Returns
        -------
        Hits
            None of the named records. The score is the cosine (or dot product) with the mean that was asked by.

        Raises
        ------
        RecordNotFoundError
            An id is not stored.
        UnsupportedError
            ``unlike`` in a space of Euclidean distances.

        References
        ----------
        Rocchio 1971 for the mean; Widdows 2003 for what is unlike: see ``search.negation``.
        """
        wanted = [checked_id(one, "like") for one in listed(like, "like")]
        unwanted = [checked_id(one, "unlike") for one in listed(unlike, "unlike")]
        if not wanted:
            raise InputError("Name at least one record that is like what is looked for.", where="like")
        begun = time.perf_counter()
        vector = examples.moved(self._store, self.name, wanted, unwanted)
        told = Told(vectors=vector)
        question = self._question(told, k, where, recall, exact=exact, mode=None, fusion=None, weight=None)
        shape = Shape(
            per_record=per_record,
            overlapping=overlapping,
            most_similarity=most_similarity,
            diversity=diversity,
            least_score=least_score,
        )
        question = replace(question, shape=shape, apart_from=(*wanted, *unwanted))
        return self._timed(self._answered(told, question, ()), told, begun, highlight=False)

    @following
    def search_many(  # noqa: PLR0913 - as search
        self,
        queries: Sequence[str] | Vectors,
        *,
        k: int = 10,
        where: Where | None = None,
        recall: float | None = None,
        exact: bool = False,
        mode: Mode | None = None,
        fusion: Fusion | None = None,
        weight: float | None = None,
        per_record: int | None = None,
    ) -> list[Hits]:
        """Return the hits of each of several questions; they share the work, and are faster than one by one.

        Parameters
        ----------
        queries : list of str, or Vectors of shape (Q, D)
            Q may be 0.
        k, where, recall, exact, mode, fusion, weight, per_record
            As ``search``.

        Returns
        -------
        list of Hits
            In the order of the questions. ``took_ms`` is an equal share of the time of all.
        """
        if isinstance(queries, Vectors):
            self.space.require(queries.space, what="the query vectors")
            self._require_unmoved()
            told = Told(vectors=queries)
        else:
            told = Told(texts=tuple(filled(texts_list(queries), "queries")))
        question = self._question(told, k, where, recall, exact=exact, mode=mode, fusion=fusion, weight=weight)
        question = replace(question, shape=Shape(per_record=per_record), together=False)
        told = self._encoded(told, replace(question, together=False), (), is_warm=False)
        begun = time.perf_counter()
        told = self._encoded(told, question, ())
        found = ask(self._store, self.name, told.vectors, replace(question, texts=told.texts)) if told.count else []
        took_ms = (time.perf_counter() - begun) * 1000 / max(1, len(found))
        return [replace(self._hits(one, question), took_ms=took_ms) for one in found]

    def facets(
        self,
        *names: str,
        where: Where | None = None,
        k: int = 10,
        bounds: Mapping[str, Sequence[tuple[float | None, float | None]]] | None = None,
    ) -> dict[str, Facet | RangeFacet]:
        """Return how many records have each value of some fields, of those that a filter lets through.

        Parameters
        ----------
        *names : str
            Fields whose most frequent values are counted.
        where : mapping, optional
            As ``search``.
        k : int, 1 <= k <= 10,000
            How many values of each.
        bounds : mapping of str to list of (low, high), optional
            Fields whose numbers are counted within ranges: low is in, high is not; None is open.

        Returns
        -------
        dict of str to Facet or RangeFacet
            Exact counts of records, not of chunks.

        Raises
        ------
        InputError
            The filter, k or a range is wrong.
        """
        if bounds is not None and not isinstance(bounds, Mapping):
            raise DtypeError(
                f"bounds must be a mapping of fields to lists of (low, high), got {type(bounds).__name__}.",
                expected="mapping",
                got=type(bounds).__name__,
                where="bounds",
            )
        condition = None if where is None else compile_filter(where)
        named = texts_list(list(names), "names")
        if twice := sorted(set(named) & set(bounds or {})):
            raise InputError(
                f"The field {twice[0]!r} is asked for its values and for its ranges; ask for one at a time.",
                got=twice[0],
                where="bounds",
            )
        return facets_of(self._store, self.name, named, condition, k=k, ranges=bounds or {})

    @following
    def background(self, *, samples: int = 200, seed: int = 0, progress: Progress | None = None) -> Background:
        """Return how questions score against chunks that do not answer them, measured on this collection.

        Parameters
        ----------
        samples : int, 2 <= samples <= 10,000
            Records whose first sentences are asked, each against a chunk of each other record of the sample.
        seed : int, 0 <= seed
            Which they are.
        progress : callable, optional
            Called with (sentences encoded, sentences).

        Returns
        -------
        Background
            ``threshold(0.01)`` is the score that one unrelated pair in a hundred reaches; ``share(score)`` the reverse.

        Raises
        ------
        RangeError
            Fewer than two records with a text are stored.

        Notes
        -----
        Cost: one encoding of each sentence, some seconds with a network; kept while the collection is open and for as
        long as it does not double. Two records that are about the same raise the threshold: it errs to the safe side.
        """
        samples = whole_number(samples, "samples", low=2, high=10_000)
        whole_number(seed, "seed", low=0)
        with self._store.snapshot() as snapshot:
            now = snapshot.lane(self.name).records
        known = self._stand.background
        if known is not None and known[:2] == (samples, seed) and now < 2 * known[2]:
            return known[3]
        found = examples.background(self._store, self.name, self.encoder, samples=samples, seed=seed, progress=progress)
        self._stand.background = (samples, seed, now, found)
        return found

    def keep_answers(self, *, most_bytes: int = 64 << 20, least_similarity: float | None = None) -> None:
        """Answer repeated questions from memory from now on: never stale, never across filters, settings or spaces.

        Parameters
        ----------
        most_bytes : int, 0 <= most_bytes
            What the answers may take; 0 keeps none, and forgets those that are kept.
        least_similarity : float, 0 < least_similarity <= 1, optional
            The cosine from which another question counts as the same, if its numbers, codes and signs are the same too.
            "With" and "without" may lie at 0.95: measure before you set it. None: only the same words.

        Notes
        -----
        An answer is of the collection's last change: after a write to it, it is not found again; one to another collection
        does not matter. Reranked answers and pages are not kept.
        """
        self._answers = Answers(most_bytes=most_bytes, least_similarity=least_similarity) if most_bytes else None

    @property
    def kept_answers(self) -> AnswerStatistics:
        """What ``keep_answers`` did so far: how many questions it answered, and what it holds."""
        return AnswerStatistics() if self._answers is None else self._answers.statistics()

    @following
    def explain(self, query: str, record_id: str, *, where: Where | None = None) -> Explanation:
        """Return why a record answers a question: by its chunk that is nearest, token by token and word by word.

        Parameters
        ----------
        query : str
            The question, as ``search`` takes it.
        record_id : str
            Of a hit, or of any other record.
        where : mapping, optional
            A filter; the explanation says whether the record passes it.

        Returns
        -------
        Explanation
            Its ``heat`` shares out the score of the vectors over the tokens, ``terms`` that of the words;
            ``ranks`` are its ranks in a hybrid search, if it is among the first hundred of a side.

        Raises
        ------
        RecordNotFoundError
            There is no record of that id.
        UnsupportedError
            The encoder shows no tokens (a provider's, or a function of your own).
        """
        text, wanted = words_of(query, "hybrid"), checked_id(record_id, "record_id")
        vector = self.encoder.encode_queries([text])
        condition = None if where is None else compile_filter(where)
        found = explain(self._store, self.name, text, vector, wanted, encoder=self.encoder, condition=condition)
        both = self._uncrossed().search(text, k=EXPLAINED_PLACES, mode="hybrid", where=where)
        same = (hit.ranks for hit in both if (hit.id, hit.start) == (found.id, found.start))
        return replace(found, ranks=next(same, ()))

    @following
    def ask(  # noqa: PLR0913 - each says what is asked for, and all but the first go by name
        self,
        query: str,
        *,
        k: int = 10,
        where: Where | None = None,
        endpoint: str | None = None,
        model: str | None = None,
        budget_tokens: int = BUDGET_TOKENS,
        least_score: float | None = None,
        neighbors: int = 0,
        on_text: Callable[[str], object] | None = None,
    ) -> Answer:
        """Return the answer to a question from the chunks found for it, each sentence with its source.

        Parameters
        ----------
        query : str
            1 to 8,000 characters.
        k, where
            As ``search``.
        endpoint, model : str, optional
            The base URL of a chat endpoint that speaks OpenAI's words, and its model. None: the best sentences.
        budget_tokens : int, 1 <= budget_tokens
            Tokens of the chunks that the model is shown.
        least_score : float, optional
            Where the best chunk scores less, nothing was found and no model is asked. None: see ``answer``.
        neighbors : int, 0 <= neighbors
            How many chunks before and behind each are taken along.
        on_text : callable, optional
            Called with pieces of the model's text as it writes.

        Returns
        -------
        Answer
            Where the endpoint does not answer as it should, the best sentences and a notice that says why.

        Raises
        ------
        InputError
            The question, the filter, the endpoint's name or a number is wrong.
        """
        return answer(
            query,
            self.search(query, k=k, where=where),
            encoder=self.encoder,
            endpoint=endpoint,
            model=model,
            budget_tokens=budget_tokens,
            least_score=least_score,
            lookup=self._record_now,
            neighbors=neighbors,
            on_text=on_text,
        )

    def _record_now(self, record_id: str) -> Record | None:
        """Return a record, None if it is gone by now."""
        with self._store.snapshot() as snapshot:
            return snapshot.record(snapshot.lane(self._named), record_id)

    def _reranker(self, told: str | Reranker | Callable[[str, list[str]], Any]) -> Reranker:
        """Return a reranker; one that is named is loaded once."""
        if not isinstance(told, str):
            return cast("Reranker", told) if hasattr(told, "score") else CallableReranker(cast("Any", told))
        with self._guard:
            known = self._stand.rerankers
            if told not in known:
                known[told] = by_name(told, encoder=self.encoder if told == LATE else None)
            return known[told]

    def _least(self, least_score: float | None, most_unrelated: float | None, question: Question) -> float | None:
        """Return the least score that is shown."""
        if most_unrelated is None:
            return least_score
        if least_score is not None or question.mode != "dense" or question.together:
            raise InputError(
                "most_unrelated is a threshold for the scores of one question in the mode dense, in place of least_score; "
                f"the mode is {question.mode}.",
                where="most_unrelated",
            )
        return self.background().threshold(share(most_unrelated, "most_unrelated"))
