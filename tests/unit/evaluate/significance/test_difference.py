"""Two systems on the same queries: every field is what its own function says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import RangeError
from vicinal.evaluate.significance import bootstrap_interval, paired, randomization_test


def test_each_field_is_what_it_says():
    """Mean, interval, p-value, spread and their quotient, of other less baseline."""
    one, other = np.random.default_rng(0).random((2, 40))
    found = paired(one, other, draws=2000, confidence=0.9, seed=3)
    gains = other - one
    assert found.gain == pytest.approx(gains.mean())
    assert (found.low, found.high) == bootstrap_interval(gains, draws=2000, confidence=0.9, seed=3)
    assert found.p_value == randomization_test(one, other, draws=2000, seed=3)
    assert found.spread == pytest.approx(gains.std(ddof=1))
    assert found.effect_size == pytest.approx(gains.mean() / gains.std(ddof=1))
    assert found.queries == 40


def test_a_gain_that_is_everywhere_the_same_has_no_spread():
    """Rounding is no spread: the effect is infinite upwards or downwards, and none where nothing is gained."""
    values = np.random.default_rng(1).random(30)
    up, down, same = (paired(values, values + step) for step in (0.1, -0.1, 0))
    assert (up.effect_size, down.effect_size, same.effect_size) == (math.inf, -math.inf, 0)
    assert (up.spread, same.gain, same.low, same.high, same.p_value) == (0, 0, 0, 0, 1)


def test_one_query_is_no_comparison():
    """It has no spread, so nothing can be said."""
    with pytest.raises(RangeError, match="at least 2 queries, got 1"):
        paired([1], [2])
