"""The full check: every row of the truth and every block of the vectors against their checksums, and the sums between them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from vicinal.errors import corrupt
from vicinal.store.format import SQLITE_NAME, row_crc
from vicinal.store.schema import sqlite_errors, version_of
from vicinal.store.snapshot import Lane, Snapshot

CHECKED = {
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
    newer = CHECKED_SINCE_VERSION_2 if version_of(connection) > 1 else {}
    for table, columns in (CHECKED | newer).items():
        for *values, crc in connection.execute(f"SELECT {columns}, crc FROM {table}"):  # noqa: S608 - our own names
            if row_crc(*values) != crc:
                raise corrupt(path, f"a row of {table} does not match its checksum")


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
        if segment.first_row != next_row:
            raise corrupt(
                segment.path, "its rows do not follow those before them", expected=next_row, got=segment.first_row
            )
        next_row += segment.row_count
        rows = segment.map()
        if not is_known(segment):
            segment.check_blocks(rows, snapshot.blocks(segment))
    counts = snapshot.counts(lane)
    owners = snapshot.record_of_row(lane)
    if next_row != lane.next_row or int((owners >= 0).sum()) != counts["chunks"]:
        raise corrupt(SQLITE_NAME, f"the rows of collection {lane.name!r} do not add up")
