"""SQLite: the rows of a table or of a query, through a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vicinal.errors import InputError, NotFoundError
from vicinal.read import table
from vicinal.read.place import printable
from vicinal.read.sql.place import SqlPlace
from vicinal.types import Document, Skipped

BUSY_S = 10.0
ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
"""What a query may do: no ATTACH, no PRAGMA, no write."""
ROWID = "rowid"
STEPS_UNASKED = 100_000
"""Steps of SQLite, some milliseconds, after which Python may look whether Ctrl-C was pressed."""


def existing(place: SqlPlace) -> Path:
    """Return the file of a database.

    Raises
    ------
    NotFoundError
        It is not there.
    """
    path = Path(place.address)
    if not path.is_file():
        shown = printable(str(path))
        raise NotFoundError(f"There is no SQLite database at {shown}. Check the path.", where=shown)
    return path


def read_sqlite(place: SqlPlace, columns: table.Columns, max_chars: int) -> Iterator[Document | Skipped]:
    """Give the documents of a table or a query, one row in memory at a time.

    The id is the column that the caller chose, else ``id`` or ``_id``, else of a table its primary key or row id.

    Raises
    ------
    InputError
        The table, a column or the query is wrong.
    """
    path = existing(place)
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA trusted_schema=OFF")
            sql, key = _statement(connection, place)
            chosen = table.Columns(text=columns.text, id=columns.id or key)
            connection.set_authorizer(_authorized)
            connection.set_progress_handler(_stop, STEPS_UNASKED)
            yield from table.documents(_rows(connection, sql, max_chars), place.label, chosen, named=True)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None  # raised within the handler, where SQLite turns it into an error of its own
        if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not _is_callers(error):
            yield Skipped(source=place.origin, reason="unreadable", detail=str(error), failed=True)
            return
        raise InputError(f"SQLite refuses what is asked of {place.label}: {error}.", where=place.label) from error


def _statement(connection: sqlite3.Connection, place: SqlPlace) -> tuple[str, str | None]:
    """Return the query, and the column of its ids where the table says one."""
    if place.query is not None:
        return place.query, None
    name = str(place.table)
    found = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (name,)).fetchall()
    if not found:
        raise InputError(f"{place.label}: there is no table {name!r}.", got=name, where=place.label)
    quoted = '"' + name.replace('"', '""') + '"'
    names = [column for column, _ in found]
    if any(column in names for column in table.ID_COLUMNS):
        return f"SELECT * FROM {quoted}", None  # noqa: S608 - quoted, and one of the tables that are there
    keys = [column for column, rank in found if rank]
    if len(keys) == 1:
        return f"SELECT * FROM {quoted}", keys[0]  # noqa: S608 - the same
    is_plain = connection.execute(
        "SELECT 1 FROM pragma_table_list(?) WHERE type = 'table' AND wr = 0", (name,)
    ).fetchone()
    if keys or not is_plain or ROWID in names:
        return f"SELECT * FROM {quoted}", None  # noqa: S608 - the same
    return f"SELECT rowid AS {ROWID}, * FROM {quoted}", ROWID  # noqa: S608 - the same


def _rows(connection: sqlite3.Connection, sql: str, max_chars: int) -> Iterator[table.Row]:
    cursor = connection.execute(sql)
    if cursor.description is None:
        raise sqlite3.ProgrammingError("the query gives no rows")
    names = [str(one[0]) for one in cursor.description]
    for number, values in enumerate(cursor, 1):
        yield row_of(number, names, values, max_chars)


def row_of(number: int, names: list[str], values: tuple[Any, ...], max_chars: int) -> table.Row:
    """Return a row of a database; a text that is too long is a fault."""
    if any(isinstance(value, str) and len(value) > max_chars for value in values):
        return table.Row(number=number, fault=f"a text has over {max_chars} characters")
    return table.Row(number=number, values=dict(zip(names, values, strict=True)))


def _authorized(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY


def _stop() -> int:
    return 0


def _is_callers(error: sqlite3.Error) -> bool:
    """Return whether the query is wrong, not the file or the moment."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
