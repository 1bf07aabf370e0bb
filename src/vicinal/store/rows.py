"""Rows of vectors as one commit gives them out, buries them and moves them."""

from __future__ import annotations

import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vicinal.store.catalog import Lane, Tail
from vicinal.store.format import PLACES, SEGMENT_ROWS, VecHeader, row_crc
from vicinal.store.segment import Pending, Segment, bytes_of, extended_blocks
from vicinal.store.snapshot import Snapshot
from vicinal.types import Floats

ASIDE_BYTES = 1 << 19
"""From this size on the vectors of a commit are written and synced by a second thread, beside the tables."""
SMALL_BYTES = 1 << 15
"""Up to this size the vectors of a commit are written to SQLite as well, which spares the sync of their file."""
PENDING_BYTES = 1 << 20
"""So much of a vector file is left unsynced: what is compared when it is mapped, and written anew when it is synced."""


class _Place(NamedTuple):
    """A vector file that takes some more rows, with those of its rows that were never synced."""

    segment: Segment
    taken: int
    pending: Pending


class _Appended(NamedTuple):
    """A vector file after an append, and the checksums of the blocks that it filled.

    ``certain_bytes`` is the length of the file that is certain, ``None`` where it was not synced.
    """

    segment: Segment
    full_blocks: dict[int, int]
    added: int
    certain_bytes: int | None


class RowWriter(Snapshot):
    """A snapshot whose rows can change."""

    def _number(self) -> int:
        """Return a number that nothing in the database has had."""
        self._next_number += 1
        return self._next_number - 1

    def _set_lane(self, lane: Lane) -> Lane:
        """Record the counts of a lane."""
        values = lane.values()
        self._connection.execute(
            "UPDATE lanes SET next_row = ?, records = ?, rows = ?, cut_records = ?, cut_chunks = ?, crc = ? WHERE number = ?",
            (*values[4:], row_crc(*values), lane.number),
        )
        self._known.lanes[lane.name] = lane
        return lane

    @contextmanager
    def _appending(self, lane: Lane, rows: Floats) -> Iterator[None]:
        """Write rows behind those of a lane while the block runs; both are done when it ends."""
        places = self._places(lane, len(rows))
        if self._is_small(places, rows):
            yield
            self._record_appended(lane, self._lay(places[0].segment, rows))
            return
        places = [one._replace(pending=self._unsynced(one.segment)) for one in places]
        if rows.nbytes < ASIDE_BYTES:
            yield
            self._record_appended(lane, _append(places, rows))
            return
        done: list[_Appended] = []
        faults: list[BaseException] = []

        def work() -> None:
            try:
                done.extend(_append(places, rows))
            except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
                faults.append(error)

        thread = threading.Thread(target=work, name="vicinal-append")
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if faults:
            raise faults[0]
        self._record_appended(lane, done)

    def _is_small(self, places: Sequence[_Place], rows: Floats) -> bool:
        """Return whether rows can do without a sync of their own: they are few, and their file has room that is certain.

        The last rows of a file are synced, so that nothing of it is pending for long.
        """
        if len(places) != 1 or rows.nbytes > SMALL_BYTES:
            return False
        segment = places[0].segment
        tail = self._known.tails.get(segment.header.number)
        return (
            tail is not None
            and tail.pending_bytes + rows.nbytes <= PENDING_BYTES
            and segment.committed_bytes + rows.nbytes <= tail.certain_bytes
            and segment.row_count + len(rows) < SEGMENT_ROWS
        )

    def _unsynced(self, segment: Segment) -> Pending:
        """Return the rows of a vector file that an append must sync as well, and take them out of SQLite."""
        tail = self._known.tails.get(segment.header.number)
        if segment.row_count == 0 or (tail is not None and tail.pending_bytes == 0):
            return ()
        pending = self.pending(segment)
        if pending:
            self._forget_pending(segment)
        return pending

    def _forget_pending(self, segment: Segment) -> None:
        start = segment.header.number * PLACES
        self._connection.execute("DELETE FROM pending WHERE place >= ? AND place < ?", (start, start + PLACES))

    def _lay(self, segment: Segment, rows: Floats) -> list[_Appended]:
        """Write rows into a file without a sync, and into SQLite, whose sync serves both."""
        place, content = segment.header.number * PLACES + segment.row_count, bytes_of(rows)
        segment.lay(content)
        values = (place, content, row_crc(place, zlib.crc32(content)))
        self._connection.execute("INSERT INTO pending VALUES (?, ?, ?)", values)
        return [_extended(segment, rows, None)]

    def _places(self, lane: Lane, count: int) -> list[_Place]:
        """Return the files that take some more rows of a lane, each with how many; new ones are made."""
        segments = self.segments(lane)
        segment = segments[-1] if segments else None
        places, done = [], 0
        while done < count:
            if segment is None or segment.row_count >= SEGMENT_ROWS or segment.next_row != lane.next_row + done:
                segment = self._new_segment(lane, lane.next_row + done)
            take = min(count - done, SEGMENT_ROWS - segment.row_count)
            places.append(_Place(segment, take, ()))
            segment, done = None, done + take
        return places

    def _new_segment(self, lane: Lane, first_row: int) -> Segment:
        """Make a vector file, and its row in the truth."""
        number = self._number()
        header = VecHeader(dim=lane.space.dim, number=number, space=lane.space.id, database=self.database)
        segment = Segment(
            path=self._vector_path(lane.space.id, number), header=header, first_row=first_row, row_count=0
        )
        segment.create()
        values = (number, lane.number, first_row, 0, 0)
        self._connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)", (*values, row_crc(*values)))
        self._known.segments[lane.number] = [*self.segments(lane), segment]
        return segment

    def _record_appended(self, lane: Lane, appended: Sequence[_Appended]) -> None:
        """Record the new lengths of vector files and the checksums of the blocks that became full."""
        for one in appended:
            number = one.segment.header.number
            self._known.tails[number] = self._tail(one)
            if one.full_blocks:
                self._connection.executemany(
                    "INSERT INTO blocks VALUES (?, ?, ?, ?)",
                    [(number, block, crc, row_crc(number, block, crc)) for block, crc in one.full_blocks.items()],
                )
            segment = one.segment
            values = (number, lane.number, segment.first_row, segment.row_count, segment.tail_crc)
            self._connection.execute(
                "UPDATE segments SET row_count = ?, tail_crc = ?, crc = ? WHERE number = ?",
                (*values[3:], row_crc(*values), number),
            )
            self._known.segments[lane.number] = [
                segment if other.header.number == number else other for other in self.segments(lane)
            ]

    def _tail(self, appended: _Appended) -> Tail:
        """Return how a vector file stands after an append."""
        if appended.certain_bytes is not None:
            return Tail(appended.certain_bytes, 0)
        before = self._known.tails[appended.segment.header.number]
        return before._replace(pending_bytes=before.pending_bytes + appended.added * appended.segment.row_bytes)

    def _drop_segment(self, lane: Lane, segment: Segment) -> None:
        """Take a vector file out of the truth; it stays on the disk for the readers of older commits."""
        number = segment.header.number
        run = self._connection.execute
        run("DELETE FROM segments WHERE number = ?", (number,))
        run("DELETE FROM blocks WHERE segment = ?", (number,))
        self._forget_pending(segment)
        self._known.tails.pop(number, None)
        values = (number, lane.space.id, int(time.time()))
        run("INSERT INTO dropped VALUES (?, ?, ?, ?)", (*values, row_crc(*values)))
        self._known.segments[lane.number] = [other for other in self.segments(lane) if other.header.number != number]

    def _bury(self, lane: Lane, ranges: Sequence[tuple[int, int]]) -> int:
        """Write tombstones for ranges of rows, those that touch as one; return how many rows they cover."""
        joined = merged(ranges)
        self._connection.executemany(
            "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?)",
            [
                (lane.number, self.sequence, first, count, row_crc(lane.number, self.sequence, first, count))
                for first, count in joined
            ],
        )
        return sum(count for _, count in joined)


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges of rows in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for first, count in sorted(ranges):
        if joined and sum(joined[-1]) == first:
            joined[-1] = (joined[-1][0], joined[-1][1] + count)
        else:
            joined.append((first, count))
    return joined


def _append(places: Sequence[_Place], rows: Floats) -> list[_Appended]:
    """Write rows into files and sync them."""
    appended, done = [], 0
    for place in places:
        part = np.ascontiguousarray(rows[done : done + place.taken])
        appended.append(_extended(place.segment, part, place.segment.append(part, place.pending)))
        done += place.taken
    return appended


def _extended(segment: Segment, rows: Floats, certain_bytes: int | None) -> _Appended:
    """Return a vector file with rows behind those it had."""
    full, tail_crc = extended_blocks(rows, segment.row_count, segment.tail_crc)
    grown = replace(segment, row_count=segment.row_count + len(rows), tail_crc=tail_crc)
    return _Appended(grown, full, len(rows), certain_bytes)


def settle(connection: sqlite3.Connection, folder: Path) -> None:
    """Sync the vector files of which rows stand in SQLite as well, and take those out; under the write lock.

    Raises
    ------
    StoreError
        The disk refused; they stay where they are.
    """
    if connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is None:
        return
    snapshot = Snapshot(connection, folder)
    for segment in snapshot.all_segments():
        pending = snapshot.pending(segment)
        if pending:
            segment.append(np.empty((0, segment.header.dim), np.float32), pending)
    connection.execute("DELETE FROM pending")
