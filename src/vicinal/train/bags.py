"""Texts as bags of tokens: a sparse matrix (N, V) of counts, and its products, with the native kernels.

::

    row i:  ids[offsets[i]:offsets[i + 1]], ascending, each once, and as many weights
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vicinal import config, kernels
from vicinal.types import Floats, Rows

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bags:
    """A sparse matrix of N rows and V ``columns``: ``ids`` int32 (T,), ``weights`` float32 (T,), ``offsets`` int64 (N + 1,)."""

    ids: Ids
    weights: Floats
    offsets: Rows
    columns: int

    @classmethod
    def of(cls, texts: Sequence[Ids], columns: int) -> Bags:
        """Return the counts of the token ids of each text."""
        rows = np.repeat(np.arange(len(texts)), [len(ids) for ids in texts])
        ids = np.concatenate(texts) if texts else np.zeros(0, dtype=np.int32)
        places, counts = np.unique(rows * columns + ids, return_counts=True)
        sizes = np.bincount(places // columns, minlength=len(texts))
        return cls(
            ids=(places % columns).astype(np.int32),
            weights=counts.astype(np.float32),
            offsets=_offsets(sizes),
            columns=columns,
        )

    def __len__(self) -> int:
        """Return N."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Rows:
        """How many different ids each row has, (N,)."""
        return np.diff(self.offsets)

    def row_sums(self) -> NDArray[np.float64]:
        """Return the sum of the weights of each row, (N,)."""
        rows = np.repeat(np.arange(len(self)), self.sizes)
        return np.bincount(rows, weights=self.weights, minlength=len(self)).astype(np.float64)

    def column_sums(self, power: int = 1) -> NDArray[np.float64]:
        """Return the sum of the weights of each column, each raised to a power before, (V,)."""
        raised = self.weights.astype(np.float64) ** power
        return np.bincount(self.ids, weights=raised, minlength=self.columns).astype(np.float64)

    def scaled(self, factors: NDArray[np.floating]) -> Bags:
        """Return the matrix with each row multiplied by its factor (N,)."""
        weights = self.weights * np.repeat(factors, self.sizes).astype(np.float32)
        return Bags(ids=self.ids, weights=weights, offsets=self.offsets, columns=self.columns)

    def transposed(self) -> Bags:
        """Return the matrix (V, N)."""
        order = np.argsort(self.ids, kind="stable")
        rows = np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)
        sizes = np.bincount(self.ids, minlength=self.columns)
        return Bags(ids=rows[order], weights=self.weights[order], offsets=_offsets(sizes), columns=len(self))

    def times(self, table: Floats) -> Floats:
        """Return the product with a table (V, D): float32 (N, D), each sum rounded once.

        The same bits with any number of threads.
        """
        table = np.ascontiguousarray(table, dtype=np.float32)
        weights = self.weights * np.repeat(self.sizes, self.sizes).astype(np.float32)  # the kernel divides by the size
        parts = _even_parts(self.offsets, config.threads())
        with ThreadPoolExecutor(len(parts), thread_name_prefix="vicinal-train") as pool:
            found = list(pool.map(lambda part: self._rows(table, weights, *part), parts))
        return np.concatenate(found)

    def _rows(self, table: Floats, weights: Floats, first: int, last: int) -> Floats:
        """Return the rows [first, last) of the product."""
        start, end = self.offsets[first], self.offsets[last]
        return kernels.mean_rows(table, self.ids[start:end], self.offsets[first : last + 1] - start, weights[start:end])


def _offsets(sizes: NDArray[np.integer]) -> Rows:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _even_parts(offsets: Rows, count: int) -> list[tuple[int, int]]:
    """Return [first, last) of parts of the rows that have about as many ids each; at least one part."""
    marks = np.searchsorted(offsets, np.linspace(0, offsets[-1], count + 1)[1:-1])
    bounds = [0, *(int(mark) for mark in marks), len(offsets) - 1]
    parts = [(first, last) for first, last in pairwise(bounds) if last > first]
    return parts or [(0, 0)]
