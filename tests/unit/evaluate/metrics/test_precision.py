"""Precision: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.metrics import precision_at_k
from vicinal.evaluate.ranking import Graded

ANSWER = Graded(ranked=np.array([0, 2, 1]), relevant=np.array([2, 2, 1, 1]))


@pytest.mark.parametrize(("k", "expected"), [(1, 0), (2, 1 / 2), (3, 2 / 3), (10, 2 / 10), (None, 2 / 3)])
def test_by_hand(k, expected):
    """The divisor is k, also where fewer were found; without k it is what was found."""
    assert precision_at_k(ANSWER, k=k) == expected


def test_an_empty_answer_is_zero():
    """Nothing found, nothing right."""
    empty = Graded(ranked=np.array([], dtype=np.int64), relevant=np.array([1]))
    assert precision_at_k(empty) == precision_at_k(empty, k=3) == 0
