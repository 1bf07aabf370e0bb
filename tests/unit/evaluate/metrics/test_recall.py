"""Recall and capped recall: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import RangeError
from vicinal.evaluate.metrics import capped_recall_at_k, recall_at_k
from vicinal.evaluate.ranking import Graded

ANSWER = Graded(ranked=np.array([0, 2, 0, 1, 1]), relevant=np.array([2, 2, 1, 1]))
NOTHING = Graded(ranked=np.array([0, 0]), relevant=np.array([], dtype=np.int64))


@pytest.mark.parametrize(
    ("k", "recall", "capped"),
    [(1, 0, 0), (2, 1 / 4, 1 / 2), (4, 2 / 4, 2 / 4), (5, 3 / 4, 3 / 4), (None, 3 / 4, 3 / 4)],
)
def test_by_hand(k, recall, capped):
    """Of four relevant documents the second, fourth and fifth were found; capped, two places can hold two."""
    assert recall_at_k(ANSWER, k=k) == recall
    assert capped_recall_at_k(ANSWER, k=k) == capped


@pytest.mark.parametrize("metric", [recall_at_k, capped_recall_at_k])
def test_nothing_relevant_is_zero(metric):
    """A query without relevant documents has 0; a k below 1 is refused."""
    assert metric(NOTHING, k=5) == metric(NOTHING) == 0
    with pytest.raises(RangeError, match="k must be >= 1"):
        metric(ANSWER, k=0)
