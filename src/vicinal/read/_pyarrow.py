"""pyarrow: the rows of a Parquet file, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from vicinal.read.table import Row

ROWS_AT_ONCE = 256
MOST_GROUP_BYTES = 4 << 30
"""Bytes of one group of rows, as the file says: what pyarrow holds at once."""
MOST_STRING_BYTES = 64 << 20
MOST_PARTS = 1_000_000
"""What the description of a file may hold: the length of a string, the parts of a list."""


def rows(file: BinaryIO, max_bytes: int) -> Iterator[Row]:
    """Give the rows of an open file; what is damaged ends them with a row that says so."""
    number = 0
    try:
        with parquet.ParquetFile(
            pa.PythonFile(file, mode="r"),
            pre_buffer=False,
            thrift_string_size_limit=MOST_STRING_BYTES,
            thrift_container_size_limit=MOST_PARTS,
        ) as opened:
            meta = opened.metadata
            most = max((meta.row_group(place).total_byte_size for place in range(meta.num_row_groups)), default=0)
            if most > MOST_GROUP_BYTES:
                yield Row(number=1, fault=f"a group of its rows has {most} bytes; the most is {MOST_GROUP_BYTES}")
                return
            names = [field.name for field in opened.schema_arrow if _is_readable(field.type)]
            for batch in opened.iter_batches(ROWS_AT_ONCE, columns=names, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield _row(values, number, max_bytes)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Row(number=number + 1, fault=f"the file cannot be read: {type(error).__name__}")


def _row(values: dict[str, Any], number: int, max_bytes: int) -> Row:
    """Return a row with its values as JSON would have them."""
    plain = {name: _plain(value) for name, value in values.items()}
    if any(isinstance(value, str) and len(value) > max_bytes for value in plain.values()):
        return Row(number=number, fault=f"over {max_bytes} characters; raise max_bytes")
    return Row(number=number, values=plain)


def _is_readable(kind: Any) -> bool:  # noqa: ANN401 - pyarrow's class
    """Return whether a column holds what a field or a text can be: no bytes and no lists of numbers as vectors are."""
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return not types.is_floating(kind.value_type) and _is_readable(kind.value_type)
    return not (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a column holds
    """Return a value that a field can hold; a time as ISO 8601."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
