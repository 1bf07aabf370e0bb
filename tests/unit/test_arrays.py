"""Checks of outside values: what passes comes back plain, what does not is an error with a name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal._arrays import one_of, texts_list, whole_number
from vicinal.errors import DtypeError, RangeError, UnknownNameError


@given(st.integers(), st.integers(), st.integers())
def test_whole_number_is_itself_or_out_of_range(value, low, high):
    """A number within the closed range comes back; another is a RangeError that tells range and number."""
    if low <= value <= high:
        assert whole_number(value, "k", low=low, high=high) == value
    else:
        with pytest.raises(RangeError, match=f"k must be {low} to {high}, got {value}") as raised:
            whole_number(value, "k", low=low, high=high)
        assert (raised.value.got, raised.value.where) == (value, "k")


def test_whole_number_without_an_upper_end():
    """Without a high end only the low one counts."""
    assert whole_number(10**30, "k", low=1) == 10**30
    with pytest.raises(RangeError, match="k must be >= 1, got 0"):
        whole_number(0, "k", low=1)


@pytest.mark.parametrize("value", [np.int64(3), np.uint8(3), np.array(3)])
def test_whole_number_takes_numpy_integers(value):
    """NumPy's integers count, and become Python's."""
    assert type(whole_number(value, "k", low=1)) is int


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, [1], np.float32(1)])
def test_whole_number_refuses_other_types(value):
    """A boolean, a float (even a whole one), a string and nothing are no whole numbers."""
    with pytest.raises(DtypeError, match="k must be a whole number, got") as raised:
        whole_number(value, "k", low=0)
    assert raised.value.got == type(value).__name__


def test_one_of():
    """An allowed name comes back; another is an error that lists the allowed ones."""
    assert one_of("cut", "overflow", ["chunk", "cut"]) == "cut"
    with pytest.raises(UnknownNameError, match="overflow must be one of chunk, cut, got 'crop'"):
        one_of("crop", "overflow", ["chunk", "cut"])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_come_back_as_a_new_list(texts):
    """Any strings without surrogates pass, in order, as a list that is not the caller's."""
    checked = texts_list(texts)
    assert checked == texts
    assert checked is not texts


def test_texts_may_come_from_any_iterable():
    """Tuples and generators of strings are lists of strings."""
    assert texts_list(text for text in ("a", "ß")) == ["a", "ß"]


@pytest.mark.parametrize("texts", ["abc", b"abc"])
def test_a_bare_string_is_refused(texts):
    """One string is not a list of its characters."""
    with pytest.raises(DtypeError, match=r"queries must be a list of strings, got one (str|bytes); put it in a list"):
        texts_list(texts, "queries")


@pytest.mark.parametrize("texts", [None, 3, 1.5, object()])
def test_what_cannot_be_gone_through_is_refused(texts):
    """No iterable, no list of strings."""
    with pytest.raises(DtypeError, match="texts must be a list of strings"):
        texts_list(texts)


@pytest.mark.parametrize("bad", [None, 1, b"a", ["a"]])
def test_an_element_that_is_no_string_is_named(bad):
    """The message gives the place and the type."""
    with pytest.raises(DtypeError, match=rf"texts\[1\] must be a string, got {type(bad).__name__}") as raised:
        texts_list(["a", bad])
    assert raised.value.where == 1


@given(st.text(), st.integers(0xD800, 0xDFFF).map(chr), st.text())
def test_a_lone_surrogate_is_refused_by_place(before, surrogate, after):
    """Half of a surrogate pair anywhere in a text is an error of its place that does not print the text."""
    with pytest.raises(RangeError, match=r"texts\[1\] holds a lone surrogate"):
        texts_list(["fine", before + surrogate + after])
