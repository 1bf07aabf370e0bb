"""Compaction: living rows of sparse files move to the end, and the emptied files go.

Each step is one short commit, between which others may write; readers keep the commit that they began with.
Killed between any two steps the database is whole: some rows have moved, and the rest is as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vicinal.store.bits import mask_of
from vicinal.store.catalog import Lane
from vicinal.store.segment import Segment
from vicinal.store.snapshot import Snapshot

if TYPE_CHECKING:
    from vicinal.store.store import Store
    from vicinal.types import Progress

SPARSE = 0.25
"""The share of dead rows from which a file is worth rewriting: it costs at most three rows written for one given back."""
STEP_ROWS = 16_384
"""Rows that move in one commit: some 25 MB at 384 dimensions, a tenth of a second."""
KEPT_DELETIONS = 1_000_000
"""How many of the newest deletions are remembered for replicas, some 50 MB, and the others of the same commits.
A replica that stayed away for longer is written anew."""

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUse:
    """A vector file, and how many of its rows are alive, or needed by the history of their lane."""

    segment: Segment
    living_rows: int

    @property
    def dead_share(self) -> float:
        """The share of its rows that are dead, 0 to 1."""
        return 1 - self.living_rows / self.segment.row_count if self.segment.row_count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did; ``dropped_bytes`` are those of the vector files that went."""

    moved_rows: int
    dropped_segments: int
    dropped_bytes: int


def use_of(snapshot: Snapshot, lane: Lane) -> list[SegmentUse]:
    """Return how full of living rows each vector file of a lane is. Cost: one pass over its tombstones and bitmap.

    Dead rows that the history of the lane needs count as living.
    """
    mask = mask_of(snapshot.with_kept(lane, snapshot.alive(lane)), lane.next_row)
    return [
        SegmentUse(segment=segment, living_rows=int(mask[segment.first_row : segment.next_row].sum()))
        for segment in snapshot.segments(lane)
    ]


def compactable(snapshot: Snapshot, lane: Lane, *, sparse: float = SPARSE) -> list[SegmentUse]:
    """Return the vector files of a lane that are worth rewriting: at least a ``sparse`` share of their rows is dead."""
    if snapshot.counts(lane)["dead_rows"] == 0:
        return []
    return [use for use in use_of(snapshot, lane) if use.dead_share >= sparse]


def compact(store: Store, name: str, *, sparse: float = SPARSE, progress: Progress | None = None) -> Compacted:
    """Rewrite the sparse vector files of a collection, in short commits, and forget old deletions of the database.

    Where a history is kept, what is older than that is forgotten first, and nothing else of it is lost.

    Parameters
    ----------
    store : Store
        Open for writing.
    name : str
        The collection.
    sparse : float, 0 < sparse <= 1
        The share of dead rows from which a file is rewritten.
    progress : callable, optional
        Called with (rows moved, rows to be moved).

    Notes
    -----
    Memory: the vectors of ``STEP_ROWS`` rows, twice.
    """
    forget_past(store, name)
    with store.snapshot() as snapshot:
        uses = compactable(snapshot, snapshot.lane(name), sparse=sparse)
    victims = {use.segment.header.number for use in uses}
    total, moved, dropped, dropped_bytes = sum(use.living_rows for use in uses), 0, 0, 0
    for use in uses:
        emptied = False
        while not emptied:
            with store.write(following=True) as transaction:  # a replica may move its own rows
                lane = transaction.lane(name)
                if use.segment.header.number not in {one.header.number for one in transaction.segments(lane)}:
                    break  # another process was faster
                segment = next(
                    one for one in transaction.segments(lane) if one.header.number == use.segment.header.number
                )
                moved += transaction.move_rows(lane, segment, limit=STEP_ROWS, victims=victims)
                emptied = transaction.drop_empty(lane, segment)
            if progress is not None:
                progress(moved, max(total, moved))
        dropped += emptied
        dropped_bytes += segment.committed_bytes if emptied else 0
    _forget_deletions(store)
    return Compacted(moved_rows=moved, dropped_segments=dropped, dropped_bytes=dropped_bytes)


def forget_past(store: Store, name: str) -> None:
    """Forget what a collection held before the days for which its past is kept; where that is nothing, nothing is written."""
    with store.snapshot() as snapshot:
        lane, days = snapshot.lane(name), snapshot.kept_days()
        begun = snapshot.begun(lane)
        until = None if days is None else snapshot.commit_at(lane, time.time() - days * DAY_S)
    if until is not None and begun is not None and until > begun.noted:
        with store.write(following=True) as transaction:
            transaction.forget_history(transaction.lane(name), until)


def _forget_deletions(store: Store) -> None:
    """Forget what was deleted before the newest deletions; where that is nothing, nothing is written."""
    with store.snapshot() as snapshot:
        last, forgotten = snapshot.deletions_beyond(KEPT_DELETIONS), snapshot.oldest_feed()
    if last > forgotten:
        with store.write(following=True) as transaction:
            transaction.forget_deletions(last)
