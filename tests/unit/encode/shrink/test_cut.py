"""A cut: the first components at unit length, in a space of their own, and never without saying what it costs."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.shrink import cost, cut, cut_vectors
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.errors import DimensionWarning, DtypeError, InputError, RangeError, SpaceMismatchError
from vicinal.space import Vectors
from vicinal.testing import TEXTS, ToyEncoder, check_encoder

ROWS = st.lists(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=8, max_size=8), min_size=1, max_size=6)


def test_the_contract_of_encoders_holds():
    """Every check of vicinal.testing, for a length that was trained for and one that is forced."""
    check_encoder(cut(ToyEncoder(), 4, trained=(2, 4)))
    with pytest.warns(DimensionWarning):
        forced = cut(ToyEncoder(), 1, force=True)
    check_encoder(forced)


def test_a_cut_vector_is_the_unit_vector_of_the_first_components():
    """(2, 1, 1), the words, vowels and other letters of "Big 42!", has the length sqrt(6)."""
    got = cut(ToyEncoder(), 3, trained=(3,)).encode_documents(["Big 42!"])
    assert np.abs(got[0] - np.array([2, 1, 1]) / np.sqrt(6)).max() < 1e-6
    assert (got.space.dim, got.space.full_dim) == (3, 8)


def test_both_roles_keep_their_prompts():
    """A question is cut of its own vector, a document of its own."""
    toy = ToyEncoder(query_prompt="Q: ", document_prompt="D 1 ")
    small = cut(toy, 5, trained=(5,))
    for role in ("encode_queries", "encode_documents"):
        whole = np.asarray(getattr(toy, role)(TEXTS))[:, :5]
        expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
        assert np.abs(np.asarray(getattr(small, role)(TEXTS)) - expected).max() < 1e-6


def test_the_full_length_is_the_encoder_itself():
    """Nothing is wrapped, warned of or measured; the vectors stay the same object too."""
    toy = ToyEncoder()
    assert cut(toy, 8) is toy
    assert toy.batches == 0
    vectors = toy.encode_documents(TEXTS)
    assert cut_vectors(vectors, 8) is vectors


def test_a_length_that_was_not_trained_for_is_refused_with_its_price():
    """The message has the lengths that were, the way around, and figures that were measured now."""
    toy = ToyEncoder()
    with pytest.raises(InputError, match=r"trained for 2, 4\. On 32 short texts .*force=True \(--force\)") as caught:
        cut(toy, 3, trained=(4, 2))
    assert (caught.value.where, caught.value.got, caught.value.expected) == ("dim", 3, "2, 4")
    for figure in (
        r"\d\d\.\d% of the squared length",
        r"rank correlation of the cosines 0\.\d{3}",
        "nearest neighbours",
    ):
        assert re.search(figure, caught.value.message)
    assert toy.batches > 0


def test_force_cuts_and_warns_with_the_same_price():
    """One warning, at the caller's line; its figures are those of the refusal."""
    with pytest.raises(InputError) as refused:
        cut(ToyEncoder(), 3)
    with pytest.warns(DimensionWarning, match="from 8 to 3 dimensions") as told:
        cut(ToyEncoder(), 3, force=True)
    price = str(refused.value).split("On 32")[1].split(" Choose")[0]
    assert str(told[0].message).endswith(price)
    assert (len(told), told[0].filename) == (1, __file__)


def test_a_trained_length_costs_no_measurement():
    """Nothing is encoded, and nothing is warned of, even with force."""
    toy = ToyEncoder()
    cut(toy, 4, trained=[4], force=True)
    assert toy.batches == 0


def test_a_window_too_short_for_the_probe_texts_is_no_reason_to_fail():
    """An encoder that refuses every probe text is cut, or refused, without figures."""
    with pytest.raises(InputError, match="cannot be measured"):
        cut(ToyEncoder(max_tokens=1, overflow="error"), 3)


@pytest.mark.parametrize(("dim", "kind"), [(0, RangeError), (9, RangeError), (2.0, DtypeError), (True, DtypeError)])
def test_what_is_no_length(dim, kind):
    """A length is a whole number from 1 to that of the encoder."""
    with pytest.raises(kind, match="dim must be"):
        cut(ToyEncoder(), dim, force=True)
    with pytest.raises(kind, match="dim must be"):
        cut_vectors(ToyEncoder().encode_documents(["a"]), dim)


def test_a_cut_space_never_meets_the_full_one():
    """The difference has a name: dim."""
    toy = ToyEncoder()
    small = cut(toy, 4, trained=(4,)).encode_documents(["a"])
    with pytest.raises(SpaceMismatchError) as caught:
        small.similarity(toy.encode_documents(["a"]))
    assert caught.value.fields == ("dim",)


def test_a_cut_of_a_cut_is_the_cut():
    """Equal pipelines give equal spaces, and vectors equal to float32's rounding."""
    twice = cut(cut(ToyEncoder(), 6, trained=(6,)), 3, trained=(3,))
    once = cut(ToyEncoder(), 3, trained=(3,))
    assert twice.space == once.space
    assert np.abs(np.asarray(twice.encode_documents(TEXTS)) - np.asarray(once.encode_documents(TEXTS))).max() < 1e-6


def test_what_was_cut_at_the_window_is_still_told():
    """``cut_rows`` and the warning of the encoder within come through."""
    small = cut(ToyEncoder(max_tokens=2, overflow="cut"), 3, trained=(3,))
    with pytest.warns(UserWarning, match="1 of the texts were cut"):
        assert small.encode_documents(["a b", "a b c"]).cut_rows == (1,)


def test_vectors_without_unit_length_keep_theirs():
    """In a space that is not normalized the components stay as they are."""
    space = replace(ToyEncoder().space, normalized=False, metric="dot")
    vectors = Vectors(np.arange(16).reshape(2, 8), space)
    assert np.array_equal(np.asarray(cut_vectors(vectors, 3)), [[0, 1, 2], [8, 9, 10]])


@given(rows=ROWS)
def test_unit_or_zero(rows):
    """Any finite row has length 1 or 0 afterwards and keeps its direction, and none depends on another."""
    array = np.array(rows, dtype=np.float32)
    got = unit_or_zero(array)
    lengths = np.sqrt((got.astype(np.float64) ** 2).sum(axis=1))
    assert np.abs(lengths - array.any(axis=1)).max() < 1e-6
    assert (got * np.sign(array) >= 0).all()
    for row, vector in zip(array, got, strict=True):
        assert np.array_equal(unit_or_zero(row[None])[0], vector)


def test_the_price_of_nothing_is_nothing():
    """The same vectors before and after: all is kept."""
    vectors = ToyEncoder().encode_documents([f"text {number} {'x' * number}" for number in range(12)])
    same = cost(vectors, vectors)
    assert (round(same.length, 6), round(same.correlation, 6), same.neighbors) == (1, 1, 1)


def test_the_price_by_hand():
    """Of (3, 4, 0) a cut to one component keeps 9/25, of (1, 0, 0) all: the mean is 0.68; all cosines become 1."""
    space = replace(ToyEncoder().space, dim=3, full_dim=3)
    full = Vectors([[0.6, 0.8, 0], [1, 0, 0], [1, 0, 0]], space)
    found = cost(full, cut_vectors(full, 1))
    assert found.length == pytest.approx((0.36 + 1 + 1) / 3)
    assert found.correlation == 0  # the cosines are constant afterwards, and were not before
    assert found.neighbors == 1  # two others each: all of them are neighbours


def test_spearman_is_that_of_the_ranks():
    """Four vectors in the plane whose six cosines are ranked by hand; one swap of neighbours costs 6 * 2 / (6 * 35)."""
    space = replace(ToyEncoder().space, dim=2, full_dim=2)
    angles = np.radians([0, 10, 30, 70])  # differences 10 20 30 40 60 70: all different
    moved = np.radians([0, 10, 31, 75])  # 10 21 31 44 65 75: the same order
    vectors = [Vectors(np.stack([np.cos(a), np.sin(a)], axis=1), space) for a in (angles, moved)]
    assert cost(vectors[0], vectors[1]).correlation == pytest.approx(1)
    other = np.radians([0, 22, 40, 70])  # 22 40 70 18 48 30, before 10 30 70 20 60 40
    swapped = Vectors(np.stack([np.cos(other), np.sin(other)], axis=1), space)
    before, after = [1, 3, 6, 2, 5, 4], [2, 4, 6, 1, 5, 3]
    squares = sum((a - b) ** 2 for a, b in zip(before, after, strict=True))
    assert cost(vectors[0], swapped).correlation == pytest.approx(1 - 6 * squares / (6 * 35))


def test_measuring_leaves_warnings_as_they_were():
    """The caller's filters are the same afterwards."""
    before = list(warnings.filters)
    with pytest.raises(InputError):
        cut(ToyEncoder(), 3)
    assert warnings.filters == before
