"""The tables of the truth, and SQLite's errors under our names."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from vicinal._files import disk_errors, sync_folder
from vicinal.errors import LockedError, NoSpaceLeftError, ReadOnlyError, StoreError, VicinalError, corrupt
from vicinal.store.format import APPLICATION_ID, FORMAT_VERSION, READABLE_VERSIONS, row_crc, unknown_version

BUSY_TIMEOUT_MS = 10_000
"""How long SQLite waits for another connection's short locks."""
CACHE_KIB = 65_536
"""Pages that SQLite keeps in memory, each connection its own."""
PAGE_BYTES = 4096
LOG_PAGES = 8192
"""Pages of the log (32 MiB) after which a commit moves them into the file; what a crash leaves to be replayed."""

VACUUM_SHARE = 4
"""The file is written anew when one page in so many is free. (Giving pages back one by one takes SQLite a search of all
free ones for each: 17 s for 40 MB.)"""

PENDING = """
CREATE TABLE pending (                -- rows of small commits, until their vector file, which has them too, is synced
    place INTEGER PRIMARY KEY,        -- of the first of them: the number of the segment * 262144 + its row in the file
    rows BLOB NOT NULL,               -- float32, little-endian
    crc INTEGER NOT NULL
);
"""
TABLES = f"""
CREATE TABLE manifest (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    database BLOB NOT NULL,           -- 16 random bytes, also in every vector file
    sequence INTEGER NOT NULL,        -- commits so far
    next_number INTEGER NOT NULL,     -- of collections, lanes, segments and records alike, none is given twice
    oldest_feed INTEGER NOT NULL,     -- deletions of this commit and those before it are forgotten
    crc INTEGER NOT NULL
);
CREATE TABLE settings (               -- what a database knows of itself, such as whom it follows
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE spaces (
    id TEXT PRIMARY KEY,
    canonical TEXT NOT NULL,          -- the fields of the space, id is a digest of exactly these bytes
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
    collection INTEGER NOT NULL,
    space TEXT NOT NULL,
    chunker TEXT NOT NULL,            -- the chunker's id
    next_row INTEGER NOT NULL,        -- rows given out so far, none is ever given twice
    records INTEGER NOT NULL,         -- sums over what lives in it, so that nobody has to count
    rows INTEGER NOT NULL,
    cut_records INTEGER NOT NULL,
    cut_chunks INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX lanes_of_collection ON lanes(collection);
CREATE TABLE segments (               -- vectors/<space>/<number>.vec
    number INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    row_count INTEGER NOT NULL,       -- committed rows, what lies behind them is no part of the database
    tail_crc INTEGER NOT NULL,        -- of the committed rows of the last block, if it is not full, else 0
    crc INTEGER NOT NULL
);
CREATE INDEX segments_of_lane ON segments(lane, first_row);
{PENDING.strip()}
CREATE TABLE blocks (                 -- full blocks
    segment INTEGER NOT NULL,
    block INTEGER NOT NULL,
    data_crc INTEGER NOT NULL,        -- of the rows of the block, as they stand in the file
    crc INTEGER NOT NULL,
    PRIMARY KEY (segment, block)
) WITHOUT ROWID;
CREATE TABLE dropped (                -- vector files that no lane has any more, and that a reader may still map
    number INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    dropped_at INTEGER NOT NULL,      -- seconds since 1970
    crc INTEGER NOT NULL
);
CREATE TABLE groups (                 -- some records that were written together, as one text
    number INTEGER PRIMARY KEY,       -- of its first record, the others are numbered on from it, with commits ascending
    lane INTEGER NOT NULL,
    first_row INTEGER NOT NULL,       -- the rows of its records lie together, in their order
    row_count INTEGER NOT NULL,
    record_count INTEGER NOT NULL,
    counts TEXT NOT NULL,             -- rows of each record, '' where each has one
    sequence INTEGER NOT NULL,        -- the commit that wrote it
    lengths TEXT NOT NULL,            -- code points of each record's text
    texts TEXT NOT NULL,              -- the texts, one behind the other
    lines TEXT NOT NULL,              -- a line for each record, dead or alive, a JSON array of all else
    crc INTEGER NOT NULL
);
CREATE INDEX groups_of_lane ON groups(lane, first_row);
CREATE TABLE ids (                    -- the living records
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE origins (                -- the living records that have an origin
    collection INTEGER NOT NULL,
    origin TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (collection, origin, number)
) WITHOUT ROWID;
CREATE TABLE relabels (               -- what changed in place since a record was written
    number INTEGER PRIMARY KEY,       -- of the record
    lane INTEGER NOT NULL,
    sequence INTEGER NOT NULL,        -- the last commit that changed it
    patch TEXT NOT NULL,              -- JSON object with source, fields, origin and fields_digest as they are now
    crc INTEGER NOT NULL
);
CREATE INDEX relabels_by_sequence ON relabels(lane, sequence);
CREATE TABLE tombstones (             -- dead rows, by the commit that buried them
    lane INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (lane, sequence, first_row)
) WITHOUT ROWID;
CREATE TABLE deletions (              -- records that were deleted, and with an empty id whole collections
    sequence INTEGER NOT NULL,
    collection TEXT NOT NULL,         -- its name
    id TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (sequence, collection, id)
) WITHOUT ROWID;
CREATE TABLE canaries (               -- probe texts, and where the encoder of a space put them
    space TEXT NOT NULL,
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
    """Return a connection that holds our promises: WAL, every commit synced.

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
                "synchronous=FULL",
                f"cache_size=-{CACHE_KIB}",
                f"wal_autocheckpoint={LOG_PAGES}",
                f"journal_size_limit={LOG_PAGES * PAGE_BYTES}",
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


def create(path: Path, database: bytes) -> None:
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
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
            connection.executescript(f"BEGIN; {TABLES}")
            told = (0, 1, 0)
            connection.execute(
                "INSERT INTO manifest VALUES (1, ?, ?, ?, ?, ?)", (database, *told, row_crc(database.hex(), *told))
            )
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
    with disk_errors(path):
        part.replace(path)
        sync_folder(path.parent)


def vacuum(connection: sqlite3.Connection) -> None:
    """Write SQLite's file anew without its free pages, where those are many; it stays whole until the new one is.

    Later writes use free pages first, so a few of them are no loss.
    """
    free, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    if free * VACUUM_SHARE >= pages:
        connection.execute("VACUUM")


class sqlite_errors:  # noqa: N801 - it is used like a function, see disk_errors
    """Turn SQLite's errors into those with a name and the file.

    Raises
    ------
    CorruptStoreError, NoSpaceLeftError, ReadOnlyError, LockedError, StoreError
        By SQLite's result code.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give an error its name."""
        if isinstance(error, sqlite3.Error):
            raise sqlite_error(error, self._path) from error


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
