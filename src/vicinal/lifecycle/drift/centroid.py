"""The means of two samples: how far apart they lie, and how far chance alone puts them.

Letters: N reference rows, M current, D components, P shuffles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats

SHUFFLES = 2_000
AT_ONCE = 256
"""Shuffles of one product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far apart two means lie.

    Parameters
    ----------
    p : float, 0 < p <= 1
        How often chance alone puts them so far apart; 1 / (``SHUFFLES`` + 1) at least.
    distance : float
        Euclid's. Comparable from window to window of one size.
    expected : float
        The mean distance of shuffles: what windows of this size show when nothing has changed.
    """

    p: float
    distance: float
    expected: float


def compare(reference: Floats, current: Floats, *, chance: np.random.Generator, shuffles: int = SHUFFLES) -> Distance:
    """Return the distance of the means of two samples, and how often shuffled labels give as much.

    Parameters
    ----------
    reference : float32 array of shape (N, D), 1 <= N
    current : float32 array of shape (M, D), 1 <= M
    chance : numpy.random.Generator
    shuffles : int, 1 <= shuffles

    Notes
    -----
    Which of all rows are the current ones is chance if nothing has changed, so ``p = (1 + b) / (1 + P)`` is exact.
    Cost: P * min(N, M) * D products.
    """
    pooled = np.concatenate([reference, current])
    pooled = pooled - pooled.mean(axis=0)
    fewer = min(len(reference), len(current))
    scale = 1 / len(reference) + 1 / len(current)  # the sums of both sides are opposite, so one of them tells all
    side = slice(0, fewer) if len(reference) <= len(current) else slice(len(pooled) - fewer, None)
    distance = float(np.linalg.norm(pooled[side].sum(axis=0, dtype=np.float64)) * scale)
    found = np.concatenate(
        [
            _shuffled(pooled, fewer, min(AT_ONCE, shuffles - start), chance) * scale
            for start in range(0, shuffles, AT_ONCE)
        ]
    )
    as_far = int((found >= distance * (1 - 1e-6)).sum())
    return Distance(p=(1 + as_far) / (1 + shuffles), distance=distance, expected=float(found.mean()))


def _shuffled(pooled: Floats, count: int, shuffles: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Return the lengths of the sums of ``count`` rows chosen at random: float64 (P,)."""
    chosen = np.zeros((shuffles, len(pooled)), dtype=np.float32)
    for row in chosen:
        row[chance.choice(len(pooled), count, replace=False)] = 1
    return np.asarray(np.linalg.norm((chosen @ pooled).astype(np.float64), axis=1))
