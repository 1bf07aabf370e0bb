"""Rows of Parquet files as documents, where pyarrow is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import BinaryIO

from vicinal.errors import MissingExtraError
from vicinal.read import table
from vicinal.types import Document, Skipped


def read_parquet(
    file: BinaryIO, source: str, columns: table.Columns, max_bytes: int, *, named: bool
) -> Iterator[Document | Skipped]:
    """Give the documents of a Parquet file, some hundred rows in memory at a time.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed, and the caller named the file himself; in a folder the file is skipped as binary.
    InputError
        He named it, and it has no column of text.
    """
    if importlib.util.find_spec("pyarrow") is None:
        if named:
            raise MissingExtraError(
                f"Reading {source} needs pyarrow: pip install 'vicinal[parquet]'", expected="pyarrow", where=source
            )
        yield Skipped(source=source, reason="binary", detail="Parquet is read where pyarrow is installed")
        return
    rows = importlib.import_module("vicinal.read._pyarrow").rows
    yield from table.documents(rows(file, max_bytes), source, columns, named=named, settings=True)
