"""nDCG: by hand, and the formula as code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.evaluate.metrics import ndcg_at_k
from vicinal.evaluate.ranking import Graded


def answer(ranked, relevant):
    """Return an answer by the grades of its documents, best first, and of all that are relevant."""
    return Graded(ranked=np.array(ranked, dtype=np.int64), relevant=np.array(sorted(relevant)[::-1], dtype=np.int64))


def test_by_hand():
    """Grades 0, 2, 1 of 2, 1, 1: (2 / log2 3 + 1 / 2) / (2 + 1 / log2 3 + 1 / 2)."""
    log = math.log2(3)
    expected = (2 / log + 1 / 2) / (2 + 1 / log + 1 / 2)
    assert ndcg_at_k(answer([0, 2, 1], [2, 1, 1])) == pytest.approx(expected)


def test_the_gain_is_linear():
    """A 3 is worth three 1s at the same rank; with the gain 2 ** grade - 1 it would be seven."""
    assert ndcg_at_k(answer([1], [3, 1]), k=1) == pytest.approx(1 / 3)


def test_the_best_order_is_cut_at_k_too():
    """With k = 1 one relevant document in the first place is perfect, however many there are."""
    assert ndcg_at_k(answer([1, 0, 0], [1, 1, 1]), k=1) == 1
    assert ndcg_at_k(answer([1, 0, 0], [1, 1, 1])) < 1


@pytest.mark.parametrize("k", [None, 1, 2, 3, 5, 40])
def test_the_formula(k):
    """DCG over the DCG of the best order, each grade over log2(1 + rank)."""
    chance = np.random.default_rng(1)
    for _ in range(50):
        grades = chance.integers(0, 4, 12).tolist()
        ranked = chance.permutation(grades)[: chance.integers(0, 12)].tolist()
        ideal = sum(grade / math.log2(1 + rank) for rank, grade in enumerate(sorted(grades)[::-1][:k], 1))
        found = sum(grade / math.log2(1 + rank) for rank, grade in enumerate(ranked[:k], 1))
        expected = found / ideal if ideal else 0.0
        assert ndcg_at_k(answer(ranked, [one for one in grades if one]), k=k) == pytest.approx(expected)


def test_nothing_relevant_is_zero():
    """A query without relevant documents has 0, as in trec_eval, and so has an empty answer."""
    assert ndcg_at_k(answer([0, 0], [])) == 0
    assert ndcg_at_k(answer([], [1])) == 0
