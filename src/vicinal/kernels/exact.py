"""The NumPy twins of the native kernels: the oracles of their tests, and what serves where no compiler was.

Both add in the same order (drawn in ``exact.hpp`` and ``mean_rows.hpp``), so that they agree to the last bit.
Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats, Mask, Rows

LANES = 16
PORTION_VALUES = 1 << 16
"""Products that are held at once: 256 KB, so that they stay in a processor's cache."""
PORTION_ROWS = 1024
"""Rows of one text that are added at once: a text of a million tokens needs no table of its own."""


def top_k(rows: Floats, queries: Floats, mask: Mask | None, k: int, metric: str = "dot") -> tuple[Rows, Floats, Rows]:
    """Return what ``vicinal.kernels.top_k`` returns, of arguments that it has checked."""
    numbers = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    counts = np.zeros(len(queries), dtype=np.int64)
    allowed = np.arange(len(rows)) if mask is None else np.flatnonzero(mask)
    for place, query in enumerate(queries):
        found = _scores(rows, query, allowed, metric)
        best = _largest(found, k)
        counts[place] = len(best)
        numbers[place, : len(best)] = allowed[best]
        scores[place, : len(best)] = found[best]
    return numbers, scores, counts


def widened(rows: NDArray[Any]) -> Floats:
    """Return rows as float32: uint16 holds the bits of bfloat16, the upper half of a float32."""
    if rows.dtype == np.uint16:
        return (rows.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return rows.astype(np.float32, copy=False)


def mean_rows(table: Floats, ids: NDArray[np.int32], offsets: Rows, weights: Floats | None) -> Floats:
    """Return what ``vicinal.kernels.mean_rows`` returns, of arguments that it has checked."""
    means = np.zeros((len(offsets) - 1, table.shape[1]), dtype=np.float32)
    with np.errstate(all="ignore"):  # overflow is part of the contract
        for text, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
            if end > start:
                means[text] = _row_sum(table, ids[start:end], None if weights is None else weights[start:end]) / (
                    end - start
                )
    return means


def _row_sum(table: Floats, ids: NDArray[np.int32], weights: Floats | None) -> NDArray[np.float64]:
    """Return the weighted sum (D,) of some rows, added one after the other."""
    total = np.zeros(table.shape[1], dtype=np.float64)
    for start in range(0, len(ids), PORTION_ROWS):
        portion = table[ids[start : start + PORTION_ROWS]].astype(np.float64)
        if weights is not None:
            portion *= weights[start : start + PORTION_ROWS, None]
        portion[0] += total
        total = np.add.accumulate(portion, axis=0)[-1]  # unlike a sum, it has one order
    return total


def _scores(rows: Floats, query: Floats, allowed: Rows, metric: str) -> Floats:
    """Return the score of each allowed row for the query."""
    scores = np.empty(len(allowed), dtype=np.float32)
    portion = max(1, PORTION_VALUES // max(1, len(query)))
    for start in range(0, len(allowed), portion):
        chosen = allowed[start : start + portion]
        scores[start : start + portion] = scores_of(rows[chosen], query, metric)
    return scores


def scores_of(rows: Floats, query: Floats, metric: str) -> Floats:
    """Return the score of each row for the query, larger when nearer; one that is no number counts as -inf.

    ``dot`` is <x, q>; ``cosine`` is <x, q> / (|x| |q|), 0 where a length is 0; ``l2`` is -||x - q||^2.
    """
    with np.errstate(all="ignore"):  # overflow is part of the contract
        scores = -summed((rows - query) ** 2) if metric == "l2" else summed(rows * query)
        if metric == "cosine":
            lengths = np.sqrt(summed(rows * rows)) * np.sqrt(summed((query * query)[None]))
            scores = np.where(lengths == 0, np.float32(0), scores / lengths)
    return np.where(np.isnan(scores), np.float32(-np.inf), scores)


def summed(products: Floats) -> Floats:
    """Return the sum of each row of products, added lane by lane."""
    lanes = np.zeros((len(products), LANES), dtype=np.float32)
    for start in range(0, products.shape[1], LANES):
        block = products[:, start : start + LANES]
        lanes[:, : block.shape[1]] += block
    for half in (8, 4, 2, 1):
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def _largest(scores: Floats, k: int) -> Rows:
    """Return the places of the k largest scores, the largest first, equal ones by ascending place."""
    places = np.arange(len(scores))
    if k < len(scores):
        bar = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= bar)
    return places[np.argsort(-scores[places], kind="stable")][:k]
