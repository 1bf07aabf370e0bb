"""Batches hold each row once and stay within their budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.batches import plan


def test_rows_are_batched_by_length():
    """A budget of 12: rows of 6 and 5 share a batch (2 x 6), the rest of 2 another (3 x 2)."""
    assert [batch.tolist() for batch in plan([2, 5, 2, 6, 2], 12)] == [[3, 1], [0, 2, 4]]


def test_a_row_beyond_the_budget_is_alone():
    """It has to be encoded all the same."""
    assert [batch.tolist() for batch in plan([3, 50, 3], 8)] == [[1], [0, 2]]


def test_nothing_gives_no_batch():
    """No rows, no batch."""
    assert list(plan([], 8)) == []


@given(lengths=st.lists(st.integers(0, 300), max_size=80), budget=st.integers(1, 2000))
def test_each_row_is_in_one_batch_within_the_budget(lengths, budget):
    """Padded tokens are rows times the longest; only a single row may exceed the budget."""
    found = [batch.tolist() for batch in plan(lengths, budget)]
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget
