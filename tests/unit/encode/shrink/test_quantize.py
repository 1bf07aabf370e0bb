"""Codes: how far they may be from their vectors, what their products are, and whom they never meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vicinal.encode.shrink import Codes, quantize
from vicinal.errors import (
    DtypeError,
    InputError,
    NonFiniteError,
    RangeError,
    ShapeError,
    SpaceMismatchError,
    UnknownNameError,
)
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder

SPACE = replace(ToyEncoder().space, normalized=False, metric="dot")


def vectors_of(array):
    """Return any matrix as Vectors of a space with its D."""
    array = np.atleast_2d(np.asarray(array, dtype=np.float32))
    return Vectors(array, replace(SPACE, dim=array.shape[1], full_dim=array.shape[1]))


def matrices(largest):
    """Draw matrices of 1 to 6 rows and 1 to 20 columns."""
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 20))
    numbers = st.floats(-largest, largest, width=32)
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=numbers))


WHOLE_RANGE = matrices(float(np.finfo(np.float32).max))
MODEST = matrices(1000.0)


def same_width(pair):
    """Cut two matrices to the columns that both have."""
    width = min(pair[0].shape[1], pair[1].shape[1])
    return [np.ascontiguousarray(one[:, :width]) for one in pair]


PAIRS = st.tuples(MODEST, MODEST).map(same_width)


@given(array=WHOLE_RANGE)
def test_int8_is_within_half_a_scale(array):
    """|x - s * code| <= s / 2 for each component, and 1e-5 of s for rounding, over all of float32; zeros are exact."""
    codes = quantize(vectors_of(array), "int8")
    decoded = codes.decode()
    assert np.isfinite(decoded).all()
    error = np.abs(decoded.astype(np.float64) - array)
    assert (error <= codes.scales[:, None].astype(np.float64) * (0.5 + 1e-5)).all()
    assert not decoded[~array.any(axis=1)].any()


@given(array=MODEST)
def test_int8_uses_the_whole_range(array):
    """The largest component of a vector that is not tiny has the code 127 or -127, and none has -128."""
    codes = quantize(vectors_of(array), "int8").codes
    large = np.abs(array).max(axis=1) > 1e-30
    assert (np.abs(codes[large].astype(int)).max(axis=1) == 127).all()
    assert codes.min() >= -127


def test_int8_by_hand():
    """The scale is 2.54 / 127 = 0.02: 1.0 is 50 steps, -0.011 is nearer to -1 step than to none."""
    codes = quantize(vectors_of([2.54, 1.0, -0.011, 0]), "int8")
    assert codes.codes.tolist() == [[127, 50, -1, 0]]
    assert codes.scales.tolist() == pytest.approx([0.02])
    assert codes.nbytes == 4 + 4 + 4 * 4


@given(pair=PAIRS)
def test_int8_products_are_those_of_whole_numbers(pair):
    """similarity is the int32 dot product times both scales, and as far from the true one as Cauchy–Schwarz allows."""
    one, other = pair
    mine, theirs = quantize(vectors_of(one), "int8"), quantize(vectors_of(other), "int8")
    whole = mine.codes.astype(np.int32) @ theirs.codes.astype(np.int32).T
    expected = whole * mine.scales[:, None].astype(np.float64) * theirs.scales
    got = mine.similarity(theirs)
    assert np.allclose(got, expected, rtol=1e-6, atol=1e-30)
    half = np.sqrt(one.shape[1]) / 2 * (1 + 1e-4)
    lengths = [np.linalg.norm(part.astype(np.float64), axis=1) for part in pair]
    errors = [codes.scales.astype(np.float64) * half for codes in (mine, theirs)]
    bound = np.outer(errors[0], lengths[1]) + np.outer(lengths[0] + errors[0], errors[1])
    true = one.astype(np.float64) @ other.T.astype(np.float64)
    assert (np.abs(got - true) <= bound + 1e-5 * np.outer(*lengths) + 1e-30).all()


def test_wide_int8_products_are_exact():
    """Beyond 1,040 components a sum passes 2**24; it is still the whole number."""
    width = 5000
    array = np.full((1, width), 127.0)
    array[0, 0] = 126
    codes = quantize(vectors_of(array), "int8")
    assert codes.scales[0] == 1
    assert codes.similarity(codes)[0, 0] == np.float32(127**2 * (width - 1) + 126**2)


@given(pair=PAIRS)
def test_products_with_floats_are_those_of_the_decoded(pair):
    """Both precisions: what my codes stand for times the other's own components."""
    one, other = pair
    for codes in (quantize(vectors_of(one), "int8"), quantize(vectors_of(one), "bit", centre=one.mean(axis=0))):
        decoded = codes.decode().astype(np.float64)
        expected = decoded @ other.T.astype(np.float64)
        slack = 1e-5 * (np.linalg.norm(decoded, axis=1)[:, None] + np.abs(codes.centre).sum()) + 1e-30
        room = slack * (1 + np.abs(other).sum(axis=1)) * len(codes.centre)
        assert (np.abs(codes.similarity(vectors_of(other)) - expected) <= room).all()


def test_bits_by_hand():
    """Component 0 is the highest bit of byte 0; 1 where x >= c; the ninth component opens the second byte."""
    array = [[1, -1, 0, -1, 1, -1, -1, 1, 3]]
    codes = quantize(vectors_of(array), "bit")
    assert codes.codes.tolist() == [[0b10101001, 0b10000000]]
    assert codes.scales.tolist() == pytest.approx([(7 + 9) / (7 + 3)])  # |r|² / |r|₁
    assert np.sign(codes.decode()).tolist() == [[1, -1, 1, -1, 1, -1, -1, 1, 1]]
    assert codes.nbytes == 2 + 4 + 9 * 4


def test_a_centre_moves_the_sides():
    """Against the centre (2, 2) the vector (1, 3) is below and above."""
    codes = quantize(vectors_of([1, 3]), "bit", centre=[2, 2])
    assert codes.codes.tolist() == [[0b01000000]]
    assert codes.decode().tolist() == [[1, 3]]


@given(array=MODEST)
def test_the_distance_of_bits_is_the_stated_one(array):
    """|x - decoded|² = |r|² (D |r|² / |r|₁² - 1); a vector that is the centre is exact."""
    centre = array.mean(axis=0)
    codes = quantize(vectors_of(array), "bit", centre=centre)
    rest = array.astype(np.float64) - centre
    squares, sizes = (rest**2).sum(axis=1), np.abs(rest).sum(axis=1)
    stated = np.zeros(len(array))
    moved = sizes > 1e-18  # below it the squares of float64 would pass into nothing
    stated[moved] = squares[moved] * (array.shape[1] * squares[moved] / sizes[moved] ** 2 - 1)
    got = ((array.astype(np.float64) - codes.decode()) ** 2).sum(axis=1)
    largest = np.abs(array).max() + codes.scales.max()
    assert np.allclose(got, stated, rtol=1e-4, atol=1e-5 * largest**2 + 1e-30)
    exact = quantize(vectors_of(centre), "bit", centre=centre)
    assert np.array_equal(exact.decode()[0], centre)


@given(pair=PAIRS)
def test_bits_with_bits_count_what_differs(pair):
    """1 - 2 * hamming / D, exactly, hamming counted bit by bit."""
    one, other = pair
    mine, theirs = quantize(vectors_of(one), "bit"), quantize(vectors_of(other), "bit")
    hamming = ((one >= 0)[:, None, :] != (other >= 0)[None, :, :]).sum(axis=2)
    assert np.abs(mine.similarity(theirs) - (1 - 2 * hamming / one.shape[1])).max() < 1e-6


def test_the_estimate_of_bits_is_unbiased_after_a_rotation():
    """Over 300 rotations the mean of the estimated cosine is the true one, within four standard errors."""
    from vicinal.encode.shrink import apply, random_rotation  # noqa: PLC0415 - for this test alone

    dim = 64
    chance = np.random.default_rng(0)
    pair = chance.standard_normal((2, dim))
    pair[1] += pair[0]
    pair /= np.linalg.norm(pair, axis=1, keepdims=True)
    space = replace(SPACE, dim=dim, full_dim=dim)
    found = []
    for seed in range(300):
        turned = apply(random_rotation(dim, dim, seed), Vectors(pair, space))
        found.append(float(quantize(turned[:1], "bit").similarity(turned[1:])[0, 0]))
    assert np.mean(found) == pytest.approx(pair[0] @ pair[1], abs=4 * np.std(found) / np.sqrt(300))
    assert np.std(found) < 0.76 / np.sqrt(dim) * 1.2


@pytest.mark.parametrize("precision", ["int8", "bit"])
def test_no_code_depends_on_another_vector(precision):
    """Each row alone has the code that it has in company, and the blocks are of no matter."""
    chance = np.random.default_rng(1)
    array = chance.standard_normal((5000, 9)).astype(np.float32)
    whole = quantize(vectors_of(array), precision)
    for row in (0, 4095, 4096, 4999):
        alone = quantize(vectors_of(array[row]), precision)
        assert np.array_equal(alone.codes[0], whole.codes[row])
        assert alone.scales[0] == whole.scales[row]
    assert np.abs(whole.similarity(vectors_of(array[:3])) - whole.decode() @ array[:3].T).max() < 1e-4
    assert len(whole) == len(whole.similarity(whole)) == 5000


@pytest.mark.parametrize("precision", ["int8", "bit"])
def test_none_in_none_out(precision):
    """No vectors give no codes, and (0, M) products."""
    none = quantize(Vectors(np.zeros((0, 8)), SPACE), precision)
    some = quantize(vectors_of(np.ones((2, 8))), precision)
    assert (len(none), none.decode().shape) == (0, (0, 8))
    assert none.similarity(some).shape == (0, 2)
    assert some.similarity(none).shape == (2, 0)


def test_two_spaces_never_meet():
    """Neither codes nor vectors of another space are compared."""
    other = replace(SPACE, weights="other")
    codes = quantize(Vectors(np.ones((1, 8)), SPACE), "int8")
    for foreign in (Vectors(np.ones((1, 8)), other), quantize(Vectors(np.ones((1, 8)), other), "int8")):
        with pytest.raises(SpaceMismatchError) as caught:
            codes.similarity(foreign)
        assert caught.value.fields == ("weights",)


def test_two_forms_never_meet():
    """Another precision or another centre makes no product; nor does a bare array."""
    vectors = vectors_of(np.ones((1, 8)))
    bits = quantize(vectors, "bit")
    with pytest.raises(InputError, match="int8, the others bit"):
        quantize(vectors, "int8").similarity(bits)
    with pytest.raises(InputError, match="two centres"):
        bits.similarity(quantize(vectors, "bit", centre=np.ones(8)))
    with pytest.raises(DtypeError, match="Codes or Vectors"):
        bits.similarity(np.ones((1, 8)))


@pytest.mark.parametrize(
    ("centre", "error"),
    [
        (np.ones(7), ShapeError),
        (["a"] * 8, DtypeError),
        (np.full(8, np.nan), NonFiniteError),
        (np.full(8, 1e300), NonFiniteError),
    ],
)
def test_a_centre_is_a_vector(centre, error):
    """D finite numbers."""
    with pytest.raises(error, match="centre"):
        quantize(vectors_of(np.ones((1, 8))), "bit", centre=centre)


def test_int8_has_no_centre():
    """It would not be symmetric any more."""
    with pytest.raises(InputError, match="no centre"):
        quantize(vectors_of(np.ones((1, 8))), "int8", centre=np.ones(8))


def test_a_precision_has_a_name():
    """There are two."""
    with pytest.raises(UnknownNameError, match="int8, bit"):
        quantize(vectors_of(np.ones((1, 8))), "int4")


SOUND = {
    "space": SPACE,
    "precision": "int8",
    "codes": np.zeros((1, 8), np.int8),
    "scales": np.zeros(1, np.float32),
    "centre": np.zeros(8, np.float32),
}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"codes": np.zeros((1, 7), np.int8)}, ShapeError),
        ({"codes": np.zeros((1, 8), np.uint8)}, DtypeError),
        ({"codes": [[0] * 8]}, DtypeError),
        ({"scales": np.zeros(1)}, DtypeError),
        ({"scales": np.full(1, -1, np.float32)}, RangeError),
        ({"scales": np.full(1, np.nan, np.float32)}, RangeError),
        ({"centre": np.zeros(3, np.float32)}, ShapeError),
        ({"precision": "bit", "codes": np.zeros((1, 8), np.uint8)}, ShapeError),
        ({"precision": "none"}, UnknownNameError),
    ],
)
def test_codes_from_elsewhere_are_checked(wrong, error):
    """Arrays read from a file must have the types and shapes of codes."""
    Codes(**SOUND)
    with pytest.raises(error):
        Codes(**{**SOUND, **wrong})


def test_codes_cannot_be_changed():
    """The arrays are read only; what was given stays the caller's."""
    given = {**SOUND, "codes": np.zeros((1, 8), np.int8)}
    codes = Codes(**given)
    with pytest.raises(ValueError, match="read-only"):
        codes.codes[0, 0] = 1
    given["codes"][0, 0] = 1
