"""Filters: their meaning value by value, their errors, and that columns give what single values do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, UnknownNameError, VicinalError
from vicinal.search import OPERATORS, Columns, compile_filter
from vicinal.search.filter import MATCHES, OPERANDS, kind_of
from vicinal.search.meaning import MISSING, words_of

WORLD: list[dict[str, Any]] = [
    {"year": 2018, "tags": ["a", "b"], "lang": "en", "ok": True, "day": "2020-02-01", "text": "The bill! Stop it."},
    {
        "year": 2020,
        "tags": [],
        "lang": "de",
        "ok": False,
        "day": "2020-02-01T00:00:01",
        "text": "Bills; Hauptstraße Straße",
    },
    {"year": 2021.5, "tags": ["b"], "lang": None, "day": "in May", "text": "the billing stop"},
    {"lang": "english", "ok": True, "year": None, "day": "2020-02-01 02:00+02:00"},
    {},
]


def columns_of(world: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of records that have one row each."""
    return Columns.empty().advanced(len(world), [(row, 1, fields) for row, fields in enumerate(world)])


def found(where: dict[str, Any]) -> list[int]:
    """Return the places of the records that a filter lets through."""
    columns = columns_of(WORLD)
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
        ({"lang": {"$match": "EN"}}, [0]),
        ({"day": date(2020, 2, 1)}, [0, 3]),
        ({"day": {"$gt": date(2020, 2, 1)}}, [1]),
        ({"day": {"$lt": datetime(2020, 2, 1, 0, 0, 1, tzinfo=UTC)}}, [0, 3]),
        ({"day": {"$ne": date(2020, 2, 1)}}, [1, 2, 4]),
        ({"day": {"$in": [date(2020, 2, 1), "2020-02-01T00:00:01"]}}, [0, 1, 3]),
        ({"text": {"$match": "stop the BILL"}}, [0]),
        ({"text": {"$match": "bill-stop"}}, [0]),
        ({"text": {"$match": "strasse"}}, [1]),
        ({"tags": {"$in": [["b"], []]}}, [1, 2]),
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
        ({"zzz": 2020}, UnknownNameError, "There are: day, lang, ok, tags, text, year"),
        ({"year": {"$gt": "2020"}}, DtypeError, "holds number, but"),
        ({"year": {"$gt": None}}, DtypeError, "needs number or text or date"),
        ({"year": {"$gt": date(2020, 1, 1)}}, DtypeError, "holds number, but .* given a date"),
        ({"year": {"$lt": float("nan")}}, NonFiniteError, "was given NaN"),
        ({"year": {"$in": [1, float("nan")]}}, NonFiniteError, "was given NaN"),
        ({"year": {"$in": [{}]}}, DtypeError, "got other"),
        ({"tags": [["a"]]}, DtypeError, "got list"),
        ({"tags": {"$in": [[["a"]]]}}, DtypeError, "got list"),
        ({"text": {"$match": " -- "}}, RangeError, "at least one word"),
        ({"year": {"$match": "a"}}, DtypeError, "holds number, but"),
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
    columns = columns_of([])
    assert compile_filter({"year": 2020}).mask(columns).tolist() == []
    assert len(columns.mask(compile_filter({"a": 1}).bits(columns))) == 0


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "a", "ab"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2)


@given(st.lists(st.dictionaries(st.just("f"), VALUES), max_size=8), st.sampled_from(OPERATORS), VALUES)
def test_columns_give_what_single_values_do(world: list[dict[str, Any]], operator: str, operand: Any) -> None:
    """The coded column is the same function as the test of one value, for every operator and value."""
    columns = columns_of(world)
    has_no_word = operator == "$match" and isinstance(operand, str) and not words_of(operand)
    if kind_of(operand) not in OPERANDS[operator] or has_no_word:
        with pytest.raises(RangeError if has_no_word else DtypeError):
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
    columns = columns_of([{"x": [1]}, {"x": [True]}, {"x": [1, 2]}, {"x": [1.0]}])
    assert compile_filter({"x": {"$eq": [1]}}).mask(columns).tolist() == [True, False, False, True]
    assert compile_filter({"x": {"$in": [[True]]}}).mask(columns).tolist() == [False, True, False, False]


def test_many_operands_with_a_date_are_all_let_through() -> None:
    """A date may be spelled in several ways, and each spelling has a code of its own."""
    spelled = ["2020-01-01", "2020-01-01T00:00:00", "2020-01-01T00:00:00Z"]
    world = [{"x": value} for value in [*spelled, "a", "b", "c", "d", *(f"z{number}" for number in range(1500))]]
    held = compile_filter({"x": {"$in": [date(2020, 1, 1), "a", "b", "c", "d"]}}).mask(columns_of(world))
    assert np.flatnonzero(held).tolist() == list(range(7))


def test_a_filter_is_remembered_in_a_few_bytes() -> None:
    """However long its operand, and whatever the order of its parts."""
    long = compile_filter({"x": {"$in": [f"id{number}" for number in range(5000)]}})
    assert len(long._key) == 16
    assert compile_filter({"a": 1, "b": 2})._key == compile_filter({"b": 2, "a": 1})._key != long._key
