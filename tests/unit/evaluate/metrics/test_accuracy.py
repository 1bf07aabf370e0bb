"""Accuracy and F1: scikit-learn as oracle, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import RangeError, ShapeError, UnknownNameError
from vicinal.evaluate.metrics import accuracy, f1


def test_they_are_those_of_scikit_learn():
    """On random labels, classes that are never given or never true among them."""
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    chance = np.random.default_rng(6)
    for _ in range(60):
        size = int(chance.integers(1, 50))
        expected = chance.integers(0, chance.integers(1, 6), size)
        got = np.where(chance.random(size) < 0.6, expected, chance.integers(0, 8, size))
        assert accuracy(expected, got) == pytest.approx(oracle.accuracy_score(expected, got))
        for average in ("macro", "micro", "weighted"):
            theirs = oracle.f1_score(expected, got, average=average, zero_division=0)
            assert f1(expected, got, average=average) == pytest.approx(theirs)


def test_by_hand():
    """a has 2 · 1 / (2 + 1), b has 2 · 1 / (1 + 2); c was given once and is never true."""
    expected, got = ["a", "a", "b", "b"], ["a", "b", "b", "c"]
    assert accuracy(expected, got) == f1(expected, got, average="micro") == 1 / 2
    a, b, c = 2 / 3, 2 / 4, 0
    assert f1(expected, got) == pytest.approx((a + b + c) / 3)
    assert f1(expected, got, average="weighted") == pytest.approx((a + b) / 2)


def test_columns_are_checked():
    """Lengths, nothing at all, an average that there is not."""
    with pytest.raises(ShapeError, match="expected and got must be equally long"):
        accuracy(["a"], [])
    with pytest.raises(RangeError, match="at least 1 label"):
        f1([], [])
    with pytest.raises(UnknownNameError, match="average must be one of macro, micro, weighted, got 'mean'"):
        f1(["a"], ["a"], average="mean")
