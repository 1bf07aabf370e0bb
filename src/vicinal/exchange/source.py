"""Vectors of a file, batch after batch, checked against the space that they are said to be in.

Letters: n rows of a batch, D components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import is_encodable, whole_number
from vicinal._files import disk_errors
from vicinal.errors import AlreadyExistsError, DtypeError, InputError, NonFiniteError, RangeError, ShapeError
from vicinal.space import Space
from vicinal.types import Fields, Floats

BATCH_ROWS = 1_000
MOST_BATCH_ROWS = 100_000
BLOCK_BYTES = 32 << 20
"""What one block of a file may take: a batch has fewer rows where they are long."""
MOST_DIM = 65_536
MOST_ID_CHARS = 4096
LENGTH_TOLERANCE = 1e-3
"""How far from 1 the length of a vector may be in a space of unit vectors: what 16 bits a component leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows as a file has them: vectors of any numbers (n, D), and ids, texts and fields where it has them."""

    vectors: NDArray[Any]
    ids: Sequence[str] | None = None
    texts: Sequence[str] | None = None
    fields: Sequence[Fields] | None = None


Blocks: TypeAlias = Callable[[int, int], Iterator[Block]]
"""Takes the first row and the most rows of a block; gives the blocks from there to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorBatch:
    """Rows that passed every check: ``vectors`` is float32 (n, D), the rest has n entries each.

    ``first_row`` is the place of the first in the file: one row more than the last of the batch is where to go on.
    ``zero_rows`` counts the vectors without length: they are near nothing.
    """

    first_row: int
    ids: Sequence[str]
    texts: Sequence[str]
    fields: Sequence[Fields]
    vectors: Floats
    zero_rows: int = 0

    def __len__(self) -> int:
        """Return n."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSource:
    """A file of vectors that was opened: what its header says, and nothing of it read yet.

    Parameters
    ----------
    path : Path
        The file, or the folder of an export.
    format : str
        One of ``FORMATS``.
    dim : int
        D.
    count : int
        Rows.
    space : Space, optional
        What the file says of itself: only a folder that ``write_vectors`` made does.
    """

    path: Path
    format: str
    dim: int
    count: int
    blocks: Blocks = field(repr=False)
    space: Space | None = None

    def batches(self, space: Space, *, batch_rows: int = BATCH_ROWS, first_row: int = 0) -> Iterator[VectorBatch]:
        """Go through the rows, checked, in bounded memory.

        Parameters
        ----------
        space : Space, or an encoder
            What the vectors are in. It is compared with what the file says, where it says it; else your word counts.
        batch_rows : int, 1 <= batch_rows <= 100,000
            The most rows of a batch.
        first_row : int, 0 <= first_row
            Where to go on after an interruption.

        Raises
        ------
        InputError
            No space came, or the file is damaged.
        SpaceMismatchError
            The file says that it is in another space.
        ShapeError, NonFiniteError, RangeError
            The vectors have another dimension, hold NaN or infinity, or lack the unit length that the space has.
            The row is named, and nothing of its batch is given.
        AlreadyExistsError
            Two rows of a batch have one id.
        """
        space = told_space(space)
        if self.space is not None:
            space.require(self.space, what=str(self.path))
        if self.dim != space.dim:
            raise ShapeError(
                f"{self.path} has vectors of {self.dim} components, the space has {space.dim}; "
                "name the space that they were made in.",
                expected=space.dim,
                got=self.dim,
                where=str(self.path),
            )
        batch_rows = whole_number(batch_rows, "batch_rows", low=1, high=MOST_BATCH_ROWS)
        return self._batches(space, batch_rows, whole_number(first_row, "first_row", low=0))

    def _batches(self, space: Space, batch_rows: int, row: int) -> Iterator[VectorBatch]:
        blocks = self.blocks(row, batch_rows)
        while (block := _next(blocks, self.path)) is not None:
            count = len(block.vectors)
            vectors, zero_rows = _checked_vectors(block.vectors, space, row, self.path)
            yield VectorBatch(
                first_row=row,
                ids=_checked_ids(block.ids, count, row, self.path),
                texts=_checked_texts(block.texts, count, row, self.path),
                fields=[{} for _ in range(count)] if block.fields is None else block.fields,
                vectors=vectors,
                zero_rows=zero_rows,
            )
            row += count
        if row < self.count:
            raise damaged(self.path, f"it ends at row {row} of {self.count}")

    def with_ids(self, ids: Sequence[str]) -> VectorSource:
        """Return the source with other ids, one for each row.

        Raises
        ------
        ShapeError
            There are more or fewer of them than rows.
        """
        if len(ids) != self.count:
            raise ShapeError(
                f"ids must be one for each of the {self.count} rows, got {len(ids)}.",
                expected=self.count,
                got=len(ids),
                where="ids",
            )

        def named(first_row: int, most: int) -> Iterator[Block]:
            for block in self.blocks(first_row, most):
                end = first_row + len(block.vectors)
                yield replace(block, ids=ids[first_row:end])
                first_row = end

        return replace(self, blocks=named)


def told_space(space: object) -> Space:
    """Return the space that was named, itself or by an encoder.

    Raises
    ------
    InputError
        None was: vectors without a space cannot be compared with any.
    """
    found = getattr(space, "space", space)
    if isinstance(found, Space):
        return found
    raise InputError(
        f"The space of the vectors must be told, got {type(space).__name__}: a file of numbers does not say which model "
        "made them. Pass the encoder that did (vicinal.load('name')) or its space.",
        expected="Space or encoder",
        got=type(space).__name__,
        where="space",
    )


def damaged(path: Path, what: str) -> InputError:
    """Return the error of a file that is not what it should be."""
    return InputError(f"{path} cannot be read: {what}. Make or copy the file again.", where=str(path))


def block_rows(row_bytes: int, most: int) -> int:
    """Return how many rows a block may have."""
    return max(1, min(most, BLOCK_BYTES // max(1, row_bytes)))


def checked_shape(dim: int, count: int, path: Path) -> tuple[int, int]:
    """Return D and the rows that a header says, if they can be.

    Raises
    ------
    InputError
        They cannot.
    """
    if not 1 <= dim <= MOST_DIM:
        raise damaged(path, f"its vectors have {dim} components, and 1 to {MOST_DIM} are taken")
    if count < 0:
        raise damaged(path, f"it says that it has {count} rows")
    return dim, count


def _next(blocks: Iterator[Block], path: Path) -> Block | None:
    """Return the next block, None behind the last; a file that has changed since it was opened is an error of ours."""
    try:
        with disk_errors(path):
            return next(blocks, None)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, "it has become shorter since it was opened") from error


def _checked_vectors(array: NDArray[Any], space: Space, first_row: int, path: Path) -> tuple[Floats, int]:
    """Return float32 vectors of their own memory and how many are zero, or name the row that is wrong."""
    if array.dtype.kind in "iu" and array.size and int(np.abs(array.astype(np.float64)).max()) > 1 << 24:
        raise RangeError(f"{path} holds whole numbers beyond 2^24, which float32 cannot hold.", where=str(path))
    with np.errstate(over="ignore"):
        vectors = np.array(array, dtype=np.float32, order="C")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = first_row + int(np.argmin(finite))
        raise NonFiniteError(f"Row {row} of {path} holds NaN or infinity; leave it out.", expected="finite", where=row)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    off = (np.abs(lengths - 1) > LENGTH_TOLERANCE) & (lengths > 0)
    if space.normalized and off.any():
        place = int(np.argmax(off))
        raise RangeError(
            f"Row {first_row + place} of {path} has the length {lengths[place]:.4g}, but the space is of unit vectors: "
            "they are of another space, or were not divided by their length.",
            expected=f"1 ± {LENGTH_TOLERANCE}",
            got=float(lengths[place]),
            where=first_row + place,
        )
    return vectors, int(np.count_nonzero(lengths == 0))


def _checked_ids(ids: Sequence[str] | None, count: int, first_row: int, path: Path) -> Sequence[str]:
    """Return the ids, or the rows' numbers where the file has none."""
    if ids is None:
        return [str(row) for row in range(first_row, first_row + count)]
    if len(ids) != count:
        raise damaged(path, f"it has {len(ids)} ids for {count} rows")
    for place, one in enumerate(ids):
        if not isinstance(one, str):
            raise DtypeError(
                f"The id of row {first_row + place} must be a string, got {type(one).__name__}.",
                expected="str",
                got=type(one).__name__,
                where=first_row + place,
            )
        if not 0 < len(one) <= MOST_ID_CHARS or not is_encodable(one):
            raise RangeError(
                f"The id of row {first_row + place} of {path} must have 1 to {MOST_ID_CHARS} characters.",
                where=first_row + place,
            )
    if len(set(ids)) < count:
        twice = next(place for place, one in enumerate(ids) if one in ids[:place])
        raise AlreadyExistsError(
            f"Row {first_row + twice} of {path} has the id of a row before it; ids are unique.", where=first_row + twice
        )
    return ids


def _checked_texts(texts: Sequence[str] | None, count: int, first_row: int, path: Path) -> Sequence[str]:
    """Return the texts, empty ones where the file has none."""
    if texts is None:
        return [""] * count
    if len(texts) != count:
        raise damaged(path, f"it has {len(texts)} texts for {count} rows")
    told: Sequence[object] = texts
    for place, one in enumerate(told):
        if not isinstance(one, str) or not (one.isascii() or is_encodable(one)):
            raise DtypeError(
                f"The text of row {first_row + place} of {path} is no string of whole characters.",
                expected="str",
                where=first_row + place,
            )
    return texts
