"""Readers of settings: what is in range comes back, what is not is refused by name."""

from __future__ import annotations

import math

import pytest

from vicinal.errors import ModelLoadError
from vicinal.models.families import settings


def test_sizes_are_whole_numbers_in_range():
    """The edges are included; a missing one takes its default."""
    assert settings.size({"n": 1}, "n") == 1
    assert settings.size({"n": settings.MAX_SIZE}, "n") == settings.MAX_SIZE
    assert settings.size({}, "n", default=7) == 7


@pytest.mark.parametrize("value", [0, -1, settings.MAX_SIZE + 1, 1.0, True, "1", None, [1]])
def test_anything_else_is_no_size(value):
    """A boolean is none, and neither is a number with a point."""
    with pytest.raises(ModelLoadError, match=r"n in config\.json must be a whole number"):
        settings.size({"n": value}, "n")


@pytest.mark.parametrize("value", [-0.1, 1.0, math.nan, math.inf, 10**400, True, "0.5", None, {}])
def test_numbers_are_finite_and_in_range(value):
    """The lower edge is included, the upper is not."""
    assert settings.number({"x": 0}, "x", 0.5, low=0, high=1) == 0.0
    assert settings.number({}, "x", 0.5, low=0, high=1) == 0.5
    with pytest.raises(ModelLoadError, match=r"x in config\.json"):
        settings.number({"x": value}, "x", 0.5, low=0, high=1)


def test_required_values_may_be_left_out_or_null():
    """A value of another type is another value: 0 is not false."""
    required = {"a": (False,), "b": ()}
    for fine in ({}, {"a": False}, {"a": None, "b": None}):
        settings.require(fine, required)
    for wrong in ({"a": True}, {"a": 0}, {"b": False}):
        with pytest.raises(ModelLoadError, match=r"in config\.json must be"):
            settings.require(wrong, required)


def test_a_head_is_an_equal_part_unless_its_size_is_told():
    """12 over 4 heads is 3 each; a rotation needs an even size."""
    assert settings.head_size({}, 12, 4) == 3
    assert settings.head_size({"head_dim": 5}, 12, 7) == 5
    for config, heads in (({}, 5), ({}, 4), ({"head_dim": 5}, 4)):
        with pytest.raises(ModelLoadError):
            settings.head_size(config, 12, heads, even=True)


def test_rope_is_read_under_both_names_and_by_section():
    """The newer name goes first; a section that is null says nothing."""
    assert settings.rope({}) == {}
    assert settings.rope({"rope_scaling": None}) == {}
    assert settings.rope({"rope_scaling": {"a": 1}}) == {"a": 1}
    assert settings.rope({"rope_scaling": {"a": 1}, "rope_parameters": {"b": 2}}) == {"b": 2}
    assert settings.rope({"rope_parameters": {"full": {"c": 3}, "local": None}}, "full") == {"c": 3}
    assert settings.rope({"rope_parameters": {"full": {"c": 3}, "local": None}}, "local") == {}


def test_flags_and_activations_are_known_or_refused():
    """True and false, and the names of the hub."""
    assert settings.flag({}, "f", default=True) is True
    assert settings.flag({"f": False}, "f", default=True) is False
    assert settings.activation({"a": "swish"}, "a", "gelu") == "silu"
    with pytest.raises(ModelLoadError, match="true or false"):
        settings.flag({"f": 1}, "f", default=True)
    with pytest.raises(ModelLoadError, match="gelu, relu"):
        settings.activation({"a": "mish"}, "a", "gelu")
