"""The randomisation test: exact cases by hand, the slow twin, and its rate of false alarms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.evaluate.significance import randomization_test, randomization_tests

PAIRS = 1000
LEVEL = 0.05


def slow_exact(gains):
    """Return the share of all signs that give a sum at least as far from 0, in whole numbers."""
    signs = list(itertools.product((-1, 1), repeat=len(gains)))
    sums = [abs(sum(sign * gain for sign, gain in zip(one, gains, strict=True))) for one in signs]
    return sum(one >= abs(sum(gains)) for one in sums) / len(signs)


def test_few_queries_by_hand():
    """Three gains of one sign: of eight ways only all plus and all minus are as far."""
    assert randomization_test([0, 0, 0], [1, 2, 3]) == 2 / 8
    assert randomization_test([1, 2, 3], [0, 0, 0]) == 2 / 8
    assert randomization_test([0, 0], [1, -1]) == 1


def test_all_ways_are_counted_where_they_are_few():
    """The slow twin in whole numbers, and no rounding of tenths decides."""
    chance = np.random.default_rng(0)
    for _ in range(60):
        gains = chance.integers(-3, 4, chance.integers(1, 9))
        expected = slow_exact(gains.tolist())
        assert randomization_test(np.zeros(len(gains)), gains / 10) == expected


def test_draws_come_near_to_all_ways():
    """With fewer draws than ways, p is the exact one within four standard errors of a share."""
    gains = np.random.default_rng(1).normal(0.3, 1, 12)
    exact = randomization_test(np.zeros(12), gains)
    drawn = [randomization_test(np.zeros(12), gains, draws=4000, seed=seed) for seed in range(5)]
    assert drawn == pytest.approx([exact] * 5, abs=4 * (exact * (1 - exact) / 4000) ** 0.5)
    assert len(set(drawn)) > 1


def test_p_is_never_zero():
    """The values as they came are one of the ways: with B draws the least is 1 / (B + 1), and no difference has 1."""
    assert randomization_test(np.zeros(200), np.ones(200), draws=999) == 1 / 1000
    assert randomization_test(np.ones(5), np.ones(5)) == 1


def test_queries_without_a_difference_change_nothing():
    """A query on which both are the same says nothing of which is better."""
    gains = np.random.default_rng(2).normal(0.2, 1, 40)
    padded = np.concatenate([np.zeros(30), gains, np.zeros(7)])
    assert randomization_test(np.zeros(77), padded) == randomization_test(np.zeros(40), gains)


def test_it_has_two_sides_and_a_seed():
    """Exchanging the systems changes nothing; the same seed gives the same p, another one nearly so."""
    one, other = np.random.default_rng(3).random((2, 80))
    p = randomization_test(one, other)
    assert randomization_test(other, one) == p == randomization_test(one, other, seed=0)
    assert randomization_test(one, other, seed=1) == pytest.approx(p, abs=0.03)


def test_columns_share_their_signs():
    """Several systems at once get what each gets alone, and many draws in blocks what few do."""
    gains = np.random.default_rng(4).normal(0.1, 1, (50, 3))
    alone = [randomization_test(np.zeros(50), column) for column in gains.T]
    assert randomization_tests(gains).tolist() == alone
    assert randomization_tests(np.zeros((4, 0))).shape == (0,)
    most = randomization_test(np.zeros(50), gains[:, 0], draws=100_000)
    assert most == pytest.approx(alone[0], abs=0.03)


@pytest.mark.parametrize("kind", ["normal", "reciprocal_rank"])
def test_false_alarms_are_as_rare_as_the_level_says(kind):
    """Of 1,000 pairs of a system with itself, drawn anew for each of 60 queries, 5 % ± 1.5 % have p <= 0.05.

    Each query has a difficulty that both share; the values are a normal number around it, or the reciprocal of a rank
    in the first ten, where many are equal.
    """
    chance = np.random.default_rng(5)
    ease = chance.uniform(0.1, 0.9, (60, PAIRS))
    if kind == "normal":
        one, other = (ease + chance.normal(0, 0.2, ease.shape) for _ in range(2))
    else:
        found = (chance.geometric(ease) for _ in range(2))
        one, other = (np.where(rank <= 10, 1 / rank, 0) for rank in found)
    rate = (randomization_tests(other - one, draws=4999) <= LEVEL).mean()
    assert rate == pytest.approx(LEVEL, abs=0.015)


def test_what_is_no_pair_is_refused():
    """Other lengths, nothing, NaN, texts, draws and seeds out of range."""
    with pytest.raises(ShapeError, match=r"other must have the shape \(2,\), got \(3,\)"):
        randomization_test([1, 2], [1, 2, 3])
    with pytest.raises(RangeError, match="baseline must hold at least 1"):
        randomization_test([], [])
    with pytest.raises(NonFiniteError, match="other holds NaN"):
        randomization_test([1], [np.nan])
    with pytest.raises(DtypeError, match="baseline must hold numbers"):
        randomization_test(["x"], [1])
    with pytest.raises(ShapeError, match=r"gains must have the shape \(Q, S\)"):
        randomization_tests([1.0, 2.0])
    with pytest.raises(NonFiniteError, match="gains holds NaN"):
        randomization_tests([[np.inf]])
    for wrong in ({"draws": 0}, {"draws": 10**8}, {"seed": -1}):
        with pytest.raises(RangeError, match=next(iter(wrong))):
            randomization_test([1], [2], **wrong)
