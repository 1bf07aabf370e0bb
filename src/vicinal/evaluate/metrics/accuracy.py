"""Accuracy and F1: whether each of N things was given its class."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from vicinal._arrays import one_of
from vicinal.evaluate.metrics.column import Labels, coded

Average: TypeAlias = Literal["macro", "micro", "weighted"]
AVERAGES = ("macro", "micro", "weighted")


def accuracy(expected: Labels, got: Labels) -> float:
    """Return the share of labels that are right.

    Parameters
    ----------
    expected, got : sequences of str or int, N, 1 <= N
        The true class of each thing, and the one that it was given.

    Returns
    -------
    float
        In [0, 1]. MTEB's main score for classification.

    Raises
    ------
    ShapeError, DtypeError, RangeError
        The columns are no such.
    """
    one, other, _ = coded(expected, got)
    return float((one == other).mean())


def f1(expected: Labels, got: Labels, *, average: Average = "macro") -> float:
    """Return the F1 of the classes: of each, the harmonic mean of precision and recall, brought to one number.

    Parameters
    ----------
    expected, got : sequences of str or int, N, 1 <= N
        The true class of each thing, and the one that it was given.
    average : {"macro", "micro", "weighted"}
        The mean over classes, each counting the same; over things, which is the accuracy here, where each has one
        class; or over classes, each counting as often as it is the true one.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ShapeError, DtypeError, RangeError
        The columns are no such.
    UnknownNameError
        There is no such average.

    Notes
    -----
    Classes are those of both columns: one that was given and is never true counts as 0 in ``macro``, as in
    scikit-learn (``zero_division=0``).
    """
    if one_of(average, "average", AVERAGES) == "micro":
        return accuracy(expected, got)
    one, other, count = coded(expected, got)
    true = np.bincount(one[one == other], minlength=count)
    there, given = np.bincount(one, minlength=count), np.bincount(other, minlength=count)
    each = 2 * true / (there + given)
    return float(each.mean()) if average == "macro" else float(each @ there / len(one))
