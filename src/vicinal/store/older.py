"""Databases of older formats, brought to the present form.

Versions 1 and 2 are checked with their own checksums and written anew. Version 3 lacks one table, which begins empty.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import corrupt
from vicinal.store.format import BLOCK_ROWS, FORMAT_VERSION, READ_AS_THEY_ARE, row_crc
from vicinal.store.record import JSON, Lines, groups_of
from vicinal.store.schema import PENDING, TABLES, connect, sqlite_errors, version_of

CHECKED = {
    "manifest": "hex(database), sequence",
    "spaces": "id, canonical",
    "collections": "number, name, model",
    "lanes": "number, collection, space, chunker, next_row",
    "segments": "number, lane, first_row, row_count",
    "blocks": "segment, block, row_count, data_crc",
    "records": "collection, id, text, source, fields, sequence",
    "chunks": 'lane, row, record, start, "end"',
    "tombstones": "lane, row",
    "ledger": "lane, record, origin, text_digest, fields_digest, chunker, space, cut_chunks, sequence",
}
"""Table → the columns that its checksum covers, in order."""
CHECKED_SINCE_VERSION_2 = {
    "canaries": "space, place, role, text, runtime, hex(vector)",
    "projections": "digest, hex(content)",
}
AT_ONCE = 1000


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a database of an older format to the present one, in one transaction; nothing if it is.

    Cost: of versions 1 and 2 one pass, about 50,000 records/s; the vector files stay as they are.

    Raises
    ------
    CorruptStoreError
        A row does not match its checksum; nothing is changed.
    """
    version = version_of(connection)
    if version == FORMAT_VERSION:
        return
    tables = CHECKED | (CHECKED_SINCE_VERSION_2 if version > 1 else {})
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA legacy_alter_table=ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) == version:  # else another process has done it meanwhile
            if version not in READ_AS_THEY_ARE:
                _Upgrade(connection, path, tables).run()
            else:
                connection.execute(PENDING)
            connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def upgraded_copy(path: Path) -> Path:
    """Return a private copy of SQLite's file in the present form, for one who may only read; he deletes its folder.

    Raises
    ------
    CorruptStoreError
        The file is damaged.
    """
    copy = Path(tempfile.mkdtemp(prefix="vicinal-")) / path.name
    with sqlite_errors(path):
        source = connect(path, write=False)
        target = sqlite3.connect(copy, isolation_level=None)
        try:
            source.backup(target)
            target.execute("PRAGMA synchronous=OFF")
            upgrade(target, path)
        finally:
            source.close()
            target.close()
    return copy


class _Upgrade:
    """One run over the tables."""

    def __init__(self, connection: sqlite3.Connection, path: Path, tables: dict[str, str]) -> None:
        self._connection = connection
        self._path = path
        self._tables = tables

    def run(self) -> None:
        """Write the tables anew."""
        run = self._connection.execute
        for (index,) in run("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall():
            run(f'DROP INDEX "{index}"')
        run("CREATE INDEX old_by_record ON chunks(record, lane, row)")
        for table in self._tables:
            run(f"ALTER TABLE {table} RENAME TO old_{table}")
        for statement in TABLES.split(";\n"):
            if statement.strip():
                run(statement)
        sequence, next_number = self._manifest()
        lanes = self._small_tables(sequence)
        self._records(lanes, sequence, next_number)
        for table in self._tables:
            run(f"DROP TABLE old_{table}")

    def _checked(self, table: str, where: str = "", values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Go through the rows of an old table, each compared with its checksum."""
        columns = self._tables[table]
        found = self._connection.execute(f"SELECT {columns}, crc FROM old_{table} {where}", values)  # noqa: S608 - our own names
        for *row, crc in found.fetchall():
            if table == "manifest":
                row[0] = row[0].lower()
            if row_crc(*row) != crc:
                raise corrupt(self._path, f"a row of {table} does not match its checksum")
            yield tuple(row)

    def _manifest(self) -> tuple[int, int]:
        """Write the manifest; return the number of the last commit, and one above all numbers in use."""
        ((database, sequence),) = self._checked("manifest")
        used = [
            self._connection.execute(f"SELECT coalesce(max(number), 0) FROM old_{table}").fetchone()[0]  # noqa: S608 - our own names
            for table in ("collections", "lanes", "segments")
        ]
        count = self._connection.execute("SELECT count(*) FROM old_ledger").fetchone()[0]
        first = max(used) + 1
        told = (sequence, first + count, sequence)
        self._connection.execute(
            "INSERT INTO manifest VALUES (1, ?, ?, ?, ?, ?)", (bytes.fromhex(database), *told, row_crc(database, *told))
        )
        return sequence, first

    def _small_tables(self, sequence: int) -> dict[int, list[Any]]:
        """Write what is not of records; return lane number → [the lane's row, its sums]."""
        run = self._connection
        for table in ("spaces", "collections"):
            rows = [(*row, row_crc(*row)) for row in self._checked(table)]
            width = self._tables[table].count(",") + 2
            run.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * width)})", rows)  # noqa: S608 - our own names
        for table in CHECKED_SINCE_VERSION_2.keys() & self._tables.keys():
            for _ in self._checked(table):
                pass
            run.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")  # noqa: S608 - our own names
        self._segments()
        dead = [(lane, row) for lane, row in self._checked("tombstones", "ORDER BY lane, row")]
        run.executemany(
            "INSERT INTO tombstones VALUES (?, ?, ?, 1, ?)",
            [(lane, sequence, row, row_crc(lane, sequence, row, 1)) for lane, row in dead],
        )
        return {row[0]: [row, 0, 0, 0, 0] for row in self._checked("lanes")}

    def _segments(self) -> None:
        """Write the segments and their blocks, the last block of each with its segment."""
        blocks = {(segment, block): (count, crc) for segment, block, count, crc in self._checked("blocks")}
        for number, lane, first_row, row_count in self._checked("segments"):
            last, filled = divmod(row_count, BLOCK_ROWS)
            full = [blocks.get((number, block), (0, 0)) for block in range(last)]
            tail = blocks.get((number, last), (0, 0)) if filled else (0, 0)
            if tail[0] != filled or any(count != BLOCK_ROWS for count, _ in full):
                raise corrupt(self._path, f"the blocks of vector file {number} do not add up to its rows")
            values = (number, lane, first_row, row_count, tail[1])
            self._connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)", (*values, row_crc(*values)))
            self._connection.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?, ?)",
                [(number, block, crc, row_crc(number, block, crc)) for block, (_, crc) in enumerate(full)],
            )

    def _records(self, lanes: dict[int, list[Any]], sequence: int, first_number: int) -> None:
        """Write the records of each lane in the order of their rows, as groups under new numbers, and the sums of each lane."""
        number = first_number
        for lane, told in lanes.items():
            sql = (
                "SELECT record, (SELECT min(row) FROM old_chunks WHERE record = old_ledger.record AND lane = old_ledger.lane) AS first "
                "FROM old_ledger WHERE lane = ? ORDER BY first IS NULL, first, record"
            )
            waiting: list[list[Any]] = []
            first_row = next_row = 0
            for old, first in self._connection.execute(sql, (lane,)).fetchall():
                if waiting and (first != next_row or len(waiting) >= AT_ONCE):
                    number = self._write(lane, waiting, number, first_row, sequence)
                    waiting = []
                if not waiting:
                    first_row = next_row = told[0][4] if first is None else first
                line = self._line(told, old)
                next_row += len(line[7]) // 2
                waiting.append(line)
            if waiting:
                number = self._write(lane, waiting, number, first_row, sequence)
        for row, *sums in lanes.values():
            values = (*row, *sums)
            self._connection.execute(
                "INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, row_crc(*values))
            )

    def _write(self, lane: int, lines: list[list[Any]], number: int, first_row: int, sequence: int) -> int:
        """Write records whose rows lie together; return the next number."""
        collection = self._connection.execute("SELECT collection FROM old_lanes WHERE number = ?", (lane,)).fetchone()[
            0
        ]
        texts, encoded = [line[1] for line in lines], [JSON.encode([line[0], *line[2:]]) for line in lines]
        groups = groups_of(
            Lines(texts, encoded, [len(line[7]) // 2 for line in lines]),
            number=number,
            lane=lane,
            first_row=first_row,
            sequence=sequence,
        )
        run = self._connection.executemany
        run("INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", groups)
        run("INSERT INTO ids VALUES (?, ?, ?)", [(collection, line[0], number + at) for at, line in enumerate(lines)])
        run(
            "INSERT INTO origins VALUES (?, ?, ?)",
            [(collection, line[4], number + at) for at, line in enumerate(lines) if line[4]],
        )
        return number + len(lines)

    def _line(self, told: list[Any], old: int) -> list[Any]:
        """Return the line of a record in a lane, and count it."""
        lane = told[0][0]
        ((_, record_id, text, source, fields, written),) = self._checked("records", "WHERE number = ?", (old,))
        ((_, _, origin, text_digest, fields_digest, chunker, _, cut_chunks, _),) = self._checked(
            "ledger", "WHERE record = ? AND lane = ?", (old, lane)
        )
        found = list(self._checked("chunks", "WHERE record = ? AND lane = ? ORDER BY row", (old, lane)))
        rows = [row for _, row, *_ in found]
        if rows and rows != list(range(rows[0], rows[0] + len(rows))):
            raise corrupt(self._path, "the chunks of a record do not lie together")
        for place, more in enumerate((1, len(rows), int(cut_chunks > 0), cut_chunks), 1):
            told[place] += more
        spans = [place for *_, start, end in found for place in (start, end)]
        own = "" if chunker == told[0][3] else chunker
        return [
            record_id,
            text,
            source,
            json.loads(fields),
            origin,
            text_digest,
            fields_digest,
            spans,
            own,
            cut_chunks,
            written,
        ]
