"""Holm's correction: of many comparisons some look good by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vicinal.errors import RangeError
from vicinal.evaluate.metrics.column import Doubles, column


def holm(p_values: ArrayLike) -> Doubles:
    """Return p-values that may each be held against the level, however many there are.

    Parameters
    ----------
    p_values : float array of shape (S,)
        Of S comparisons, in [0, 1]. S may be 0.

    Returns
    -------
    float64 array of shape (S,)
        In the order given, none smaller than it was, none above 1. If none of the differences is real, the chance
        that any is found below the level is at most the level.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        They are no such.

    Notes
    -----
    The smallest is multiplied with S, the next with S - 1 and so on, and none may be below one before it. It asks
    nothing of how the comparisons depend on one another, and loses less than Bonferroni's, which multiplies all with S.

    References
    ----------
    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    given = column(p_values, "p_values", least=0)
    if ((given < 0) | (given > 1)).any():
        raise RangeError("p_values must be from 0 to 1.", expected="0 to 1", where="p_values")
    order = np.argsort(given, kind="stable")
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    return adjusted
