"""Can a classifier tell current vectors from those of the reference? Its AUC on texts that it has not seen.

One half of all pairs by chance, more where the two differ in any way that a plane can find, in content or in mixture.

Letters: N reference rows, M current, S both together, D components, Q of them kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats

FOLDS = 5
COMPONENTS = 64
RIDGE = 0.1
"""Of components at unit variance, for a mean loss. From 0.01 to 1 and from 32 to 128 components the power hardly moved."""
STEPS = 25
ENOUGH = 1e-7
DISPERSION = 1.45
"""How much wider than independent folds' the mean AUC of folds scatters, since each is the others' training set: measured
on 200 pairs of unchanged windows of CLINC150, 1.45 for 1,000 texts and 1.38 for 500."""
INTERVAL = 0.95

Doubles = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well current texts can be told from the reference's.

    Parameters
    ----------
    p : float
        How often chance alone gives such an AUC.
    auc : float, 0 <= auc <= 1
        The chance that a current text is put above one of the reference: 0.5 for none.
    low, high : float
        Hold the true AUC 95 times in a hundred (Hanley, McNeil 1982).
    """

    p: float
    auc: float
    low: float
    high: float


def compare(reference: Floats, current: Floats, *, chance: np.random.Generator) -> Separation:
    """Return the AUC of a logistic regression out of fold, and what chance makes of it.

    Parameters
    ----------
    reference : float32 array of shape (N, D), 1 <= N
    current : float32 array of shape (M, D), 1 <= M
    chance : numpy.random.Generator
        Of the folds.

    Notes
    -----
    The AUC is taken within each fold, where labels are exchangeable if nothing has changed, and averaged. By chance it
    lies around 1/2 with the variance ``(n + m + 1) / (12 n m)`` of Mann and Whitney for n and m scored (for n = m about
    ``0.408 / sqrt(m)`` as a standard deviation), here multiplied by the square of ``DISPERSION``.
    A fixed line at 0.55, as tools have it, alarms on a quarter of unchanged windows of 200 and is blind at 5,000.
    Fewer than ``FOLDS`` texts on a side are no test: then p is 1.
    Cost: S * D**2 + some 25 * S * Q**2 products; 0.1 s for 2,000 x 384.

    References
    ----------
    Lopez-Paz, Oquab 2017, "Revisiting classifier two-sample tests". Mann, Whitney 1947.
    """
    if min(len(reference), len(current)) < FOLDS:
        return Separation(p=1.0, auc=0.5, low=0.0, high=1.0)
    points = principal(np.concatenate([reference, current]))
    labels = np.arange(len(points)) >= len(reference)
    folds = np.concatenate([chance.permutation(len(side)) % FOLDS for side in (reference, current)])
    found, variance = [], 0.0
    for fold in range(FOLDS):
        held = folds == fold
        weights = fit(points[~held], labels[~held])
        found.append(auc_of(points[held] @ weights[:-1], labels[held]))
        mine = int(labels[held].sum())
        theirs = int(held.sum()) - mine
        variance += (mine + theirs + 1) / (12 * mine * theirs)
    auc, deviation = float(np.mean(found)), DISPERSION * math.sqrt(variance) / FOLDS
    low, high = _interval(auc, len(reference), len(current))
    return Separation(p=1 - NormalDist().cdf((auc - 0.5) / deviation), auc=auc, low=low, high=high)


def principal(vectors: Floats, components: int = COMPONENTS) -> Doubles:
    """Return vectors in their own main directions, each at unit variance: float64 (S, Q). Labels play no part in it."""
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(centered.T @ centered / max(len(centered) - 1, 1))
    order = np.argsort(values)[::-1][:components]
    order = order[values[order] > max(values.max(initial=0.0) * 1e-9, 1e-18)]
    return np.asarray(centered @ (directions[:, order] / np.sqrt(values[order])))


def fit(points: Doubles, labels: Labels, *, ridge: float = RIDGE) -> Doubles:
    """Return the weights of a logistic regression, the last one its intercept: float64 (Q + 1,).

    The least of the mean loss and ``ridge / 2`` times the squared length of the weights, by Newton's method.

    Parameters
    ----------
    points : float64 array of shape (S, Q)
        About 0 at about unit variance, as ``principal`` gives them.
    labels : bool array of shape (S,)
        Both kinds are there.
    ridge : float, 0 < ridge
    """
    design = np.column_stack([points, np.ones(len(points))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-12  # the intercept is free
    weights = np.zeros(design.shape[1])
    weights[-1] = math.log(labels.mean() / (1 - labels.mean()))
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (chances - labels) / len(labels) + penalty * weights
        bend = (design * (chances * (1 - chances))[:, None]).T @ design / len(labels) + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max(initial=0.0) < ENOUGH:
            break
    return weights


def auc_of(scores: Doubles, labels: Labels) -> float:
    """Return the chance that a score of a true label is above one of a false label; ties count half."""
    mine, theirs = np.sort(scores[labels]), np.sort(scores[~labels])
    below = np.searchsorted(theirs, mine, side="left") + np.searchsorted(theirs, mine, side="right")
    return float(below.sum() / (2 * len(mine) * len(theirs)))


def _interval(auc: float, reference: int, current: int) -> tuple[float, float]:
    """Return Hanley and McNeil's interval of an AUC."""
    twice, doubly = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (current - 1) * (twice - auc**2) + (reference - 1) * (doubly - auc**2)
    reach = NormalDist().inv_cdf((1 + INTERVAL) / 2) * math.sqrt(max(variance, 0.0) / (reference * current))
    return max(auc - reach, 0.0), min(auc + reach, 1.0)
