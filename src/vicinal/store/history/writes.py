"""What a commit notes for the past: that it was made, what it would forget, and where compaction put the dead."""

from __future__ import annotations

import json
import sqlite3
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicinal.store.catalog import Known, Lane
from vicinal.store.format import row_crc
from vicinal.store.groups import marks, portions
from vicinal.store.history.reads import MOST_LISTED, POLICY, Begun, setting_of
from vicinal.store.record import JSON, Group, Line
from vicinal.store.rows import RowWriter


@dataclass(slots=True)
class Tally:
    """How many records of a lane came, went and changed in a commit."""

    lane: Lane
    added: int = 0
    removed: int = 0
    changed: int = 0


class HistoryWriter(RowWriter):
    """A snapshot that notes what it changes, for lanes whose past is kept."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, known: Known | None = None) -> None:
        super().__init__(connection, folder, known)
        self._tallies: dict[int, Tally] = {}

    def put_setting(self, name: str, value: str) -> None:
        """Keep a setting of the database itself under a name, in place of the one it had."""
        self._put_settings([(name, value)])

    def _put_settings(self, settings: Iterable[tuple[str, str]]) -> None:
        rows = [(name, value, row_crc(name, value)) for name, value in settings]
        self._connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", rows)
        for name, _, _ in rows:
            self._known.settings.pop(name, None)

    def remove_setting(self, name: str) -> None:
        """Forget a setting; none of that name is no error."""
        self._remove_settings([name])

    def _remove_settings(self, names: Iterable[str]) -> None:
        gone = list(names)
        self._connection.executemany("DELETE FROM settings WHERE name = ?", [(name,) for name in gone])
        for name in gone:
            self._known.settings.pop(name, None)

    def _tally(self, lane: Lane) -> Tally:
        """Return where to count what changes in a lane."""
        return self._tallies.setdefault(lane.number, Tally(lane))

    def keep_history(self, days: float) -> None:
        """Keep the past of all collections for so many days from this commit on; 0 ends that and forgets it."""
        lanes = [self.lane(name) for name in self.collection_names()]
        if days:
            self.put_setting(POLICY, json.dumps({"days": days}))
            for lane in lanes:
                if self.begun(lane) is None:
                    self._begin(lane)
            return
        self.remove_setting(POLICY)
        for lane in lanes:
            if self.begun(lane) is not None:
                self._end(lane)

    def _begin(self, lane: Lane) -> None:
        """Keep the past of a lane from now on; commits that only added something can be told already."""
        written = [one for one in self._written(lane) if one.sequence < self.sequence]
        since = self._untouched_since(lane)
        if len(written) == MOST_LISTED:
            since = max(since, written[-1].sequence)
        self._put_settings(
            (setting_of(lane, f"commit {one.sequence:020d}"), _told(None, one.added, 0, 0))
            for one in written
            if one.sequence >= since
        )
        self._put_begun(lane, Begun(since=since, noted=self.sequence, time=time.time()))

    def _end(self, lane: Lane) -> None:
        """Forget the past of a lane, and keep it no more."""
        self.forget_history(lane, self.sequence)
        for what in ("commit ", "past ", "died "):
            prefix = setting_of(lane, what)
            self._remove_settings([prefix + name for name, _ in self._settings_below(prefix)])
        self.remove_setting(setting_of(lane, "history"))
        self.put_setting(setting_of(lane, "lost"), str(self.sequence))
        self._known.begun[lane.number] = None
        self._tallies.pop(lane.number, None)

    def _put_begun(self, lane: Lane, begun: Begun) -> None:
        self.put_setting(setting_of(lane, "history"), json.dumps(asdict(begun)))
        self._known.begun[lane.number] = begun

    def _begin_new(self, lane: Lane) -> None:
        """Keep the past of a lane that was made in this commit, if that of others is kept."""
        if self.kept_days() is not None:
            self._put_begun(lane, Begun(since=self.sequence, noted=self.sequence, time=time.time()))

    def _restart_history(self, lane: Lane) -> None:
        """Let the past of a lane begin with this commit: before it, another one answered for its name."""
        if self.begun(lane) is None:
            self.put_setting(setting_of(lane, "lost"), str(self.sequence))
        else:
            self._put_begun(lane, Begun(since=self.sequence, noted=self.sequence, time=time.time()))

    def _note_commits(self) -> None:
        """Note this commit for each lane that it changed."""
        for tally in self._tallies.values():
            lane = tally.lane
            begun = self.begun(lane)
            if begun is not None:
                told = _told(self._now(lane, begun), tally.added, tally.removed, tally.changed)
                self.put_setting(setting_of(lane, f"commit {self.sequence:020d}"), told)

    def _now(self, lane: Lane, begun: Begun) -> float:
        """Return the time, and never one before that of the last commit: clocks are set back."""
        prefix = setting_of(lane, "commit ")
        sql = "SELECT value FROM settings WHERE name > ? AND name < ? ORDER BY name DESC LIMIT 1"
        last = self._connection.execute(sql, (prefix, prefix[:-1] + "!")).fetchone()
        before = None if last is None else json.loads(last[0])["time"]
        return max(time.time(), begun.time if before is None else before)

    def _note_dead(self, lane: Lane, lines: Iterable[Line], patches: Mapping[int, tuple[int, dict[str, Any]]]) -> bool:
        """Note what would be forgotten of records that die in this commit; return whether the past is kept.

        ``patches`` is what had changed in place of them: (commit, patch).
        """
        without_rows = [line.number for line in lines if not line.spans]
        if self.begun(lane) is None:
            if without_rows:  # no tombstone will tell
                self.put_setting(setting_of(lane, "lost"), str(self.sequence))
            return False
        self._put_settings((setting_of(lane, f"died {number:020d}"), str(self.sequence)) for number in without_rows)
        self._note_patches(lane, patches)
        return True

    def _note_patches(self, lane: Lane, patches: Mapping[int, tuple[int, dict[str, Any]]]) -> None:
        """Note what had changed in place of records, by the commit that did it, before it is forgotten."""
        if self.begun(lane) is not None:
            self._put_settings(
                (setting_of(lane, f"past {number:020d} {since:020d}"), JSON.encode(patch))
                for number, (since, patch) in patches.items()
                if since < self.sequence
            )

    def _kept_dead(self, lane: Lane, groups: Sequence[Group]) -> dict[int, tuple[Line, int]]:
        """Return the dead records of some groups that the history needs, each with the commit that took it, by number."""
        begun = self.begun(lane)
        found = [] if begun is None else self.dead_among(lane, groups, begun.since)
        return {line.number: (line, when) for line, when in found}

    def _renumber_past(
        self, lane: Lane, groups: Sequence[Group], numbers: Mapping[int, int], deaths: Mapping[int, int]
    ) -> None:
        """Let what is noted of the records of some groups, which go, lead to the new numbers of those that stay.

        ``deaths`` has the commit that took each dead one of these.
        """
        if self.begun(lane) is None:
            return
        known = self.pasts(lane)
        moved = [(number, since, patch) for number in numbers for since, patch in known.get(number, ())]
        self._remove_settings(setting_of(lane, f"past {number:020d} {since:020d}") for number, since, _ in moved)
        self._put_settings(
            (setting_of(lane, f"past {numbers[number]:020d} {since:020d}"), patch) for number, since, patch in moved
        )
        self._forget_deaths(lane, [(group.number, group.record_count) for group in groups])
        self._put_settings(
            (setting_of(lane, f"died {numbers[number]:020d}"), str(when)) for number, when in deaths.items()
        )

    def forget_history(self, lane: Lane, until: int) -> None:
        """Forget what a lane held before a commit; the state as of it, and those behind it, can still be told."""
        begun = self.begun(lane)
        if begun is None or until <= begun.since:
            return
        spent: set[int] = set()
        kept: set[int] = set()
        for line, when in self.dead_lines(lane, begun.since):
            (kept if when > until else spent).add(line.number)
        self._forget_patches(lane, spent, until)
        self._remove_spent(lane, sorted(spent), kept)
        at = begun.time
        for name, said in list(self._settings_below(setting_of(lane, "commit "))):
            if int(name) <= until:
                at = json.loads(said)["time"] or at
                self.remove_setting(setting_of(lane, f"commit {name}"))
        self._put_begun(lane, Begun(since=until, noted=max(until, begun.noted), time=at))

    def _forget_patches(self, lane: Lane, spent: set[int], until: int) -> None:
        """Forget what had changed in place of records that are gone, and what was changed again by a commit."""
        now: dict[int, int] = {}
        known = self.pasts(lane)
        for part in portions(sorted(known)):
            sql = f"SELECT number, sequence FROM relabels WHERE number IN ({marks(part)})"  # noqa: S608 - only question marks
            now.update(self._connection.execute(sql, part).fetchall())
        for number, patches in known.items():
            ends = [*(since for since, _ in patches[1:]), now.get(number, until + 1)]
            over = [since for (since, _), end in zip(patches, ends, strict=True) if number in spent or end <= until]
            self._remove_settings(setting_of(lane, f"past {number:020d} {since:020d}") for since in over)

    def _remove_spent(self, lane: Lane, spent: Sequence[int], kept: set[int]) -> None:
        """Delete the groups of some dead records in which none is left that is alive or needed."""
        gone = []
        for group, _ in list(self._groups_of(spent)):
            numbers = range(group.number, group.number + group.record_count)
            living = self._numbers(lane, group.ids())
            if kept.isdisjoint(numbers) and not any(number in numbers for number in living.values()):
                gone.append((group.number, group.record_count))
        self._connection.executemany("DELETE FROM groups WHERE number = ?", [(number,) for number, _ in gone])
        self._forget_deaths(lane, gone)

    def _forget_deaths(self, lane: Lane, groups: Sequence[tuple[int, int]]) -> None:
        """Forget when the records of groups that are gone died: (number of the first, how many).

        Not before: a dead record that was moved has been buried anew, and would seem to have died then.
        """
        dead = sorted(self._deaths(lane))
        over = [dead[bisect_left(dead, first) : bisect_left(dead, first + count)] for first, count in groups]
        self._remove_settings(setting_of(lane, f"died {number:020d}") for part in over for number in part)


def _told(at: float | None, added: int, removed: int, changed: int) -> str:
    """Return what is noted of a commit."""
    return json.dumps({"time": at, "added": added, "removed": removed, "changed": changed}, separators=(",", ":"))
