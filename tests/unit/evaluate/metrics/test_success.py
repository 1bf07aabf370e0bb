"""Success: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.metrics import success_at_k
from vicinal.evaluate.ranking import Graded

ANSWER = Graded(ranked=np.array([0, 0, 1, 2]), relevant=np.array([2, 1]))


@pytest.mark.parametrize(("k", "expected"), [(1, 0), (2, 0), (3, 1), (4, 1), (None, 1)])
def test_by_hand(k, expected):
    """The first relevant document is the third, so success begins at 3."""
    assert success_at_k(ANSWER, k=k) == expected


def test_an_empty_answer_is_no_success():
    """Nothing found, nothing of use."""
    assert success_at_k(Graded(ranked=np.array([], dtype=np.int64), relevant=np.array([1]))) == 0
