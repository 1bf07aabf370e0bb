"""How sure a mean over queries is: bootstrap bounds of many ways at once, drawn over the same queries.

Letters: Q queries, F ways, B draws.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

DRAWS = 4000
Values = NDArray[np.float64]


class Bounds:
    """Means of columns of values (F, Q) over queries drawn again and again, and what lies at their edges.

    Parameters
    ----------
    queries : int, 1 <= queries
    seed : int

    Notes
    -----
    Cost: B * Q * F products. Memory: B * Q * 4 bytes.

    References
    ----------
    Efron, Tibshirani 1993, "An introduction to the bootstrap", section 13.3 (percentiles).
    """

    def __init__(self, queries: int, *, seed: int) -> None:
        chosen = np.random.default_rng(seed).integers(0, queries, (DRAWS, queries))
        places = (chosen + queries * np.arange(DRAWS)[:, None]).ravel()
        drawn = np.bincount(places, minlength=DRAWS * queries).reshape(DRAWS, queries)
        self._weights = (drawn / queries).astype(np.float32)

    def kept(self, values: Values, base: Values) -> Values:
        """Return in every draw the mean of the values (F, Q) over that of the base (Q,): (F, B).

        A draw whose base is zero tells nothing and counts as 1.
        """
        means, whole = values.astype(np.float32) @ self._weights.T, base.astype(np.float32) @ self._weights.T
        kept: Values = np.divide(means, whole, out=np.ones_like(means), where=whole > 0).astype(np.float64)
        return kept

    def means(self, values: Values) -> Values:
        """Return in every draw the mean of the values (F, Q): (F, B)."""
        means: Values = (values.astype(np.float32) @ self._weights.T).astype(np.float64)
        return means


def proportion_low(share: float, trials: int, confidence: float) -> float:
    """Return the one-sided lower bound of a proportion that was found in so many trials (Wilson 1927).

    It stays below 1 where nothing was missed: then a bootstrap has nothing to draw from.
    """
    z = NormalDist().inv_cdf(confidence)
    middle = share + z * z / (2 * trials)
    spread = z * np.sqrt(max(share * (1 - share), 0) / trials + z * z / (4 * trials * trials))
    return float((middle - spread) / (1 + z * z / trials))
