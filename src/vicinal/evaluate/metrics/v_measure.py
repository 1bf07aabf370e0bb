"""V-measure: whether clusters are the classes, as harmonic mean of two halves.

Letters: C classes that people gave, K clusters that a program made, H the entropy of a column of labels.
"""

from __future__ import annotations

import numpy as np

from vicinal.errors import RangeError
from vicinal.evaluate.metrics.column import Codes, Labels, coded


def v_measure(classes: Labels, clusters: Labels, *, beta: float = 1.0) -> float:
    """Return the weighted harmonic mean of homogeneity and completeness.

    Parameters
    ----------
    classes, clusters : sequences of str or int, N, 1 <= N
        For each of N things the class that it has and the cluster that it was put in. Names mean nothing.
    beta : float, 0 < beta
        Above 1 completeness counts more.

    Returns
    -------
    float
        In [0, 1]; 1 where clusters and classes are the same.

    Raises
    ------
    ShapeError, DtypeError, RangeError
        The columns are no such, or ``beta`` is not above 0.

    Notes
    -----
    ``(1 + beta) · h · c / (beta · h + c)``, as scikit-learn. Not corrected for chance: many small clusters have more
    by luck, so compare only what has as many clusters. MTEB's main score for clustering.

    References
    ----------
    Rosenberg, Hirschberg 2007, "V-Measure: a conditional entropy-based external cluster evaluation measure".
    """
    if not 0 < beta < np.inf:
        raise RangeError(f"beta must be above 0, got {beta}.", expected="> 0", got=beta, where="beta")
    one, other = homogeneity(classes, clusters), completeness(classes, clusters)
    below = beta * one + other
    return (1 + beta) * one * other / below if below else 0.0


def homogeneity(classes: Labels, clusters: Labels) -> float:
    """Return ``1 - H(C|K) / H(C)``: 1 where each cluster holds things of one class only, and where there is one class.

    Raises
    ------
    ShapeError, DtypeError, RangeError
        The columns are no such.
    """
    one, other, count = coded(classes, clusters, names=("classes", "clusters"))
    whole = _entropy(one)
    rest = _entropy(one * count + other) - _entropy(other)
    return min(1.0, max(0.0, 1 - rest / whole)) if whole else 1.0


def completeness(classes: Labels, clusters: Labels) -> float:
    """Return ``1 - H(K|C) / H(K)``: 1 where each class lies in one cluster, and where there is one cluster.

    Raises
    ------
    ShapeError, DtypeError, RangeError
        The columns are no such.
    """
    return homogeneity(clusters, classes)


def _entropy(codes: Codes) -> float:
    """Return the entropy of labels, in nats; exactly 0 for one label."""
    counts = np.unique(codes, return_counts=True)[1]
    shares = counts / len(codes)
    return float(-(shares * np.log(shares)).sum()) if len(counts) > 1 else 0.0
