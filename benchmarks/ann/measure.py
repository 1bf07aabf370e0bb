"""What the harness computes by itself, outside the clock: the truth, the scores of what was answered, recall, curves.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

EPS = 1e-6
"""By how much an answer may lie below the k-th true score: the rounding of a sum in another order."""
BLOCK = 8192
"""Rows of a block: 12 MB of 384 components."""


def nearest(
    rows: np.ndarray, queries: np.ndarray, k: int, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k rows with the largest dot products among those that the mask lets through: int64 and float32 (Q, k).

    Computed block by block by NumPy, not by the program's own kernels. Unused places hold -1 and -inf.
    """
    best_rows = np.full((len(queries), k), -1, dtype=np.int64)
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        taken = np.arange(start, min(start + BLOCK, len(rows)))
        taken = taken if mask is None else taken[mask[taken]]
        scores = queries @ np.asarray(rows[start : start + BLOCK])[taken - start].T
        few = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k] if scores.shape[1] > k else None
        chosen = scores if few is None else np.take_along_axis(scores, few, axis=1)
        numbers = np.broadcast_to(taken, scores.shape) if few is None else taken[few]
        all_rows, all_scores = np.hstack([best_rows, numbers]), np.hstack([best, chosen])
        order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
        best_rows, best = (np.take_along_axis(one, order, axis=1) for one in (all_rows, all_scores))
    return best_rows, best


def scores_of(rows: np.ndarray, queries: np.ndarray, answered: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return the dot products of the answered rows, float32 (Q, K); -inf for -1, a row twice, or one filtered out."""
    safe = np.where((answered >= 0) & (answered < len(rows)), answered, 0)
    picked = np.asarray(rows[np.sort(safe.ravel())])[np.argsort(np.argsort(safe.ravel(), kind="stable"), kind="stable")]
    scores = np.einsum("qkd,qd->qk", picked.reshape(*answered.shape, -1), queries)
    ordered = np.sort(answered, axis=1)
    if (np.diff(ordered, axis=1) == 0).any():
        first = np.array([[place == row.index(one) for place, one in enumerate(row)] for row in answered.tolist()])
        scores = np.where(first, scores, -np.inf)
    allowed = (answered >= 0) & (answered < len(rows)) & (True if mask is None else mask[safe])
    return np.where(allowed, scores, -np.inf)


def recall(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the share of the true k that was found; whatever scores as the k-th does counts, so that ties are no misses.

    A place that cannot be filled, for want of rows, is no miss either.
    """
    wanted = np.isfinite(truth)
    needed = wanted.sum(axis=1)
    least = np.where(wanted, truth, np.inf).min(axis=1, initial=np.inf)
    hits = np.minimum((found >= least[:, None] - EPS).sum(axis=1), needed)
    return float(hits.sum() / max(needed.sum(), 1))


def frontier(points: Sequence[Mapping[str, Any]], value: str = "p50_ms") -> list[tuple[float, float]]:
    """Return (recall, cost) of the points that no other beats in both, by ascending recall."""
    kept: list[tuple[float, float]] = []
    for found, cost in sorted(
        ((float(one["recall"]), float(one[value])) for one in points), key=lambda p: (p[1], -p[0])
    ):
        if not kept or found > kept[-1][0]:
            kept.append((found, cost))
    return kept


def at_recall(points: Sequence[Mapping[str, Any]], wanted: float, value: str = "p50_ms") -> float | None:
    """Return the cost at a recall, None where it is never reached.

    Between two points of the frontier the logarithm of the cost is interpolated over the logarithm of the misses;
    below the first point the first counts, as there is nothing quicker.
    """
    line = frontier(points, value)
    if not line or line[-1][0] < wanted:
        return None
    if line[0][0] >= wanted:
        return line[0][1]
    misses = [-np.log(max(1 - found, 1e-4)) for found, _ in line]
    return float(np.exp(np.interp(-np.log(max(1 - wanted, 1e-4)), misses, np.log([cost for _, cost in line]))))
