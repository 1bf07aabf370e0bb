"""Abstention: by hand, and the bounds that its normalisation promises."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import RangeError, ShapeError
from vicinal.evaluate.metrics import nauc


def test_the_order_of_the_values_is_the_best():
    """A certainty that orders as the values do has 1; the reverse is below 0; no spread of values gives 0."""
    values = np.random.default_rng(7).random(50)
    assert nauc(values * 10 + 3, values) == pytest.approx(1)
    assert nauc(-values, values) < -0.5
    assert nauc(values, np.ones(50)) == 0


def test_chance_is_zero():
    """A certainty that says nothing is 0 in the mean."""
    chance = np.random.default_rng(8)
    values = (chance.random(200) < 0.6).astype(float)
    found = [nauc(chance.random(200), values) for _ in range(200)]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_by_hand():
    """Ten values of which one is 0: left out first, the mean is 1 at all but the first share; left out sixth, later.

    The area is a sum of trapezoids over 0, 0.1 … 0.9; the flat one is the mean of all, times 0.9.
    """
    values = np.array([0.0] + [1.0] * 9)
    sixth = np.array([5.5, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    means = [(9 - left) / (10 - left) if left <= 5 else 1 for left in range(10)]
    area = 0.1 * (sum(means) - (means[0] + means[-1]) / 2)
    best = 0.1 * (0.9 + 9 - (0.9 + 1) / 2)
    flat = 0.9 * 0.9
    assert nauc(sixth, values) == pytest.approx((area - flat) / (best - flat))


def test_columns_are_checked():
    """Two queries at least, equally many of both."""
    with pytest.raises(RangeError, match="certainty must hold at least 2"):
        nauc([1], [1])
    with pytest.raises(ShapeError, match="values must have the shape"):
        nauc([1, 2], [1])
