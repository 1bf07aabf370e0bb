"""The view of a lane that an index searches, kept in the process and brought up to each commit by what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicinal.store.bits import clear, fill, resized
from vicinal.store.catalog import Lane
from vicinal.store.snapshot import LaneView, Snapshot
from vicinal.types import Bits, Floats


@dataclass(frozen=True, slots=True)
class KeptView:
    """A view, and the files as they are mapped: number → rows, with room for those that will be appended."""

    view: LaneView
    mapped: Mapping[int, Floats]


def first_view(snapshot: Snapshot, lane: Lane) -> KeptView:
    """Return the view of a lane, read anew. Cost: one pass over the tombstones, and one ``mmap`` for each file."""
    return _view(snapshot, lane, {}, snapshot.alive(lane))


def advanced(kept: KeptView, snapshot: Snapshot, lane: Lane) -> KeptView:
    """Return the view as of a later commit. Cost: what changed since, and a copy of the bitmap."""
    old = kept.view
    alive = resized(old.alive, lane.next_row)
    for segment in snapshot.segments(lane):
        first_row = max(segment.first_row, old.next_row)
        fill(alive, first_row, segment.next_row - first_row) if first_row < segment.next_row else None
    clear(alive, snapshot.dead_since(lane, old.sequence))
    return _view(snapshot, lane, kept.mapped, alive)


def _view(snapshot: Snapshot, lane: Lane, before: Mapping[int, Floats], alive: Bits) -> KeptView:
    mapped = {}
    parts = []
    for segment in snapshot.segments(lane):
        rows = mapped[segment.header.number] = snapshot.mapped(segment, before.get(segment.header.number))
        parts.append((segment.first_row, rows[: segment.row_count]))
    alive.setflags(write=False)
    view = LaneView(sequence=snapshot.sequence, parts=tuple(parts), alive=alive, next_row=lane.next_row)
    return KeptView(view, mapped)
