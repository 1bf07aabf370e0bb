"""New content: texts that lie farther from all that is known than the known texts lie from one another.

``s(x)`` is the mean cosine of x to its 5 nearest in a store, which is half of the reference. The other half, held back,
tells how near known texts come; what is new comes less near. New content is a share of a window, so it shows in the
lower tail of ``s`` and hardly in its middle: the test looks at several depths of the tail at once.

Letters: N rows of the store, H held back, M current, D components, T thresholds, P draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats

NEAREST = 5
DEPTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of all scores at which both samples are compared, from far out to the middle."""
DRAWS = 10_000
BLOCK_BYTES = 64 << 20
"""Of cosines that are held at once."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """The comparison of two samples of scores.

    Parameters
    ----------
    p : float, 0 < p <= 1
        How often chance alone gives so many far texts. A draw of ``DRAWS`` is the least.
    statistic : float
        The largest standardized surplus of current texts below a depth; about normal at each single depth.
    depth : float
        At which share of all scores the surplus was largest.
    new_share : float, 0 <= new_share <= 1
        At least about so many of the current texts are new: the surplus at that depth, as a share of the window.
    ks : float
        Kolmogorov and Smirnov's distance, to the side of farther current texts. For reading, no test is made of it.
    """

    p: float
    statistic: float
    depth: float
    new_share: float
    ks: float


def scores(vectors: Floats, store: Floats, *, k: int = NEAREST) -> Floats:
    """Return how near vectors come to a store: the mean cosine to their k nearest in it.

    Parameters
    ----------
    vectors : float32 array of shape (M, D)
        Of unit length, or zero.
    store : float32 array of shape (N, D)
        The same. Fewer than k rows count for k.

    Returns
    -------
    float32 array of shape (M,)
        In [-1, 1]; larger is more familiar.

    Notes
    -----
    Cost: M * N * D products. Memory: at most ``BLOCK_BYTES``, beside the result.
    """
    k = min(k, len(store))
    found = np.empty(len(vectors), dtype=np.float32)
    step = max(1, BLOCK_BYTES // (4 * max(len(store), 1)))
    for start in range(0, len(vectors), step):
        cosines = vectors[start : start + step] @ store.T
        found[start : start + step] = np.partition(cosines, len(store) - k, axis=1)[:, len(store) - k :].mean(axis=1)
    return found


def compare(held_back: Floats, current: Floats, *, chance: np.random.Generator, draws: int = DRAWS) -> Novelty:
    """Return whether current scores have more of the far ones than those held back.

    Parameters
    ----------
    held_back : float32 array of shape (H,)
        Of reference texts that the store does not hold.
    current : float32 array of shape (M,)
    chance : numpy.random.Generator
        Of the draws.
    draws : int, 1 <= draws

    Notes
    -----
    Given the store, both samples are drawn alike if nothing has changed, so which of all scores are the current ones is
    chance. The largest of several standardized surpluses is compared with the same of ``draws`` such choices;
    ``p = (1 + b) / (1 + P)`` keeps the level exactly (Phipson, Smyth 2010). Only the counts between two depths matter,
    and those are multivariate hypergeometric, so a draw costs no sorting.

    On CLINC150 with MiniLM, 1,000 against 1,000 and 10 % new texts, at the level .0125: this finds .98 of the shifts,
    Kolmogorov and Smirnov's test .63.

    References
    ----------
    The largest standardized surplus over the tail: Donoho, Jin 2004, "Higher criticism for detecting sparse heterogeneous
    mixtures", for two samples. The score: Loftsgaarden, Quesenberry 1965; Sun et al. 2022, "Out-of-distribution
    detection with deep nearest neighbors".
    """
    counts, below, surpluses = compared_at(held_back, current)
    at = int(np.argmax(surpluses))
    drawn = null(counts, len(held_back), len(current), chance=chance, draws=draws)
    as_large = int((drawn >= surpluses[at] - 1e-9).sum())
    held_below = (counts[at] - below[at]) / len(held_back)
    return Novelty(
        p=(1 + as_large) / (1 + draws),
        statistic=float(surpluses[at]),
        depth=float(counts[at] / (len(held_back) + len(current))),
        new_share=float(max(below[at] / len(current) - held_below, 0.0)),
        ks=_ks(held_back, current),
    )


def compared_at(held_back: Floats, current: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Doubles]:
    """Return for each depth how many scores lie below, how many of them are current, and their standardized surplus."""
    pooled = np.sort(np.concatenate([held_back, current]))
    places = np.ceil(np.array(DEPTHS) * len(pooled)).astype(np.int64) - 1
    thresholds = np.unique(pooled[places])
    below = np.searchsorted(np.sort(current), thresholds, side="right")
    counts = np.searchsorted(pooled, thresholds, side="right")
    return counts, below, _surpluses(below[None, :], counts, len(held_back), len(current))[0]


def null(
    counts: NDArray[np.int64], held_back: int, current: int, *, chance: np.random.Generator, draws: int
) -> Doubles:
    """Return draws of the largest surplus when nothing has changed: float64 (P,), for counts of scores below each depth."""
    between = np.diff(counts, prepend=0, append=held_back + current)
    drawn = chance.multivariate_hypergeometric(between, current, size=draws, method="marginals")
    return np.asarray(_surpluses(drawn.cumsum(axis=1)[:, :-1], counts, held_back, current).max(axis=1))


def _surpluses(below: NDArray[np.int64], counts: NDArray[np.int64], held_back: int, current: int) -> Doubles:
    """Return the standardized surplus of current scores below each depth: float64 (P, T); 0 where all or none are."""
    total = held_back + current
    share = counts / total
    spread = np.sqrt(np.maximum(share * (1 - share), 0) * (1 / held_back + 1 / current) * total / max(total - 1, 1))
    difference = below / current - (counts - below) / held_back
    return np.asarray(np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0))


def _ks(held_back: Floats, current: Floats) -> float:
    """Return the largest surplus of the share of current scores below a value over that of the others."""
    values = np.concatenate([held_back, current])
    mine = np.searchsorted(np.sort(current), values, side="right") / len(current)
    theirs = np.searchsorted(np.sort(held_back), values, side="right") / len(held_back)
    return float(max((mine - theirs).max(), 0.0))
