"""The NumPy twin of the native exact top-k: the oracle of its tests, and what serves where no compiler was.

Both add in the same order (the drawing is in ``exact.hpp``), so that they agree to the last bit.
Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import numpy as np

from vicinal.types import Floats, Mask, Rows

LANES = 16
PORTION_VALUES = 1 << 16
"""Products that are held at once: 256 KB, so that they stay in a processor's cache."""


def top_k(rows: Floats, queries: Floats, mask: Mask | None, k: int) -> tuple[Rows, Floats, Rows]:
    """Return what ``vicinal.kernels.top_k`` returns, of arguments that it has checked."""
    numbers = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    counts = np.zeros(len(queries), dtype=np.int64)
    allowed = np.arange(len(rows)) if mask is None else np.flatnonzero(mask)
    for place, query in enumerate(queries):
        found = _dot_products(rows, query, allowed)
        best = _largest(found, k)
        counts[place] = len(best)
        numbers[place, : len(best)] = allowed[best]
        scores[place, : len(best)] = found[best]
    return numbers, scores, counts


def _dot_products(rows: Floats, query: Floats, allowed: Rows) -> Floats:
    """Return the dot product of each allowed row with the query; one that is no number counts as -inf."""
    scores = np.empty(len(allowed), dtype=np.float32)
    portion = max(1, PORTION_VALUES // max(1, len(query)))
    with np.errstate(all="ignore"):  # overflow is part of the contract
        for start in range(0, len(allowed), portion):
            chosen = allowed[start : start + portion]
            scores[start : start + portion] = _summed(rows[chosen] * query)
    return np.where(np.isnan(scores), np.float32(-np.inf), scores)


def _summed(products: Floats) -> Floats:
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
