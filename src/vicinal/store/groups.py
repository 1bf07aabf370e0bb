"""Reads of the groups in which records stand: by number, by id, and by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vicinal.store.catalog import Catalog, Lane
from vicinal.store.format import text_crc
from vicinal.store.record import GROUP_COLUMNS, Group, Line

PORTION = 900
"""Ids or rows asked for in one statement, below every SQLite's limit on variables."""
GROUPS_AT_ONCE = 256

COVERS_NUMBER = "groups.number = (SELECT number FROM groups WHERE number <= asked.number ORDER BY number DESC LIMIT 1)"
QUALIFIED_COLUMNS = ", ".join(f"groups.{name}" for name in GROUP_COLUMNS.split(", "))


class Groups(Catalog):
    """Reads of one commit: records."""

    def _group(self, values: Sequence[Any]) -> Group:
        """Return a row of ``groups``, its checksum compared."""
        a, b, c, d, e, f, g, h, i, j, crc = values
        if text_crc(f"{a}\x1f{b}\x1f{c}\x1f{d}\x1f{e}\x1f{f}\x1f{g}\x1f{h}\x1f{i}\x1f{j}") != crc:
            raise self._damaged("a row of groups does not match its checksum")
        return Group(a, b, c, d, e, f, g, h, i, j)

    def last_groups(self, lane: Lane, count: int = 4) -> dict[int, int]:
        """Return the numbers and checksums of the groups that were written last: what tells this history from another."""
        sql = "SELECT number, crc FROM groups WHERE lane = ? ORDER BY first_row DESC LIMIT ?"
        return dict(self._connection.execute(sql, (lane.number, count)).fetchall())

    def checksums_of(self, groups: Sequence[int]) -> dict[int, int]:
        """Return the checksums of those of some groups that are there."""
        sql = f"SELECT number, crc FROM groups WHERE number IN ({marks(groups)})"  # noqa: S608 - only question marks
        return dict(self._connection.execute(sql, tuple(groups)).fetchall())

    def _numbers(self, lane: Lane, ids: Sequence[str]) -> dict[str, int]:
        """Return id → record number of those ids that are stored."""
        found: dict[str, int] = {}
        for part in portions(ids):
            sql = f"SELECT id, number FROM ids WHERE collection = ? AND id IN ({marks(part)})"  # noqa: S608 - only question marks
            found.update(self._connection.execute(sql, (lane.collection, *part)).fetchall())
        return found

    def _groups_of(self, numbers: Sequence[int]) -> Iterator[tuple[Group, list[int]]]:
        """Go through the groups of some records, ascending, each with the numbers of those that are asked for."""
        wanted = sorted(numbers)
        for part in portions(wanted):
            sql = f"WITH asked(number) AS (VALUES {places(part)}) SELECT asked.number, {QUALIFIED_COLUMNS} FROM asked CROSS JOIN groups ON {COVERS_NUMBER}"  # noqa: S608 - our own names
            group: Group | None = None
            within: list[int] = []
            for number, *values in self._connection.execute(sql, part):
                if group is None or group.number != values[0]:
                    if group is not None:
                        yield group, within
                    group, within = self._group(values), []
                if number >= group.number + group.record_count:
                    raise self._damaged("an id leads to a record that is not there")
                within.append(number)
            if group is not None:
                yield group, within

    def _lines(self, lane: Lane, numbers: Sequence[int]) -> dict[int, Line]:
        """Return records by number, as they are now."""
        found = {number: group.line(number) for group, within in self._groups_of(numbers) for number in within}
        return self._as_now(lane, found)

    def _as_now(self, lane: Lane, lines: dict[int, Line]) -> dict[int, Line]:
        """Return records by number with what changed in place since they were written."""
        if lines and self._has_relabels(lane):
            for number, patch in self._patches(sorted(lines)):
                lines[number] = patched(lines[number], patch)
        return lines

    def _has_relabels(self, lane: Lane) -> bool:
        sql = "SELECT 1 FROM relabels WHERE lane = ? LIMIT 1"
        return self._connection.execute(sql, (lane.number,)).fetchone() is not None

    def _patches(self, numbers: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Go through what changed in place of some records: (number, patch)."""
        for part in portions(numbers):
            sql = f"SELECT number, lane, sequence, patch, crc FROM relabels WHERE number IN ({marks(part)})"  # noqa: S608 - only question marks
            for number, _, _, patch in self._checked(self._connection.execute(sql, part), "relabels"):
                yield number, json.loads(patch)

    def _groups_from(self, lane: Lane, first_row: int, number: int = 0) -> Iterator[Group]:
        """Go through the groups of a lane from a row on, and from a number on, ascending."""
        sql = (
            f"SELECT {GROUP_COLUMNS} FROM groups WHERE lane = ? AND (first_row, number) >= (?, ?) "  # noqa: S608 - our own names
            "ORDER BY first_row, number LIMIT ?"
        )
        key = (first_row, number)
        while found := self._connection.execute(sql, (lane.number, *key, GROUPS_AT_ONCE)).fetchall():
            for values in found:
                yield self._group(values)
            key = (found[-1][2], found[-1][0] + 1)

    def _covering(self, lane: Lane, first_row: int) -> tuple[int, int]:
        """Return (first row, number) of the group with which to begin so that a row and all behind it are seen."""
        sql = "SELECT first_row, number FROM groups WHERE lane = ? AND first_row <= ? ORDER BY first_row DESC, number LIMIT 1"
        found = self._connection.execute(sql, (lane.number, first_row)).fetchone()
        return (first_row, 0) if found is None else (int(found[0]), int(found[1]))

    def _is_alive(self, lane: Lane, lines: Iterable[Line]) -> list[Line]:
        """Return those of some records that are alive: their ids lead to them."""
        listed = list(lines)
        numbers = self._numbers(lane, [line.id for line in listed])
        return [line for line in listed if numbers.get(line.id) == line.number]


def patched(line: Line, patch: dict[str, Any]) -> Line:
    """Return a record with what changed in place."""
    return line._replace(**patch)


def portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a list into parts that one statement can take."""
    for start in range(0, len(values), PORTION):
        yield values[start : start + PORTION]


def marks(values: Sequence[Any]) -> str:
    """Return as many question marks as there are values."""
    return ",".join("?" * len(values))


def places(values: Sequence[Any]) -> str:
    """Return as many rows of one question mark as there are values."""
    return ",".join(["(?)"] * len(values))
