"""Reads of one commit: how far back a collection can be told, by which commits, and what died in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from vicinal.store.bits import expanded, fill
from vicinal.store.catalog import Lane
from vicinal.store.feed import Feed
from vicinal.store.groups import marks, places, portions
from vicinal.store.record import GROUP_COLUMNS, Group, Line
from vicinal.types import Bits, Commit, Rows

POLICY = "history"
"""The setting of the database that says for how many days the past is kept."""
MOST_LISTED = 10_000
"""Commits of before a history was kept that can be told, because they only added records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Since which commit nothing of a lane was forgotten, and the first commit whose time is known, with that time."""

    since: int
    noted: int
    time: float


def setting_of(lane: Lane, what: str) -> str:
    """Return the name of a setting of a lane's history."""
    return f"collection {lane.collection} lane {lane.number} {what}"


@cache
def _covering_sql(count: int) -> str:
    """Return the query of the numbers of the groups that some rows lie in."""
    return (
        f"WITH asked(row) AS (VALUES {places('?' * count)}) SELECT DISTINCT groups.number FROM asked "  # noqa: S608 - our own names
        "CROSS JOIN groups ON groups.number = (SELECT number FROM groups WHERE lane = ? AND first_row <= asked.row "
        "ORDER BY first_row DESC, number DESC LIMIT 1) WHERE asked.row < groups.first_row + groups.row_count"
    )


class History(Feed):
    """Reads of one commit: what came before it."""

    def kept_days(self) -> float | None:
        """Return for how many days the past of the collections is kept, None where it is not."""
        said = self.setting(POLICY)
        return None if said is None else float(json.loads(said)["days"])

    def begun(self, lane: Lane) -> Begun | None:
        """Return since when the past of a lane is kept, None where it is not."""
        if lane.number not in self._known.begun:
            said = self.setting(setting_of(lane, "history"))
            self._known.begun[lane.number] = None if said is None else Begun(**json.loads(said))
        begun: Begun | None = self._known.begun[lane.number]
        return begun

    def first_told(self, lane: Lane) -> int:
        """Return the first commit as of which a lane can be told; from it on all can, up to this one.

        Where no history is kept that is the last one that took or changed something: what only came can be left out
        again. Commits of a program that does not know of histories end the window; they are not in the log.
        """
        begun = self.begun(lane)
        if begun is None:
            return min(self._untouched_since(lane), self.sequence)
        logged = {int(name) for name, _ in self._settings_below(setting_of(lane, "commit "))}
        return max([begun.since, *(self._losses(lane, begun.since) - logged)])

    def _untouched_since(self, lane: Lane) -> int:
        """Return the last commit that may have forgotten something."""
        sql = "SELECT sequence FROM groups WHERE lane = ? ORDER BY first_row, number LIMIT 1"
        first = self._connection.execute(sql, (lane.number,)).fetchone()
        lost = int(self.setting(setting_of(lane, "lost")) or 0)
        return self.sequence if first is None else max(first[0], lost, self._last_loss(lane))

    def _last_loss(self, lane: Lane) -> int:
        """Return the last commit that buried rows or changed something in place, 0 where there is none."""
        sql = "SELECT max(ifnull((SELECT max(sequence) FROM tombstones WHERE lane = ?), 0), ifnull((SELECT max(sequence) FROM relabels WHERE lane = ?), 0))"
        return int(self._connection.execute(sql, (lane.number, lane.number)).fetchone()[0])

    def _losses(self, lane: Lane, since: int) -> set[int]:
        """Return the commits after one that buried rows or changed something in place."""
        sql = "SELECT DISTINCT sequence FROM tombstones WHERE lane = ? AND sequence > ? UNION SELECT DISTINCT sequence FROM relabels WHERE lane = ? AND sequence > ?"
        return {one for (one,) in self._connection.execute(sql, (lane.number, since, lane.number, since))}

    def last_change(self, lane: Lane) -> int:
        """Return a commit behind which nothing that a search of a lane answers from has changed; 0 for an empty lane.

        Between two commits with the same answer no row came, died or moved, and no field changed: each of these leaves
        a group, tombstone or relabel of its commit behind, and what takes that away again leaves a later one.

        Cost: three seeks, some 10 µs, once a commit.
        """
        if lane.number not in self._known.last_changes:
            sql = "SELECT sequence FROM groups WHERE lane = ? ORDER BY first_row DESC, number DESC LIMIT 1"
            last = self._connection.execute(sql, (lane.number,)).fetchone()
            self._known.last_changes[lane.number] = max(0 if last is None else int(last[0]), self._last_loss(lane))
        return self._known.last_changes[lane.number]

    def commits(self, lane: Lane) -> Iterator[Commit]:
        """Go through the commits of the window that added, removed or changed records, ascending.

        Of commits from before a history was kept only the number of the records that they wrote is known.
        """
        first = self.first_told(lane)
        if self.begun(lane) is None:
            yield from reversed([one for one in self._written(lane) if one.sequence >= first])
            return
        for name, said in self._settings_below(setting_of(lane, "commit ")):
            told = json.loads(said)
            commit = Commit(
                sequence=int(name),
                time=told["time"],
                added=told["added"],
                removed=told["removed"],
                changed=told["changed"],
            )
            if commit.sequence >= first and (commit.added or commit.removed or commit.changed):
                yield commit

    def _written(self, lane: Lane) -> list[Commit]:
        """Return the last commits that wrote records, the newest first."""
        sql = "SELECT sequence, sum(record_count) FROM groups WHERE lane = ? GROUP BY sequence ORDER BY sequence DESC LIMIT ?"
        found = self._connection.execute(sql, (lane.number, MOST_LISTED)).fetchall()
        return [Commit(sequence=sequence, time=None, added=count, removed=0, changed=0) for sequence, count in found]

    def commit_at(self, lane: Lane, time: float) -> int | None:
        """Return the last commit of a lane that had been made at a time, in seconds since 1970; None where none is known."""
        begun = self.begun(lane)
        if begun is None or time < begun.time:
            return None
        found = begun.noted
        for name, said in self._settings_below(setting_of(lane, "commit ")):
            made = json.loads(said)["time"]
            if made is not None and made <= time:
                found = max(found, int(name))
        return found

    def dead_lines(self, lane: Lane, since: int) -> Iterator[tuple[Line, int]]:
        """Go through the records that died after a commit and are still there, as they were written, each with the commit that took it.

        Cost: one pass over the tombstones since, and over the groups that they lie in. Memory: 16 bytes a dead row.
        """
        rows, buried = self._burials(lane, since)
        died = self._deaths(lane)
        for group in self._groups_at(lane, rows):
            yield from (found for found in _dead(group, rows, buried, died, since) if found[0].spans)
        late = [number for number, when in died.items() if when > since]
        for group, within in self._groups_of(late):
            lines = (group.line(number) for number in within)
            yield from ((line, died[line.number]) for line in lines if not line.spans)

    def dead_among(self, lane: Lane, groups: Sequence[Group], since: int) -> list[tuple[Line, int]]:
        """Return the same of some groups, which ascend by their rows."""
        if not groups:
            return []
        rows, buried = self._burials(lane, since, (groups[0].first_row, groups[-1].first_row + groups[-1].row_count))
        died = self._deaths(lane)
        return [found for group in groups for found in _dead(group, rows, buried, died, since)]

    def _deaths(self, lane: Lane) -> dict[int, int]:
        """Return the commits that took records of which the tombstones do not tell, by record."""
        return {int(name): int(said) for name, said in self._settings_below(setting_of(lane, "died "))}

    def _burials(self, lane: Lane, since: int, within: tuple[int, int] | None = None) -> tuple[Rows, Rows]:
        """Return the rows that died after a commit, ascending, and the commit that buried each."""
        sql = "SELECT lane, sequence, first_row, row_count, crc FROM tombstones WHERE lane = ? AND sequence > ?"
        values: tuple[int, ...] = (lane.number, since)
        if within is not None:
            sql += " AND first_row + row_count > ? AND first_row < ?"
            values += within
        found = self._connection.execute(sql, values)
        told = [(sequence, first, count) for _, sequence, first, count in self._checked(found, "tombstones")]
        told.sort()  # the first burial counts: a dropped file buries its rows once more
        rows = expanded([(first, count) for _, first, count in told])
        buried = np.repeat(
            np.array([one[0] for one in told], dtype=np.int64), np.array([one[2] for one in told], dtype=np.int64)
        )
        unique, places_of = np.unique(rows, return_index=True)
        return unique, buried[places_of]

    def _groups_at(self, lane: Lane, rows: Rows) -> Iterator[Group]:
        """Go through the groups that some rows lie in, ascending."""
        numbers: set[int] = set()
        for part in portions(rows.tolist()):
            numbers.update(one for (one,) in self._connection.execute(_covering_sql(len(part)), (*part, lane.number)))
        for part in portions(sorted(numbers)):
            sql = f"SELECT {GROUP_COLUMNS} FROM groups WHERE number IN ({marks(part)}) ORDER BY number"  # noqa: S608 - our own names
            yield from map(self._group, self._connection.execute(sql, part).fetchall())

    def dead_kept(self, lane: Lane) -> int:
        """Return about how many dead rows stand in vector files for the history's sake; never less."""
        begun = self.begun(lane)
        if begun is None:
            return 0
        rows = self.dead_since(lane, begun.since)
        return sum(int(np.diff(np.searchsorted(rows, [one.first_row, one.next_row]))[0]) for one in self.segments(lane))

    def with_kept(self, lane: Lane, alive: Bits) -> Bits:
        """Return living rows with those that the history still needs, in the same array."""
        begun = self.begun(lane)
        if begun is not None:
            for line, _ in self.dead_lines(lane, begun.since):
                fill(alive, line.first_row, len(line.spans))
        return alive

    def pasts(self, lane: Lane) -> dict[int, list[tuple[int, str]]]:
        """Return what had changed in place before it changed again, by record: (commit, patch as JSON), ascending."""
        found: dict[int, list[tuple[int, str]]] = {}
        for name, said in self._settings_below(setting_of(lane, "past ")):
            number, _, since = name.partition(" ")
            found.setdefault(int(number), []).append((int(since), said))
        return found

    def pasts_of(self, lane: Lane, numbers: Sequence[int]) -> list[tuple[int, int, dict[str, Any]]]:
        """Return (record, commit, patch) of those of some records."""
        found: list[tuple[int, int, dict[str, Any]]] = []
        for number in numbers:
            below = self._settings_below(setting_of(lane, f"past {number:020d} "))
            found += [(number, int(since), json.loads(said)) for since, said in below]
        return found


def _dead(group: Group, rows: Rows, buried: Rows, died: Mapping[int, int], since: int) -> Iterator[tuple[Line, int]]:
    """Go through the records of a group that died after a commit: by the burial of their rows, or by what was noted."""
    for line in group.lines():
        place = int(np.searchsorted(rows, line.first_row))
        is_dead = bool(line.spans) and place < len(rows) and int(rows[place]) == line.first_row
        when = died.get(line.number, int(buried[place]) if is_dead else 0)
        if when > since and (is_dead or not line.spans):
            yield line, when
