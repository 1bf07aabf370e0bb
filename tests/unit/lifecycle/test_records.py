"""Records from outside: what is accepted comes through unchanged, everything else is an error of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import AlreadyExistsError, DtypeError, NonFiniteError, RangeError, VicinalError
from vicinal.lifecycle.records import MAX_FIELDS, MAX_ID_CHARS, checked_id, documents_of


def test_a_record_becomes_a_document() -> None:
    """id, text and source have their places; the rest are fields."""
    (one,) = documents_of([{"id": "a", "text": "t", "source": "s", "year": 2020, "tags": ("x", "y"), "none": None}])
    assert (one.id, one.text, one.source) == ("a", "t", "s")
    assert one.fields == {"year": 2020, "tags": ["x", "y"], "none": None}
    assert documents_of([]) == []
    assert documents_of(iter([{"id": "a", "text": ""}]))[0].fields == {}


@pytest.mark.parametrize(
    ("records", "error", "told"),
    [
        ({"id": "a", "text": "t"}, DtypeError, "must be a list"),
        ("abc", DtypeError, "must be a list"),
        (3, DtypeError, "must be a list"),
        (["a"], DtypeError, r"records\[0\] must be a mapping"),
        ([{"text": "t"}], DtypeError, r"\['id'\] must be a string, got NoneType"),
        ([{"id": "", "text": "t"}], RangeError, "is empty"),
        ([{"id": 3, "text": "t"}], DtypeError, "got int"),
        ([{"id": "x" * (MAX_ID_CHARS + 1), "text": "t"}], RangeError, "4097 characters"),
        ([{"id": "\ud800", "text": "t"}], RangeError, "lone surrogate"),
        ([{"id": "a"}], DtypeError, r"\['text'\]"),
        ([{"id": "a", "text": "t"}, {"id": "a", "text": "u"}], AlreadyExistsError, r"records\[1\]"),
        ([{"id": "a", "text": "t", "x": float("nan")}], NonFiniteError, "nan"),
        ([{"id": "a", "text": "t", "x": [1, float("inf")]}], NonFiniteError, "inf"),
        ([{"id": "a", "text": "t", "x": {"y": 1}}], DtypeError, "got dict"),
        ([{"id": "a", "text": "t", "$x": 1}], RangeError, "operators of filters"),
        ([{"id": "a", "text": "t", 3: 1}], DtypeError, "name of a field"),
        ([{"id": "a", "text": "t", **{str(n): n for n in range(MAX_FIELDS + 1)}}], RangeError, "1025 fields"),
    ],
)
def test_a_wrong_record_says_where_and_what(records: Any, error: type[VicinalError], told: str) -> None:
    """The message has the place of the record and what came."""
    with pytest.raises(error, match=told):
        documents_of(records)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "text", "source", "x", "$y", ""]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_no_input_makes_a_foreign_error(records: Any) -> None:
    """Anything is either documents or an error of ours."""
    try:
        for one in documents_of(records):
            assert one.text.encode()
            assert checked_id(one.id, "id")
    except VicinalError as error:
        assert error.message


def test_places_count_from_what_the_user_gave() -> None:
    """Of a batch that begins at row 500, the second record is records[501]."""
    with pytest.raises(DtypeError, match=r"records\[501\]"):
        documents_of([{"id": "a", "text": "x"}, {"id": "b", "text": 3}], first=500)
    with pytest.raises(AlreadyExistsError, match=r"records\[501\]"):
        documents_of([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], first=500)
