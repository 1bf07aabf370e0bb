"""The exhaustive index: every vector is compared, nothing is missed. The oracle of all others.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

from collections.abc import Sequence

from vicinal._arrays import whole_number
from vicinal.index.parts import checked_booleans, checked_parts, checked_queries, metric_of, nearest, row_count_of
from vicinal.space import Space, Vectors
from vicinal.types import Bits, Floats, Mask, Neighbors


class ExactIndex:
    """Vectors in parts, searched exhaustively. Nothing is copied and nothing is built.

    Parameters
    ----------
    parts : sequence of (int, float32 array of shape (n, D))
        The row number of the first vector, and the vectors: finite, contiguous, perhaps read only and mapped.
        Parts may come in any order and leave gaps between their rows, but may not overlap.
    space : Space
        The space of the vectors. Its metric is that of the scores: the dot product; the cosine, 0 for a vector of
        zeros; for ``l2`` the negative square of the distance. A score is larger when nearer.

    Raises
    ------
    DtypeError, ShapeError
        A part is no float32 matrix with ``space.dim`` columns.
    RangeError
        A part begins below row 0, or two parts overlap.

    Notes
    -----
    Cost of a search: Q * N * D products; one query reads all vectors once, at the speed of the memory.
    Threads: safe for many readers.
    """

    can = frozenset({"exact", "filter", "mmap"})

    def __init__(self, parts: Sequence[tuple[int, Floats]], space: Space) -> None:
        self.space = space
        self._parts = checked_parts(parts, space.dim)

    @property
    def row_count(self) -> int:
        """The row number behind the last: the length of a mask."""
        return row_count_of(self._parts)

    def search(self, queries: Vectors, *, k: int, mask: Bits | Mask | None = None) -> Neighbors:
        """Return the k stored vectors most similar to each query.

        Parameters
        ----------
        queries : Vectors, float32 of shape (Q, D)
            Q may be 0.
        k : int, 1 <= k
            How many; fewer are found when fewer are stored or let through.
        mask : bool array of shape (row_count,), or uint64 array of at least that many bits, optional
            The rows that may be answers.

        Returns
        -------
        Neighbors
            Best first, equal scores by ascending row.

        Raises
        ------
        SpaceMismatchError
            The queries are in another space.
        DtypeError, RangeError
            k is no whole number of at least 1, or the mask holds neither booleans nor bits.
        ShapeError
            The mask has another length than the rows.
        """
        array = checked_queries(queries, self.space)
        k = whole_number(k, "k", low=1)
        return nearest(self._parts, array, k, checked_booleans(mask, self.row_count), metric_of(self.space))
