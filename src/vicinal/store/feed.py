"""What changed since a commit, found without reading what did not: for indexes, columns and replicas.

Rows are given out in order and record numbers ascend with the commits, so new ones are behind the old;
dead rows, records changed in place and deleted ids are kept by the number of the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.store.bits import expanded
from vicinal.store.catalog import BESIDE, Known, Lane
from vicinal.store.groups import GROUPS_AT_ONCE, Groups
from vicinal.store.record import GROUP_COLUMNS, Group, Line, NewRecord
from vicinal.types import Fields, Floats, Rows

AT_ONCE = 1000
"""Records read in one go."""


SWAPPED = BESIDE * 2
"""In place of a collection's name in the table of deletions: the collection ``id`` and the one beside it changed places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A record that was deleted; with an empty ``id``, a whole collection.

    Where ``collection`` is ``SWAPPED``, nothing was deleted: the collection ``id`` and the one beside it changed places.
    """

    collection: str
    id: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Records of a lane that were written or changed since a commit, as they would be written again.

    ``vectors`` is float32 (sum of the spans, D), in their order; empty where ``in_place`` says that
    only fields and origin changed, beside vectors that stand.
    """

    records: tuple[NewRecord, ...]
    vectors: Floats
    in_place: bool = False


class Feed(Groups):
    """Reads of one commit: what changed since another."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, known: Known | None = None) -> None:
        super().__init__(connection, folder, known)
        self._mapped: dict[int, dict[int, Floats]] = {}  # lane → number of the file → rows

    def oldest_feed(self) -> int:
        """Return the commit before which nobody can ask what was deleted since: it was forgotten, or never kept."""
        return self._oldest_feed

    def dead_since(self, lane: Lane, sequence: int) -> Rows:
        """Return the rows that died after a commit, ascending: int64; 0 for all dead rows.

        Rows whose file compaction has dropped are among them once more, with the commit that dropped it.
        """
        found = self._connection.execute(
            "SELECT lane, sequence, first_row, row_count, crc FROM tombstones WHERE lane = ? AND sequence > ?",
            (lane.number, sequence),
        )
        ranges = [(first, count) for _, _, first, count in self._checked(found, "tombstones")]
        rows = np.unique(expanded(ranges))
        if len(rows) and not 0 <= rows[0] <= rows[-1] < lane.next_row:
            raise self._damaged("a tombstone stands outside of its lane")
        return rows

    def fields_from(self, lane: Lane, first_row: int = 0) -> Iterator[tuple[int, int, Fields]]:
        """Go through (first row, row count, fields) of the records whose rows start at or behind a row, ascending.

        Records that died since they were written may be among them; their rows are not alive.
        """
        has_relabels = self._has_relabels(lane)
        for group in self._groups_from(lane, *self._covering(lane, first_row)):
            patches = (
                dict(self._patches(range(group.number, group.number + group.record_count))) if has_relabels else {}
            )
            for line, count in zip(group.lines(), group.row_counts(), strict=True):
                if count and line.first_row >= first_row:
                    yield line.first_row, count, patches.get(line.number, {}).get("fields", line.fields)

    def texts_from(self, lane: Lane, first_row: int = 0) -> Iterator[tuple[int, str]]:
        """Go through (row, text) of the chunks at a row and behind it, ascending.

        Chunks that died since they were written may be among them; their rows are not alive. A row that had a chunk and
        has none any more, because compaction moved it, is left out.
        """
        for group in self._groups_from(lane, *self._covering(lane, first_row)):
            for line in group.lines():
                for row, (start, end) in enumerate(line.spans, line.first_row):
                    if row >= first_row:
                        yield row, line.text[start:end]

    def relabelled_since(self, lane: Lane, sequence: int) -> Iterator[tuple[int, int, Fields]]:
        """Go through (first row, row count, fields) of the living records whose fields changed in place after a commit."""
        for patches in self._relabelled(lane, sequence, AT_ONCE):
            for group, within in self._groups_of(list(patches)):
                first_rows, counts = group.first_rows(), group.row_counts()
                for number in within:
                    place, patch = number - group.number, patches[number]
                    if counts[place]:
                        fields = patch["fields"] if "fields" in patch else group.line(number).fields
                        yield first_rows[place], counts[place], fields

    def _relabelled(self, lane: Lane, sequence: int, at_once: int) -> Iterator[dict[int, dict[str, Any]]]:
        """Go through what changed in place after a commit, in parts: the number of a record → its patch.

        Memory: 8 bytes for each record, and one part.
        """
        sql = "SELECT number FROM relabels WHERE lane = ? AND sequence > ?"
        found = self._connection.execute(sql, (lane.number, sequence))
        numbers = np.sort(np.fromiter((number for (number,) in found), dtype=np.int64))
        for start in range(0, len(numbers), at_once):
            yield dict(self._patches(numbers[start : start + at_once].tolist()))

    def deletions_since(self, sequence: int) -> Iterator[Deletion]:
        """Go through what was deleted after a commit, in the order of the commits.

        What was written again since is among them. Before ``oldest_feed()`` the answer has holes.
        """
        sql = (
            "SELECT sequence, collection, id, crc FROM deletions "
            "WHERE (sequence, collection, id) > (?, ?, ?) ORDER BY sequence, collection, id LIMIT ?"
        )
        key: tuple[int, str, str] = (sequence + 1, "", "")
        while found := self._connection.execute(sql, (*key, AT_ONCE)).fetchall():
            for when, collection, record_id in self._checked(found, "deletions"):
                yield Deletion(collection=collection, id=record_id, sequence=when)
            key = found[-1][:3]

    def deletions_beyond(self, kept: int) -> int:
        """Return the last commit whose deletions all stand before the newest ``kept``; 0 where there is none.

        Cost: reading ``kept`` of them.
        """
        sql = (
            "SELECT max(sequence) FROM deletions "
            "WHERE sequence < (SELECT sequence FROM deletions ORDER BY sequence DESC LIMIT 1 OFFSET ?)"
        )
        return int(self._connection.execute(sql, (max(kept - 1, 0),)).fetchone()[0] or 0)

    def changes(self, lane: Lane, since: int, *, at_once: int = AT_ONCE) -> Iterator[Change]:
        """Go through the records of a lane that were written or changed in place after a commit.

        Those that were written come first, in the order in which they were, then those changed in place.
        Applied to what stood at ``since``, after the deletions, they give what stands now.

        Parameters
        ----------
        lane : Lane
            Of this snapshot.
        since : int
            A commit; 0 for everything.
        at_once : int
            Records of one part.
        """
        waiting: list[Line] = []
        for group in self._groups_after(lane, since):
            waiting += [line for line in group.lines() if line.written > since]
            if len(waiting) >= at_once:
                yield self._change(lane, waiting, in_place=False)
                waiting = []
        if waiting:
            yield self._change(lane, waiting, in_place=False)
        for patches in self._relabelled(lane, since, at_once):
            old = [line for line in self._lines(lane, list(patches)).values() if line.written <= since]
            if old:
                yield self._change(lane, old, in_place=True)

    def rows_written(self, lane: Lane, since: int, until: int | None = None) -> Rows:
        """Return the rows of the records that commits after ``since`` wrote, up to and with ``until``: int64, ascending.

        Records that died since may be among them; their rows are not alive. One that compaction moved counts as written
        when it was. Cost: reading what was written after ``since``.
        """
        ranges = [
            (line.first_row, len(line.spans))
            for group in self._groups_after(lane, since)
            for line in group.lines()
            if line.written > since and (until is None or line.written <= until)
        ]
        return np.unique(expanded(ranges))

    def _groups_after(self, lane: Lane, since: int) -> Iterator[Group]:
        """Go through the groups of a lane that commits after ``since`` wrote, ascending by number."""
        number = self._first_number_after(since)
        sql = f"SELECT {GROUP_COLUMNS} FROM groups WHERE number >= ? AND lane = ? ORDER BY number LIMIT ?"  # noqa: S608 - our own names
        while found := self._connection.execute(sql, (number, lane.number, GROUPS_AT_ONCE)).fetchall():
            yield from map(self._group, found)
            number = found[-1][0] + 1

    def written_since(self, lane: Lane, since: int) -> Iterator[Line]:
        """Go through the living records that were written after a commit, as they were written."""
        for group in self._groups_after(lane, since):
            yield from self._is_alive(lane, [line for line in group.lines() if line.written > since])

    def _first_number_after(self, since: int) -> int:
        """Return the least number of a group that a commit after ``since`` may have written: numbers ascend with commits."""
        low, high = 1, self._next_number
        sql = "SELECT number, sequence FROM groups WHERE number >= ? ORDER BY number LIMIT 1"
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute(sql, (middle,)).fetchone()
            if found is None or found[1] > since:
                high = middle
            else:
                low = found[0] + 1
        return low

    def _change(self, lane: Lane, lines: Sequence[Line], *, in_place: bool) -> Change:
        """Return the living ones of some records as they are now, with their vectors."""
        alive = self._as_now(lane, {line.number: line for line in self._is_alive(lane, lines)})
        ranges = [(line.first_row, len(line.spans)) for line in alive.values() if line.spans]
        return Change(
            records=tuple(line.new_record(lane.chunker) for line in alive.values()),
            vectors=self.vectors_at(lane, expanded([] if in_place else ranges)),
            in_place=in_place,
        )

    def vectors_at(self, lane: Lane, rows: Rows) -> Floats:
        """Return the stored vectors of rows, copied: float32 (len(rows), D).

        The first call maps all files of the lane, for as long as the snapshot lasts: compaction may delete them meanwhile.
        """
        segments, before = self.segments(lane), self._mapped.get(lane.number, {})
        mapped = {one.header.number: self.mapped(one, before.get(one.header.number)) for one in segments}
        self._mapped[lane.number] = mapped
        found = np.empty((len(rows), lane.space.dim), dtype=np.float32)
        for segment in segments:
            here = (rows >= segment.first_row) & (rows < segment.next_row)
            if here.any():
                found[here] = mapped[segment.header.number][rows[here] - segment.first_row]
        return found
