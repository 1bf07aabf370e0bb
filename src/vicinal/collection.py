"""A collection: a named set of records in one space, and the verbs on it. Here the stages meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from vicinal import encode
from vicinal._arrays import is_encodable, one_of, share, texts_list, whole_number
from vicinal.answer import Answer, answer
from vicinal.answer.answer import BUDGET_TOKENS
from vicinal.chunk import Chunker, sentences
from vicinal.errors import (
    DtypeError,
    InputError,
    ModelNotFoundError,
    RangeError,
    ReadOnlyError,
    RecordNotFoundError,
    ReplicaError,
    ShapeError,
)
from vicinal.exchange import ExportReport, ImportReport, import_vectors, read_vectors, write_vectors
from vicinal.exchange.source import told_space
from vicinal.index.funnel import checked_recall
from vicinal.lifecycle import WHOLE, Sources, canary, fit, prepare, project_collection, projection_of, sync
from vicinal.lifecycle.derived import Upkeep, derived_of
from vicinal.lifecycle.explanation import Explanation, explain
from vicinal.lifecycle.health import Health, examine
from vicinal.lifecycle.ingest import cut_up, new_record
from vicinal.lifecycle.question import Found, Question, ask, delete_where, recall_setting
from vicinal.lifecycle.records import changes_of, checked_id, documents_of
from vicinal.rerank import CallableReranker, Reranker, by_name
from vicinal.rerank import rerank as reranked
from vicinal.rerank.names import LATE
from vicinal.rerank.ranking import CANDIDATES
from vicinal.search import compile_filter
from vicinal.search.hybrid import FUSIONS, MODES, Fusion, Mode
from vicinal.space import Encoder, Space, Vectors, mapping_of
from vicinal.store import Store
from vicinal.transfer import batches_of, take_in
from vicinal.types import (
    Chunk,
    Document,
    Hit,
    Hits,
    Progress,
    Record,
    SyncProgress,
    SyncReport,
    Where,
)

MAX_K = 100_000
DEFAULT_RECALL = 0.98
EXPLAINED_PLACES = 100
"""Hits among which an explained record is looked for."""
PROJECTIONS = ("pca", "rotation", "common")


class Collection:
    """A named set of records, each with its text, its fields, and the vectors of its chunks in one space.

    Made by ``Database.collection``. Safe for many threads; writes are one at a time.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        base: Path,
        encoder: Encoder | None = None,
        runtime: str | None = None,
        proven: bool = False,
    ) -> None:
        self.name = name
        self._store = store
        self._base = base
        self._given = encoder
        self._runtime = runtime
        self._is_proven = proven
        self._guard = threading.RLock()
        self._rerankers: dict[str, Reranker] = {}
        self._loaded: Encoder | None = None
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            kept_recall = snapshot.setting(recall_setting(lane.collection))
        self.recall = float(kept_recall) if kept_recall else DEFAULT_RECALL
        self.space: Space = lane.space
        self.model: str = lane.model
        self._chunker_id = lane.chunker
        self._number = lane.collection
        if encoder is not None:
            self.space.require(encoder.space, what=f"the encoder given for collection {name!r}")

    @property
    def encoder(self) -> Encoder:
        """The encoder of this collection, loaded when it is first needed, its space and its canary compared.

        Raises
        ------
        SpaceMismatchError
            What loads under the model's name now is in another space than the collection.
        CanaryMismatchError
            It says that it is in the same space, but gives the probe texts other vectors.
        ModelNotFoundError
            The model is not there, or the collection was made with an encoder object and none was given now.
        """
        with self._guard:
            if self._loaded is None:
                self._loaded = self._proven(self._given if self._given is not None else self._load())
            return self._loaded

    def _load(self) -> Encoder:
        """Return the encoder of the model's name, in the settings and the projection of this space."""
        if not self.model:
            raise ModelNotFoundError(
                f"Collection {self.name!r} was made with an encoder of your own; give it again: collection({self.name!r}, model=encoder).",
                where=self.name,
            )
        with self._store.snapshot() as snapshot:
            projection = projection_of(snapshot, self.space)
        loaded = encode.load_for(self.model, self.space, projection=projection, runtime=self._runtime)
        self.space.require(loaded.space, what=f"the model {self.model!r} as it loads now")
        return loaded

    def _proven(self, encoder: Encoder) -> Encoder:
        """Return the encoder once its canary lies where it lay; a collection from before there were canaries gets one."""
        with self._store.snapshot() as snapshot:
            probes = snapshot.canary(self.space)
        if not (self._is_proven and probes):  # else it has just made this collection, and its canary
            found = canary.settle(self._store, encoder, collection=self.name)
            if not probes and not self._store.read_only:
                with suppress(ReadOnlyError, ReplicaError), self._store.write() as transaction:
                    transaction.put_canary(self.space, found)
            probes = found
        return encode.cached(encoder, proof=canary.proof_of(probes, self.space)) if self.model else encoder

    @property
    def usage(self) -> dict[str, float] | None:
        """What the model's provider was asked for since the collection was opened, None for a model of this machine.

        ``requests``, ``retries``, ``tokens``, ``estimated_tokens``, and ``cost`` where the price is known.
        """
        return None if self._loaded is None else encode.usage_of(self._loaded)

    @property
    def chunker(self) -> Chunker | None:
        """What cuts documents up, or None where each document is one chunk."""
        return None if self._chunker_id == WHOLE else Chunker.from_id(self._chunker_id)

    def keep_recall(self, recall: float) -> None:
        """Set the recall of searches that say none, for all who open this collection from now on.

        Raises
        ------
        DtypeError, RangeError
            It is no number above 0 and at most 1.
        ReadOnlyError
            The database was opened for reading.
        """
        checked = checked_recall(recall)
        with self._store.write() as transaction:
            transaction.put_setting(recall_setting(self._number), repr(checked))
        self.recall = checked

    def __len__(self) -> int:
        """Return how many records there are."""
        with self._store.snapshot() as snapshot:
            return snapshot.lane(self.name).records

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record of that id is stored."""
        with self._store.snapshot() as snapshot:
            return (
                isinstance(record_id, str)
                and is_encodable(record_id)
                and snapshot.has(snapshot.lane(self.name), record_id)
            )

    def __repr__(self) -> str:
        """Tell name and space."""
        return f"Collection({self.name!r}, space {self.space.id})"

    def add(
        self, records: Iterable[Mapping[str, Any]], *, vectors: Vectors | None = None, progress: Progress | None = None
    ) -> int:
        """Store new records; durable when it returns.

        Parameters
        ----------
        records : iterable of mapping
            ``{"id": …, "text": …}``; ``source`` may be there; every other entry is a field that filters know.
        vectors : Vectors, optional
            One for each record, made elsewhere in this collection's space; then nothing is chunked or encoded.
        progress : callable, optional
            Called with (chunks encoded, chunks in all).

        Returns
        -------
        int
            How many records were stored.

        Raises
        ------
        AlreadyExistsError
            An id is already stored. Nothing is written.
        InputError
            A record is wrong, or the vectors are of another space or number. Nothing is written.
        """
        return self._write(records, vectors, progress, replace_existing=False)

    def upsert(
        self, records: Iterable[Mapping[str, Any]], *, vectors: Vectors | None = None, progress: Progress | None = None
    ) -> int:
        """Store records, in place of those of the same ids; otherwise as ``add``."""
        return self._write(records, vectors, progress, replace_existing=True)

    def _write(
        self,
        records: Iterable[Mapping[str, Any]],
        vectors: Vectors | None,
        progress: Progress | None,
        *,
        replace_existing: bool,
    ) -> int:
        documents = documents_of(records)
        if vectors is not None:
            if not isinstance(vectors, Vectors):
                raise DtypeError(
                    "vectors must be Vectors, which carry their space; a bare array has none.",
                    expected="Vectors",
                    got=type(vectors).__name__,
                    where="vectors",
                )
            self.space.require(vectors.space, what="the vectors to be stored")
            if len(vectors) != len(documents):
                raise ShapeError(
                    f"{len(documents)} records came with {len(vectors)} vectors.",
                    expected=len(documents),
                    got=len(vectors),
                    where="vectors",
                )
            new = tuple(new_record(one, ((0, len(one.text)),), chunker=WHOLE) for one in documents)
        else:
            prepared = prepare(
                documents,
                self._cut_up(documents),
                encoder=self.encoder,
                chunker=self._chunker_id,
                origins=[""] * len(documents),
                progress=progress,
            )
            new, vectors = prepared.records, prepared.vectors
        if new:
            with self._store.write() as transaction:
                transaction.put(transaction.lane(self.name), new, vectors, replace_existing=replace_existing)
        return len(new)

    def _cut_up(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """Return the chunks of records; a record without any could never be found, so it is refused."""
        chunks = cut_up(documents, self.encoder, self.chunker)
        for document, part in zip(documents, chunks, strict=True):
            if not part:
                raise RangeError(
                    f"The record {document.id!r} has no text but white space, so no search could find it.",
                    where=document.id,
                )
        return chunks

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete records, and return how many were there.

        Parameters
        ----------
        ids : iterable of str, optional
            An id that is not stored is no error.
        where : mapping, optional
            In place of ids: all records that a filter lets through, as of the commit that deletes them.

        Raises
        ------
        InputError
            Neither or both were given, or one of them is wrong. Nothing is deleted.
        """
        if (ids is None) == (where is None):
            raise InputError("Say which records: ids, or a filter by where; one of the two.", where="ids")
        if where is not None:
            return delete_where(self._store, self.name, compile_filter(where))
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            raise DtypeError(
                f"ids must be a list of strings, got one {type(ids).__name__}; put it in a list.",
                expected="list[str]",
                got=type(ids).__name__,
                where="ids",
            )
        wanted = [checked_id(one, f"ids[{place}]") for place, one in enumerate(ids)]
        with self._store.write() as transaction:
            return transaction.delete(transaction.lane(self.name), wanted)

    def update(self, fields: Mapping[str, Mapping[str, Any]], *, replace: bool = False) -> int:
        """Give records other fields; texts and vectors stay, and nothing is encoded. Visible and durable at once.

        Parameters
        ----------
        fields : mapping of str to mapping
            Id → fields.
        replace : bool
            Whether fields that are not named go. Otherwise they stay.

        Returns
        -------
        int
            How many records there were.

        Raises
        ------
        RecordNotFoundError
            An id is not stored. Nothing is changed.
        InputError
            A field is wrong. Nothing is changed.
        """
        changes = changes_of(fields)
        with self._store.write() as transaction:
            lane = transaction.lane(self.name)
            missing = [one for one in changes if not transaction.has(lane, one)]
            if missing:
                raise RecordNotFoundError(
                    f"{len(missing)} of the ids are not stored, {missing[0]!r} first; nothing was changed.",
                    got=missing[0],
                    where=self.name,
                )
            return transaction.set_fields(lane, changes, merge=not replace)

    def get(self, record_id: str) -> Record:
        """Return a record: its text, source, fields and the spans of its chunks.

        Raises
        ------
        RecordNotFoundError
            There is none of that id.
        """
        wanted = checked_id(record_id, "id")
        with self._store.snapshot() as snapshot:
            found = snapshot.record(snapshot.lane(self.name), wanted)
        if found is None:
            raise RecordNotFoundError(
                f"Collection {self.name!r} has no record {wanted!r}.", got=wanted, where=self.name
            )
        return found

    def ids(self) -> Iterator[str]:
        """Return the ids of all records as of now, sorted."""
        with self._store.snapshot() as snapshot:
            return iter(list(snapshot.ids(snapshot.lane(self.name))))

    def sync(
        self,
        *sources: str | Path,
        text_field: str | None = None,
        id_field: str | None = None,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncReport:
        """Make the collection what files and folders are: encode what is new or changed, remove what is gone.

        Parameters
        ----------
        *sources : path or str
            Files and folders; ``-`` for standard input, ``pydoc:`` for the documentation of this Python.
        text_field, id_field : str, optional
            The column of tables that holds the text, the id.
        progress : callable, optional
            Called with a ``SyncProgress``.

        Returns
        -------
        SyncReport
            ``report.complete`` is false if any source could not be read; what it held before stays.

        Raises
        ------
        NotFoundError
            A source does not exist.

        Notes
        -----
        Interrupted anywhere, what was committed stays, and the next call goes on from there.
        """
        given = Sources(places=sources, base=self._base, text_field=text_field, id_field=id_field)
        return sync(self._store, self.name, given, encoder=self.encoder, chunker=self.chunker, progress=progress)

    def search(  # noqa: PLR0913 - one verb, and what can be asked of it
        self,
        query: str | Vectors,
        *,
        k: int = 10,
        where: Where | None = None,
        highlight: bool = False,
        recall: float | None = None,
        exact: bool = False,
        mode: Mode | None = None,
        fusion: Fusion | None = None,
        weight: float | None = None,
        rerank: str | Reranker | Callable[[str, list[str]], Any] | None = None,
        candidates: int = CANDIDATES,
    ) -> Hits:
        """Return the k chunks that answer a question best: by meaning, by its words, or by both.

        Parameters
        ----------
        query : str or Vectors
            A question, or one vector of this collection's space.
        k : int, 1 <= k <= 100,000
            How many; fewer come back when fewer are stored or let through.
        where : mapping, optional
            A filter over fields, applied before the vectors are compared: ``{"year": {"$gte": 2020}}``.
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
            How much meaning counts in ``hybrid``; words have the rest. Default: 0.8 for ``convex``, else 0.5.
        rerank : str, Reranker or callable, optional
            What puts the best candidates into a better order: ``"late-interaction"``, a cross-encoder's folder or
            ``owner/name``, a provider's model such as ``"cohere:rerank-v3.5"``, or your own ``(query, texts) -> scores``.
        candidates : int, 1 <= candidates
            How many hits it looks at.

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
        InputError
            ``k``, the recall, the question, the filter or the mode is wrong.
        """
        question = self._question(k, where, recall, exact=exact, mode=mode, fusion=fusion, weight=weight)
        if mode is None and not isinstance(query, Vectors):
            question = replace(question, mode="hybrid", or_dense=True)
        if question.mode != "dense":
            question = replace(question, texts=(_words(query, question.mode),))
        reranker = None if rerank is None else self._reranker(rerank)
        if reranker is not None:
            text = _words(query, "hybrid")
            question = replace(question, k=max(question.k, whole_number(candidates, "candidates", low=1, high=MAX_K)))
        wants_vector = highlight or question.mode != "lexical"
        if wants_vector and (isinstance(query, str) or highlight):
            _ = self.encoder  # loading a model is no part of a search: the clock starts behind it
        begun = time.perf_counter()
        vector = self._query_vector(query) if wants_vector else None
        found = ask(self._store, self.name, None if question.mode == "lexical" else vector, question)[0]
        hits = self._hits(found, question, 0.0)
        if reranker is not None:
            hits = reranked(hits, text, reranker, candidates=candidates).hits
            hits = replace(hits, items=hits.items[:k])
        if highlight and hits and vector is not None:
            hits = replace(hits, items=tuple(self._highlighted(vector, hits.items)))
        return replace(hits, took_ms=(time.perf_counter() - begun) * 1000)

    def _reranker(self, told: str | Reranker | Callable[[str, list[str]], Any]) -> Reranker:
        """Return a reranker; one that is named is loaded once."""
        if not isinstance(told, str):
            return cast("Reranker", told) if hasattr(told, "score") else CallableReranker(cast("Any", told))
        with self._guard:
            if told not in self._rerankers:
                self._rerankers[told] = by_name(told, encoder=self.encoder if told == LATE else None)
            return self._rerankers[told]

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
        text, wanted = _words(query, "hybrid"), checked_id(record_id, "record_id")
        vector = self._query_vector(text)
        condition = None if where is None else compile_filter(where)
        found = explain(self._store, self.name, text, vector, wanted, encoder=self.encoder, condition=condition)
        both = self.search(text, k=EXPLAINED_PLACES, mode="hybrid", where=where)
        same = (hit.ranks for hit in both if (hit.id, hit.start) == (found.id, found.start))
        return replace(found, ranks=next(same, ()))

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
            return snapshot.record(snapshot.lane(self.name), record_id)

    def search_many(
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
    ) -> list[Hits]:
        """Return the hits of each of several questions; they share the work, and are faster than one by one.

        Parameters
        ----------
        queries : list of str, or Vectors of shape (Q, D)
            Q may be 0.
        k, where, recall, exact, mode, fusion, weight
            As ``search``.

        Returns
        -------
        list of Hits
            In the order of the questions. ``took_ms`` is an equal share of the time of all.
        """
        question = self._question(k, where, recall, exact=exact, mode=mode, fusion=fusion, weight=weight)
        if mode is None and not isinstance(queries, Vectors):
            question = replace(question, mode="hybrid", or_dense=True)
        vectors: Vectors | None
        if not isinstance(queries, Vectors):
            listed = texts_list(queries)
            for place, text in enumerate(listed):
                if not text.strip():
                    raise RangeError(f"queries[{place}] is empty.", where=f"queries[{place}]")
            question = replace(question, texts=tuple(listed))
            if question.mode != "lexical":
                _ = self.encoder
            begun = time.perf_counter()
            vectors = None if question.mode == "lexical" else self.encoder.encode_queries(listed)
        else:
            if question.mode != "dense":
                _words(queries, question.mode)
            begun = time.perf_counter()
            self.space.require(queries.space, what="the query vectors")
            vectors = queries
        found = ask(self._store, self.name, vectors, question) if len(queries) else []
        took_ms = (time.perf_counter() - begun) * 1000 / max(1, len(found))
        return [self._hits(one, question, took_ms) for one in found]

    def _question(
        self,
        k: int,
        where: Where | None,
        recall: float | None,
        *,
        exact: bool,
        mode: Mode | None,
        fusion: Fusion | None,
        weight: float | None,
    ) -> Question:
        """Return what was asked, checked."""
        question = Question(
            k=whole_number(k, "k", low=1, high=MAX_K),
            condition=None if where is None else compile_filter(where),
            recall=1.0 if exact else checked_recall(self.recall if recall is None else recall),
        )
        if mode is not None:
            question = replace(question, mode=cast("Mode", one_of(mode, "mode", MODES)))
        if fusion is not None:
            question = replace(question, fusion=cast("Fusion", one_of(fusion, "fusion", tuple(FUSIONS))))
        if weight is not None:
            question = replace(question, weight=share(weight, "weight"))
        return question

    def _hits(self, found: Found, question: Question, took_ms: float) -> Hits:
        return Hits(
            items=tuple(found.items),
            complete=found.complete,
            recall_estimate=found.recall_estimate,
            work=found.work,
            space=self.space.id,
            took_ms=took_ms,
            score_kind={"dense": self.space.metric, "lexical": "bm25"}.get(found.mode, question.fusion),
        )

    def _query_vector(self, query: str | Vectors) -> Vectors:
        if isinstance(query, Vectors):
            self.space.require(query.space, what="the query vector")
            if len(query) != 1:
                raise ShapeError(
                    f"search takes one vector, got {len(query)}.", expected=1, got=len(query), where="query"
                )
            return query
        if not isinstance(query, str):
            raise DtypeError(
                f"query must be a string or Vectors, got {type(query).__name__}.",
                expected="str",
                got=type(query).__name__,
                where="query",
            )
        if not query.strip():
            raise RangeError("The query is empty.", where="query")
        return self.encoder.encode_queries([query])

    def _highlighted(self, vector: Vectors, items: Sequence[Hit]) -> list[Hit]:
        """Mark in each hit the sentence that is nearest to the question."""
        spans = [sentences(hit.text) or [(0, len(hit.text))] for hit in items]
        texts = [hit.text[start:end] for hit, part in zip(items, spans, strict=True) for start, end in part]
        scores = self.encoder.encode_documents(texts).similarity(vector)[:, 0]
        marked, first = [], 0
        for hit, part in zip(items, spans, strict=True):
            start, end = part[int(np.argmax(scores[first : first + len(part)]))]
            first += len(part)
            marked.append(replace(hit, best=(hit.start + start, hit.start + end)))
        return marked

    def import_vectors(
        self,
        path: str | Path,
        *,
        space: Space | Encoder | None = None,
        format: str | None = None,  # noqa: A002 - the word of users
        ids: Sequence[str] | Path | None = None,
        start: int = 0,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Store the vectors of a file as records, in place of those of the same ids.

        Parameters
        ----------
        path : path
            A file of NumPy (.npy, .npz), Parquet, TEXMEX (.fvecs, .bvecs, .ivecs) or FAISS (.faiss, .index), or a folder
            that ``export`` made.
        space : Space or Encoder
            What made the vectors. It must be told, unless the folder says it, and must be this collection's space.
        format : str, optional
            Where the ending does not say it.
        ids : list of str, or path of a file with one a line, optional
            Default: those in the file, else the rows' numbers.
        start : int, 0 <= start
            The row to go on at after an interruption: what was committed stays.
        progress : callable, optional
            Called with (rows done, rows).

        Raises
        ------
        SpaceMismatchError
            The vectors are of another space than the collection. Nothing is written.
        InputError
            The file is damaged, or a vector is not finite or has not the length that the space says.
            What was committed before stays; the message names the row.
        """
        source = read_vectors(path, format=format, ids=ids)
        if space is None:
            space = source.space
        if space is None:
            raise InputError(
                "The space of the vectors must be told: a file of numbers does not say which model made them. "
                "Pass the encoder that did, or its space.",
                where="space",
            )
        told = told_space(space)
        self.space.require(told, what=f"the vectors of {Path(path).name}")
        return import_vectors(
            source,
            told,
            lambda batch: take_in(self._store, self.name, batch, told),
            first_row=start,
            progress=progress,
        )

    def export(
        self,
        path: str | Path,
        *,
        format: str = "npy",  # noqa: A002 - the word of users
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write all chunks with their vectors to a new folder, as of one commit, and the space beside them.

        Parameters
        ----------
        path : path
            The folder; it must not be there yet. It appears whole, or not at all.
        format : {"npy", "parquet", "fvecs", "faiss"}
        progress : callable, optional
            Called with (chunks done, chunks).

        Raises
        ------
        AlreadyExistsError
            There is something at the path.
        StoreError
            The disk refused; nothing is left behind.
        """
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            batches = batches_of(snapshot, lane)
            return write_vectors(path, batches, self.space, format, progress=progress, total=lane.rows)

    def project(
        self, target: str, *, dim: int | None = None, kind: str = "pca", seed: int = 0, progress: Progress | None = None
    ) -> Collection:
        """Return a new collection with these records and their vectors projected; no record is encoded.

        Parameters
        ----------
        target : str
            The name of the new collection.
        dim : int, optional, 1 <= dim <= D
            Dimensions of the new one. Default: D.
        kind : {"pca", "rotation", "common"}
            Keep the directions in which the collection's own vectors vary most, or random ones; or keep all but the one
            that they have in common, which helps word vectors (Arora, Liang, Ma 2017).
        seed : int
            Of the random directions.
        progress : callable, optional
            Called with (records done, records).

        Raises
        ------
        AlreadyExistsError
            There is a collection of the target's name.
        RangeError
            ``dim`` is beyond D, or there are too few vectors to fit it on.

        Notes
        -----
        The projection is kept in the database and is a part of the new space: queries go through it by themselves.
        """
        target = checked_id(target, "target")
        one_of(kind, "kind", PROJECTIONS)
        projection = fit(self._store, self.name, dim=self.space.dim if dim is None else dim, kind=kind, seed=seed)
        encoder = encode.project(encode.uncached(self.encoder), projection)
        project_collection(self._store, self.name, target, projection, encoder=encoder, progress=progress)
        return Collection(self._store, target, base=self._base, encoder=encoder, runtime=self._runtime, proven=True)

    def compact(self, *, only_due: bool = False, progress: Progress | None = None) -> Upkeep:
        """Give back the room of what was deleted, build the index anew, measure it, and save it for the next process.

        The program does this by itself, in the background, when it pays. Readers and writers go on meanwhile;
        interrupted at any time, nothing is lost.

        Parameters
        ----------
        only_due : bool
            Do nothing where the program itself would not.
        progress : callable, optional
            Called with (steps done, steps to do) of each stage.

        Raises
        ------
        ReadOnlyError, NoSpaceLeftError, StoreError
            The disk refused.
        """
        with self._store.snapshot() as snapshot:
            derived = derived_of(self._store, snapshot.lane(self.name))
        return Upkeep() if only_due and not derived.is_due() else derived.upkeep(progress=progress)

    def doctor(self, *, samples: int = 200, recall: float | None = None, progress: Progress | None = None) -> Health:
        """Measure the recall of searches as they are answered now, against exact ones, and say what should be done.

        Parameters
        ----------
        samples : int, 1 <= samples <= 100,000
            How many questions are made of stored vectors. Cost: one exact search each.
        recall : float, optional
            As in ``search``.
        progress : callable, optional
            Called with (steps done, steps to do).

        Warns
        -----
        RecallWarning
            Less is found than was asked for, beyond what the sampling explains.
        """
        asked = checked_recall(self.recall if recall is None else recall)
        samples = whole_number(samples, "samples", low=1, high=MAX_K)
        return examine(self._store, self.name, asked=asked, samples=samples, progress=progress)

    def info(self) -> dict[str, Any]:
        """Return what the collection is: model, space, counts, bytes, its index, and its last commit."""
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            counts = snapshot.counts(lane)
            stored_bytes = sum(segment.committed_bytes for segment in snapshot.segments(lane))
            free_bytes = snapshot.free_bytes()
            index = derived_of(self._store, lane).index(snapshot, lane, self._store.view(snapshot, lane)).info()
        return {
            "name": self.name,
            "model": self.model,
            "space": mapping_of(self.space),
            "chunker": self._chunker_id,
            **counts,
            "vector_bytes": stored_bytes,
            "free_bytes": free_bytes,
            "recall": self.recall,
            "index": index,
            "sequence": snapshot.sequence,
        }


def _words(query: object, mode: str) -> str:
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
