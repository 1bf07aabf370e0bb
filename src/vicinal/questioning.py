"""How a collection is asked, whatever the verb: a question is checked, encoded, answered, remembered, and its hits are told."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from vicinal._arrays import one_of, share, texts_list, whole_number
from vicinal.chunk import sentences
from vicinal.errors import DtypeError, InputError, RangeError, ShapeError, UnsupportedError, VicinalError
from vicinal.index.funnel import checked_recall
from vicinal.lifecycle.asking import Found, ask
from vicinal.lifecycle.question import FUSION, Question
from vicinal.lifecycle.reads import reads_of
from vicinal.opened import Opened
from vicinal.search import compile_filter
from vicinal.search.cache import Binding, bytes_of
from vicinal.search.hybrid import FUSIONS, MODES, Fusion, Mode
from vicinal.search.negation import without
from vicinal.space import Vectors
from vicinal.types import Hit, Hits, Where

MAX_K = 100_000
MOST_TOGETHER = 32
"""Queries that can be one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The queries of one question: their words, or their vectors, or both."""

    texts: tuple[str, ...] = ()
    vectors: Vectors | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.texts) if self.vectors is None else len(self.vectors)


class Questioning(Opened):
    """What the verbs that answer questions have in common."""

    def _told(self, query: object) -> Told:
        """Return the queries of one question, checked."""
        if isinstance(query, Vectors):
            self.space.require(query.space, what="the query vector")
            self._require_unmoved()
            _require_count(len(query))
            return Told(vectors=query)
        if isinstance(query, str):
            return Told(texts=tuple(filled([query], "query")))
        if not isinstance(query, Sequence):
            raise DtypeError(
                f"query must be a string, a list of strings, or Vectors, got {type(query).__name__}.",
                expected="str",
                got=type(query).__name__,
                where="query",
            )
        texts = tuple(filled(texts_list(query, "query"), "query"))
        _require_count(len(texts))
        return Told(texts=texts)

    def _question(  # noqa: PLR0913 - what the verbs have in common
        self,
        told: Told,
        k: int,
        where: Where | None,
        recall: float | None,
        *,
        exact: bool,
        mode: Mode | None,
        fusion: Fusion | None,
        weight: float | None,
        negatives: Sequence[str] = (),
    ) -> Question:
        """Return what was asked, checked."""
        is_fused = not (fusion is None and weight is None)
        chosen = (
            self._usual_mode(told, is_fused=is_fused) if mode is None else cast("Mode", one_of(mode, "mode", MODES))
        )
        if chosen != "dense" and told.vectors is not None:
            words_of(told.vectors, chosen)
        if chosen != "hybrid" and is_fused:
            name = "weight" if fusion is None else "fusion"
            raise InputError(
                f"{name} says how the sides of a hybrid search become one; the mode is {chosen}. Leave one of them out.",
                got=chosen,
                where=name,
            )
        question = Question(
            k=whole_number(k, "k", low=1, high=MAX_K),
            condition=None if where is None else compile_filter(where),
            recall=1.0 if exact else checked_recall(self.recall if recall is None else recall),
            mode=chosen,
            or_dense=mode is None and chosen == "hybrid",
            texts=() if chosen == "dense" else told.texts,
            fusion=FUSION if fusion is None else cast("Fusion", one_of(fusion, "fusion", tuple(FUSIONS))),
            weight=None if weight is None else share(weight, "weight"),
            together=told.count > 1,
            space=self.space.id,
        )
        if negatives and (question.mode == "lexical" or self.space.metric == "l2"):
            raise UnsupportedError(
                "unlike takes a direction out of the question's vector, and there is none here: "
                + (
                    "the mode is lexical; use -word."
                    if question.mode == "lexical"
                    else "the space is one of distances."
                )
            )
        return question

    def _usual_mode(self, told: Told, *, is_fused: bool) -> Mode:  # noqa: ARG002 - what a view of the past asks for
        """Return how a question is answered where nobody says; ``is_fused`` where somebody said how the sides become one."""
        return "hybrid" if told.vectors is None else "dense"

    def _encoded(self, told: Told, question: Question, negatives: Sequence[str], *, is_warm: bool = True) -> Told:
        """Return the queries with their vectors, where these are asked for; ``is_warm`` false only loads what encodes."""
        if question.mode == "lexical" or (told.vectors is not None and not negatives):
            return told
        encoder = self.encoder
        if not is_warm:
            return told
        vectors = encoder.encode_queries(list(told.texts)) if told.vectors is None else told.vectors
        if negatives:
            directions = np.asarray(encoder.encode_queries(list(negatives)))
            lines = np.asarray(vectors)
            lengths = np.linalg.norm(lines, axis=1, keepdims=True) if self.space.metric == "dot" else 1.0
            moved = np.concatenate([without(line[None], directions) for line in lines])
            vectors = Vectors(np.asarray(moved * lengths, dtype=np.float32), self.space)
        return replace(told, vectors=vectors)

    def _crossed(self, told: Told, question: Question, negatives: Sequence[str]) -> Hits | None:
        """Return the hits of a text in the space that a bridged migration leads to; None where there is none such."""
        if len(told.texts) != 1 or told.vectors is not None or negatives or question.mode == "lexical":
            return None
        if question.together or question.paged:
            return None
        crossing = self._crossing()
        if crossing is None:
            return None
        try:
            found = crossing.ask(told.texts, question)[0].found
        except VicinalError:
            if self._crossing() is crossing:
                raise
            return None  # it was given up, cut over or ended meanwhile: the lane itself answers, or says that it is another
        space = crossing.encoder.space
        kind = space.metric if found.mode == "dense" else question.fusion
        return replace(self._hits(found, question), space=space.id, score_kind=kind)

    def _answered(self, told: Told, question: Question, negatives: Sequence[str]) -> Hits:
        """Return the hits of one question."""
        crossed = self._crossed(told, question, negatives)
        if crossed is not None:
            return crossed
        told = self._encoded(told, question, negatives)
        return self._hits(ask(self._store, self.name, told.vectors, question)[0], question)

    def _remembered(
        self, told: Told, question: Question, where: Where | None, negatives: Sequence[str], *, highlight: bool
    ) -> Hits:
        """Return the hits of one question, from memory where the same was asked before."""
        begun = time.perf_counter()
        crossed = self._crossed(told, question, negatives)
        if crossed is not None:
            return self._timed(crossed, told, begun, highlight=highlight)
        if highlight or (question.mode != "lexical" and told.vectors is None):
            _ = self.encoder  # loading a model is no part of a search: the clock starts behind it
        begun = time.perf_counter()
        answers = self._answers
        if answers is None or len(told.texts) != 1 or told.vectors is not None:
            told = self._encoded(told, question, negatives)
            return self._timed(self._answered(told, question, ()), told, begun, highlight=highlight)
        text = told.texts[0]
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._named)
            sequence = snapshot.last_change(lane)
        parameters = {**self._parameters(question, where, negatives), "highlight": highlight, "codes": _codes(text)}
        binding = Binding(space=lane.space.id, collection=str(lane.number), sequence=sequence, parameters=parameters)
        known = answers.get(binding, text)
        vector = None
        if known is None:
            told = self._encoded(told, question, negatives)
            vector = None if told.vectors is None else np.asarray(told.vectors)[0]
            if vector is not None and answers.least_similarity is not None:
                known = answers.get(binding, text, vector)
        if known is not None:
            return replace(_copied(known.answer), took_ms=(time.perf_counter() - begun) * 1000)
        hits = self._timed(self._answered(told, question, ()), told, begun, highlight=highlight)
        with self._store.snapshot() as snapshot:
            is_same = snapshot.lane(self._named).number == lane.number  # else another lane may have answered
        if is_same and hits.score_kind == self._kind(question.mode, question):  # else the index of the words was behind
            answers.put(binding, text, vector, _copied(hits), byte_count=bytes_of(hits))
        return hits

    def _parameters(self, question: Question, where: Where | None, negatives: Sequence[str]) -> dict[str, Any]:
        """Return all that an answer depends on beside its words, the space and the commit."""
        names = ("k", "recall", "mode", "or_dense", "fusion", "weight")
        told = {name: getattr(question, name) for name in names}
        return {**told, "where": where, "unlike": list(negatives), "shape": asdict(question.shape)}

    def _timed(self, hits: Hits, told: Told, begun: float, *, highlight: bool) -> Hits:
        """Return the hits, marked if that is wanted, with the time since the question came."""
        if highlight and hits:
            vectors = told.vectors
            if vectors is None:
                vectors = self.encoder.encode_queries(list(told.texts))
            hits = replace(hits, items=tuple(self._highlighted(vectors, hits.items)))
        return replace(hits, took_ms=(time.perf_counter() - begun) * 1000)

    def _kind(self, mode: Mode, question: Question) -> str:
        """Return what the scores of an answer are."""
        if question.together:
            return "rrf"
        return {"dense": self.space.metric, "lexical": "bm25"}.get(mode, question.fusion)

    def _hits(self, found: Found, question: Question) -> Hits:
        reads_of(self._store, self.name).note(hit.id for hit in found.items)
        return Hits(
            items=tuple(found.items),
            complete=found.complete,
            recall_estimate=found.recall_estimate,
            work=found.work,
            space=self.space.id,
            took_ms=0.0,
            score_kind=self._kind(found.mode, question),
            cursor=found.cursor,
        )

    def _highlighted(self, vectors: Vectors, items: Sequence[Hit]) -> list[Hit]:
        """Mark in each hit the sentence that is nearest to the question."""
        spans = [sentences(hit.text) or [(0, len(hit.text))] for hit in items]
        texts = [hit.text[start:end] for hit, part in zip(items, spans, strict=True) for start, end in part]
        scores = self.encoder.encode_documents(texts).similarity(vectors).max(axis=1)
        marked, first = [], 0
        for hit, part in zip(items, spans, strict=True):
            start, end = part[int(np.argmax(scores[first : first + len(part)]))]
            first += len(part)
            marked.append(replace(hit, best=(hit.start + start, hit.start + end)))
        return marked


def words_of(query: object, mode: str) -> str:
    """Return the words of a question, or say that there are none."""
    if isinstance(query, Vectors):
        raise InputError(
            f"A search by vector has no words: mode {mode!r} needs a text.",
            expected="str",
            got="Vectors",
            where="query",
        )
    if not isinstance(query, str):
        raise DtypeError(
            f"query must be a string or Vectors, got {type(query).__name__}.",
            expected="str",
            got=type(query).__name__,
            where="query",
        )
    if not query.strip():
        raise RangeError("The query is empty.", where="query")
    return query


def _copied(hits: Hits) -> Hits:
    """Return hits whose fields are nobody else's."""
    return replace(hits, items=tuple(replace(hit, fields=copy.deepcopy(dict(hit.fields))) for hit in hits))


def filled(texts: Sequence[str], name: str) -> Sequence[str]:
    """Return texts if none of them is empty."""
    for place, text in enumerate(texts):
        if not text.strip():
            where = name if len(texts) == 1 and name == "query" else f"{name}[{place}]"
            raise RangeError("The query is empty." if where == "query" else f"{where} is empty.", where=where)
    return texts


def listed(value: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Return one text or several as a tuple, none of them empty."""
    return tuple(filled(texts_list([value] if isinstance(value, str) else value, name), name))


def _require_count(count: int) -> None:
    if not 1 <= count <= MOST_TOGETHER:
        raise ShapeError(
            f"A question is 1 to {MOST_TOGETHER} queries, got {count}; search_many answers each by itself.",
            expected=f"1 to {MOST_TOGETHER}",
            got=count,
            where="query",
        )


def _codes(text: str) -> list[str]:
    """Return what two questions must share to be one: words with digits, and those with a sign before or behind."""
    words = text.split()
    return sorted(word for word in words if any(sign.isdigit() for sign in word) or not word.isalpha())
