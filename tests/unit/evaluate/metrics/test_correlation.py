"""Correlations: SciPy as oracle, by hand, and where there is nothing to follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.evaluate.metrics import pearson, spearman


def test_both_are_those_of_scipy():
    """On random columns, half of them with many ties."""
    oracle = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    chance = np.random.default_rng(4)
    for number in range(300):
        size = int(chance.integers(3, 50))
        one = chance.integers(0, 4, size).astype(float) if number % 2 else chance.standard_normal(size)
        other = one * chance.standard_normal() + chance.standard_normal(size) * chance.choice([0.1, 1])
        one[0], one[1] = 0, 5
        assert pearson(one, other) == pytest.approx(oracle.pearsonr(one, other).statistic, abs=1e-9)
        assert spearman(one, other) == pytest.approx(oracle.spearmanr(one, other).statistic, abs=1e-9)


def test_by_hand():
    """Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 · 5)."""
    assert spearman([10, 20, 20, 90], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert pearson([1, 2, 3], [1, 2, 4]) == pytest.approx(3 / math.sqrt(2 * 14 / 3))


def test_what_has_no_spread_follows_nothing():
    """A constant column has the correlation 0 with any, and no warning."""
    for function in (pearson, spearman):
        assert function([1, 1, 1], [1, 2, 3]) == function([0.1] * 3, [0.1] * 3) == 0


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1, 1e300])
def test_scale_does_not_count(scale):
    """Neither tiny nor huge numbers overflow, and a line has 1, upwards or downwards."""
    numbers = np.array([1.0, 2, 3, 5]) * scale
    for function in (pearson, spearman):
        assert function(numbers, [1, 2, 3, 5]) == pytest.approx(1)
        assert function(numbers, [-1, -2, -3, -5]) == pytest.approx(-1)


def test_columns_are_checked():
    """One pair has no correlation; lengths must agree; NaN is refused."""
    for function in (pearson, spearman):
        with pytest.raises(RangeError, match="first must hold at least 2"):
            function([1], [1])
        with pytest.raises(ShapeError, match="second must have the shape"):
            function([1, 2], [1, 2, 3])
        with pytest.raises(NonFiniteError, match="second holds NaN"):
            function([1, 2], [1, math.inf])
