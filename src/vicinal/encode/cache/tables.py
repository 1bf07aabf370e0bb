"""What is read and written in the file of a cache: rows by their digest, when they were of use, and room for new ones.

::

    keys          key → row, crc         the first 8 bytes of a digest, as a number
    vectors       row → payload          digest (16), cut (uint32), float32 numbers, little-endian
    uses          row → used             when a row was last of use, if that was long after it was written
    clock         one row: bytes written so far; a row's number is what the clock said when it was written

Whatever the file does is a ``sqlite3.Error`` here; ``fault`` says what kind of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal
from zlib import crc32

import numpy as np

DIGEST_BYTES = 16
HEAD_BYTES = DIGEST_BYTES + 4
"""What stands before the numbers of a payload."""
ROW_BYTES = 96
"""What a row takes beside its payload, in all tables, rounded up."""
PAGE_BYTES = 16_384
"""Ten vectors of 384 numbers, five of 768, three of 1,024: little is left over at the end of a page."""
LARGEST_BYTES = 1 << 24
"""No value is larger, whatever a damaged length says."""
BUSY_S = 0.25
"""How long another process is waited for."""
LOG_PAGES = 512
"""The log is brought into the file when it has so many pages, or sooner in a small cache."""

_APPLICATION = 0x56434143
_FORMAT = 1
_LATEST = 1 << 61
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_REFUSED = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_INTERRUPT,
}
_SCHEMA = """
CREATE TABLE keys (key INTEGER PRIMARY KEY, row INTEGER NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE vectors (row INTEGER PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE uses (row INTEGER PRIMARY KEY, used INTEGER NOT NULL);
CREATE TABLE clock (written INTEGER NOT NULL);
INSERT INTO clock VALUES (0);
"""
_FIND = (
    "SELECT keys.key, keys.row, crc, payload FROM keys LEFT JOIN vectors ON vectors.row = keys.row WHERE keys.key IN "
)
_OLDEST = (
    "SELECT keys.row, keys.key FROM keys LEFT JOIN uses ON uses.row = keys.row "
    "ORDER BY coalesce(used, keys.row), keys.row LIMIT ?"
)


def prepare(db: sqlite3.Connection, limit_bytes: int) -> None:
    """Set what a connection needs, and make the tables where there are none."""
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_BYTES)
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = OFF", "trusted_schema = OFF"):
        db.execute(f"PRAGMA {setting}").fetchall()
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA cache_size = -8192")
    portion = limit_bytes // 16
    db.execute(f"PRAGMA wal_autocheckpoint = {min(max(portion // PAGE_BYTES, 4), LOG_PAGES)}").fetchall()
    db.execute(f"PRAGMA journal_size_limit = {portion}").fetchall()
    if (_number(db, "application_id"), _number(db, "user_version")) != (_APPLICATION, _FORMAT):
        with _transaction(db):
            _make_tables(db)


def find(
    db: sqlite3.Connection, digests: Sequence[bytes], length: int
) -> tuple[dict[int, bytes], list[int], list[int]]:
    """Return what is known of some digests.

    Returns
    -------
    tuple
        The payloads of ``length`` bytes by the place of their digest; their rows; the keys of damaged rows.
    """
    keys = _keys(digests)
    places = dict(zip(keys, range(len(keys)), strict=True))
    payloads: dict[int, bytes] = {}
    rows: list[int] = []
    damaged: list[int] = []
    for key, row, crc, payload in db.execute(_FIND + f"({_marks(len(keys))})", keys):
        place = places[key]
        sound = type(payload) is bytes and len(payload) == length and crc32(payload) == crc
        if sound and payload.startswith(digests[place]):
            payloads[place] = payload
            rows.append(row)
        else:
            damaged.append(key)
    return payloads, rows, damaged


def insert(db: sqlite3.Connection, payloads: Sequence[bytes], need: int, room: int) -> None:
    """Store payloads that are not known yet in one transaction, and make room for ``need`` bytes first."""
    rows = list(zip(_keys([payload[:DIGEST_BYTES] for payload in payloads]), payloads, strict=True))
    with _transaction(db):
        found = db.execute(f"SELECT key FROM keys WHERE key IN ({_marks(len(rows))})", [key for key, _ in rows])  # noqa: S608
        known = {key for (key,) in found}
        _make_room(db, room - need)
        now = clock(db)
        new = [(now + place, key, payload) for place, (key, payload) in enumerate(rows) if key not in known]
        db.executemany("INSERT INTO vectors VALUES (?, ?)", [(row, payload) for row, _, payload in new])
        db.executemany(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", [(key, row, crc32(payload)) for row, key, payload in new]
        )
        db.execute("UPDATE clock SET written = ?", [now + need])
    _give_back(db, room)


def note_use(db: sqlite3.Connection, rows: list[int], old: int) -> None:
    """Note that rows were of use now, where the last note is older than ``old`` on the clock."""
    marks = _marks(len(rows))
    noted = db.execute(f"SELECT row FROM uses WHERE row IN ({marks}) AND used >= ?", [*rows, old])  # noqa: S608
    fresh = {row for (row,) in noted}
    stale = [row for row in rows if row not in fresh]
    if stale:
        with _at_once(db), _transaction(db):
            now = clock(db)
            listed = [(now, row) for row in stale]  # those that another process has removed since are left out
            db.executemany("INSERT OR REPLACE INTO uses SELECT row, ? FROM vectors WHERE row = ?", listed)


def drop(db: sqlite3.Connection, keys: list[int]) -> None:
    """Remove rows by their keys."""
    listed = [(key,) for key in keys]
    with _at_once(db), _transaction(db):
        for table in ("vectors", "uses"):
            db.executemany(f"DELETE FROM {table} WHERE row = (SELECT row FROM keys WHERE key = ?)", listed)  # noqa: S608
        db.executemany("DELETE FROM keys WHERE key = ?", listed)


def clock(db: sqlite3.Connection) -> int:
    """Return how many bytes were written so far."""
    found = db.execute("SELECT written FROM clock").fetchall()
    if len(found) != 1 or type(found[0][0]) is not int or not 0 <= found[0][0] < _LATEST:
        raise sqlite3.DatabaseError("the clock is damaged")
    return int(found[0][0])


def count(db: sqlite3.Connection) -> int:
    """Return how many vectors there are."""
    return int(db.execute("SELECT count(*) FROM keys").fetchone()[0])


def shorten_log(db: sqlite3.Connection) -> None:
    """Bring the log into the file and cut it off, if nobody reads."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def fault(error: sqlite3.Error, *, free: bool = False) -> Literal["busy", "refused", "damaged"]:
    """Return what an error means: another process writes, the operating system refuses, or the file is damaged.

    ``free`` says that the disk has room: a page number that is damaged is told as a full disk, too.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without one, content cannot be read
    if code in _BUSY:
        return "busy"
    return "refused" if code in _REFUSED and not (free and code == sqlite3.SQLITE_FULL) else "damaged"


def _make_tables(db: sqlite3.Connection) -> None:
    if _number(db, "user_version") == _FORMAT:
        return  # another process was quicker
    if _number(db, "user_version") or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise sqlite3.DatabaseError("another format")
    for statement in _SCHEMA.strip().split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {_FORMAT}")


def _make_room(db: sqlite3.Connection, room: int) -> None:
    """Remove the rows that were of no use for longest, a sixteenth at a time, until the others fit."""
    while _number(db, "page_count") - _number(db, "freelist_count") > room // PAGE_BYTES:
        oldest = db.execute(_OLDEST, [count(db) // 16 + 1]).fetchall()
        if not oldest:
            break
        db.executemany("DELETE FROM keys WHERE key = ?", [(key,) for _, key in oldest])
        for table in ("vectors", "uses"):
            db.executemany(f"DELETE FROM {table} WHERE row = ?", [(row,) for row, _ in oldest])  # noqa: S608


def _give_back(db: sqlite3.Connection, room: int) -> None:
    """Give pages beyond the room back to the disk, part of them each time: so many there are only under a lower limit."""
    beyond = _number(db, "page_count") - room // PAGE_BYTES
    if beyond > 0:
        db.executescript(f"PRAGMA incremental_vacuum({beyond // 4 + 8})")  # execute would stop after one page


def _number(db: sqlite3.Connection, which: str) -> int:
    return int(db.execute(f"PRAGMA {which}").fetchone()[0])


def _keys(digests: Sequence[bytes]) -> list[int]:
    """Return the first 8 bytes of each digest as a number."""
    halves: list[int] = np.frombuffer(b"".join(digests), dtype=">i8")[::2].tolist()
    return halves


def _marks(number: int) -> str:
    return ",".join("?" * number)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write, wholly or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextmanager
def _at_once(db: sqlite3.Connection) -> Iterator[None]:
    """Write if nobody else does; what is written can wait for the next time."""
    db.execute("PRAGMA busy_timeout = 0").fetchall()
    try:
        yield
    except sqlite3.OperationalError as error:
        if fault(error) != "busy":
            raise
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}").fetchall()
