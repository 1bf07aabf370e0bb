"""The background says how rare a score is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.search.background import Background


@given(st.lists(st.sampled_from([-0.5, 0, 0.1, 0.2, 1]), min_size=1, max_size=40), st.integers(0, 100))
def test_the_background_says_how_rare_a_score_is(scores, percent):
    """``share`` counts the unrelated pairs that reach a score; ``threshold`` is the least that few enough reach."""
    background, share = Background(scores), percent / 100
    for score in scores:
        assert background.share(score) == pytest.approx(sum(one >= score for one in scores) / len(scores))
    least = background.threshold(share)
    assert background.share(least) <= share + 1e-9
    if least > -math.inf:
        assert background.share(np.nextafter(least, -np.inf)) > share - 1e-9


def test_the_background_by_hand():
    """Of 100 pairs at 0.00 … 0.99 seven reach 0.93: that is the threshold of 7 %."""
    background = Background([place / 100 for place in range(100)])
    assert background.share(0.93) == pytest.approx(0.07)
    assert 0.92 < background.threshold(0.07) <= 0.93
    assert background.threshold(1) == -math.inf
    assert background.threshold(0) > 0.99
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(RangeError):
            background.threshold(wrong)
    with pytest.raises(ShapeError):
        Background([])
    with pytest.raises(NonFiniteError):
        Background([math.inf])
