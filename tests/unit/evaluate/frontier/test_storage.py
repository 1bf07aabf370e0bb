"""The ways to store a vector: their bytes, their grid, and what can be had at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, RangeError, UnknownNameError
from vicinal.evaluate.frontier import PRECISIONS, Storage, storages
from vicinal.evaluate.frontier.storage import default_dims


@pytest.mark.parametrize(
    ("precision", "rescored", "metric", "expected"),
    [
        ("float32", "", "cosine", 1536),
        ("float16", "", "cosine", 768),
        ("int8", "", "cosine", 388),
        ("4bit", "", "dot", 196),
        ("1bit", "", "dot", 52),
        ("1bit", "", "l2", 56),
        ("int8", "", "l2", 388),
        ("1bit", "int8", "cosine", 52 + 388),
        ("4bit", "float16", "cosine", 196 + 768),
    ],
)
def test_bytes_are_those_of_the_rows_and_of_what_puts_them_in_order(precision, rescored, metric, expected):
    """384 components by hand: codes, 4 bytes of a scale or factor, 4 of a length for l2, and the finer rows."""
    storage = Storage(dim=384, cut="full", precision=precision, rescored=rescored, metric=metric)
    assert storage.bytes_per_vector == expected
    assert storage.scanned_bytes == Storage(dim=384, cut="full", precision=precision, metric=metric).bytes_per_vector


def test_odd_lengths_take_whole_bytes():
    """Nine components take two bytes of bits and five of half bytes."""
    assert Storage(dim=9, cut="pca", precision="1bit").bytes_per_vector == 2 + 4
    assert Storage(dim=9, cut="pca", precision="4bit").bytes_per_vector == 5 + 4


@given(st.integers(1, 2048))
def test_default_dims_are_powers_of_two_below_all(full_dim):
    """At most three, each a power of two below D, the largest first, and the largest more than D / 2 or equal."""
    found = default_dims(full_dim)
    assert all(dim < full_dim and dim & (dim - 1) == 0 for dim in found)
    assert list(found) == sorted(found, reverse=True)
    assert not found or found[0] * 2 >= full_dim


def test_default_dims_by_hand():
    """The lengths that models of usual size are cut to."""
    assert [default_dims(dim) for dim in (384, 768, 1024, 2, 1)] == [
        (256, 128, 64),
        (512, 256, 128),
        (512, 256, 128),
        (1,),
        (),
    ]


def test_the_grid_has_every_way_once_and_full_float32_first():
    """Two cuts of two lengths and full length, each with five precisions and five rescored ones."""
    found = storages(8, dims=[4, 2, 8, 4])
    assert found[0] == Storage(dim=8, cut="full", precision="float32")
    assert len(found) == len(set(found)) == 5 * 10
    assert {(one.cut, one.dim) for one in found} == {("full", 8), ("pca", 4), ("pca", 2), ("first", 4), ("first", 2)}
    assert len({str(one) for one in found}) == len(found)


def test_full_float32_is_there_though_it_was_not_asked_for():
    """It is the measure of all others; but no cut has it then."""
    found = storages(8, dims=[4], precisions=["int8"], cuts=["pca"])
    assert [str(one) for one in found] == [
        "8 float32",
        "8 int8",
        "8 int8 + float16",
        "pca 4 int8",
        "pca 4 int8 + float16",
    ]


def test_only_float32_of_all_or_projected_dimensions_is_held():
    """A collection has float32 rows, and a projection for them; it says of everything else what stands in the way."""
    held = {str(one) for one in storages(8, dims=[4]) if one.is_held}
    assert held == {"8 float32", "pca 4 float32"}
    said = {str(one): one.how for one in storages(8, dims=[4])}
    assert "project" in said["pca 4 float32"]
    assert "encoded again" in said["first 4 float32"]
    assert all("cannot be applied here today" in said[f"8 {one}"] for one in PRECISIONS[1:])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"dims": [0]}, RangeError),
        ({"dims": [9]}, RangeError),
        ({"dims": [2.5]}, DtypeError),
        ({"precisions": ["int4"]}, UnknownNameError),
        ({"cuts": ["ends"]}, UnknownNameError),
    ],
)
def test_what_is_no_way_is_refused(arguments, error):
    """A length beyond D, a part of one, a precision or a cut that is not known."""
    with pytest.raises(error):
        storages(8, **arguments)


def test_too_many_lengths_are_refused():
    """Each costs a pass of products."""
    with pytest.raises(InputError, match="16"):
        storages(100, dims=range(1, 30))
