"""pyarrow: Parquet files of vectors, read and written in bounded batches.

The columns are ``id``, ``text``, ``fields`` (JSON) and ``vector`` (a list of floats of one length). In a file of
another program every other column of plain values becomes a field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from vicinal.errors import InputError
from vicinal.exchange.records import parsed_fields
from vicinal.exchange.source import Block, VectorSource, block_rows, checked_shape, damaged
from vicinal.types import Floats

VECTORS = ("vector", "embedding", "embeddings", "vectors", "emb")
"""Names of the column of vectors that are looked for, the first first."""
RESERVED = ("id", "text", "fields")
MOST_GROUP_BYTES = 4 << 30
MOST_STRING_BYTES = 64 << 20
GROUP_ROWS = 16_384
PROBE_ROWS = 1


def read(path: Path) -> VectorSource:
    """Return the vectors of a Parquet file.

    Raises
    ------
    InputError
        It is damaged, or has no column of vectors.
    """
    with _arrow_errors(path), _opened(path) as file:
        schema, count = file.schema_arrow, int(file.metadata.num_rows)
        groups = [file.metadata.row_group(place).total_byte_size for place in range(file.metadata.num_row_groups)]
        name = _vector_column(schema, path)
        if max(groups, default=0) > MOST_GROUP_BYTES:
            raise damaged(path, f"a group of its rows has {max(groups)} bytes; the most is {MOST_GROUP_BYTES}")
        dim = _dim(file, schema.field(name).type, name, path) if count else 1
    dim, count = checked_shape(dim, count, path)
    columns = [one.name for one in schema if one.name == name or one.name in RESERVED or _is_plain(one.type)]

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        with _arrow_errors(path), _opened(path) as file:
            skipped = first_row
            for batch in file.iter_batches(block_rows(8 * dim, most), columns=columns, use_threads=False):
                if skipped >= len(batch):
                    skipped -= len(batch)
                    continue
                rows = batch.slice(skipped)
                start, skipped = first_row, 0
                yield _block(rows, name, dim, start, path)
                first_row = start + len(rows)

    return VectorSource(path=path, format="parquet", dim=dim, count=count, blocks=blocks)


class Writer:
    """Writes batches to a Parquet file; ``close`` makes it whole."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path, self._dim = path, dim
        self._schema = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
                pa.field("fields", pa.string(), nullable=False),
                pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            ]
        )
        with _arrow_errors(path):
            self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=False)

    def write(self, ids: Sequence[str], texts: Sequence[str], fields: Sequence[str], vectors: Floats) -> None:
        """Append rows; fields are JSON."""
        with _arrow_errors(self._path):
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            vector = pa.FixedSizeListArray.from_arrays(flat, self._dim)
            columns = [pa.array(ids, pa.string()), pa.array(texts, pa.string()), pa.array(fields, pa.string()), vector]
            self._writer.write_batch(
                pa.RecordBatch.from_arrays(columns, schema=self._schema), row_group_size=GROUP_ROWS
            )

    def close(self) -> None:
        """Write what tells of the rows."""
        with _arrow_errors(self._path):
            self._writer.close()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    file = parquet.ParquetFile(
        path,
        memory_map=True,
        pre_buffer=False,
        thrift_string_size_limit=MOST_STRING_BYTES,
        thrift_container_size_limit=1_000_000,
    )
    try:
        yield file
    finally:
        file.close()


def _vector_column(schema: Any, path: Path) -> str:  # noqa: ANN401 - the library has no types
    """Return the name of the column of vectors: one of the usual names, or the only list of floats."""
    lists = [one.name for one in schema if _is_list(one.type) and pa.types.is_floating(one.type.value_type)]
    named = [one for one in VECTORS if one in lists]
    if not named and len(lists) != 1:
        raise damaged(path, f"it has {len(lists)} columns that are lists of floats and none is named vector")
    return named[0] if named else str(lists[0])


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - as above
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_plain(kind: Any) -> bool:  # noqa: ANN401 - as above
    plain = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    return any(one(kind) for one in plain)


def _dim(file: Any, kind: Any, name: str, path: Path) -> int:  # noqa: ANN401 - as above
    """Return the length of the vectors: that of the type, or of the first."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    first = next(file.iter_batches(PROBE_ROWS, columns=[name], use_threads=False)).column(0)
    if first.null_count:
        raise damaged(path, "its first vector is missing")
    return len(first[0])


def _block(batch: Any, name: str, dim: int, first_row: int, path: Path) -> Block:  # noqa: ANN401 - as above
    """Return the rows of a batch."""
    columns = {field.name: batch.column(place) for place, field in enumerate(batch.schema)}
    given = {one: columns[one].to_pylist() for one in columns if one not in {name, *RESERVED}}
    fields = [{one: values[row] for one, values in given.items()} for row in range(len(batch))]
    if "fields" in columns and pa.types.is_string(columns["fields"].type):
        for row, told in enumerate(columns["fields"].to_pylist()):
            fields[row] |= parsed_fields(told, first_row + row, path) if told else {}
    return Block(
        vectors=_matrix(columns[name], dim, first_row, path),
        ids=_strings(columns.get("id"), first_row, "id", path),
        texts=_strings(columns.get("text"), first_row, "text", path),
        fields=fields,
    )


def _matrix(column: Any, dim: int, first_row: int, path: Path) -> NDArray[Any]:  # noqa: ANN401 - as above
    """Return lists of one length as a matrix."""
    if column.null_count:
        raise damaged(path, f"a vector is missing at or behind row {first_row}")
    values = column.flatten()
    if not pa.types.is_fixed_size_list(column.type) and bool((column.value_lengths().to_numpy() != dim).any()):
        raise damaged(path, f"a vector at or behind row {first_row} has another length than the first, {dim}")
    if values.null_count or len(values) != dim * len(column):
        raise damaged(path, f"a component is missing at or behind row {first_row}")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(column), dim)


def _strings(column: Any, first_row: int, name: str, path: Path) -> list[str] | None:  # noqa: ANN401 - as above
    """Return a column as strings, None without one."""
    if column is None:
        return None
    if column.null_count and name == "id":
        raise damaged(path, f"an id is missing at or behind row {first_row}")
    return ["" if one is None else str(one) for one in column.to_pylist()]


@contextmanager
def _arrow_errors(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises into errors of ours."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise damaged(path, f"pyarrow says: {said[0][:200]}") from error
