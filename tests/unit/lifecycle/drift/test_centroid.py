"""The distance of two means, and the share of shuffles that give as much."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vicinal.lifecycle.drift.centroid import compare


@pytest.mark.parametrize("sizes", [(30, 50), (50, 30), (40, 40)])
def test_the_distance_is_that_of_the_means(sizes):
    """Whichever side is larger: the length of the difference of both means."""
    chance = np.random.default_rng(1)
    before, now = (chance.standard_normal((size, 6)).astype(np.float32) for size in sizes)
    found = compare(before, now, chance=chance, shuffles=20)
    assert found.distance == pytest.approx(np.linalg.norm(before.mean(axis=0) - now.mean(axis=0)), rel=1e-5)


def test_the_p_value_is_that_of_all_choices():
    """Five and four rows have 126 choices of labels; the share that is as far, by hand, within the error of draws."""
    chance = np.random.default_rng(2)
    before, now = (
        chance.standard_normal((5, 3)).astype(np.float32),
        chance.standard_normal((4, 3)).astype(np.float32) + 0.8,
    )
    pooled = np.concatenate([before, now]).astype(np.float64)

    def distance(chosen):
        rest = [row for row in range(9) if row not in chosen]
        return np.linalg.norm(pooled[list(chosen)].mean(axis=0) - pooled[rest].mean(axis=0))

    seen = distance((5, 6, 7, 8))
    wanted = np.mean([distance(one) >= seen - 1e-6 for one in itertools.combinations(range(9), 4)])
    found = compare(before, now, chance=chance, shuffles=4000)
    assert found.p == pytest.approx(wanted, abs=0.04)


def test_equal_rows_are_no_distance():
    """Nothing differs: every shuffle gives as much as was seen."""
    found = compare(
        np.ones((9, 3), np.float32), np.ones((8, 3), np.float32), chance=np.random.default_rng(0), shuffles=50
    )
    assert found.p == 1
    assert found.distance == pytest.approx(0, abs=1e-6)


def test_what_chance_gives_is_told():
    """For unit normal rows the expected distance is about the root of D * (1 / N + 1 / M)."""
    chance = np.random.default_rng(3)
    found = compare(
        chance.standard_normal((300, 40)).astype(np.float32),
        chance.standard_normal((200, 40)).astype(np.float32),
        chance=chance,
    )
    assert found.expected == pytest.approx(np.sqrt(40 * (1 / 300 + 1 / 200)), rel=0.05)
