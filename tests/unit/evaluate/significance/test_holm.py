"""Holm's correction: by hand, and its laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import NonFiniteError, RangeError
from vicinal.evaluate.significance import holm


def test_by_hand():
    """Sorted 0.01, 0.03, 0.04 times 3, 2, 1 is 0.03, 0.06, 0.04; the last may not be below the one before."""
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.5]).tolist() == [1, 1]
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_laws(p_values):
    """None gets smaller, none is above Bonferroni's or 1, the order stays, and equal ones stay equal."""
    adjusted = holm(p_values)
    given_values = np.array(p_values)
    assert (adjusted >= given_values).all()
    assert (adjusted <= np.minimum(1, given_values * max(1, len(p_values))) + 1e-12).all()
    order = np.argsort(given_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    for one, other in itertools.pairwise(order):
        assert given_values[one] != given_values[other] or adjusted[one] == adjusted[other]


def test_what_is_no_p_value_is_refused():
    """Beyond 0 to 1, and NaN."""
    for wrong in (-0.1, 1.1):
        with pytest.raises(RangeError, match="p_values must be from 0 to 1"):
            holm([0.5, wrong])
    with pytest.raises(NonFiniteError, match="p_values holds NaN"):
        holm([math.nan])
