"""Average precision: by hand, and the formula as code."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.metrics import average_precision
from vicinal.evaluate.ranking import Graded

ANSWER = Graded(ranked=np.array([3, 0, 1, 0, 1]), relevant=np.array([3, 1, 1, 1]))


@pytest.mark.parametrize(
    ("k", "expected"), [(1, 1 / 4), (3, (1 + 2 / 3) / 4), (None, (1 + 2 / 3 + 3 / 5) / 4), (9, (1 + 2 / 3 + 3 / 5) / 4)]
)
def test_by_hand(k, expected):
    """Precision at ranks 1, 3 and 5, over four relevant documents, also where k is smaller than four."""
    assert average_precision(ANSWER, k=k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [None, 1, 4, 30])
def test_the_formula(k):
    """The sum of precision at each relevant rank, over R."""
    chance = np.random.default_rng(2)
    for _ in range(50):
        ranked = chance.integers(0, 2, chance.integers(0, 20))
        total = int(ranked.sum() + chance.integers(1, 4))
        ranks = [rank for rank, grade in enumerate(ranked.tolist()[:k], 1) if grade]
        expected = sum(ranked[:rank].sum() / rank for rank in ranks) / total
        answer = Graded(ranked=ranked, relevant=np.ones(total, dtype=np.int64))
        assert average_precision(answer, k=k) == pytest.approx(expected)


def test_nothing_relevant_is_zero():
    """A query without relevant documents has 0, as in trec_eval."""
    assert average_precision(Graded(ranked=np.zeros(3, dtype=np.int64), relevant=np.zeros(0, dtype=np.int64))) == 0
