"""Cells: regions of the space around centers, so that a query looks only into those that are near it.

Lloyd's k-means on a sample, in the space of codes: the means make residuals as short as they can be, which is what
codes of residuals want for every metric.

Letters: N rows, S sampled rows, D components, M cells.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.types import Floats

CROSSING_ROWS = 300_000
"""Rows from which cells pay. Below, a flat scan fits into the processor's cache and costs less than choosing cells."""
ROWS_A_CELL = 64
"""Sampled rows a cell at most: more did not change the recall, and cost in proportion."""
SAMPLE_BYTES = 256 << 20
ROUNDS = 5
SMALLEST_SHARE = 1 / 16
"""Of the mean size: a smaller cell moves to a large one's rows."""
MOST_CELLS = 65_536
PRODUCTS = 4_000_000_000
"""Of components, that are made between two ticks: some 50 ms."""

Tick = Callable[[], None]


def cell_count(rows: int) -> int:
    """Return how many cells a set of rows should have: 0 below the crossing point, then about the square root.

    Choosing among M cells costs M * D products, and probing a share p of them p * N codes: both grow alike when M
    grows with the root of N. The power of two at or above sqrt(N) measured best at 1M x 384.
    """
    if rows < CROSSING_ROWS:
        return 0
    return min(MOST_CELLS, 1 << int(np.ceil(np.log2(np.sqrt(rows)))))


def sample_count(cells: int, dim: int) -> int:
    """Return how many rows the centers are learned from."""
    return max(cells, min(cells * ROWS_A_CELL, SAMPLE_BYTES // (4 * dim)))


def centers_of(
    sample: Floats,
    cells: int,
    *,
    chooser: np.random.Generator,
    threads: int = 1,
    tick: Tick = lambda: None,
) -> Floats:
    """Return the centers (M, D) of a sample (S, D), by a few rounds of Lloyd's algorithm.

    The sample is of the space of codes. M is at most S.
    ``tick`` is called every now and then; what it raises ends the work. Cost: ``ROUNDS`` assignments of the sample.
    """
    cells = max(1, min(cells, len(sample)))
    centers = np.ascontiguousarray(sample[np.sort(chooser.choice(len(sample), cells, replace=False))])
    for _ in range(ROUNDS):
        cell_of = _assigned_in_steps(sample, centers, threads, tick)
        centers, sizes = _means(sample, cell_of, centers)
        _move_small(centers, sizes, sample, cell_of, chooser)
    return _means(sample, _assigned_in_steps(sample, centers, threads, tick), centers)[0]


def assigned(vectors: Floats, centers: Floats, *, threads: int = 1) -> NDArray[np.int32]:
    """Return the number of each vector's nearest center, int32 (N,)."""
    return kernels.assign(vectors, centers, metric="l2", threads=threads)


def _assigned_in_steps(sample: Floats, centers: Floats, threads: int, tick: Tick) -> NDArray[np.int32]:
    """Return the cell of each row of the sample."""
    found = [np.empty(0, dtype=np.int32)]
    size = max(1024, PRODUCTS // centers.size)
    for start in range(0, len(sample), size):
        found.append(assigned(sample[start : start + size], centers, threads=threads))
        tick()
    return np.concatenate(found)


def _means(sample: Floats, cell_of: NDArray[np.int32], before: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the mean of each cell's rows, and how many rows each has; an empty one keeps its center."""
    sizes = np.bincount(cell_of, minlength=len(before)).astype(np.int64)
    order = np.argsort(cell_of, kind="stable")
    filled = np.flatnonzero(sizes)
    starts = (np.cumsum(sizes) - sizes)[filled]
    means = before.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        # Each row is divided first: a sum of large ones stays finite.
        shares = sample[order] * np.repeat(1 / np.maximum(sizes, 1), sizes).astype(np.float32)[:, None]
        found = np.add.reduceat(shares, starts, axis=0)
    sound = np.isfinite(found).all(axis=1)
    means[filled[sound]] = found[sound]
    return means, sizes


def _move_small(
    centers: Floats,
    sizes: NDArray[np.int64],
    sample: Floats,
    cell_of: NDArray[np.int32],
    chooser: np.random.Generator,
) -> None:
    """Give the centers of (nearly) empty cells rows of the largest ones, so that those split."""
    small = np.flatnonzero(sizes < len(sample) / len(centers) * SMALLEST_SHARE)
    if not len(small):
        return
    weight = np.maximum(sizes - len(sample) / len(centers), 0)[cell_of].astype(np.float64)
    if weight.sum() > 0:
        wanted = min(len(small), int((weight > 0).sum()))
        centers[small[:wanted]] = sample[chooser.choice(len(sample), wanted, replace=False, p=weight / weight.sum())]
