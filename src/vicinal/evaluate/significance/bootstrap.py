"""Bootstrap intervals: between which numbers the mean over all such queries may lie, judged by those that there are."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from vicinal._arrays import whole_number
from vicinal.errors import RangeError
from vicinal.evaluate.metrics.column import column
from vicinal.evaluate.significance.randomization import BLOCK, DRAWS, MAX_DRAWS
from vicinal.evaluate.significance.student import t_quantile


def bootstrap_interval(
    values: ArrayLike, *, draws: int = DRAWS, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return an interval that holds the true mean with the given confidence.

    Parameters
    ----------
    values : float array of shape (Q,), 2 <= Q
        A metric of each query, or what each query gains.
    draws : int, 1 <= draws <= 10,000,000
        How many sets of Q queries are drawn from the Q, with repeats.
    confidence : float, 0 < confidence < 1
        How often such an interval holds the mean.
    seed : int, 0 <= seed
        Of the draws.

    Returns
    -------
    (float, float)
        Its ends, low and high, within the lowest and the highest value.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The values are no such, fewer than 2, or a number is out of range.

    Notes
    -----
    Quantiles of the means of the draws (the percentile interval), a little further out than the confidence says:
    a draw of Q values has less spread than a new sample would, and with few queries the spread itself is uncertain.
    Widened so, the interval of 20 skewed values (a beta distribution) held the mean 95 times in 100 instead of 93, that
    of 10 values 93 instead of 90; from some 100 on it is the plain one.
    Fewer than 10 queries, or a metric that is 0 for nearly all of them, make no interval to be trusted.
    Cost: 1,000 queries and 10,000 draws take some 0.1 s; memory: 32 MiB.

    References
    ----------
    Efron 1979, "Bootstrap methods: another look at the jackknife". Hesterberg 2015, "What teachers should know about
    the bootstrap", section 4.3: the expanded percentile interval.
    """
    numbers = column(values, "values", least=2)
    drawn = whole_number(draws, "draws", low=1, high=MAX_DRAWS)
    chance = np.random.default_rng(whole_number(seed, "seed", low=0))
    outside = _outside(confidence, len(numbers))
    most = max(1, BLOCK // len(numbers))
    means = np.empty(drawn)
    for start in range(0, drawn, most):
        count = min(most, drawn - start)
        means[start : start + count] = numbers[chance.integers(0, len(numbers), (count, len(numbers)))].mean(axis=1)
    low, high = np.quantile(means, (outside, 1 - outside))
    return float(low), float(high)


def _outside(confidence: float, queries: int) -> float:
    """Return the share of means that is left out at each end."""
    if not 0 < confidence < 1:
        raise RangeError(
            f"confidence must be between 0 and 1, got {confidence}.",
            expected="0 < confidence < 1",
            got=confidence,
            where="confidence",
        )
    edge = t_quantile((1 + confidence) / 2, queries - 1)
    return NormalDist().cdf(-edge * math.sqrt(queries / (queries - 1)))
