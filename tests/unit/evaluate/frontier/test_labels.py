"""nDCG@10 of lists of rows: by hand, over chunks, and without judgements."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.frontier.labels import scorer_of


def test_the_gain_is_linear_and_the_discount_logarithmic():
    """Grades 3 and 1 found at places 2 and 1: (1 + 3 / log2 3) / (3 + 1 / log2 3)."""
    ndcg = scorer_of([{0: 3, 5: 1}], None)
    found = ndcg(np.array([[5, 0, 7, -1]]))
    discount = 1 / np.log2(3)
    assert found[0] == pytest.approx((1 + 3 * discount) / (3 + discount))


def test_a_document_counts_once_at_its_best_chunk():
    """Rows 0 and 1 are of document 8, row 2 of document 9: the order is 8, 9, and ten places are of documents."""
    ndcg = scorer_of([{9: 1}], np.array([8, 8, 9]))
    assert ndcg(np.array([[1, 0, 2]]))[0] == pytest.approx(1 / np.log2(3))


def test_only_ten_places_count():
    """The judged document at place eleven gives nothing."""
    ndcg = scorer_of([{10: 1}], None)
    assert ndcg(np.arange(11)[None])[0] == 0


def test_queries_without_a_relevant_document_are_none():
    """No judgement, or only grades of 0: NaN; nothing found: 0."""
    ndcg = scorer_of([{}, {3: 0}, {3: 1}], None)
    found = ndcg(np.full((3, 2), -1))
    assert np.isnan(found[:2]).all()
    assert found[2] == 0
