"""What a number of queries can find: against simulation, its inverse, and its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import DtypeError, RangeError
from vicinal.evaluate.significance import queries_needed, randomization_tests, smallest_detectable_gain


@pytest.mark.parametrize(("queries", "power"), [(25, 0.8), (100, 0.8), (100, 0.5)])
def test_a_gain_of_that_size_is_found_as_often_as_promised(queries, power):
    """Of 2,000 runs with that true gain the randomisation test finds the promised share, within four points."""
    gain = smallest_detectable_gain(queries, spread=0.3, power=power)
    gains = np.random.default_rng(queries).normal(gain, 0.3, (queries, 2000))
    assert (randomization_tests(gains, draws=4999) <= 0.05).mean() == pytest.approx(power, abs=0.04)


def test_many_queries_have_the_textbook_number():
    """(1.960 + 0.842) · spread / sqrt(Q)."""
    assert smallest_detectable_gain(10**6, spread=1) == pytest.approx(2.8016 / 1000, rel=1e-4)
    assert smallest_detectable_gain(300) == pytest.approx(2.81 * 0.25 / math.sqrt(300), rel=1e-2)


@pytest.mark.parametrize("gain", [0.5, 0.1, 0.02, 0.001])
def test_queries_needed_is_the_inverse(gain):
    """So many queries are enough, and one less is not."""
    needed = queries_needed(gain)
    assert smallest_detectable_gain(needed) <= gain
    assert needed == 2 or smallest_detectable_gain(needed - 1) > gain


def test_more_is_found_with_more_queries_less_spread_and_less_asked():
    """Each argument moves the gain the way that it should."""
    usual = smallest_detectable_gain(50, spread=0.2)
    assert smallest_detectable_gain(51, spread=0.2) < usual
    assert smallest_detectable_gain(50, spread=0.1) == pytest.approx(usual / 2)
    assert smallest_detectable_gain(50, spread=0.2, power=0.9) > usual
    assert smallest_detectable_gain(50, spread=0.2, level=0.01) > usual
    assert smallest_detectable_gain(50, spread=0) == 0
    assert queries_needed(0.1, spread=0) == 2


@pytest.mark.parametrize(
    "wrong", [{"spread": -1}, {"spread": math.inf}, {"power": 1}, {"power": 0.4}, {"level": 0}, {"level": 0.5}]
)
def test_numbers_out_of_range_are_refused(wrong):
    """Each names itself."""
    with pytest.raises(RangeError, match=f"^{next(iter(wrong))} must be"):
        smallest_detectable_gain(10, **wrong)
    with pytest.raises(RangeError, match=f"^{next(iter(wrong))} must be"):
        queries_needed(0.1, **wrong)


def test_too_few_queries_and_no_gain_are_refused():
    """One query has no spread; a gain of nothing is found by none."""
    with pytest.raises(RangeError, match="queries must be 2 to"):
        smallest_detectable_gain(1)
    with pytest.raises(DtypeError, match="queries must be a whole number"):
        smallest_detectable_gain(2.5)
    with pytest.raises(RangeError, match="gain must be > 0"):
        queries_needed(0)
    with pytest.raises(RangeError, match="gain must be large enough"):
        queries_needed(1e-9)
