"""Groups of records as one commit writes them, takes records out of them, and moves them to the end of their lane."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vicinal.store.bits import expanded
from vicinal.store.catalog import Lane
from vicinal.store.format import row_crc
from vicinal.store.groups import marks, portions
from vicinal.store.history.writes import HistoryWriter
from vicinal.store.record import JSON, Group, Line, Lines, groups_of, moved_lines
from vicinal.store.segment import Segment

INSERT_GROUP = "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class GroupWriter(HistoryWriter):
    """A snapshot whose records can come, go and move."""

    def _put_groups(self, lane: Lane, lines: Lines) -> int:
        """Write lines as groups whose rows begin behind those of the lane; return the number of the first record."""
        first = self._next_number
        groups = groups_of(lines, number=first, lane=lane.number, first_row=lane.next_row, sequence=self.sequence)
        self._connection.executemany(INSERT_GROUP, groups)
        self._next_number = first + len(lines)
        return first

    def _remove(self, lane: Lane, numbers: Sequence[int]) -> Lane:
        """Take records away by number, and bury their rows."""
        if not numbers:
            return lane
        lines: dict[int, Line] = {}
        touched: list[Group] = []
        for group, within in self._groups_of(numbers):
            lines.update((number, group.line(number)) for number in within)
            touched.append(group)
        lines = self._as_now(lane, lines)
        run = self._connection.executemany
        run("DELETE FROM ids WHERE collection = ? AND id = ?", [(lane.collection, one.id) for one in lines.values()])
        run(
            "DELETE FROM origins WHERE collection = ? AND origin = ? AND number = ?",
            [(lane.collection, line.origin, number) for number, line in lines.items() if line.origin],
        )
        patches = dict(self._relabels(list(lines))) if self._has_relabels(lane) else {}
        run("DELETE FROM relabels WHERE number = ?", [(number,) for number in patches])
        if not self._note_dead(lane, lines.values(), patches):
            self._remove_empty_groups(lane, touched)
        cut = [line.cut_chunks for line in lines.values() if line.cut_chunks]
        buried = self._bury(lane, [(line.first_row, len(line.spans)) for line in lines.values() if line.spans])
        return self._set_lane(
            replace(
                lane,
                records=lane.records - len(lines),
                rows=lane.rows - buried,
                cut_records=lane.cut_records - len(cut),
                cut_chunks=lane.cut_chunks - sum(cut),
            )
        )

    def _remove_empty_groups(self, lane: Lane, groups: Sequence[Group]) -> None:
        """Delete those of some groups in which no record is left."""
        ids = [(group, group.ids()) for group in groups]
        living = self._numbers(lane, [record_id for _, listed in ids for record_id in listed])
        empty = [
            (group.number,)
            for group, listed in ids
            if not any(living.get(record_id) == number for number, record_id in enumerate(listed, group.number))
        ]
        self._connection.executemany("DELETE FROM groups WHERE number = ?", empty)

    def move_rows(self, lane: Lane, segment: Segment, *, limit: int, victims: Collection[int]) -> int:
        """Write living rows of a vector file again behind those of the lane, and bury them here; return how many moved.

        Dead ones that the history needs move along, and are buried at both places.

        Parameters
        ----------
        lane : Lane
            Of this transaction.
        segment : Segment
            The file that is being emptied.
        limit : int
            Rows to move, whole groups: the last of them may go beyond it.
        victims : collection of int
            The numbers of all files that are being emptied: none of them takes the rows.
        """
        lane = self.lane(lane.name)
        groups = self._groups_in(lane, segment, limit)
        lines = self._is_alive(lane, [line for group in groups for line in group.lines()])
        dead = self._kept_dead(lane, groups)
        ranges = [(line.first_row, len(line.spans)) for line in lines if line.spans]
        alive_rows = sum(count for _, count in ranges)
        rows = expanded([*ranges, *((line.first_row, len(line.spans)) for line, _ in dead.values() if line.spans)])
        if len(rows) and self.segments(lane)[-1].header.number in victims:
            self._new_segment(lane, lane.next_row)
        with self._appending(lane, np.ascontiguousarray(self.vectors_at(lane, rows))):
            first = self._put_groups(lane, moved_lines([*lines, *(line for line, _ in dead.values())]))
            self._renumber(lane, lines, first)
            numbers = [*(line.number for line in lines), *dead]
            deaths = {number: when for number, (_, when) in dead.items()}
            self._renumber_past(
                lane, groups, dict(zip(numbers, range(first, first + len(numbers)), strict=True)), deaths
            )
            self._connection.executemany("DELETE FROM groups WHERE number = ?", [(group.number,) for group in groups])
            again = [(lane.next_row + alive_rows, len(rows) - alive_rows)] if len(rows) > alive_rows else []
            self._bury(lane, [*ranges, *again])
        self._tally(lane)
        self._set_lane(replace(lane, next_row=lane.next_row + len(rows)))
        return len(rows)

    def _groups_in(self, lane: Lane, segment: Segment, limit: int) -> list[Group]:
        """Return the groups that have rows in a file, up to a number of rows."""
        groups, total = [], 0
        for group in self._groups_from(lane, *self._covering(lane, segment.first_row)):
            if group.first_row >= segment.next_row or total >= limit:
                break
            if group.first_row + group.row_count > segment.first_row:
                groups.append(group)
                total += group.row_count
        return groups

    def _renumber(self, lane: Lane, lines: Sequence[Line], first: int) -> None:
        """Let ids, origins and what changed in place lead to the new numbers of records."""
        new = list(enumerate(lines, first))
        self._connection.executemany(
            "UPDATE ids SET number = ? WHERE collection = ? AND id = ?",
            [(number, lane.collection, line.id) for number, line in new],
        )
        if not self._has_relabels(lane):
            patches: dict[int, tuple[Any, ...]] = {}
        else:
            patches = dict(self._relabels([line.number for line in lines]))
        for number, line in new:
            if line.number in patches:
                sequence, patch = patches[line.number]
                self._connection.execute("DELETE FROM relabels WHERE number = ?", (line.number,))
                self._put_relabels(lane, [(number, sequence, patch)])
        origins = [
            (
                number,
                lane.collection,
                patches[line.number][1].get("origin", line.origin) if line.number in patches else line.origin,
                line.number,
            )
            for number, line in new
        ]
        self._connection.executemany(
            "UPDATE origins SET number = ? WHERE collection = ? AND origin = ? AND number = ?",
            [row for row in origins if row[2]],
        )

    def drop_empty(self, lane: Lane, segment: Segment) -> bool:
        """Take a vector file without living rows out of the truth; return whether there were none.

        Its tombstones become one. The last file is followed by an empty one first, so that rows go on where they stopped.
        """
        lane = self.lane(lane.name)
        if self._groups_in(lane, segment, 1):
            return False
        if self.segments(lane)[-1].header.number == segment.header.number:
            self._new_segment(lane, lane.next_row)
        self._connection.execute(
            "DELETE FROM tombstones WHERE lane = ? AND first_row >= ? AND first_row + row_count <= ?",
            (lane.number, segment.first_row, segment.next_row),
        )
        self._bury(lane, [(segment.first_row, segment.row_count)])
        self._tally(lane)
        self._drop_segment(lane, segment)
        return True

    def _relabels(self, numbers: Sequence[int]) -> list[tuple[int, tuple[int, dict[str, Any]]]]:
        """Return (number, (commit, patch)) of those of some records that changed in place."""
        found = []
        for part in portions(numbers):
            sql = f"SELECT number, lane, sequence, patch, crc FROM relabels WHERE number IN ({marks(part)})"  # noqa: S608 - only question marks
            rows = self._connection.execute(sql, part).fetchall()
            found += [
                (number, (sequence, json.loads(patch)))
                for number, _, sequence, patch in self._checked(rows, "relabels")
            ]
        return found

    def _put_relabels(self, lane: Lane, patches: Sequence[tuple[int, int, dict[str, Any]]]) -> None:
        """Write (number, commit, patch) of records that changed in place."""
        rows = [(number, lane.number, sequence, JSON.encode(patch)) for number, sequence, patch in patches]
        self._connection.executemany(
            "INSERT OR REPLACE INTO relabels VALUES (?, ?, ?, ?, ?)", [(*row, row_crc(*row)) for row in rows]
        )
