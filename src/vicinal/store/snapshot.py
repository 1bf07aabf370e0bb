"""A view of the database as of one commit: everything that reads, and nothing that writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from vicinal.store.bits import clear, fill, no_bits, rows_of
from vicinal.store.catalog import Lane
from vicinal.store.groups import QUALIFIED_COLUMNS, places, portions
from vicinal.store.history.reads import History
from vicinal.store.record import Group, Line
from vicinal.types import Bits, Floats, Record, Rows

IDS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """What an index needs of a lane: mapped rows by part, and which rows are alive, as of ``sequence``.

    ``parts`` pairs the number of the first row with a float32 array (n, D), ascending, perhaps with gaps between them;
    ``alive`` has ``next_row`` bits.
    """

    sequence: int
    parts: tuple[tuple[int, Floats], ...]
    alive: Bits
    next_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What was made of one record, and of what: the answer to "is it stale?"."""

    id: str
    origin: str
    text_digest: str
    fields_digest: str
    chunker: str
    space: str
    cut_chunks: int


class StoredChunk(NamedTuple):
    """The chunk of a row: ``record.text[start:end]``. ``number`` is the record's."""

    number: int
    record: Record
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with its place: its rows are ``first_row`` and those behind it, one for each of its spans."""

    number: int
    record: Record
    first_row: int

    @property
    def rows(self) -> range:
        """Its rows."""
        return range(self.first_row, self.first_row + len(self.record.spans))


@cache
def _rows_sql(count: int) -> str:
    """Return the query of the groups that some rows lie in: the one that begins last at or before each."""
    return (
        f"WITH asked(row) AS (VALUES {places('?' * count)}) SELECT asked.row, {QUALIFIED_COLUMNS} FROM asked "  # noqa: S608 - our own names
        "CROSS JOIN groups ON groups.number = (SELECT number FROM groups WHERE lane = ? AND first_row <= asked.row "
        "ORDER BY first_row DESC, number DESC LIMIT 1) WHERE asked.row < groups.first_row + groups.row_count"
    )


class Snapshot(History):
    """Reads of one commit. Made by ``Store.snapshot``; not for keeping."""

    def alive(self, lane: Lane) -> Bits:
        """Return which rows of a lane hold a living chunk, read anew: ``lane.next_row`` bits."""
        bits = no_bits(lane.next_row)
        for segment in self.segments(lane):
            fill(bits, segment.first_row, segment.row_count)
        clear(bits, self.dead_since(lane, -1))
        return bits

    def chunks_at(self, lane: Lane, rows: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks at living rows with their records, by row; a row that no record has is left out.

        Cost: about 5 µs a row.
        """
        lines: dict[int, Line] = {}
        at: dict[int, int] = {}
        for part in portions(rows):
            for row, *values in self._connection.execute(_rows_sql(len(part)), (*part, lane.number)).fetchall():
                line = self._group(values).line_at(row)
                at[row] = line.number
                lines[line.number] = line
        self._as_now(lane, lines)
        records = {number: line.record() for number, line in lines.items()}
        found: dict[int, StoredChunk] = {}
        for row, number in at.items():
            line = lines[number]
            start, end = line.spans[row - line.first_row]
            found[row] = StoredChunk(number, records[number], start, end)
        return found

    def chunks_of(self, lane: Lane, ids: Sequence[str]) -> dict[str, StoredRecord]:
        """Return records with their spans and rows, by id; ids that are not stored are left out."""
        return {line.id: StoredRecord(line.number, line.record(), line.first_row) for line in self._lines_of(lane, ids)}

    def _lines_of(self, lane: Lane, ids: Sequence[str]) -> list[Line]:
        """Return the records of some ids, those that are stored."""
        numbers = self._numbers(lane, ids)
        lines = self._lines(lane, list(numbers.values()))
        if any(lines[number].id != record_id for record_id, number in numbers.items()):
            raise self._damaged("an id leads to another record")
        return list(lines.values())

    def record(self, lane: Lane, record_id: str) -> Record | None:
        """Return the record of an id with its spans, or None."""
        found = self._lines_of(lane, [record_id])
        return found[0].record() if found else None

    def ids(self, lane: Lane) -> Iterator[str]:
        """Go through the ids of all records, sorted."""
        sql = "SELECT id FROM ids WHERE collection = ? AND id > ? ORDER BY id LIMIT ?"
        last = ""
        while found := self._connection.execute(sql, (lane.collection, last, IDS_AT_ONCE)).fetchall():
            yield from (record_id for (record_id,) in found)
            last = found[-1][0]

    def ids_without(self, lane: Lane, twin: Lane, most: int) -> list[str]:
        """Return ids of records of a lane that the one beside it has not, newest first. Cost: 1 µs for each of the lane."""
        sql = (
            "SELECT mine.id FROM ids AS mine WHERE mine.collection = ? AND NOT EXISTS "
            "(SELECT 1 FROM ids AS other WHERE other.collection = ? AND other.id = mine.id) ORDER BY mine.number DESC LIMIT ?"
        )
        return [one for (one,) in self._connection.execute(sql, (lane.collection, twin.collection, most))]

    def has(self, lane: Lane, record_id: str) -> bool:
        """Return whether a record of that id is stored."""
        return bool(self._numbers(lane, [record_id]))

    def numbers(self, lane: Lane, ids: Sequence[str]) -> dict[str, int]:
        """Return the record numbers of some ids, by id; ids that are not stored are left out. No record is read.

        A number stands for one record, its text and its rows for ever: what replaces or moves a record has another one.
        """
        return self._numbers(lane, ids)

    def ledger(self, lane: Lane, ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """Return the entries of some ids, by id; ids that are not stored are left out."""
        return {
            line.id: LedgerEntry(
                id=line.id,
                origin=line.origin,
                text_digest=line.text_digest,
                fields_digest=line.fields_digest,
                chunker=line.chunker or lane.chunker,
                space=lane.space.id,
                cut_chunks=line.cut_chunks,
            )
            for line in self._lines_of(lane, ids)
        }

    def ids_from(self, lane: Lane, origin: str) -> list[tuple[str, str]]:
        """Return (id, origin) of the records that came from an origin, or from below it as a folder.

        ``.`` is the folder of all relative paths.
        """
        return [(line.id, line.origin) for line in self.placed_from(lane, origin)]

    def placed_from(self, lane: Lane, origin: str) -> Iterator[Line]:
        """Go through the records that came from an origin, or from below it, with their rows, spans and digests."""
        sql = "SELECT number FROM origins WHERE collection = ? AND "
        folder = origin.rstrip("/")
        if origin == ".":
            values: tuple[int | str, ...] = (lane.collection,)
            sql += "origin != '-' AND origin NOT LIKE '/%' AND origin NOT LIKE '%:'"
        else:
            values = (lane.collection, origin, folder + "/", folder + "0")  # '0' is the character after '/'
            sql += "(origin = ? OR (origin > ? AND origin < ?))"
        numbers = sorted(number for (number,) in self._connection.execute(sql, values))
        for part in portions(numbers):
            yield from self._lines(lane, part).values()

    def has_rows(self, lane: Lane, rows: Rows) -> bool:
        """Return whether rows lie in files that are there; they may be dead, and hold what they always held."""
        segments = self.segments(lane)
        here = [(rows >= one.first_row) & (rows < one.next_row) for one in segments]
        return bool(np.any(here, axis=0).all()) if segments else not len(rows)

    def origins(self, lane: Lane) -> dict[str, int]:
        """Return how many records came from each origin."""
        sql = "SELECT origin, count(*) FROM origins WHERE collection = ? GROUP BY origin ORDER BY origin"
        return dict(self._connection.execute(sql, (lane.collection,)).fetchall())

    def check_records(self, lane: Lane) -> None:
        """Compare the records of a lane with the ids, origins, tombstones and sums that tell of them as well.

        Raises
        ------
        CorruptStoreError
            They do not agree.
        """
        sql = "SELECT number, id FROM ids WHERE collection = ?"
        living = dict(self._connection.execute(sql, (lane.collection,)).fetchall())
        sql = "SELECT number, origin FROM origins WHERE collection = ?"
        origins = dict(self._connection.execute(sql, (lane.collection,)).fetchall())
        alive, counted = no_bits(lane.next_row), [0, 0, 0, 0]
        for group in self._groups_from(lane, 0):
            for line in self._checked_lines(lane, group):
                if line.number in living:
                    if living.pop(line.number) != line.id or origins.pop(line.number, "") != line.origin:
                        raise self._damaged(f"an id or an origin leads to another record than {line.id!r}")
                    fill(alive, line.first_row, len(line.spans))
                    for place, more in enumerate((1, len(line.spans), line.cut_chunks > 0, line.cut_chunks)):
                        counted[place] += more
        if living or origins or not np.array_equal(alive, self.alive(lane)):
            rows = rows_of(alive ^ self.alive(lane))
            told = (
                f"; {next(iter(living.values()))!r} has no record"
                if living
                else f"; row {rows[0]} differs"
                if len(rows)
                else ""
            )
            raise self._damaged(
                f"the records of collection {lane.name!r} are not those of its ids and tombstones{told}"
            )
        if counted != [lane.records, lane.rows, lane.cut_records, lane.cut_chunks]:
            raise self._damaged(f"the sums of collection {lane.name!r} are not those of its records")

    def _checked_lines(self, lane: Lane, group: Group) -> list[Line]:
        """Return the records of a group, which must agree with its columns."""
        try:
            lines, counts = group.lines(), group.row_counts()
        except (ValueError, TypeError, LookupError):
            raise self._damaged("a group of records cannot be read") from None
        if (
            len(lines) != group.record_count
            or [len(line.spans) for line in lines] != counts
            or sum(counts) != group.row_count
            or not 0 <= group.first_row <= group.first_row + group.row_count <= lane.next_row
        ):
            raise self._damaged("a group of records does not agree with itself")
        return list(self._as_now(lane, {line.number: line for line in lines}).values())
