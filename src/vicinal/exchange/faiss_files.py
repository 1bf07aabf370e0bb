"""Index files of FAISS that hold whole vectors, taken apart without FAISS.

FAISS trusts the files that it reads: a length that lies makes it write where it should not. So a file of another
person is never handed to it; the few kinds that keep every component are simple enough to be read here, each number
checked against the size of the file.

::

    index      fourcc · D i32 · rows i64 · 2 x i64 · trained u8 · metric i32 [· f32 if metric > 1] · what the kind has
    IxFI IxF2  Flat:  components u64 · float32 x components
    IxFl
    IxMp IxM2  IDMap: index · ids u64 · i64 x ids
    IHNf       HNSW:  6 arrays and 5 numbers of the graph · index (Flat)
    IwFl       IVF,Flat: cells u64 · probes u64 · index of the centres · map · 'ilar' lists of codes and ids
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import UnsupportedError
from vicinal.exchange.source import Block, VectorSource, block_rows, checked_shape, damaged

MOST_NESTED = 3
MOST_CELLS = 1 << 24
FLAT = (b"IxFI", b"IxF2", b"IxFl")
MAPPED = (b"IxMp", b"IxM2")
GRAPH = b"IHNf"
CELLS = b"IwFl"
HASHED = 2
DOT, L2 = 0, 1
GRAPH_ARRAYS = (8, 4, 4, 8, 4)
"""Bytes of an element: chances of levels, neighbours a level, levels, offsets, neighbours."""
GRAPH_NUMBERS = 5

Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Vectors that lie together in the file, as bytes, and the ids beside them; without ids they count on."""

    vectors: Bytes
    ids: Bytes | None


class _Cursor:
    """A place in a mapped file; it never goes beyond the end."""

    def __init__(self, content: Bytes, path: Path) -> None:
        self._content, self._path, self._place = content, path, 0

    def take(self, count: int) -> Bytes:
        """Return the next bytes, mapped."""
        if not 0 <= count <= len(self._content) - self._place:
            raise damaged(self._path, f"it has {len(self._content)} bytes, and its header asks for more")
        self._place += count
        return self._content[self._place - count : self._place]

    def number(self, form: str) -> int:
        """Return the next number, little-endian."""
        value = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")).tobytes())[0]
        return int(value)

    def array(self, element_bytes: int) -> Bytes:
        """Return an array that has its length before it."""
        return self.take(self.number("Q") * element_bytes)

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._place == len(self._content)


def read(path: Path, size_bytes: int) -> VectorSource:
    """Return the vectors of a Flat, IDMap, HNSW (Flat) or IVF (Flat) file.

    Raises
    ------
    InputError
        The file is damaged.
    UnsupportedError
        The kind keeps codes, not vectors.
    """
    if not size_bytes:
        raise damaged(path, "it is empty")
    cursor = _Cursor(np.memmap(path, dtype=np.uint8, mode="r"), path)
    dim, count, pieces = _index(cursor, path, 0)
    if not cursor.at_end:
        raise damaged(path, "it goes on behind its index")
    if sum(len(one.vectors) for one in pieces) != 4 * dim * count:
        raise damaged(path, f"it says that it has {count} vectors, and holds another number")

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        start = 0  # of the piece
        for one in pieces:
            rows = len(one.vectors) // (4 * dim)
            step = block_rows(4 * dim, most)
            for place in range(max(0, first_row - start), rows, step):
                end = min(place + step, rows)
                yield Block(
                    vectors=np.array(one.vectors[4 * dim * place : 4 * dim * end]).view("<f4").reshape(-1, dim),
                    ids=None if one.ids is None else _told_ids(one.ids[8 * place : 8 * end]),
                )
            start += rows

    return VectorSource(path=path, format="faiss", dim=dim, count=count, blocks=blocks)


def head(count: int, dim: int, *, dot: bool) -> bytes:
    """Return what stands before the components in the file of a Flat index; of one length for every count."""
    return (
        (b"IxFI" if dot else b"IxF2")
        + struct.pack("<iqqqBi", dim, count, 1 << 20, 1 << 20, 1, DOT if dot else L2)
        + struct.pack("<Q", count * dim)
    )


def _told_ids(ids: Bytes) -> Sequence[str]:
    return [str(one) for one in np.array(ids).view("<i8").tolist()]


def _index(cursor: _Cursor, path: Path, depth: int) -> tuple[int, int, list[_Piece]]:
    """Return D, rows and pieces of the index that begins here."""
    if depth > MOST_NESTED:
        raise damaged(path, "its indexes are nested too deeply")
    fourcc = cursor.take(4).tobytes()
    if fourcc not in (*FLAT, *MAPPED, GRAPH, CELLS):
        raise _unsupported(path, fourcc)
    dim, count = cursor.number("i"), cursor.number("q")
    checked_shape(dim, count, path)
    cursor.take(17)
    if cursor.number("i") > L2:
        cursor.take(4)
    if fourcc in FLAT:
        return dim, count, [_Piece(cursor.array(4), None)]
    if fourcc == CELLS:
        return dim, count, _cells(cursor, path, dim, depth)
    if fourcc == GRAPH:
        for element_bytes in GRAPH_ARRAYS:
            cursor.array(element_bytes)
        cursor.take(4 * GRAPH_NUMBERS)
    inner = _index(cursor, path, depth + 1)
    if inner[:2] != (dim, count):
        raise damaged(path, "an index in it has another size than the index around it")
    if fourcc == GRAPH:
        return inner
    return dim, count, _named(inner[2], cursor.array(8), count, path)


def _named(pieces: list[_Piece], ids: Bytes, count: int, path: Path) -> list[_Piece]:
    """Return the pieces of a mapped index with its ids: what they count themselves are places in the map."""
    if len(ids) != 8 * count:
        raise damaged(path, "it has another number of ids than of vectors")
    if all(one.ids is None for one in pieces):
        return [replace(one, ids=ids) for one in pieces]
    names = np.array(ids).view("<i8")
    named = []
    for one in pieces:
        places = np.arange(0) if one.ids is None else np.array(one.ids).view("<i8")
        if len(places) and not 0 <= places.min() <= places.max() < count:
            raise damaged(path, "a list in it names a place that its ids have not")
        named.append(replace(one, ids=names[places].view(np.uint8)))
    return named


def _cells(cursor: _Cursor, path: Path, dim: int, depth: int) -> list[_Piece]:
    """Return the lists of an index with cells."""
    cells = cursor.number("Q")
    cursor.take(8)
    if not 0 < cells <= MOST_CELLS:
        raise damaged(path, f"it says that it has {cells} cells")
    _index(cursor, path, depth + 1)
    if cursor.number("B") == HASHED:
        cursor.array(8)
        cursor.array(16)
    else:
        cursor.array(8)
    if cursor.take(4).tobytes() != b"ilar" or cursor.number("Q") != cells or cursor.number("Q") != 4 * dim:
        raise damaged(path, "its lists do not fit its cells")
    return [
        _Piece(vectors=cursor.take(size * 4 * dim), ids=cursor.take(size * 8))
        for size in _sizes(cursor, cells, path)
        if size
    ]


def _sizes(cursor: _Cursor, cells: int, path: Path) -> list[int]:
    """Return the lengths of the lists, which stand in full, or as pairs where most are empty."""
    kind, sizes = cursor.take(4).tobytes(), np.array(cursor.array(8)).view("<u8")
    if kind == b"sprs" and not len(sizes) % 2:
        sizes = sizes[1::2]
    elif kind != b"full" or len(sizes) != cells:
        raise damaged(path, "its lists have no lengths")
    return [int(one) for one in sizes]


def _unsupported(path: Path, fourcc: bytes) -> UnsupportedError:
    kind: Any = fourcc.decode("latin-1") if fourcc.isalnum() else "no index of FAISS"
    return UnsupportedError(
        f"{path} is of the kind {kind}; vectors are read from Flat, IDMap, HNSW with Flat, and IVF with Flat. "
        "Others keep codes: in the program that made them, write index.reconstruct_n(0, index.ntotal) with numpy.save.",
        expected="Flat, IDMap, HNSW, IVF,Flat",
        got=kind,
        where=str(path),
    )
