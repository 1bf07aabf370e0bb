"""V-measure and its halves: scikit-learn as oracle, by hand, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.evaluate.metrics import completeness, homogeneity, v_measure


def test_they_are_those_of_scikit_learn():
    """On random classes and clusters, few and many, with another beta too."""
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    chance = np.random.default_rng(5)
    for _ in range(60):
        size = int(chance.integers(1, 60))
        classes = chance.integers(0, chance.integers(1, 8), size)
        clusters = np.where(chance.random(size) < 0.5, classes, chance.integers(0, chance.integers(1, 12), size))
        for beta in (1.0, 0.5):
            expected = oracle.homogeneity_completeness_v_measure(classes, clusters, beta=beta)
            ours = homogeneity(classes, clusters), completeness(classes, clusters)
            assert (*ours, v_measure(classes, clusters, beta=beta)) == pytest.approx(expected, abs=1e-9)


def test_by_hand():
    """Two classes of two, three clusters: pure, so h = 1; H(K|C) = log 2 / 2 and H(K) = 1.5 log 2, so c = 2 / 3."""
    classes, clusters = ["a", "a", "b", "b"], [0, 0, 1, 2]
    assert homogeneity(classes, clusters) == pytest.approx(1)
    assert completeness(classes, clusters) == pytest.approx(2 / 3)
    assert v_measure(classes, clusters) == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))


def test_names_mean_nothing():
    """Clusters that are the classes under other names have 1; one cluster for all has nothing."""
    assert v_measure(["a", "b", "a"], [7, 3, 7]) == pytest.approx(1)
    assert v_measure([0, 1, 0, 1], [0, 0, 0, 0]) == 0
    assert v_measure([0, 0], ["x", "x"]) == 1


def test_columns_are_checked():
    """Lengths, kinds of labels, nothing at all, beta."""
    with pytest.raises(ShapeError, match="classes and clusters must be equally long, got 1 and 2"):
        v_measure([1], [1, 2])
    with pytest.raises(DtypeError, match="clusters must hold strings or whole numbers, got float"):
        v_measure([1], [0.5])
    with pytest.raises(DtypeError, match="classes must be a list of labels, got one str"):
        v_measure("ab", [1, 2])
    with pytest.raises(RangeError, match="classes must hold at least 1 label"):
        v_measure([], [])
    for beta in (0, -1, math.nan, math.inf):
        with pytest.raises(RangeError, match="beta must be above 0"):
            v_measure([1], [1], beta=beta)
