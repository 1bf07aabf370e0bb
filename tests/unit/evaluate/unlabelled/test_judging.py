"""A pool holds what each system found first, in an order that tells nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import RangeError
from vicinal.evaluate.unlabelled import pool

RANKINGS = st.lists(st.lists(st.sampled_from("abcdefghij"), unique=True), max_size=4)


@given(RANKINGS, st.integers(1, 6), st.randoms())
def test_a_pool_is_the_union_of_the_first(rankings, depth, random):
    """Whatever the order of the systems and the ranks within the depth, it is the same."""
    expected = {document for ranking in rankings for document in ranking[:depth]}
    found = pool(rankings, depth=depth, query_id="q")
    assert set(found) == expected
    assert len(found) == len(expected)
    shuffled = [random.sample(ranking[:depth], len(ranking[:depth])) for ranking in rankings]
    random.shuffle(shuffled)
    assert pool(shuffled, depth=depth, query_id="q") == found


def test_the_order_depends_on_query_and_seed():
    """So no document is always first, and two people see other orders."""
    listed = [[str(number) for number in range(20)]]
    orders = {pool(listed, depth=20, query_id=query, seed=seed) for query in "ab" for seed in (0, 1)}
    assert len(orders) == 4


def test_a_growing_pool_keeps_its_order():
    """A deeper pool puts new documents between the old ones and changes nothing else."""
    listed = [[str(number) for number in range(20)]]
    small = pool(listed, depth=5, query_id="q")
    assert tuple(one for one in pool(listed, depth=20, query_id="q") if one in small) == small


def test_depth_is_checked():
    """At least one."""
    with pytest.raises(RangeError):
        pool([["a"]], depth=0)
