"""A collection as it stood after an earlier commit: the reads of a snapshot, of that time."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import CollectionNotFoundError, CommitNotFoundError, ReadOnlyError
from vicinal.store.bits import clear, expanded, fill
from vicinal.store.catalog import Lane
from vicinal.store.groups import marks, portions
from vicinal.store.record import Line
from vicinal.store.snapshot import IDS_AT_ONCE, LaneView, Snapshot
from vicinal.store.store import Store
from vicinal.store.transaction import Transaction
from vicinal.types import Bits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """How a lane differed at a commit from what it is now.

    Parameters
    ----------
    sequence : int
        The commit.
    lane : Lane
        With the sums of then. Its rows are numbered as now.
    alive : bits
        The rows that held a chunk then.
    later : set of int
        Records that are alive now, and were not written then.
    dead : mapping of str to int
        Id → record of those that were alive then, and are dead now.
    patches : mapping of int to list
        What had changed in place and was changed again, by record.
    """

    sequence: int
    lane: Lane
    alive: Bits
    later: frozenset[int]
    dead: Mapping[str, int]
    patches: Mapping[int, Sequence[tuple[int, str]]]


def state_at(snapshot: Snapshot, lane: Lane, sequence: int) -> State:
    """Return how a lane stood after a commit.

    Raises
    ------
    CommitNotFoundError
        It cannot be told as of that commit.

    Notes
    -----
    Cost: what changed since, and a copy of one bit for each row. Memory: some 100 bytes for each record that did.
    """
    require_told(snapshot, lane, sequence)
    alive, sums = snapshot.alive(lane), np.array([lane.records, lane.rows, lane.cut_records, lane.cut_chunks])
    later: set[int] = set()
    ranges: list[tuple[int, int]] = []
    for line in snapshot.written_since(lane, sequence):
        later.add(line.number)
        ranges.append((line.first_row, len(line.spans)))
        sums -= _sums(line)
    clear(alive, expanded(ranges))
    dead: dict[str, int] = {}
    for line, _ in snapshot.dead_lines(lane, sequence):
        if line.written <= sequence:
            dead[line.id] = line.number
            fill(alive, line.first_row, len(line.spans))
            sums += _sums(line)
    alive.setflags(write=False)
    records, rows, cut_records, cut_chunks = sums.tolist()
    return State(
        sequence=sequence,
        lane=replace(lane, records=records, rows=rows, cut_records=cut_records, cut_chunks=cut_chunks),
        alive=alive,
        later=frozenset(later),
        dead=dead,
        patches=snapshot.pasts(lane),
    )


def _sums(line: Line) -> NDArray[np.int64]:
    """Return what a record adds to the sums of its lane."""
    return np.array([1, len(line.spans), line.cut_chunks > 0, line.cut_chunks], dtype=np.int64)


def require_told(snapshot: Snapshot, lane: Lane, sequence: int) -> None:
    """Refuse a commit as of which a lane cannot be told.

    Raises
    ------
    CommitNotFoundError
        The message says which can, and where an older state may be had.
    """
    first = snapshot.first_told(lane)
    if sequence > snapshot.sequence:
        raise CommitNotFoundError(
            f"There is no commit {sequence} yet; the last one is {snapshot.sequence}.",
            expected=f"{first} to {snapshot.sequence}",
            got=sequence,
            where=lane.name,
        )
    if sequence < first:
        raise CommitNotFoundError(
            f"Collection {lane.name!r} can be told as of the commits {first} to {snapshot.sequence}, and "
            f"{sequence} was asked for: what it held then is not kept any more. A snapshot of before may have it: "
            f"snapshots.restore(PLACE, TARGET, at={sequence}) makes a database of the newest one up to that commit. "
            f"{_advice(snapshot)}",
            expected=f"{first} to {snapshot.sequence}",
            got=sequence,
            where=lane.name,
        )


def _advice(snapshot: Snapshot) -> str:
    days = snapshot.kept_days()
    if days is None:
        return "Database.keep_history(days=7), or vicinal history --keep 7, keeps the past from then on."
    return f"The past is kept for {days:g} days."


class Past(Snapshot):
    """Reads of one lane as it stood after an earlier commit, beside any writer. Made by ``PastStore.snapshot``.

    What a snapshot reads of ids, rows and what changed in place is that of then; all else is made of these.
    """

    def __init__(self, present: Snapshot, state: State) -> None:
        super().__init__(present._connection, present._folder, present.known)  # noqa: SLF001 - of this class
        self.present = present
        self.state = state
        self.sequence = state.sequence

    def lane(self, name: str) -> Lane:
        """Return the lane of then; of another collection, as it is now."""
        now = super().lane(name)
        return self.state.lane if now.number == self.state.lane.number else now

    def twin(self, lane: Lane) -> Lane | None:  # noqa: ARG002 - of a snapshot
        """Return none: what stands beside the collection now did not then."""
        return None

    def last_change(self, lane: Lane) -> int:
        """Return the commit itself: nothing of then changes any more."""
        return self.sequence if lane.number == self.state.lane.number else super().last_change(lane)

    def alive(self, lane: Lane) -> Bits:
        """Return which rows held a chunk."""
        return self.state.alive.copy() if lane.number == self.state.lane.number else super().alive(lane)

    def ids(self, lane: Lane) -> Iterator[str]:
        """Go through the ids of all records of then, sorted."""
        return heapq.merge(self._still_there(lane), sorted(self.state.dead))

    def _still_there(self, lane: Lane) -> Iterator[str]:
        sql = "SELECT id, number FROM ids WHERE collection = ? AND id > ? ORDER BY id LIMIT ?"
        last = ""
        while found := self._connection.execute(sql, (lane.collection, last, IDS_AT_ONCE)).fetchall():
            yield from (record_id for record_id, number in found if number not in self.state.later)
            last = found[-1][0]

    def _numbers(self, lane: Lane, ids: Sequence[str]) -> dict[str, int]:
        found = {one: number for one, number in super()._numbers(lane, ids).items() if number not in self.state.later}
        dead = self.state.dead
        return found | {one: dead[one] for one in ids if one in dead}

    def _has_relabels(self, lane: Lane) -> bool:
        return bool(self.state.patches) or super()._has_relabels(lane)

    def _patches(self, numbers: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        for part in portions(numbers):
            sql = f"SELECT number, lane, sequence, patch, crc FROM relabels WHERE number IN ({marks(part)})"  # noqa: S608 - only question marks
            rows = self._checked(self._connection.execute(sql, part), "relabels")
            last = {number: patch for number, _, sequence, patch in rows if sequence <= self.sequence}
            for number in part:
                before = [patch for since, patch in self.state.patches.get(number, ()) if since <= self.sequence]
                patch = last.get(number) or (before[-1] if before else None)
                if patch is not None:
                    yield number, json.loads(patch)


class PastStore(Store):
    """A store as one collection of it stood after a commit: reads, beside the writers of the open store behind it.

    Parameters
    ----------
    store : Store
        Open. It is not closed with this.
    lane : Lane
        As it is now.
    sequence : int
        The commit.
    """

    can = frozenset({"filter", "mmap", "read_only"})

    def __init__(self, store: Store, lane: Lane, sequence: int) -> None:
        self.folder: Path = store.folder
        self.path: Path = store.path
        self.read_only = True
        self.kept: dict[str, object] = {}
        self._behind = store
        self.lane_name = lane.name
        self.sequence = sequence
        self._lane = lane
        self._state_guard = threading.Lock()
        self._state: tuple[int, tuple[int, ...], State] | None = None
        self._view: tuple[State, LaneView] | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read as of the commit.

        Raises
        ------
        CommitNotFoundError
            The window has moved on beyond it, or a migration has let the name lead to another lane.
        CollectionNotFoundError
            The collection was dropped.
        """
        with self._behind.snapshot() as present:
            lane = present.lane(self._lane.name)
            if lane.number != self._lane.number and present.lane_numbered(self._lane.number) is not None:
                raise CommitNotFoundError(
                    f"Collection {lane.name!r} was cut over to another space since, or rolled back: what it held at commit "
                    f"{self.sequence} is not told by the vectors that answer for it now. "
                    f"From commit {present.first_told(lane)} on it can be told: at().",
                    expected=f"{present.first_told(lane)} to {present.sequence}",
                    got=self.sequence,
                    where=lane.name,
                )
            if lane.number != self._lane.number:
                raise CollectionNotFoundError(
                    f"The collection {lane.name!r} that this is a view of was dropped; there is another one by now.",
                    got=lane.name,
                    where=str(self.folder),
                )
            yield Past(present, self._state_of(present, lane))

    def _state_of(self, present: Snapshot, lane: Lane) -> State:
        """Return the state of then, made again where the lane has changed since it was made."""
        with self._state_guard:
            kept = self._state
            if kept is not None and kept[0] == present.sequence:
                return kept[2]
            require_told(present, lane, self.sequence)
            now = (present.last_change(lane), lane.records, lane.next_row)
            same = kept is not None and kept[1] == now
            state = kept[2] if kept is not None and same else state_at(present, lane, self.sequence)
            if kept is None or kept[0] < present.sequence:
                self._state = (present.sequence, now, state)
            return state

    def view(self, snapshot: Snapshot, lane: Lane) -> LaneView:
        """Return the mapped rows, and those that held a chunk."""
        assert isinstance(snapshot, Past)  # noqa: S101 - our own invariant: it came from here
        with self._state_guard:
            if self._view is None or self._view[0] is not snapshot.state:
                present = snapshot.present
                rows = self._behind.view(present, present.lane(lane.name))
                state = snapshot.state
                made = LaneView(
                    sequence=state.sequence, parts=rows.parts, alive=state.alive, next_row=state.lane.next_row
                )
                self._view = (state, made)
            return self._view[1]

    @contextmanager
    def write(self, *, following: bool = False) -> Iterator[Transaction]:  # noqa: ARG002 - as of a store
        """Refuse: what was is over.

        Raises
        ------
        ReadOnlyError
            Always.
        """
        raise ReadOnlyError(
            f"Collection {self._lane.name!r} as of commit {self.sequence} can only be read.", where=self._lane.name
        )
        yield  # a context manager

    def close(self) -> None:
        """Let go of what was made; the store behind it stays open."""
        self._state = self._view = None

    def __repr__(self) -> str:
        """Tell of what it is a view."""
        return f"PastStore({str(self.folder)!r}, {self._lane.name!r} at {self.sequence})"
