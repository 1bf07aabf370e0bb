"""Normalised area under the abstention curve: whether a system knows when its answer is poor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vicinal.evaluate.metrics.column import Doubles, column

RATES = np.arange(10) / 10
"""The shares of queries that are left unanswered."""


def nauc(certainty: ArrayLike, values: ArrayLike) -> float:
    """Return how much better a metric gets when the least certain queries are left unanswered, over the most it could.

    Parameters
    ----------
    certainty : float array of shape (Q,), 2 <= Q
        For each query a number that is larger for a surer answer: its highest score, the spread of its scores, or the
        difference of the first two.
    values : float array of shape (Q,)
        The metric of each query.

    Returns
    -------
    float
        At most 1, for a certainty that has the order of the values; 0 for one that says nothing; less where it
        misleads. 0 where the values do not differ. (MTEB gives NaN there.)

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    Notes
    -----
    The mean is taken at ten shares left out, 0 to 0.9. Queries of equal certainty are left out in the order that they
    came in, as in MTEB.

    References
    ----------
    Gisserot-Boukhlef et al. 2024, "Towards trustworthy reranking: a simple yet effective abstention mechanism",
    arXiv 2402.12997, section 4.2.
    """
    sure = column(certainty, "certainty", least=2)
    each = column(values, "values", length=len(sure))
    curve, best = _curve(sure, each), _curve(each, each)
    flat = float(best[0]) * float(RATES[-1])
    most = float(np.trapezoid(best, RATES)) - flat
    return (float(np.trapezoid(curve, RATES)) - flat) / most if each.min() < each.max() and most else 0.0


def _curve(sure: Doubles, values: Doubles) -> Doubles:
    """Return the mean of the values that stay, for each share that is left out."""
    order = np.argsort(sure, kind="stable")
    left = [min(round(float(rate) * len(values)), len(values) - 1) for rate in RATES]
    return np.array([values[order[count:]].mean() for count in left])
