"""Scored pairs, each with a label yes or no: how well the score divides them, and where to divide.

Letters: N pairs, P of them positive. A pair counts as found when its score reaches a threshold; equal scores are found
together, so that no order of writing decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vicinal.errors import RangeError
from vicinal.evaluate.metrics.column import Codes, Doubles, column


@dataclass(frozen=True, slots=True, kw_only=True)
class BestThreshold:
    """The best value that a metric has at any threshold, and the threshold: ``score >= threshold`` is a yes.

    The threshold lies halfway between two scores that occur; of equally good ones it is the highest.
    It was chosen on these pairs, so the value is too good by what chance gave: choose on some, measure on others.
    """

    value: float
    threshold: float


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that a positive pair has a higher score than a negative one.

    Parameters
    ----------
    scores : float array of shape (N,)
        Larger is more alike.
    labels : array of 0 and 1 of shape (N,)
        Both must occur.

    Returns
    -------
    float
        In [0, 1]; 0.5 for scores that say nothing. Equal scores count half.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    References
    ----------
    Hanley, McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve":
    it is the statistic of Mann and Whitney, divided by P · (N - P).
    """
    curve = _curve(scores, labels)
    if not 0 < curve.positive < curve.total:
        raise RangeError(
            f"labels must hold both 0 and 1, got {curve.positive} of {curve.total} positive.",
            expected="0 and 1",
            got=curve.positive,
            where="labels",
        )
    true, false = (np.concatenate(([0], found)) for found in (curve.true, curve.found - curve.true))
    area = ((true[1:] + true[:-1]) * np.diff(false)).sum() / 2
    return float(area) / curve.positive / (curve.total - curve.positive)


def pair_average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean, over the positive pairs, of the precision at each one's score.

    Parameters
    ----------
    scores : float array of shape (N,)
        Larger is more alike.
    labels : array of 0 and 1 of shape (N,)
        A 1 must occur.

    Returns
    -------
    float
        In (0, 1]; for scores that say nothing about P / N.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    Notes
    -----
    A sum of steps, without interpolation, as scikit-learn's ``average_precision_score``; MTEB's main score for pair
    classification. Over one query's documents without ties it is ``average_precision``.
    """
    curve = _curve(scores, labels)
    gained = np.diff(np.concatenate(([0], curve.true)))
    return float((gained * curve.true / curve.found).sum()) / curve.positive


def best_f1(scores: ArrayLike, labels: ArrayLike) -> BestThreshold:
    """Return the highest F1 of the positives at any threshold, and that threshold.

    Parameters
    ----------
    scores : float array of shape (N,)
        Larger is more alike.
    labels : array of 0 and 1 of shape (N,)
        A 1 must occur.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    Notes
    -----
    F1 is ``2 · true / (found + P)``. MTEB and sentence-transformers also look at thresholds between equal scores,
    which no threshold can divide; where scores are equal they may report more.
    """
    curve = _curve(scores, labels)
    return _best(curve, 2 * curve.true / (curve.found + curve.positive), never=0.0)


def best_accuracy(scores: ArrayLike, labels: ArrayLike) -> BestThreshold:
    """Return the highest share of pairs that a threshold puts on the right side, and that threshold.

    Parameters
    ----------
    scores : float array of shape (N,)
        Larger is more alike.
    labels : array of 0 and 1 of shape (N,)
        A 1 must occur.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    Notes
    -----
    It is at least the share of the more frequent label: a threshold may let all through, or none (then it is the
    number next above the highest score). As with ``best_f1`` equal scores are not divided.
    """
    curve = _curve(scores, labels)
    negatives = curve.total - curve.positive
    right = (curve.true + negatives - (curve.found - curve.true)) / curve.total
    return _best(curve, right, never=negatives / curve.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """At each score that occurs, highest first: how many pairs reach it, and how many positive ones."""

    scores: Doubles
    found: Codes
    true: Codes
    total: int
    positive: int


def _curve(scores: ArrayLike, labels: ArrayLike) -> _Curve:
    numbers = column(scores, "scores")
    marks = column(labels, "labels", length=len(numbers))
    if not np.isin(marks, (0, 1)).all() or not marks.any():
        raise RangeError("labels must be 0 or 1, with at least one 1.", expected="0 or 1", where="labels")
    levels, places = np.unique(-numbers, return_inverse=True)
    positives = np.bincount(places.reshape(-1), weights=marks, minlength=len(levels)).astype(np.int64)
    found = np.bincount(places.reshape(-1), minlength=len(levels)).astype(np.int64)
    return _Curve(
        scores=-levels,
        found=np.cumsum(found),
        true=np.cumsum(positives),
        total=len(numbers),
        positive=int(positives.sum()),
    )


def _best(curve: _Curve, values: Doubles, *, never: float) -> BestThreshold:
    """Return the first of the highest values; ``never`` is that of a threshold that lets nothing through."""
    place = int(values.argmax())
    if never >= values[place]:
        return BestThreshold(value=never, threshold=math.nextafter(float(curve.scores[0]), math.inf))
    upper = float(curve.scores[place])
    if place + 1 == len(curve.scores):
        return BestThreshold(value=float(values[place]), threshold=upper)
    middle = upper / 2 + float(curve.scores[place + 1]) / 2
    apart = float(curve.scores[place + 1]) < middle <= upper
    return BestThreshold(value=float(values[place]), threshold=middle if apart else upper)
