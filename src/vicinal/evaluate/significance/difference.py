"""Two systems on the same queries: how large the difference is, how sure, and how it compares with its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from vicinal.errors import RangeError
from vicinal.evaluate.significance.bootstrap import bootstrap_interval
from vicinal.evaluate.significance.randomization import DRAWS, differences, randomization_test

ROUNDING = 1e-12
"""A spread that is a smaller share of the largest gain than this is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What the other system gains over the baseline.

    Parameters
    ----------
    gain : float
        The mean over queries of other less baseline.
    low, high : float
        The ends of its bootstrap interval.
    p_value : float
        Of the paired randomisation test, two-sided, in (0, 1]. Correct several with ``holm``.
    effect_size : float
        The gain over the spread of the gains (Cohen's d for pairs): 0.2 is small, 0.8 large. Infinite where all
        queries gain the same, 0 where none gains.
    queries : int
        Q.
    spread : float
        Standard deviation of the gains over queries, divided by Q - 1; what ``smallest_detectable_gain`` takes.
    """

    gain: float
    low: float
    high: float
    p_value: float
    effect_size: float
    queries: int
    spread: float


def paired(
    baseline: ArrayLike, other: ArrayLike, *, draws: int = DRAWS, confidence: float = 0.95, seed: int = 0
) -> Paired:
    """Return what the other system gains over the baseline, with its interval and p-value.

    Parameters
    ----------
    baseline, other : float arrays of shape (Q,), 2 <= Q
        A metric of two systems for the same queries, in the same order.
    draws : int, 1 <= draws <= 10,000,000
        Of test and interval each.
    confidence : float, 0 < confidence < 1
        Of the interval.
    seed : int, 0 <= seed
        Of all draws.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such, or hold one query.

    Notes
    -----
    With hundreds of queries the test finds differences that nobody would notice, so look at ``gain`` and its interval
    first. Interval and test ask nearly, not exactly, the same; at the edge one may say yes and the other no.
    """
    gains = differences(baseline, other)
    if len(gains) < 2:  # noqa: PLR2004 - a spread needs two
        raise RangeError(
            "A comparison needs at least 2 queries, got 1; judge more.", expected=">= 2", got=1, where="baseline"
        )
    low, high = bootstrap_interval(gains, draws=draws, confidence=confidence, seed=seed)
    gain, spread = float(gains.mean()), float(gains.std(ddof=1))
    if spread <= ROUNDING * max(abs(float(gains.min())), abs(float(gains.max()))):
        spread = 0.0
    return Paired(
        gain=gain,
        low=low,
        high=high,
        p_value=randomization_test(baseline, other, draws=draws, seed=seed),
        effect_size=gain / spread if spread else math.copysign(math.inf, gain) if gain else 0.0,
        queries=len(gains),
        spread=spread,
    )
