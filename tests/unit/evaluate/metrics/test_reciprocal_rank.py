"""Reciprocal rank: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.metrics import reciprocal_rank
from vicinal.evaluate.ranking import Graded

ANSWER = Graded(ranked=np.array([0, 0, 1, 2]), relevant=np.array([2, 1]))


@pytest.mark.parametrize(("k", "expected"), [(1, 0), (2, 0), (3, 1 / 3), (None, 1 / 3)])
def test_by_hand(k, expected):
    """The first relevant document is the third, whatever its grade; behind k it does not count."""
    assert reciprocal_rank(ANSWER, k=k) == expected


def test_nothing_found_is_zero():
    """No rank, no reciprocal."""
    assert reciprocal_rank(Graded(ranked=np.zeros(3, dtype=np.int64), relevant=np.array([1]))) == 0
