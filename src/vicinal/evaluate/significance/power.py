"""Before a run: how large a difference must be to be found, and how many queries find one of a given size."""

from __future__ import annotations

import math

from vicinal._arrays import whole_number
from vicinal.errors import RangeError
from vicinal.evaluate.significance.student import t_quantile

SPREAD = 0.25
"""Standard deviation over queries of the difference in nDCG@10, as a guess before a run: on SciFact's 300 test claims it is
0.03 for int8 against float32, 0.12 for 256 of 384 dimensions, 0.22 for hybrid against either side, 0.34 for words against vectors.
"""
MAX_QUERIES = 1_000_000_000


def smallest_detectable_gain(queries: int, *, spread: float = SPREAD, power: float = 0.8, level: float = 0.05) -> float:
    """Return the true difference of means that a paired two-sided test finds with the given chance.

    Parameters
    ----------
    queries : int, 2 <= queries
        How many there are.
    spread : float, 0 <= spread
        Standard deviation over queries of the difference: of a run before, ``Paired.spread``.
    power : float, 0.5 <= power < 1
        The chance to find it.
    level : float, 0 < level < 0.5
        How often the test may find a difference that is none.

    Returns
    -------
    float
        In the metric's unit. A smaller difference may well be there: to find none does not say that there is none.

    Raises
    ------
    DtypeError, RangeError
        A number is out of its range.

    Notes
    -----
    ``(t(1 - level / 2) + t(power)) · spread / sqrt(Q)``, with Q - 1 degrees of freedom. Of the t-test, whose power
    the randomisation test shares.

    References
    ----------
    Sakai 2016, "Topic set size design", section 2. Webber, Moffat, Zobel 2008, "Statistical power in retrieval
    experimentation".
    """
    count = whole_number(queries, "queries", low=2, high=MAX_QUERIES)
    _require(spread=(spread, 0 <= spread < math.inf, ">= 0"))
    _require_chances(power, level)
    return (t_quantile(1 - level / 2, count - 1) + t_quantile(power, count - 1)) * spread / math.sqrt(count)


def queries_needed(gain: float, *, spread: float = SPREAD, power: float = 0.8, level: float = 0.05) -> int:
    """Return how many queries find a true difference of this size with the given chance.

    Parameters
    ----------
    gain : float, 0 < gain
        The difference of means that matters to you.
    spread, power, level : float
        As ``smallest_detectable_gain``, of which this is the inverse.

    Returns
    -------
    int
        At least 2.

    Raises
    ------
    RangeError
        A number is out of its range, or a thousand million queries are too few.
    """
    _require(gain=(gain, 0 < gain < math.inf, "> 0"))

    def enough(queries: int) -> bool:
        return smallest_detectable_gain(queries, spread=spread, power=power, level=level) <= gain

    low, high = 1, MAX_QUERIES
    _require(gain=(gain, enough(high), f"large enough for {MAX_QUERIES} queries"))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _require_chances(power: float, level: float) -> None:
    _require(power=(power, 0.5 <= power < 1, "0.5 <= power < 1"), level=(level, 0 < level < 0.5, "0 < level < 0.5"))  # noqa: PLR2004 - halves


def _require(**numbers: tuple[float, bool, str]) -> None:
    """Refuse the first number that is not sound; each comes with whether it is, and what is allowed."""
    for name, (number, sound, allowed) in numbers.items():
        if not sound:
            raise RangeError(f"{name} must be {allowed}, got {number}.", expected=allowed, got=number, where=name)
