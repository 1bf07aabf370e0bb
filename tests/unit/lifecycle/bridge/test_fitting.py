"""The map of a bridge: it finds a rotation that is there, is the best where there is none, and keeps every bit on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError, SpaceMismatchError, UnsupportedError
from vicinal.lifecycle.bridge import Fitted, fit, procrustes
from vicinal.lifecycle.bridge.plain import carried, loss
from vicinal.space import Space, Vectors
from vicinal.testing import ToyEncoder

SEEDS = st.integers(0, 2**32 - 1)


def space(dim: int, name: str = "w", **said) -> Space:
    """Return a space of so many dimensions."""
    return replace(ToyEncoder().space, weights=name, full_dim=dim, dim=dim, **said)


def rotation(dim: int, chance: np.random.Generator) -> np.ndarray:
    """Return a random rotation, reflections among them."""
    return np.linalg.qr(chance.standard_normal((dim, dim)))[0]


def units(chance: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Return vectors of length 1 with a common direction, as models give them."""
    rows = chance.standard_normal((count, dim)) + 0.7
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 12))
def test_a_rotation_and_a_shift_are_found_exactly(seed: int, dim: int) -> None:
    """B = A R + t gives W = R, and carries each row of A to its row of B."""
    chance = np.random.default_rng(seed)
    a, turn, shift = chance.standard_normal((4 * dim + 8, dim)), rotation(dim, chance), chance.standard_normal(dim)
    b = a @ turn + shift
    matrix, new_mean, old_mean = procrustes(a, b)
    np.testing.assert_allclose(matrix, turn, atol=1e-9)
    np.testing.assert_allclose((a - new_mean) @ matrix + old_mean, b, atol=1e-9)


@settings(max_examples=40)
@given(SEEDS, st.integers(2, 12))
def test_equal_spaces_give_the_identity(seed: int, dim: int) -> None:
    """What is nearest to A among the rotations of A is A; a question stays where it was."""
    chance = np.random.default_rng(seed)
    rows = units(chance, 8 * dim, dim)
    found = fit(Vectors(rows, space(dim, "new")), Vectors(rows, space(dim, "old")))
    np.testing.assert_allclose(found.matrix, np.eye(dim), atol=1e-4)
    np.testing.assert_allclose(found.carried(rows), rows, atol=1e-4)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 8), st.integers(1, 8), st.integers(2, 30))
def test_the_map_is_semi_orthogonal_and_none_is_better(seed: int, new: int, old: int, count: int) -> None:
    """Columns or rows of W are orthonormal, and no other such matrix that chance gives has a smaller loss."""
    chance = np.random.default_rng(seed)
    a, b = chance.standard_normal((count, new)), chance.standard_normal((count, old))
    matrix, _, _ = procrustes(a, b)
    small = matrix.T @ matrix if new >= old else matrix @ matrix.T
    np.testing.assert_allclose(small, np.eye(min(new, old)), atol=1e-9)
    if new != old:
        return  # where W leaves dimensions out, the lengths of what is left differ, and only the product is the best
    best = loss(a, b, matrix)
    for _ in range(3):
        assert loss(a, b, rotation(new, chance)) >= best - 1e-9


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_a_question_is_carried_as_the_plain_twin_does(seed: int, new: int, old: int) -> None:
    """The product, the means and the length, in float32, are those of a loop in Python."""
    chance = np.random.default_rng(seed)
    a, b = units(chance, 40, new), units(chance, 40, old)
    found = fit(Vectors(a, space(new, "new")), Vectors(b, space(old, "old")))
    for query, got in zip(a[:3], found.carried(a[:3]), strict=True):
        length = np.linalg.norm((query.astype(float) - found.new_mean) @ found.matrix + found.old_mean)
        assume(length > 0.05)  # what falls upon the origin has no direction: any two sums of float32 differ there
        expected = carried(query.tolist(), found.matrix.tolist(), found.new_mean.tolist(), found.old_mean.tolist())
        np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.allclose(np.linalg.norm(found.carried(a), axis=1), 1, atol=1e-5)


@settings(max_examples=40)
@given(SEEDS)
def test_bytes_come_back_to_the_last_bit(seed: int) -> None:
    """A map that was written and read is the same map, and gives the same vectors."""
    chance = np.random.default_rng(seed)
    a, b = units(chance, 20, 6), units(chance, 20, 4)
    found = fit(Vectors(a, space(6, "new")), Vectors(b, space(4, "old")))
    again = Fitted.from_bytes(found.to_bytes())
    assert again == found
    assert hash(again) == hash(found)
    assert (again.new, again.old, again.pairs) == (found.new, found.old, 20)
    assert np.array_equal(again.carried(a), found.carried(a))


@settings(max_examples=40)
@given(SEEDS, st.data())
def test_damaged_bytes_are_refused(seed: int, data: st.DataObject) -> None:
    """A flipped bit, a missing end or anything else is an error with a name, and never another map."""
    chance = np.random.default_rng(seed)
    whole = fit(Vectors(units(chance, 9, 3), space(3, "new")), Vectors(units(chance, 9, 2), space(2, "old"))).to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), whole[:place], whole + b"x", data.draw(st.binary(max_size=80))):
        with pytest.raises(InputError):
            Fitted.from_bytes(damaged)


def test_pairs_without_a_direction_are_left_out() -> None:
    """A text that a static model knows nothing of has zeros there, which say nothing of the map."""
    chance = np.random.default_rng(0)
    a = units(chance, 50, 4)
    b = (a @ rotation(4, chance)).astype(np.float32)
    clean = fit(Vectors(a[1:], space(4, "new")), Vectors(b[1:], space(4, "old")))
    b[0] = 0
    found = fit(Vectors(a, space(4, "new")), Vectors(b, space(4, "old")))
    assert found == clean
    assert found.pairs == 49


def test_what_is_no_pair_is_refused() -> None:
    """Other numbers of rows, fewer than two pairs, spaces of distances, other spaces, and parts that do not fit."""
    rows = units(np.random.default_rng(0), 3, 4)
    new, old = space(4, "new"), space(4, "old")
    with pytest.raises(ShapeError):
        fit(Vectors(rows, new), Vectors(rows[:2], old))
    with pytest.raises(RangeError):
        fit(Vectors(rows[:1], new), Vectors(rows[:1], old))
    with pytest.raises(RangeError):
        fit(Vectors(rows, new), Vectors(np.zeros((3, 4)), old))
    with pytest.raises(UnsupportedError):
        fit(Vectors(rows, replace(new, metric="l2")), Vectors(rows, old))
    found = fit(Vectors(rows, new), Vectors(rows, old))
    with pytest.raises(SpaceMismatchError):
        found.cross(Vectors(rows, old), old)
    with pytest.raises(SpaceMismatchError):
        found.cross(Vectors(rows, new), new)
    with pytest.raises(ShapeError):
        replace(found, old_mean=np.zeros(3, np.float32))
    with pytest.raises(NonFiniteError):
        replace(found, old_mean=np.full(4, np.nan, np.float32))
    with pytest.raises(RangeError):
        replace(found, pairs=1)
    with pytest.raises(RangeError):
        replace(found, new="x")
    with pytest.raises(ShapeError):
        replace(found, matrix=np.zeros(4, np.float32))


def test_a_question_is_carried_without_being_touched() -> None:
    """The array that came is not written to, and shapes do not depend on how many there are."""
    rows = units(np.random.default_rng(0), 30, 5)
    found = fit(Vectors(rows, space(5, "new")), Vectors(rows[:, :3], space(3, "old")))
    rows.flags.writeable = False
    assert found.carried(rows).shape == (30, 3)
    assert found.cross(Vectors(rows[:0], space(5, "new")), space(3, "old")).shape == (0, 3)
    assert found.carried(np.zeros((1, 5), np.float32)).dtype == np.float32
