"""Filters: their meaning value by value, their errors, and that columns give what single values do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, RangeError, UnknownNameError, VicinalError
from vicinal.search import OPERATORS, Columns, compile_filter
from vicinal.search.columns import MISSING
from vicinal.search.filter import MATCHES, OPERANDS, kind_of

WORLD: list[dict[str, Any]] = [
    {"year": 2018, "tags": ["a", "b"], "lang": "en", "ok": True},
    {"year": 2020, "tags": [], "lang": "de", "ok": False},
    {"year": 2021.5, "tags": ["b"], "lang": None},
    {"lang": "english", "ok": True, "year": None},
    {},
]


def found(where: dict[str, Any]) -> list[int]:
    """Return the places of the records that a filter lets through."""
    columns = Columns.of(enumerate(WORLD))
    return np.flatnonzero(compile_filter(where).mask(columns)).tolist()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"year": 2020}, [1]),
        ({"year": {"$ne": 2020}}, [0, 2, 3, 4]),
        ({"year": {"$gt": 2018}}, [1, 2]),
        ({"year": {"$gte": 2018, "$lt": 2021.5}}, [0, 1]),
        ({"year": {"$lte": 2018}}, [0]),
        ({"year": {"$in": [2018, 2021.5]}}, [0, 2]),
        ({"year": {"$nin": [2018, 2021.5]}}, [1, 3, 4]),
        ({"year": None}, [3]),
        ({"year": {"$exists": True}}, [0, 1, 2, 3]),
        ({"year": {"$exists": False}}, [4]),
        ({"nowhere": {"$exists": False}}, [0, 1, 2, 3, 4]),
        ({"tags": {"$contains": "b"}}, [0, 2]),
        ({"tags": ["b"]}, [2]),
        ({"tags": []}, [1]),
        ({"lang": {"$contains": "ngl"}}, [3]),
        ({"lang": {"$prefix": "en"}}, [0, 3]),
        ({"ok": True}, [0, 3]),
        ({"ok": 1}, []),
        ({"$or": [{"year": 2018}, {"lang": "de"}]}, [0, 1]),
        ({"$and": [{"ok": True}, {"lang": "en"}]}, [0]),
        ({"$not": {"ok": True}}, [1, 2, 4]),
        ({"$or": []}, []),
        ({"$and": []}, [0, 1, 2, 3, 4]),
    ],
)
def test_a_filter_means_what_the_page_says(where: dict[str, Any], expected: list[int]) -> None:
    """Worked by hand on five records."""
    assert found(where) == expected


@pytest.mark.parametrize(
    ("where", "error", "told"),
    [
        ([], DtypeError, "must be an object"),
        ({"year": {"$near": 3}}, UnknownNameError, r"'\$near' is no operator"),
        ({"$xor": []}, UnknownNameError, "no way to join"),
        ({"$and": {}}, DtypeError, "must be a list"),
        ({"year": {}}, InputError, "empty condition"),
        ({"yaer": 2020}, UnknownNameError, "Did you mean 'year'"),
        ({"zzz": 2020}, UnknownNameError, "There are: lang, ok, tags, year"),
        ({"year": {"$gt": "2020"}}, DtypeError, "holds number, but"),
        ({"year": {"$gt": None}}, DtypeError, "needs number or text"),
        ({"year": {"$in": 3}}, DtypeError, "needs list"),
        ({"year": {"$exists": 1}}, DtypeError, "needs boolean"),
        ({"year": object()}, DtypeError, "got other"),
        ({3: 4}, DtypeError, "names in a filter"),
    ],
)
def test_a_wrong_filter_says_what_is_wrong(where: Any, error: type[VicinalError], told: str) -> None:
    """Each names the field or the operator and what it may be."""
    with pytest.raises(error, match=told):
        found(where)


def test_endless_nesting_is_refused() -> None:
    """A filter deeper than the limit is no recursion error."""
    where: dict[str, Any] = {"year": 1}
    for _ in range(1000):
        where = {"$not": where}
    with pytest.raises(RangeError, match="nested deeper"):
        compile_filter(where)


def test_on_nothing_every_filter_is_empty() -> None:
    """No records: no error about unknown fields, no rows."""
    columns = Columns.of([])
    assert compile_filter({"year": 2020}).mask(columns).tolist() == []
    assert columns.rows(np.zeros(0, dtype=np.bool_), np.array([-1, -1])).tolist() == [False, False]


def test_rows_follow_their_records() -> None:
    """Rows of chosen records are let through, dead rows never."""
    columns = Columns.of([(3, {"a": 1}), (7, {"a": 2})])
    owner = np.array([7, -1, 3, 3, 7, 5])
    assert columns.rows(np.array([True, False]), owner).tolist() == [False, False, True, True, False, False]


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "a", "ab"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2)


@given(st.lists(st.dictionaries(st.just("f"), VALUES), max_size=8), st.sampled_from(OPERATORS), VALUES)
def test_columns_give_what_single_values_do(world: list[dict[str, Any]], operator: str, operand: Any) -> None:
    """The coded column is the same function as the test of one value, for every operator and value."""
    columns = Columns.of(enumerate(world))
    if kind_of(operand) not in OPERANDS[operator]:
        with pytest.raises(DtypeError):
            compile_filter({"f": {operator: operand}})
        return
    try:
        got = compile_filter({"f": {operator: operand}}).mask(columns).tolist()
    except (DtypeError, UnknownNameError):
        kinds = {kind_of(one["f"]) for one in world if "f" in one} - {"null"}
        assert kind_of(operand) not in kinds
        return
    assert got == [MATCHES[operator](one.get("f", MISSING), operand) for one in world]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$and", "$or", "$not", "$gt", "$in", "year", "tags", "x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_filter_makes_a_foreign_error(where: Any) -> None:
    """Whatever JSON comes, the answer is a mask or an error of ours."""
    try:
        assert all(0 <= place < len(WORLD) for place in found(where))
    except VicinalError as error:
        assert error.message


def test_lists_are_equal_by_kind_too():
    """1 is not true, in a list as outside of one."""
    columns = Columns.of(enumerate([{"x": [1]}, {"x": [True]}, {"x": [1, 2]}, {"x": [1.0]}]))
    assert compile_filter({"x": {"$eq": [1]}}).mask(columns).tolist() == [True, False, False, True]
    assert compile_filter({"x": {"$in": [[True]]}}).mask(columns).tolist() == [False, True, False, False]
