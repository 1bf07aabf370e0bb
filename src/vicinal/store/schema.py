"""The tables of the truth, and SQLite's errors under our names."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from vicinal.errors import LockedError, NoSpaceLeftError, ReadOnlyError, StoreError, VicinalError, corrupt
from vicinal.store.format import APPLICATION_ID, FORMAT_VERSION, READABLE_VERSIONS, unknown_version

BUSY_TIMEOUT_MS = 10_000
"""How long SQLite waits for another connection's short locks."""
CACHE_KIB = 32_768
"""Pages that SQLite keeps in memory, each connection its own."""

TABLES = """
CREATE TABLE manifest (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    database BLOB NOT NULL,           -- 16 random bytes, also in every vector file
    sequence INTEGER NOT NULL,        -- commits so far
    crc INTEGER NOT NULL
);
CREATE TABLE spaces (
    id TEXT PRIMARY KEY,
    canonical TEXT NOT NULL,          -- the fields of the space; id is a digest of exactly these bytes
    crc INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE collections (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,              -- the name that loads the encoder, '' if it was given as an object
    crc INTEGER NOT NULL
);
CREATE TABLE lanes (                  -- one collection in one space, cut up by one chunker
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections(number),
    space TEXT NOT NULL REFERENCES spaces(id),
    chunker TEXT NOT NULL,            -- the chunker's id
    next_row INTEGER NOT NULL,        -- rows given out so far; none is ever given twice
    crc INTEGER NOT NULL
);
CREATE TABLE segments (               -- vectors/<space>/<number>.vec
    number INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL REFERENCES lanes(number),
    first_row INTEGER NOT NULL,
    row_count INTEGER NOT NULL,       -- committed rows; what lies behind them is garbage of a crash
    crc INTEGER NOT NULL
);
CREATE INDEX segments_of_lane ON segments(lane, first_row);
CREATE TABLE blocks (
    segment INTEGER NOT NULL REFERENCES segments(number),
    block INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    data_crc INTEGER NOT NULL,        -- of the committed rows of the block, as they stand in the file
    crc INTEGER NOT NULL,
    PRIMARY KEY (segment, block)
) WITHOUT ROWID;
CREATE TABLE records (
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections(number),
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    source TEXT NOT NULL,
    fields TEXT NOT NULL,             -- JSON object
    sequence INTEGER NOT NULL,        -- the commit that wrote it last
    crc INTEGER NOT NULL,
    UNIQUE (collection, id)
);
CREATE TABLE chunks (
    lane INTEGER NOT NULL REFERENCES lanes(number),
    row INTEGER NOT NULL,
    record INTEGER NOT NULL REFERENCES records(number),
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (lane, row)
) WITHOUT ROWID;
CREATE INDEX chunks_of_record ON chunks(record);
CREATE TABLE tombstones (
    lane INTEGER NOT NULL REFERENCES lanes(number),
    row INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (lane, row)
) WITHOUT ROWID;
CREATE TABLE ledger (                 -- what came from where, and what was made of it
    lane INTEGER NOT NULL REFERENCES lanes(number),
    record INTEGER NOT NULL REFERENCES records(number),
    origin TEXT NOT NULL,             -- the source that is asked when the record is looked for again, '' for none
    text_digest TEXT NOT NULL,
    fields_digest TEXT NOT NULL,
    chunker TEXT NOT NULL,
    space TEXT NOT NULL,
    cut_chunks INTEGER NOT NULL,      -- how many of its vectors were made of a cut text
    sequence INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (lane, record)
) WITHOUT ROWID;
CREATE INDEX ledger_of_record ON ledger(record);
CREATE INDEX ledger_by_origin ON ledger(lane, origin);
"""
SINCE_VERSION_2 = """
CREATE TABLE canaries (               -- probe texts, and where the encoder of a space put them
    space TEXT NOT NULL REFERENCES spaces(id),
    place INTEGER NOT NULL,
    role TEXT NOT NULL,               -- query or document
    text TEXT NOT NULL,
    runtime TEXT NOT NULL,            -- what ran the network when they were made, '' where it is not known
    vector BLOB NOT NULL,             -- float32, little-endian
    crc INTEGER NOT NULL,
    PRIMARY KEY (space, place)
) WITHOUT ROWID;
CREATE TABLE projections (            -- what projected spaces name by digest
    digest TEXT PRIMARY KEY,
    content BLOB NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;
"""

CORRUPT = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_SCHEMA,
}
FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def connect(path: Path, *, write: bool, immutable: bool = False) -> sqlite3.Connection:
    """Return a connection that holds our promises: WAL, every commit synced, foreign keys on.

    Raises
    ------
    VicinalError
        The file is damaged, foreign, of another format or cannot be opened.
    """
    mode = "rw" if write else "ro"
    uri = f"file:{quote(str(path))}?mode={mode}" + ("&immutable=1" if immutable else "")
    with sqlite_errors(path):
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
        )
        try:
            for pragma in (
                "trusted_schema=OFF",
                "cell_size_check=ON",
                "foreign_keys=ON",
                "synchronous=FULL",
                f"cache_size=-{CACHE_KIB}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            _check_identity(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of another program or of a later format."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise corrupt(path, "it is no database of Vicinal", expected=APPLICATION_ID, got=application)
    version = version_of(connection)
    if version not in READABLE_VERSIONS:
        raise unknown_version(path, version)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the format version of an open database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a database of an older format to the present one, in one transaction; nothing if it is."""
    if version_of(connection) == FORMAT_VERSION:
        return
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {SINCE_VERSION_2} PRAGMA user_version={FORMAT_VERSION}; COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def create(path: Path, database: bytes, crc: int) -> None:
    """Write a new file with empty tables; it appears whole or not at all.

    Raises
    ------
    VicinalError
        The folder cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with sqlite_errors(path):
        connection = sqlite3.connect(part, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
            connection.executescript(TABLES + SINCE_VERSION_2)
            connection.execute("INSERT INTO manifest VALUES (1, ?, 0, ?)", (database, crc))
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
    part.replace(path)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those with a name and the file.

    Raises
    ------
    CorruptStoreError, NoSpaceLeftError, ReadOnlyError, LockedError, StoreError
        By SQLite's result code.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise sqlite_error(error, path) from error


def sqlite_error(error: sqlite3.Error, path: Path) -> VicinalError:
    """Return the error with a name for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpaceLeftError(
            f"The disk of {path} is full; nothing of this write is visible. Free some space and run it again.",
            where=str(path),
        )
    if code in FORBIDDEN:
        return ReadOnlyError(f"{path} cannot be written: {error}. Check its owner and mode.", where=str(path))
    if code in BUSY:
        return LockedError(
            f"{path} is in use by another process. Try again, or find out which one with lsof.", where=str(path)
        )
    if code in CORRUPT or isinstance(error, sqlite3.IntegrityError | sqlite3.DataError) or _names_schema(error):
        return corrupt(path, str(error))
    return StoreError(f"{path}: {error}.", where=str(path))


def _names_schema(error: sqlite3.Error) -> bool:
    """Return whether SQLite misses a table or column, which only damage can have taken away."""
    return str(error).startswith(("no such table", "no such column", "malformed"))
