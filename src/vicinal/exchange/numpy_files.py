r"""NumPy's files: one array (.npy), mapped, or several in an archive (.npz), streamed. Nothing in them is executed.

::

    0              6     8          8 + 2 or 4     .. + H
    ├──────────────┼─────┼──────────┼──────────────┼────────────────────┐
    │ \x93NUMPY     │ 1 0 │ H        │ a dict, text │ the numbers        │
    └──────────────┴─────┴──────────┴──────────────┴────────────────────┘

The dict is taken apart by patterns, not evaluated; types other than plain numbers and text are refused, so no pickle
is ever read.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import InputError
from vicinal.exchange.source import BLOCK_BYTES, Block, VectorSource, block_rows, checked_shape, damaged

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
MOST_HEADER_BYTES = 10_000
"""As NumPy itself allows."""
NUMBERS = frozenset("fiu")
TEXTS = frozenset("US")
MATRIX_AXES = 2
MOST_MEMBERS = 1_000
DESCR = re.compile(r"'descr':\s*'([<>|=]?[a-zA-Z]\d{0,9})'")
ORDER = re.compile(r"'fortran_order':\s*(True|False)")
SHAPE = re.compile(r"'shape':\s*\(([0-9L, ]{0,200})\)")
VECTORS = ("vectors", "embeddings", "arr_0")
"""Names of the array of an archive that are looked for, the first first."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an array's header says; ``offset`` is where its numbers begin."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    offset: int

    @property
    def size_bytes(self) -> int:
        """The length of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """The length of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def read_npy(path: Path, size_bytes: int) -> VectorSource:
    """Return the one array of a file, to be mapped.

    Raises
    ------
    InputError
        It is no matrix of numbers, or its header does not fit the size of the file.
    """
    with path.open("rb") as file:
        header = read_header(file, path)
    dim, count = _matrix(header, path)
    if header.offset + header.size_bytes != size_bytes:
        raise damaged(path, f"its header asks for {header.offset + header.size_bytes} bytes, and it has {size_bytes}")

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        if first_row >= count:
            return
        order: Any = "F" if header.fortran else "C"
        array = np.memmap(path, dtype=header.dtype, mode="r", offset=header.offset, shape=header.shape, order=order)
        step = block_rows(header.row_bytes, most)
        for start in range(first_row, count, step):
            yield Block(vectors=np.asarray(array[start : start + step]))

    return VectorSource(path=path, format="npy", dim=dim, count=count, blocks=blocks)


def read_npz(path: Path) -> VectorSource:
    """Return the vectors of an archive, with its ``ids`` and ``texts`` where it has such arrays.

    Raises
    ------
    InputError
        It is no archive of NumPy, has no matrix, or the arrays differ in length.
    """
    with _archive_errors(path), zipfile.ZipFile(path) as archive:
        headers = {name.removesuffix(".npy"): _member_header(archive, name, path) for name in _members(archive, path)}
    name = _name_of_vectors(headers, path)
    dim, count = _matrix(headers[name], path)
    if headers[name].fortran:
        raise damaged(path, "its vectors are stored column by column; save them with numpy.ascontiguousarray")
    beside = [one for one in ("ids", "texts") if one in headers]
    for one in beside:
        _require_line(headers[one], one, count, path)

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        step = block_rows(max(headers[one].row_bytes for one in (name, *beside)), most)
        with _archive_errors(path), zipfile.ZipFile(path) as archive, ExitStack() as opened:
            streams = {one: opened.enter_context(archive.open(f"{one}.npy")) for one in (name, *beside)}
            for one, stream in streams.items():
                _skip(stream, headers[one].offset + first_row * headers[one].row_bytes, path)
            for start in range(first_row, count, step):
                rows = min(step, count - start)
                found = {one: _rows(stream, headers[one], rows, path) for one, stream in streams.items()}
                told = {one: _strings(found[one], path) for one in beside}
                yield Block(vectors=found[name], ids=told.get("ids"), texts=told.get("texts"))

    return VectorSource(path=path, format="npz", dim=dim, count=count, blocks=blocks)


def read_header(file: IO[bytes], path: Path) -> Header:
    """Return the header of an array; the file then stands at its numbers.

    Raises
    ------
    InputError
        It is none, or that of an array of objects.
    """
    start = file.read(8)
    width = LENGTH_BYTES.get((start[6], start[7])) if len(start) == 8 and start[:6] == MAGIC else None  # noqa: PLR2004 - drawn above
    if width is None:
        raise damaged(path, "it does not begin as an array of NumPy does")
    length = int.from_bytes(file.read(width), "little")
    if length > MOST_HEADER_BYTES:
        raise damaged(path, f"its header says that it has {length} bytes; the most is {MOST_HEADER_BYTES}")
    text = file.read(length).decode("latin-1")
    descr, order, shape = DESCR.search(text), ORDER.search(text), SHAPE.search(text)
    if descr is None or order is None or shape is None:
        raise damaged(path, "its header describes no plain array; arrays of objects are not read")
    return Header(
        _dtype(descr[1], path),
        order[1] == "True",
        tuple(int(number) for number in re.findall(r"\d+", shape[1])),
        8 + width + length,
    )


def header_bytes(count: int, dim: int) -> bytes:
    """Return the 128 bytes before a float32 matrix (count, dim); of one length for every count."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {dim}), }}"
    return MAGIC + b"\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"


def _dtype(descr: str, path: Path) -> np.dtype[Any]:
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if dtype.kind not in NUMBERS | TEXTS or not dtype.itemsize or dtype.itemsize > BLOCK_BYTES:
        raise damaged(path, f"it holds {descr!r}; numbers and text are read")
    return dtype


def _matrix(header: Header, path: Path) -> tuple[int, int]:
    """Return D and the rows of a matrix of numbers."""
    if len(header.shape) != MATRIX_AXES or header.dtype.kind not in NUMBERS:
        raise damaged(
            path, f"it holds {header.dtype} of the shape {header.shape}, no matrix of numbers (rows, components)"
        )
    return checked_shape(header.shape[1], header.shape[0], path)


def _members(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """Return the names of the arrays of an archive."""
    found = [one for one in archive.infolist() if one.filename.endswith(".npy")]
    if len(found) > MOST_MEMBERS:
        raise damaged(path, f"it holds {len(found)} arrays; the most is {MOST_MEMBERS}")
    if any(one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for one in found):
        raise damaged(path, "it is compressed in a way that NumPy does not write")
    return [one.filename for one in found]


def _member_header(archive: zipfile.ZipFile, name: str, path: Path) -> Header:
    with archive.open(name) as stream:
        header = read_header(stream, path)
    if header.offset + header.size_bytes != archive.getinfo(name).file_size:
        raise damaged(path, f"the header of {name[:80]} does not fit its length")
    return header


def _name_of_vectors(headers: dict[str, Header], path: Path) -> str:
    """Return which array holds the vectors: one of the usual name, or the only matrix."""
    named = [one for one in VECTORS if one in headers]
    matrices = [
        one for one, header in headers.items() if len(header.shape) == MATRIX_AXES and header.dtype.kind in NUMBERS
    ]
    if not named and len(matrices) != 1:
        raise damaged(path, f"it has {len(matrices)} matrices and none is named vectors")
    return named[0] if named else matrices[0]


def _require_line(header: Header, name: str, count: int, path: Path) -> None:
    kinds = TEXTS | frozenset("iu") if name == "ids" else TEXTS
    if header.shape != (count,) or header.dtype.kind not in kinds:
        raise damaged(path, f"its {name} must be {count} strings, and are {header.dtype} of the shape {header.shape}")


def _skip(stream: IO[bytes], count: int, path: Path) -> None:
    while count:
        piece = stream.read(min(count, 1 << 20))
        if not piece:
            raise damaged(path, "an array in it ends too early")
        count -= len(piece)


def _rows(stream: IO[bytes], header: Header, rows: int, path: Path) -> NDArray[Any]:
    content = stream.read(rows * header.row_bytes)
    if len(content) != rows * header.row_bytes:
        raise damaged(path, "an array in it ends too early")
    return np.frombuffer(content, dtype=header.dtype).reshape(rows, *header.shape[1:])


def _strings(array: NDArray[Any], path: Path) -> Sequence[str]:
    """Return strings of an array of text, UTF-8 bytes or numbers."""
    try:
        if array.dtype.kind == "S":
            return [one.decode() for one in array.tolist()]
        return [str(one) for one in array.tolist()]
    except (UnicodeDecodeError, ValueError) as error:
        raise damaged(path, "it holds text that is none") from error


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Turn what an archive raises into errors of ours."""
    try:
        yield
    except InputError:
        raise
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        KeyError,
    ) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise damaged(path, f"it is no sound archive ({said[0][:100]})") from error
