"""The exhaustive index: every vector is compared, nothing is missed. The oracle of all others.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, RangeError, ShapeError, UnsupportedError
from vicinal.kernels.checked import checked_mask, checked_matrix
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Mask, Neighbors


@dataclass(frozen=True, slots=True)
class _Part:
    """Vectors that lie together; ``first`` is the row number of the first."""

    first: int
    vectors: Floats

    @property
    def end(self) -> int:
        """The row number behind the last."""
        return self.first + len(self.vectors)


class ExactIndex:
    """Vectors in parts, searched exhaustively. Nothing is copied and nothing is built.

    Parameters
    ----------
    parts : sequence of (int, float32 array of shape (n, D))
        The row number of the first vector, and the vectors: finite, contiguous, perhaps read only and mapped.
        Parts may come in any order and leave gaps between their rows, but may not overlap.
    space : Space
        The space of the vectors.

    Raises
    ------
    DtypeError, ShapeError
        A part is no float32 matrix with ``space.dim`` columns.
    RangeError
        A part begins below row 0, or two parts overlap.
    UnsupportedError
        The space's similarity is not the dot product: ``l2``, or ``cosine`` of vectors without unit length.

    Notes
    -----
    Cost of a search: Q * N * D products; one query reads all vectors once, at the speed of the memory.
    Threads: safe for many readers.
    """

    can = frozenset({"exact", "filter", "mmap"})

    def __init__(self, parts: Sequence[tuple[int, Floats]], space: Space) -> None:
        if space.metric not in {"cosine", "dot"} or (space.metric == "cosine" and not space.normalized):
            said = space.metric if space.normalized else f"{space.metric} of vectors without unit length"
            raise UnsupportedError(
                f"The exact index compares by dot products, and cannot by {said}.",
                expected="dot, or cosine of normalized vectors",
                got=said,
                where="space",
            )
        self.space = space
        checked = (_checked_part(first, vectors, space.dim) for first, vectors in parts)
        self._parts = tuple(sorted(checked, key=lambda part: (part.first, part.end)))
        for before, after in itertools.pairwise(self._parts):
            if after.first < before.end:
                raise RangeError(
                    f"Two parts overlap: one ends before row {before.end}, the next begins at row {after.first}.",
                    expected=f">= {before.end}",
                    got=after.first,
                    where="parts",
                )

    @property
    def row_count(self) -> int:
        """The row number behind the last: the length of a mask."""
        return self._parts[-1].end if self._parts else 0

    def search(self, queries: Vectors, *, k: int, mask: Mask | None = None) -> Neighbors:
        """Return the k stored vectors most similar to each query.

        Parameters
        ----------
        queries : Vectors, float32 of shape (Q, D)
            Q may be 0.
        k : int, 1 <= k
            How many; fewer are found when fewer are stored or let through.
        mask : bool array of shape (row_count,), optional
            The rows that may be answers.

        Returns
        -------
        Neighbors
            A score is the dot product: the cosine where vectors are normalized.

        Raises
        ------
        SpaceMismatchError
            The queries are in another space.
        DtypeError, RangeError
            k is no whole number of at least 1, or the mask holds no booleans.
        ShapeError
            The mask has another length than the rows.
        """
        if not isinstance(queries, Vectors):
            raise DtypeError(
                f"queries must be Vectors, got {type(queries).__name__}; an encoder gives them.",
                expected="Vectors",
                got=type(queries).__name__,
                where="queries",
            )
        self.space.require(queries.space, what="the query")
        k = whole_number(k, "k", low=1)
        if mask is not None:
            mask = checked_mask(mask, self.row_count)
        array = np.asarray(queries)
        return _merged([_search_part(part, array, k, mask) for part in self._parts], len(array), k)


def _checked_part(first: int, vectors: Floats, dim: int) -> _Part:
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
    return _Part(first, vectors)


def _search_part(part: _Part, queries: Floats, k: int, mask: Mask | None) -> Neighbors:
    """Return the neighbours within one part, at most as many places as it has rows."""
    rows, scores, counts = kernels.top_k(
        part.vectors,
        queries,
        k=max(1, min(k, len(part.vectors))),
        mask=None if mask is None else mask[part.first : part.end],
    )
    rows[rows >= 0] += part.first
    return Neighbors(rows=rows, scores=scores, counts=counts)


def _merged(found: Sequence[Neighbors], query_count: int, k: int) -> Neighbors:
    """Return the k nearest of several answers, whose rows ascend from one to the next."""
    rows = np.full((query_count, k), -1, dtype=np.int64)
    scores = np.full((query_count, k), -np.inf, dtype=np.float32)
    counts = np.zeros(query_count, dtype=np.int64)
    if found:
        all_rows = np.concatenate([one.rows for one in found], axis=1)
        all_scores = np.concatenate([one.scores for one in found], axis=1)
        # The sort is stable and the parts are in order, so equal scores stay by ascending row; unused places go last.
        order = np.lexsort((all_rows < 0, -all_scores), axis=1)[:, :k]
        width = order.shape[1]
        rows[:, :width] = np.take_along_axis(all_rows, order, axis=1)
        scores[:, :width] = np.take_along_axis(all_scores, order, axis=1)
        counts = np.minimum(sum(one.counts for one in found), k)
    return Neighbors(rows=rows, scores=scores, counts=counts)
