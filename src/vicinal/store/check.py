"""The full check: every row of the truth and every block of the vectors against their checksums, and the sums between them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from vicinal.errors import corrupt
from vicinal.store.catalog import Lane
from vicinal.store.format import PENDING_SINCE, PLACES, SQLITE_NAME, row_crc
from vicinal.store.schema import sqlite_errors, version_of
from vicinal.store.snapshot import Snapshot

CHECKED = {
    "settings": "name, value",
    "spaces": "id, canonical",
    "collections": "number, name, model",
    "lanes": "number, collection, space, chunker, next_row, records, rows, cut_records, cut_chunks",
    "segments": "number, lane, first_row, row_count, tail_crc",
    "blocks": "segment, block, data_crc",
    "dropped": "number, space, dropped_at",
    "groups": "number, lane, first_row, row_count, record_count, counts, sequence, lengths, texts, lines",
    "relabels": "number, lane, sequence, patch",
    "tombstones": "lane, sequence, first_row, row_count",
    "deletions": "sequence, collection, id",
    "canaries": "space, place, role, text, runtime, hex(vector)",
    "projections": "digest, hex(content)",
}
"""Table → the columns that its checksum covers, in order; the manifest is compared whenever it is read.
``ids`` and ``origins`` say again what the groups and the tombstones do, and are compared with them; ``pending`` is
compared whenever a vector file is mapped."""

ORPHANS = {
    "groups": ("groups without a lane", "SELECT 1 FROM groups WHERE lane NOT IN (SELECT number FROM lanes)"),
    "ids": ("ids without a lane", "SELECT 1 FROM ids WHERE collection NOT IN (SELECT collection FROM lanes)"),
    "segments": ("vector files without a lane", "SELECT 1 FROM segments WHERE lane NOT IN (SELECT number FROM lanes)"),
    "pending": (
        "rows without a vector file",
        f"SELECT 1 FROM pending WHERE place / {PLACES} NOT IN (SELECT number FROM segments)",  # noqa: S608 - our own number
    ),
}
"""Table → what stands in it without what it belongs to, and the statement that finds some."""


def check_everything(connection: sqlite3.Connection, folder: Path) -> None:
    """Read the whole database and compare it with its checksums.

    Cost: one pass over SQLite's file (twice) and over the vectors, about 1 GB/s.

    Raises
    ------
    CorruptStoreError
        Something is damaged; the message names the file.
    """
    path = folder / SQLITE_NAME
    with sqlite_errors(path):
        connection.execute("BEGIN")  # one commit, whatever is written meanwhile
        try:
            _check_tables(connection, path)
            snapshot = Snapshot(connection, folder)
            for name in snapshot.collection_names():
                check_lane(snapshot, snapshot.lane(name), lambda _: False)
        finally:
            connection.execute("ROLLBACK")


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    if said != ["ok"]:
        raise corrupt(path, "; ".join(str(line) for line in said))
    for table, columns in CHECKED.items():
        for *values, crc in connection.execute(f"SELECT {columns}, crc FROM {table}"):  # noqa: S608 - our own names
            if row_crc(*values) != crc:
                raise corrupt(path, f"a row of {table} does not match its checksum")
    for table, (told, sql) in ORPHANS.items():
        if table == "pending" and version_of(connection) < PENDING_SINCE:
            continue
        if connection.execute(f"{sql} LIMIT 1").fetchone() is not None:
            raise corrupt(path, f"there are {told}")


def check_lane(snapshot: Snapshot, lane: Lane, is_known: Callable[[object], bool]) -> None:
    """Check the vectors of a lane, and that its rows add up.

    ``is_known`` says of a segment whether its content need not be read again.

    Raises
    ------
    CorruptStoreError
        Something is damaged; the message names the file.
    """
    next_row = 0
    for segment in snapshot.segments(lane):
        if segment.first_row < next_row:
            raise corrupt(
                segment.path, "its rows do not follow those before them", expected=next_row, got=segment.first_row
            )
        next_row = segment.next_row
        rows = snapshot.rows_in(segment)
        if not is_known(segment):
            segment.check_blocks(rows, snapshot.blocks(segment))
    if next_row > lane.next_row:
        raise corrupt(SQLITE_NAME, f"the rows of collection {lane.name!r} do not add up")
    snapshot.check_records(lane)
