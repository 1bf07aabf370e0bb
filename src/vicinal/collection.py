"""A collection: a named set of records in one space, and the verbs on it. Here the stages meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal import encode
from vicinal._arrays import is_encodable, one_of, whole_number
from vicinal.chunk import Chunker, sentences
from vicinal.errors import DtypeError, ModelNotFoundError, RangeError, ReadOnlyError, RecordNotFoundError, ShapeError
from vicinal.index import ExactIndex
from vicinal.lifecycle import WHOLE, Sources, canary, fit, prepare, project_collection, projection_of, sync
from vicinal.lifecycle.ingest import cut_up, new_record
from vicinal.lifecycle.records import checked_id, documents_of
from vicinal.search import Candidate, Columns, compile_filter, nearest
from vicinal.space import Encoder, Space, Vectors, mapping_of
from vicinal.store import Lane, LaneView, Snapshot, Store
from vicinal.types import (
    Chunk,
    Document,
    Fields,
    Hit,
    Hits,
    Mask,
    Progress,
    Record,
    Rows,
    SyncProgress,
    SyncReport,
    Where,
)

MAX_K = 100_000
PROJECTIONS = ("pca", "rotation", "common")


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The fields of a collection by column, and whose each row is, as of one commit."""

    sequence: int
    columns: Columns
    owner: Rows


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
        self._loaded: Encoder | None = None
        self._sorted: _Sorted | None = None
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
        self.space: Space = lane.space
        self.model: str = lane.model
        self._chunker_id = lane.chunker
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
                with suppress(ReadOnlyError), self._store.write() as transaction:
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

    def __len__(self) -> int:
        """Return how many records there are."""
        with self._store.snapshot() as snapshot:
            return snapshot.counts(snapshot.lane(self.name))["records"]

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record of that id is stored."""
        with self._store.snapshot() as snapshot:
            return (
                isinstance(record_id, str)
                and is_encodable(record_id)
                and bool(snapshot.ledger(snapshot.lane(self.name), [record_id]))
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

    def delete(self, ids: Iterable[str]) -> int:
        """Delete records by id; return how many were there. An id that is not stored is no error."""
        if isinstance(ids, str):
            raise DtypeError(
                "ids must be a list of strings, got one string; put it in a list.",
                expected="list[str]",
                got="str",
                where="ids",
            )
        wanted = [checked_id(one, f"ids[{place}]") for place, one in enumerate(ids)]
        with self._store.write() as transaction:
            return transaction.delete(transaction.lane(self.name), wanted)

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

    def search(self, query: str | Vectors, *, k: int = 10, where: Where | None = None, highlight: bool = False) -> Hits:
        """Return the k chunks nearest to a question.

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

        Returns
        -------
        Hits
            Best first; equal scores by id. Exact: ``complete`` is true.

        Raises
        ------
        SpaceMismatchError
            The vector is of another space.
        InputError
            ``k``, the question or the filter is wrong.
        """
        k = whole_number(k, "k", low=1, high=MAX_K)
        condition = None if where is None else compile_filter(where)
        if isinstance(query, str) or highlight:
            _ = self.encoder  # loading a model is no part of a search: the clock starts behind it
        begun = time.perf_counter()
        vector = self._query_vector(query)
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            view = self._store.view(snapshot, lane)
            mask = view.alive
            if condition is not None:
                ordered = self._columns(snapshot, lane)
                mask = mask & ordered.columns.rows(condition.mask(ordered.columns), ordered.owner)
            items = _hits(snapshot, lane, view, vector, k, mask)
        if highlight and items:
            items = self._highlighted(vector, items)
        took_ms = (time.perf_counter() - begun) * 1000
        return Hits(
            items=tuple(items),
            complete=True,
            recall_estimate=1.0,
            work=int(mask.sum()),
            space=self.space.id,
            took_ms=took_ms,
            score_kind=self.space.metric,
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

    def _columns(self, snapshot: Snapshot, lane: Lane) -> _Sorted:
        """Return the fields by column, kept from the last search where nothing was written since."""
        kept = self._sorted
        if kept is None or kept.sequence != snapshot.sequence:
            columns, owner = Columns.of(snapshot.fields(lane)), snapshot.record_of_row(lane)
            kept = self._sorted = _Sorted(snapshot.sequence, columns, owner)
        return kept

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

    def info(self) -> dict[str, Any]:
        """Return what the collection is: model, space, counts, and its last commit."""
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            counts = snapshot.counts(lane)
            stored_bytes = sum(segment.committed_bytes for segment in snapshot.segments(lane))
        return {
            "name": self.name,
            "model": self.model,
            "space": mapping_of(self.space),
            "chunker": self._chunker_id,
            **counts,
            "vector_bytes": stored_bytes,
            "sequence": snapshot.sequence,
        }


def _hits(snapshot: Snapshot, lane: Lane, view: LaneView, vector: Vectors, k: int, mask: Mask) -> list[Hit]:
    """Return the nearest chunks with their texts, exact, equal scores by id and place."""
    if not mask.any():
        return []
    found: dict[int, tuple[Record, int, int]] = {}

    def order(rows: Sequence[int]) -> dict[int, tuple[str, int]]:
        chunks = snapshot.chunks_at(lane, rows)
        records = snapshot.records_at(sorted({chunk.record for chunk in chunks.values()}))
        found.update({row: (records[chunk.record], chunk.start, chunk.end) for row, chunk in chunks.items()})
        return {row: (record.id, start) for row, (record, start, _) in found.items()}

    index = ExactIndex(view.parts, lane.space)
    candidates = nearest(index, vector, k=k, mask=mask, order=order)
    return [_hit(candidate, *found[candidate.row]) for candidate in candidates]


def _hit(candidate: Candidate, record: Record, start: int, end: int) -> Hit:
    fields: Fields = record.fields
    return Hit(
        id=record.id,
        score=candidate.score,
        text=record.text[start:end],
        source=record.source or record.id,
        start=start,
        end=end,
        line=record.text.count("\n", 0, start) + 1,
        fields=fields,
    )
