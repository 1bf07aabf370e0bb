"""Halves of queries: exact, disjoint, steady."""

from __future__ import annotations

import pytest

from vicinal.errors import DtypeError, InputError, RangeError
from vicinal.evaluate.significance import halves

QUERIES = [f"q{number}" for number in range(101)]


def test_halves_hold_all_once():
    """Each query is in one of them, the first has the odd one, and both are sorted."""
    select, confirm = halves(QUERIES)
    assert (len(select), len(confirm)) == (51, 50)
    assert sorted(select + confirm) == sorted(QUERIES)
    assert (list(select), list(confirm)) == (sorted(select), sorted(confirm))


def test_order_does_not_count_and_the_seed_does():
    """The same queries in another order have the same halves; another seed has others."""
    assert halves(reversed(QUERIES)) == halves(QUERIES) == halves(QUERIES, 0)
    assert halves(QUERIES, seed=1) != halves(QUERIES)


def test_new_queries_leave_the_others_where_they_were():
    """With ten more queries at most ten change sides."""
    before = set(halves(QUERIES)[0])
    after = set(halves([*QUERIES, *(f"new{number}" for number in range(10))])[0])
    assert len((before ^ after) & set(QUERIES)) <= 10


def test_what_has_no_halves_is_refused():
    """One query, one twice, one string, a number."""
    with pytest.raises(RangeError, match="query_ids must hold at least 2, got 1"):
        halves(["a"])
    with pytest.raises(InputError, match="distinct"):
        halves(["a", "b", "a"])
    with pytest.raises(DtypeError, match="list of strings"):
        halves("ab")
    with pytest.raises(RangeError, match="seed must be >= 0"):
        halves(["a", "b"], seed=-1)
