"""PostgreSQL: the rows of a table or of a query, where psycopg is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator

from vicinal.errors import MissingExtraError
from vicinal.read import table
from vicinal.read.sql.place import SqlPlace
from vicinal.types import Document, Skipped


def read_postgres(place: SqlPlace, columns: table.Columns, max_chars: int) -> Iterator[Document | Skipped]:
    """Give the documents of a table or a query: a read-only transaction, and a cursor on the server.

    Raises
    ------
    MissingExtraError
        psycopg is not installed.
    InputError
        The table, a column or the query is wrong.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtraError(
            f"Reading {place.label} needs psycopg: pip install 'vicinal[postgres]'",
            expected="psycopg",
            where=place.label,
        )
    yield from importlib.import_module("vicinal.read.sql._psycopg").documents(place, columns, max_chars)
