"""psycopg: one read-only transaction of PostgreSQL, through a cursor on the server."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from vicinal.errors import InputError
from vicinal.read import table
from vicinal.read.sql.place import SqlPlace, secrets_of
from vicinal.types import Document, Skipped

ROWS_AT_ONCE = 256
CONNECT_S = 10
SHOWN_CHARS = 200
CALLERS = ("42", "22", "0A", "25", "26", "34", "3F", "3D")
"""Classes of SQLSTATE that speak of the query, not of the server: syntax, access, data, what is not there."""


def documents(place: SqlPlace, columns: table.Columns, max_chars: int) -> Iterator[Document | Skipped]:
    """Give the documents of a table or a query; a server that cannot be reached, or stops, is a hole.

    Raises
    ------
    InputError
        The server says that the query is wrong.
    """
    try:
        with psycopg.connect(place.address, connect_timeout=CONNECT_S, application_name="vicinal") as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            query, key = _statement(connection, place)
            chosen = table.Columns(text=columns.text, id=columns.id or key)
            with connection.cursor("vicinal") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                cursor.execute(query)
                yield from table.documents(_rows(cursor, max_chars), place.label, chosen, named=True)
    except psycopg.Error as error:
        said = _said(error, place)
        if (error.sqlstate or "").startswith(CALLERS):
            raise InputError(
                f"PostgreSQL refuses what is asked of {place.label}: {said}.", where=place.label
            ) from None  # the cause may quote the address
        yield Skipped(source=place.origin, reason="unreachable", detail=said, failed=True)


def _statement(connection: Any, place: SqlPlace) -> tuple[Any, str | None]:  # noqa: ANN401 - psycopg's classes
    """Return the query, and the column of its ids where the table has one for a key."""
    if place.query is not None:
        return place.query, None
    parts = str(place.table).split(".")
    name = sql.Identifier(*parts)
    found = connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indrelid = to_regclass(%s) AND i.indisprimary",
        (name.as_string(connection),),
    ).fetchall()
    return sql.SQL("SELECT * FROM {}").format(name), found[0][0] if len(found) == 1 else None


def _rows(cursor: Any, max_chars: int) -> Iterator[table.Row]:  # noqa: ANN401 - the same
    names: list[str] = []
    for number, values in enumerate(cursor, 1):
        names = names or [one.name for one in cursor.description]
        told = {name: _plain(value) for name, value in zip(names, values, strict=True)}
        if any(isinstance(value, str) and len(value) > max_chars for value in told.values()):
            yield table.Row(number=number, fault=f"a text has over {max_chars} characters")
        else:
            yield table.Row(number=number, values=told)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a column holds
    """Return a value that a field can hold: numbers as numbers, a time as ISO 8601, all else as its text."""
    if value is None or isinstance(value, bool | int | float | str | list | dict | bytes):
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _said(error: psycopg.Error, place: SqlPlace) -> str:
    """Return what the server or the driver says, in one line and without the password."""
    told = (error.diag.message_primary or str(error) or type(error).__name__).splitlines()
    line = told[0][:SHOWN_CHARS] if told else type(error).__name__
    for secret in secrets_of(place.address):
        line = line.replace(secret, "…")
    return line.rstrip(".")
