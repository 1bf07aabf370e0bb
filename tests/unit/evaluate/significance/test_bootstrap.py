"""Bootstrap intervals: how often they hold the mean, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import RangeError
from vicinal.evaluate.significance import bootstrap_interval


@pytest.mark.parametrize(("queries", "least"), [(20, 0.92), (50, 0.93)])
def test_intervals_hold_the_mean_as_often_as_they_say(queries, least):
    """Of 500 samples of a skewed metric in [0, 1], about 95 % have the true mean in their interval."""
    chance = np.random.default_rng(0)
    samples = chance.beta(2, 1, (500, queries))
    held = 0
    for seed, values in enumerate(samples):
        low, high = bootstrap_interval(values, draws=500, seed=seed)
        held += low <= 2 / 3 <= high
    assert least <= held / 500 <= 0.98


def test_many_queries_have_the_interval_of_the_normal():
    """With 1,000 values it is mean ± 1.96 standard errors, within a twentieth of its width."""
    values = np.random.default_rng(1).random(1000)
    error = values.std(ddof=1) / 1000**0.5
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_an_interval_holds_the_sample_mean_and_stays_within_the_values():
    """Whatever the number of queries, from two on; equal values have no width."""
    for queries in (2, 3, 4, 10):
        values = np.random.default_rng(queries).random(queries)
        low, high = bootstrap_interval(values)
        assert values.min() <= low <= values.mean() <= high <= values.max()
    assert bootstrap_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


def test_more_confidence_is_wider_and_the_seed_decides():
    """The same seed gives the same ends; another gives others, not far away."""
    values = np.random.default_rng(2).random(50)
    low, high = bootstrap_interval(values)
    assert bootstrap_interval(values, seed=0) == (low, high)
    assert bootstrap_interval(values, seed=1) == pytest.approx((low, high), abs=0.01)
    wide = bootstrap_interval(values, confidence=0.99)
    assert wide[0] < low < high < wide[1]


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"seed": -1}, {"confidence": 0}, {"confidence": 1}])
def test_numbers_out_of_range_are_refused(wrong):
    """Draws, seed and confidence have bounds, and one value has no interval."""
    with pytest.raises(RangeError, match=next(iter(wrong))):
        bootstrap_interval([1, 2], **wrong)
    with pytest.raises(RangeError, match="values must hold at least 2"):
        bootstrap_interval([1])
