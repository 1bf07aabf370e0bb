"""Vectors into a folder that other programs read and this one can take in again.

Letters: n rows of a batch, D components.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from vicinal._arrays import one_of
from vicinal._files import disk_errors, sync_folder
from vicinal.errors import AlreadyExistsError, ShapeError
from vicinal.exchange import faiss_files, manifest, numpy_files
from vicinal.exchange.read import parquet
from vicinal.exchange.records import record_line
from vicinal.exchange.source import VectorBatch
from vicinal.space import Space
from vicinal.types import Floats, Progress

EXPORT_FORMATS = tuple(manifest.FILES)
NPY_BYTES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written: the folder, its format, rows, bytes of all files, and the id of the space."""

    path: Path
    format: str
    rows: int
    size_bytes: int
    space: str


class _Writer(Protocol):
    def write(self, batch: VectorBatch) -> None: ...
    def close(self) -> None: ...


def write_vectors(
    path: Path | str,
    batches: Iterable[VectorBatch],
    space: Space,
    format: str = "npy",  # noqa: A002 - the word of users
    *,
    progress: Progress | None = None,
    total: int = 0,
) -> ExportReport:
    """Write rows to a new folder: vectors in the format, records and the space beside them, a manifest over all.

    Parameters
    ----------
    path : path
        The folder; it must not be there yet. It appears whole, or not at all.
    batches : iterable of VectorBatch
        The rows, read once.
    space : Space
        The space of the vectors, written as ``space.json``, so that taking them in again compares it.
    format : {"npy", "parquet", "fvecs", "faiss"}
        ``faiss`` is the file of a Flat index.
    progress : callable, optional
        Told of rows written, of ``total``.
    total : int, 0 <= total
        Rows that are to come, for ``progress``.

    Raises
    ------
    AlreadyExistsError
        There is something at the path.
    UnknownNameError
        The format is none that is written.
    ShapeError
        A batch has another dimension than the space.
    MissingExtraError
        Parquet needs pyarrow.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; nothing is left behind.
    """
    one_of(format, "format", EXPORT_FORMATS)
    target = Path(path)
    with disk_errors(target), _appearing(target) as folder:
        (folder / manifest.SPACE).write_text(space.canonical(), encoding="utf-8")
        rows = 0
        with _writing(folder, format, space) as writer:
            for batch in batches:
                _require_dim(batch.vectors, space)
                writer.write(batch)
                rows += len(batch)
                if progress is not None:
                    progress(rows, max(total, rows))
        manifest.write(folder, format, rows, space)
        size_bytes = sum(one.stat().st_size for one in folder.iterdir())
    return ExportReport(path=target, format=format, rows=rows, size_bytes=size_bytes, space=space.id)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Give a folder that gets its name when all of it is on the disk."""
    if target.exists():
        raise AlreadyExistsError(f"{target} is there already; name a new folder.", got=str(target), where=str(target))
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    part.mkdir(parents=True)
    try:
        yield part
        for one in part.iterdir():
            with one.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(part)
        part.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def _writing(folder: Path, kind: str, space: Space) -> Iterator[_Writer]:
    writer: _Writer = _Table(folder, space) if kind == "parquet" else _Raw(folder, kind, space)
    try:
        yield writer
    except BaseException:
        writer.close()
        raise
    writer.close()


class _Table:
    """A Parquet file, which holds the records too."""

    def __init__(self, folder: Path, space: Space) -> None:
        self._writer = parquet().Writer(folder / manifest.FILES["parquet"], space.dim)

    def write(self, batch: VectorBatch) -> None:
        """Append a batch."""
        fields = [json.dumps(dict(one), ensure_ascii=False, allow_nan=False) for one in batch.fields]
        self._writer.write(batch.ids, batch.texts, fields, batch.vectors)

    def close(self) -> None:
        """Write its end."""
        self._writer.close()


class _Raw:
    """A head that is written when the rows are counted, the rows, and a file of records beside them."""

    def __init__(self, folder: Path, kind: str, space: Space) -> None:
        self._head = _head_of(kind, space)
        self._rows, self._is_fvecs = 0, kind == "fvecs"
        self._records: IO[bytes] = (folder / manifest.RECORDS).open("wb")
        self._vectors: IO[bytes] = (folder / manifest.FILES[kind]).open("wb")
        self._vectors.write(self._head(0))

    def write(self, batch: VectorBatch) -> None:
        """Append a batch."""
        vectors = np.ascontiguousarray(batch.vectors, dtype="<f4")
        if self._is_fvecs:
            lengths = np.full((len(vectors), 1), vectors.shape[1], dtype="<i4")
            vectors = np.concatenate([lengths.view("<f4"), vectors], axis=1)
        self._vectors.write(vectors.tobytes())
        for id_, text, fields in zip(batch.ids, batch.texts, batch.fields, strict=True):
            self._records.write(record_line(id_, text, fields))
        self._rows += len(vectors)

    def close(self) -> None:
        """Write the head."""
        with self._records, self._vectors:
            self._vectors.seek(0)
            self._vectors.write(self._head(self._rows))


def _head_of(kind: str, space: Space) -> Callable[[int], bytes]:
    """Return what makes the head of a file from its rows."""
    if kind == "npy":
        return lambda rows: numpy_files.header_bytes(rows, space.dim)
    if kind == "faiss":
        return lambda rows: faiss_files.head(rows, space.dim, dot=space.metric != "l2")
    return lambda _: b""


def _require_dim(vectors: Floats, space: Space) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != space.dim:  # noqa: PLR2004 - a matrix
        raise ShapeError(
            f"A batch has the shape {vectors.shape}, the space has {space.dim} components.",
            expected=f"(n, {space.dim})",
            got=vectors.shape,
            where="batches",
        )
