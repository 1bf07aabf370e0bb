"""A store of dictionaries, which declares little: what the contract of stores asks for, in a page of plain Python."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    DatabaseNotFoundError,
    RecordNotFoundError,
    ShapeError,
    StoreError,
)
from vicinal.space import Space, Vectors
from vicinal.types import Record


@dataclass(frozen=True)
class Lane:
    """A collection as of one commit."""

    name: str
    collection: int
    model: str
    space: Space
    chunker: str
    records: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Place:
    """A record with its rows and vectors."""

    record: Record
    rows: range
    vectors: np.ndarray
    given: Any


@dataclass(frozen=True)
class Chunk:
    """A chunk of a row."""

    record: Record
    start: int
    end: int


@dataclass
class State:
    """All that is stored, as of one commit."""

    sequence: int = 0
    next_row: int = 0
    next_number: int = 1
    lanes: dict[str, Lane] = field(default_factory=dict)
    places: dict[str, dict[str, Place]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    projections: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> State:
        """Return the next commit, to be changed."""
        parts = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        copied = {name: dict(part) for name, part in parts.items() if isinstance(part, dict)}
        copied["places"] = {name: dict(part) for name, part in self.places.items()}
        return State(**{**parts, **copied, "sequence": self.sequence + 1})


class Reads:
    """The reads of a commit."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.sequence = state.sequence

    def collection_names(self) -> list[str]:
        """Return names, sorted."""
        return sorted(self._state.lanes)

    def lane(self, name: str) -> Lane:
        """Return a lane with its counts."""
        if name not in self._state.lanes:
            raise CollectionNotFoundError(f"There is no {name!r}.", got=name)
        places = self._state.places[name].values()
        return replace(self._state.lanes[name], records=len(places), rows=sum(len(one.rows) for one in places))

    def counts(self, lane: Lane) -> dict[str, int]:
        """Return sums."""
        now = self.lane(lane.name)
        cut = [one.given.cut_chunks for one in self._state.places[lane.name].values() if one.given.cut_chunks]
        return {"records": now.records, "chunks": now.rows, "cut_records": len(cut), "cut_chunks": sum(cut)}

    def ids(self, lane: Lane) -> list[str]:
        """Return ids, sorted."""
        return sorted(self._state.places[lane.name])

    def has(self, lane: Lane, record_id: str) -> bool:
        """Return whether it is there."""
        return record_id in self._state.places[lane.name]

    def record(self, lane: Lane, record_id: str) -> Record | None:
        """Return a record."""
        found = self.chunks_of(lane, [record_id])
        return found[record_id].record if found else None

    def chunks_of(self, lane: Lane, ids: Sequence[str]) -> dict[str, Place]:
        """Return records that nobody else has."""
        places = self._state.places[lane.name]
        return {
            one: replace(places[one], record=replace(places[one].record, fields=_copied(places[one].record.fields)))
            for one in ids
            if one in places
        }

    def chunks_at(self, lane: Lane, rows: Sequence[int]) -> dict[int, Chunk]:
        """Return chunks by row."""
        at = {
            row: Chunk(one.record, *span)
            for one in self._state.places[lane.name].values()
            for row, span in zip(one.rows, one.record.spans, strict=True)
        }
        return {row: at[row] for row in rows if row in at}

    def vectors_at(self, lane: Lane, rows: np.ndarray) -> np.ndarray:
        """Return vectors by row."""
        at = {
            row: vector
            for one in self._state.places[lane.name].values()
            for row, vector in zip(one.rows, one.vectors, strict=True)
        }
        return np.array([at[row] for row in rows.tolist()], dtype=np.float32).reshape(-1, lane.space.dim)

    def ledger(self, lane: Lane, ids: Sequence[str]) -> dict[str, Any]:
        """Return what the records were written with, and the space."""
        return {one: _Entry(place.given, lane.space.id) for one, place in self.chunks_of(lane, ids).items()}

    def ids_from(self, lane: Lane, origin: str) -> list[tuple[str, str]]:
        """Return ids by origin."""
        folder = origin.rstrip("/")
        return [
            (one, place.given.origin)
            for one, place in self._state.places[lane.name].items()
            if place.given.origin == origin or place.given.origin.startswith(folder + "/")
        ]

    def setting(self, name: str) -> str | None:
        """Return a setting."""
        return self._state.settings.get(name)

    def canary(self, space: Space) -> tuple[Any, ...]:
        """Return probes."""
        return self._state.canaries.get(space.id, ())

    def projection(self, digest: str) -> bytes:
        """Return a projection."""
        return self._state.projections[digest]


class _Entry:
    def __init__(self, given: Any, space: str) -> None:
        self.space = space
        for name in ("origin", "text_digest", "fields_digest", "chunker", "cut_chunks"):
            setattr(self, name, getattr(given, name))


class Writes(Reads):
    """The writes of a commit."""

    def create_collection(self, name: str, *, model: str, space: Space, chunker: str) -> Lane:
        """Make one."""
        if name in self._state.lanes:
            raise AlreadyExistsError(f"There is {name!r} already.", got=name)
        self._state.lanes[name] = Lane(name, self._state.next_number, model, space, chunker)
        self._state.next_number += 1
        self._state.places[name] = {}
        return self.lane(name)

    def drop_collection(self, name: str) -> int:
        """Drop one."""
        lane = self.lane(name)
        del self._state.lanes[name], self._state.places[name]
        for one in [one for one in self._state.settings if one.startswith(f"collection {lane.collection} ")]:
            del self._state.settings[one]
        return lane.records

    def put(self, lane: Lane, records: Sequence[Any], vectors: Vectors, *, replace_existing: bool) -> Lane:
        """Check all, then write all."""
        lane.space.require(vectors.space, what="the vectors")
        places, ids = self._state.places[lane.name], [one.id for one in records]
        if sum(len(one.spans) for one in records) != len(vectors):
            raise ShapeError("There must be a vector for each chunk.")
        if len(set(ids)) != len(ids) or (not replace_existing and set(ids) & set(places)):
            raise AlreadyExistsError("An id is there, or comes twice.")
        first, array = 0, np.array(vectors)
        for one in records:
            count = len(one.spans)
            record = Record(
                id=one.id, text=one.text, source=one.source, fields=_copied(one.fields), spans=tuple(one.spans)
            )
            rows = range(self._state.next_row, self._state.next_row + count)
            places[one.id] = Place(record, rows, array[first : first + count], one)
            first, self._state.next_row = first + count, rows.stop
        return self.lane(lane.name)

    def relabel(self, lane: Lane, records: Sequence[Any]) -> None:
        """Write source, fields and origin."""
        places = self._state.places[lane.name]
        if any(one.id not in places for one in records):
            raise RecordNotFoundError("A record is not there.")
        for one in records:
            old = places[one.id]
            record = replace(old.record, source=one.source, fields=_copied(one.fields))
            given = replace(old.given, origin=one.origin, fields_digest=one.fields_digest)
            places[one.id] = replace(old, record=record, given=given)

    def set_fields(self, lane: Lane, fields: Any, *, merge: bool = True) -> int:
        """Write fields."""
        places = self._state.places[lane.name]
        found = [one for one in fields if one in places]
        for one in found:
            old = places[one].record
            new = {**(old.fields if merge else {}), **_copied(fields[one])}
            places[one] = replace(places[one], record=replace(old, fields=new))
        return len(found)

    def delete(self, lane: Lane, ids: Sequence[str]) -> int:
        """Delete records."""
        return sum(self._state.places[lane.name].pop(one, None) is not None for one in ids)

    def delete_rows(self, lane: Lane, rows: Sequence[int]) -> int:
        """Delete records by row."""
        return self.delete(lane, sorted({one.record.id for one in self.chunks_at(lane, rows).values()}))

    def put_canary(self, space: Space, probes: Sequence[Any]) -> None:
        """Keep probes."""
        self._state.canaries[space.id] = tuple(probes)

    def put_projection(self, digest: str, content: bytes) -> None:
        """Keep a projection."""
        self._state.projections[digest] = content

    def put_setting(self, name: str, value: str) -> None:
        """Keep a setting."""
        self._state.settings[name] = value

    def remove_setting(self, name: str) -> None:
        """Forget a setting."""
        self._state.settings.pop(name, None)


class PlainStore:
    """States by place, and one writer at a time."""

    can = frozenset({"snapshot"})
    _states: dict[Path, State] = {}  # noqa: RUF012 - what all of them share
    _writing = threading.RLock()

    def __init__(self, place: Path) -> None:
        self.place, self._closed = place, False

    @classmethod
    def open(cls, place: Path, *, create: bool = True, read_only: bool = False) -> PlainStore:
        """Return the store of a place."""
        if place not in cls._states and not create:
            raise DatabaseNotFoundError(f"There is none at {place}.")
        cls._states.setdefault(place, State())
        return cls(place)

    @contextmanager
    def snapshot(self) -> Iterator[Reads]:
        """Read what is there now."""
        self._require_open()
        yield Reads(self._states[self.place])

    @contextmanager
    def write(self) -> Iterator[Writes]:
        """Change a copy, and put it in the place of what was there."""
        self._require_open()
        with self._writing:
            new = self._states[self.place].copy()
            yield Writes(new)
            self._states[self.place] = new

    def check(self) -> None:
        """Do nothing: memory has no checksums."""

    def close(self) -> None:
        """Close it."""
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError("It is closed.")


def _copied(fields: Any) -> Any:
    return json.loads(json.dumps(dict(fields)))
