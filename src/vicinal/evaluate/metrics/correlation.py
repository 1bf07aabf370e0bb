"""Correlation of two columns: whether a model's similarities follow those that people gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vicinal.evaluate.metrics.column import Doubles, column


def pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Return the linear correlation of two columns.

    Parameters
    ----------
    first, second : float arrays of shape (N,), 2 <= N
        A pair of numbers for each of N things.

    Returns
    -------
    float
        In [-1, 1]. 0 where a column has no spread: it can follow nothing. (SciPy gives NaN, with a warning.)

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such, or shorter than 2.
    """
    one = column(first, "first", least=2)
    return _correlation(one, column(second, "second", length=len(one)))


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return the correlation of the ranks of two columns: whether they have the same order.

    Parameters
    ----------
    first, second : float arrays of shape (N,), 2 <= N
        A pair of numbers for each of N things.

    Returns
    -------
    float
        In [-1, 1]. 0 where a column has no spread.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such, or shorter than 2.

    Notes
    -----
    Equal numbers have the mean of their ranks, as SciPy's ``spearmanr``. MTEB's main score for STS.

    References
    ----------
    Spearman 1904, "The proof and measurement of association between two things".
    """
    one = column(first, "first", least=2)
    return _correlation(ranks(one), ranks(column(second, "second", length=len(one))))


def ranks(numbers: Doubles) -> Doubles:
    """Return the rank of each number from 1, the mean of their ranks for equal ones."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places.reshape(-1)])


def _correlation(one: Doubles, other: Doubles) -> float:
    """Return the cosine of two columns less their means."""
    if (one == one[0]).all() or (other == other[0]).all():
        return 0.0
    first, second = (_centred(numbers) for numbers in (one, other))
    return max(-1.0, min(1.0, float(first @ second)))


def _centred(numbers: Doubles) -> Doubles:
    """Return numbers less their mean, at length 1; scaled first, so that squares neither overflow nor vanish."""
    scaled = numbers / np.abs(numbers).max()
    apart = scaled - scaled.mean()
    apart /= np.abs(apart).max()
    return np.asarray(apart / np.sqrt(apart @ apart))
