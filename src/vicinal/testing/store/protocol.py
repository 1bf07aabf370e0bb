"""What a store must have: no more than the stages above it ask for, so that one on a server can have it as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from vicinal.space import Space, Vectors
from vicinal.types import Fields, Floats, Progress, Record, Rows

Lane: TypeAlias = Any
"""A collection in one space as of one commit, as ``lane`` gave it; it has ``name``, ``model``, ``space`` and ``chunker``,
and counts ``records`` and ``rows``. It is handed back to the reads and writes of the same commit."""
StoredPlace: TypeAlias = Any
"""What ``chunks_of`` says of a record: ``record``, and ``rows``, a number for each chunk that ``vectors_at`` knows."""
StoredEntry: TypeAlias = Any
"""What ``ledger`` says of a record: ``origin``, ``text_digest``, ``fields_digest``, ``chunker``, ``space``, ``cut_chunks``."""

CAPABILITIES: Mapping[str, str] = {
    "compact": "store.compact(name) gives back the room of what was deleted",
    "feed": "deletions_since, changes and relabelled_since tell what happened after a commit, texts_from and fields_from of rows",
    "mmap": "store.view(snapshot, lane) gives all vectors and which rows are alive",
    "read_only": "it can be opened so that every write is refused",
    "snapshot": "what a snapshot reads does not move while others write",
}
"""What a store may declare in ``can``; all else is asked of every store."""


class StoreReads(Protocol):
    """What can be read of one commit."""

    @property
    def sequence(self) -> int:
        """The number of the commit."""
        ...

    def collection_names(self) -> list[str]:
        """Return the names of all collections, sorted."""
        ...

    def lane(self, name: str) -> Lane:
        """Return the lane of a collection, or raise CollectionNotFoundError."""
        ...

    def counts(self, lane: Lane) -> dict[str, int]:
        """Return at least ``records``, ``chunks``, ``cut_records`` and ``cut_chunks``."""
        ...

    def ids(self, lane: Lane) -> Iterable[str]:
        """Return the ids of all records, sorted by their code points."""
        ...

    def has(self, lane: Lane, record_id: str) -> bool:
        """Return whether a record of that id is stored."""
        ...

    def record(self, lane: Lane, record_id: str) -> Record | None:
        """Return the record of an id, or None."""
        ...

    def chunks_of(self, lane: Lane, ids: Sequence[str]) -> Mapping[str, StoredPlace]:
        """Return records with the rows of their chunks, by id; ids that are not stored are left out."""
        ...

    def chunks_at(self, lane: Lane, rows: Sequence[int]) -> Mapping[int, Any]:
        """Return the chunks (``record``, ``start``, ``end``) of rows; rows without a living chunk may be left out."""
        ...

    def vectors_at(self, lane: Lane, rows: Rows) -> Floats:
        """Return the vectors of rows: float32 (len(rows), D)."""
        ...

    def ledger(self, lane: Lane, ids: Sequence[str]) -> Mapping[str, StoredEntry]:
        """Return what was made of records, and of what, by id; ids that are not stored are left out."""
        ...

    def ids_from(self, lane: Lane, origin: str) -> list[tuple[str, str]]:
        """Return (id, origin) of the records that came from an origin, or from below it as a folder."""
        ...

    def setting(self, name: str) -> str | None:
        """Return what is kept under a name, or None."""
        ...

    def canary(self, space: Space) -> Sequence[Any]:
        """Return the probes of a space (``role``, ``text``, ``runtime``, ``vector``) in the order in which they were given."""
        ...

    def projection(self, digest: str) -> bytes:
        """Return the projection of a digest."""
        ...


class StoreWrites(StoreReads, Protocol):
    """The writes of one commit, which read what they wrote."""

    def create_collection(self, name: str, *, model: str, space: Space, chunker: str) -> Lane:
        """Make a collection, or raise AlreadyExistsError."""
        ...

    def drop_collection(self, name: str) -> int:
        """Delete a collection with its records and settings; return how many records there were."""
        ...

    def put(self, lane: Lane, records: Sequence[Any], vectors: Vectors, *, replace_existing: bool) -> Lane:
        """Write records with the vectors of their chunks, in order; return the lane afterwards."""
        ...

    def relabel(self, lane: Lane, records: Sequence[Any]) -> None:
        """Write source, fields and origin of stored records anew."""
        ...

    def set_fields(self, lane: Lane, fields: Mapping[str, Fields], *, merge: bool = True) -> int:
        """Write fields of stored records, by id; return how many there were."""
        ...

    def delete(self, lane: Lane, ids: Sequence[str]) -> int:
        """Delete records; return how many there were."""
        ...

    def delete_rows(self, lane: Lane, rows: Sequence[int]) -> int:
        """Delete the records that some rows belong to; return how many there were."""
        ...

    def put_canary(self, space: Space, probes: Sequence[Any]) -> None:
        """Keep the probes of a space in place of those it had."""
        ...

    def put_projection(self, digest: str, content: bytes) -> None:
        """Keep a projection under its digest."""
        ...

    def put_setting(self, name: str, value: str) -> None:
        """Keep a setting in place of the one of its name."""
        ...

    def remove_setting(self, name: str) -> None:
        """Forget a setting; none of that name is no error."""
        ...


class WritableStore(Protocol):
    """An open store. ``can`` names those of ``CAPABILITIES`` that it has."""

    @property
    def can(self) -> frozenset[str]:
        """What it is able to do."""
        ...

    def snapshot(self) -> AbstractContextManager[StoreReads]:
        """Read as of the last commit."""
        ...

    def write(self) -> AbstractContextManager[StoreWrites]:
        """Write one commit: durable when the block ends well, and nothing at all when it raises."""
        ...

    def check(self) -> None:
        """Read everything, and raise CorruptStoreError where something is damaged."""
        ...

    def close(self) -> None:
        """Close it. Closing twice is no error."""
        ...


class CompactableStore(WritableStore, Protocol):
    """A store that can ``compact``."""

    def compact(self, name: str, *, sparse: float, progress: Progress | None = None) -> object:
        """Give back the room of dead rows where at least a ``sparse`` share of a file is dead."""
        ...


class OpenStore(Protocol):
    """What opens a store, the same contents for the same place: ``Store.open``, or a function of yours.

    A place is the path of a folder that is not there yet. A store on a server makes a name of it.
    """

    def __call__(self, place: Path, /, *, create: bool = True, read_only: bool = False) -> WritableStore:
        """Return the store of a place; make it where there is none, or raise DatabaseNotFoundError if not ``create``."""
        ...
