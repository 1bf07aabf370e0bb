"""The stored vectors as an index gets them: parts of rows, sets of rows, and answers of several parts as one.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.kernels.checked import checked_line, checked_mask, checked_matrix
from vicinal.space import Space, Vectors
from vicinal.types import Bits, Floats, Mask, Neighbors, Rows

WORD = 64
PORTION_BYTES = 16 << 20
"""Floats that a pass over all rows holds at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """Vectors that lie together; ``first`` is the row number of the first."""

    first: int
    vectors: Floats

    @property
    def end(self) -> int:
        """The row number behind the last."""
        return self.first + len(self.vectors)


def checked_parts(parts: Sequence[tuple[int, Floats]], dim: int) -> tuple[Part, ...]:
    """Return the parts by ascending row.

    Raises
    ------
    DtypeError, ShapeError
        A part is no contiguous float32 matrix with ``dim`` columns.
    RangeError
        A part begins below row 0, or two parts overlap.
    """
    checked = (_checked_part(first, vectors, dim) for first, vectors in parts)
    ordered = tuple(sorted(checked, key=lambda part: (part.first, part.end)))
    for before, after in itertools.pairwise(ordered):
        if after.first < before.end:
            raise RangeError(
                f"Two parts overlap: one ends before row {before.end}, the next begins at row {after.first}.",
                expected=f">= {before.end}",
                got=after.first,
                where="parts",
            )
    return ordered


def checked_queries(queries: Vectors, space: Space) -> Floats:
    """Return the array of queries of the space.

    Raises
    ------
    DtypeError
        They are no ``Vectors``.
    SpaceMismatchError
        They are of another space.
    """
    if not isinstance(queries, Vectors):
        raise DtypeError(
            f"queries must be Vectors, got {type(queries).__name__}; an encoder gives them.",
            expected="Vectors",
            got=type(queries).__name__,
            where="queries",
        )
    if queries.space is not space:
        space.require(queries.space, what="the query")
    return np.asarray(queries)


def checked_bits(mask: NDArray[Any] | None, row_count: int) -> Bits | None:
    """Return a mask over rows as bits: of booleans, one for each row; of bits, at least as many as rows.

    Raises
    ------
    DtypeError, ShapeError
        It is neither.
    """
    if mask is None:
        return None
    if getattr(mask, "dtype", None) != np.uint64:
        return kernels.bits_of_mask(checked_mask(mask, row_count))
    bits: Bits = checked_line(mask, np.uint64, "mask")
    if len(bits) * WORD < row_count:
        raise ShapeError(
            f"mask must have a bit for each of {row_count} rows, got {len(bits)} words of {WORD}.",
            expected=-(-row_count // WORD),
            got=len(bits),
            where="mask",
        )
    return bits


def checked_booleans(mask: NDArray[Any] | None, row_count: int) -> Mask | None:
    """Return a mask over rows as booleans, one for each row.

    Raises
    ------
    DtypeError, ShapeError
        As ``checked_bits``.
    """
    if getattr(mask, "dtype", None) == np.bool_:
        return checked_mask(mask, row_count)
    bits = checked_bits(mask, row_count)
    return None if bits is None else kernels.mask_of_bits(bits, row_count)


def metric_of(space: Space) -> kernels.Metric:
    """Return how the kernels compare: by dot products where the cosine is one."""
    if space.metric == "cosine":
        return "dot" if space.normalized else "cosine"
    return "l2" if space.metric == "l2" else "dot"


def is_unit(space: Space) -> bool:
    """Return whether vectors have unit length when they are coded."""
    return space.normalized or space.metric == "cosine"


def row_count_of(parts: Sequence[Part]) -> int:
    """Return the row number behind the last."""
    return parts[-1].end if parts else 0


def cut(parts: Sequence[Part], first: int, end: int) -> tuple[Part, ...]:
    """Return what lies within [first, end) of the parts; empty ones are left out."""
    found = (
        Part(max(part.first, first), part.vectors[max(0, first - part.first) : max(0, end - part.first)])
        for part in parts
    )
    return tuple(part for part in found if len(part.vectors))


def stretches(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Return (first row, rows) of what lies together without a gap."""
    found: list[tuple[int, int]] = []
    for part in parts:
        if found and sum(found[-1]) == part.first:
            found[-1] = (found[-1][0], found[-1][1] + len(part.vectors))
        elif len(part.vectors):
            found.append((part.first, len(part.vectors)))
    return found


def portions(parts: Sequence[Part], dim: int) -> Iterator[tuple[int, Floats]]:
    """Go through the rows in portions that fit into memory: the first row and the vectors of each."""
    size = max(kernels.BLOCK_ROWS, PORTION_BYTES // (4 * dim))
    for part in parts:
        for start in range(0, len(part.vectors), size):
            yield part.first + start, part.vectors[start : start + size]


def sampled(parts: Sequence[Part], count: int, chooser: np.random.Generator, alive: Bits | None) -> Rows:
    """Return up to ``count`` different living rows, ascending; all where there are not more."""
    total = sum(len(part.vectors) for part in parts)
    if alive is not None or total <= 4 * count:
        living = np.concatenate([np.empty(0, np.int64), *(np.arange(part.first, part.end) for part in parts)])
        if alive is not None:
            living = living[kernels.mask_of_bits(alive, row_count_of(parts))[living]]
        return living if len(living) <= count else np.sort(chooser.choice(living, count, replace=False))
    places = np.unique(chooser.integers(0, total, count))
    starts = np.cumsum([0, *(len(part.vectors) for part in parts)])
    owner = np.searchsorted(starts, places, side="right") - 1
    firsts = np.array([part.first for part in parts])
    rows: Rows = places - starts[owner] + firsts[owner]
    return rows


def vectors_of(parts: Sequence[Part], rows: Rows, dim: int) -> Floats:
    """Return the vectors of some rows, ascending; each must be in a part."""
    found = np.empty((len(rows), dim), dtype=np.float32)
    for part in parts:
        low, high = np.searchsorted(rows, (part.first, part.end))
        found[low:high] = part.vectors[rows[low:high] - part.first]
    return found


def nearest(
    parts: Sequence[Part], queries: Floats, k: int, mask: Mask | None, metric: kernels.Metric, first: int = 0
) -> Neighbors:
    """Return the exact neighbours within parts; ``mask`` has a boolean for each row from ``first`` on."""
    found = []
    for part in parts:
        rows, scores, counts = kernels.top_k(
            part.vectors,
            queries,
            k=max(1, min(k, len(part.vectors))),
            mask=None if mask is None else mask[part.first - first : part.end - first],
            metric=metric,
        )
        rows[rows >= 0] += part.first
        found.append(Neighbors(rows=rows, scores=scores, counts=counts))
    return merged(found, len(queries), k)


def merged(found: Sequence[Neighbors], query_count: int, k: int) -> Neighbors:
    """Return the k nearest of several answers, equal scores by ascending row."""
    if len(found) == 1 and found[0].rows.shape[1] == k:
        return found[0]
    rows = np.full((query_count, k), -1, dtype=np.int64)
    scores = np.full((query_count, k), -np.inf, dtype=np.float32)
    counts = np.zeros(query_count, dtype=np.int64)
    if found:
        all_rows = np.concatenate([one.rows for one in found], axis=1)
        all_scores = np.concatenate([one.scores for one in found], axis=1)
        order = np.lexsort((all_rows, all_rows < 0, -all_scores), axis=1)[:, :k]
        width = order.shape[1]
        rows[:, :width] = np.take_along_axis(all_rows, order, axis=1)
        scores[:, :width] = np.take_along_axis(all_scores, order, axis=1)
        counts = np.minimum(sum(one.counts for one in found), k)
    return Neighbors(rows=rows, scores=scores, counts=counts)


def _checked_part(first: int, vectors: Floats, dim: int) -> Part:
    """Return a part, or refuse what is no float32 matrix of the dimension."""
    first = whole_number(first, "the first row of a part", low=0)
    vectors = checked_matrix(vectors, "a part")
    if vectors.shape[1] != dim:
        raise ShapeError(
            f"A part must have the shape (n, {dim}), got {vectors.shape}.",
            expected=f"(n, {dim})",
            got=vectors.shape,
            where="parts",
        )
    return Part(first, vectors)
