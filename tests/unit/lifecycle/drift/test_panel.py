"""All tests together: chance is told as chance, new content as new, and the smallest share that would have shown."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.lifecycle.drift import panel, power
from vicinal.lifecycle.drift.panel import compare, corrected, directions


def topics(counts, seed, dim=24, spread=0.25):
    """Return unit vectors around fixed directions, so many around each."""
    centers = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    chance = np.random.default_rng(seed)
    parts = [
        centers[place] + spread * chance.standard_normal((count, dim)) for place, count in enumerate(counts) if count
    ]
    return directions(np.concatenate(parts).astype(np.float32))


def test_new_content_is_novelty():
    """A tenth of the window around a direction that the reference does not know."""
    found = compare(topics([100] * 8, 1), topics([90] * 8 + [0, 0, 80], 2), with_power=False)
    assert found.novelty.p < 0.001
    assert 0.07 < found.novelty.new_share < 0.15
    least = np.argsort(found.familiarity)[:20]
    assert (least >= 720).mean() > 0.8  # the last 80 are the new ones
    grown = found.cells.changed[0]
    assert (grown.reference_share, grown.current_share) == pytest.approx((0, 0.1), abs=0.01)


def test_another_mixture_is_no_new_content():
    """The same directions, one of them three times as often."""
    found = compare(topics([100] * 8, 1), topics([280, *[74] * 7], 2), with_power=False)
    assert found.novelty.p > 0.01
    assert max(found.centroid.p, found.cells.p, found.classifier.p) < 0.01


def test_the_same_seed_gives_the_same_panel():
    """All that is left to chance hangs on the seed."""
    before, now = topics([40] * 4, 1), topics([40] * 4, 2)
    first, second = (compare(before, now, seed=5, with_power=False) for _ in range(2))
    assert first.p_values == second.p_values
    assert np.array_equal(first.cells.cell_of, second.cells.cell_of)


def test_inputs_are_not_changed():
    """Read-only arrays do."""
    before, now = topics([40] * 4, 1), topics([40] * 4, 2)
    before.setflags(write=False)
    now.setflags(write=False)
    compare(before, now, with_power=False)


def test_lengths_do_not_count():
    """Rows at any length, zeros among them, are compared by direction."""
    before, now = topics([40] * 4, 1), topics([40] * 4, 2)
    before[0] = 0
    longer = compare(before * np.float32(7), now * np.float32(0.1), with_power=False)
    assert longer.p_values == pytest.approx(compare(before, now, with_power=False).p_values, abs=0.02)


def test_unchanged_windows_raise_no_alarm():
    """20 pairs of windows alike: at most 4 below .05, all tests corrected (1 is expected; more than 4 is once in 400)."""
    alarms = 0
    for seed in range(20):
        found = compare(topics([20] * 6, 2 * seed + 10), topics([15] * 6, 2 * seed + 11), seed=seed, with_power=False)
        alarms += min(corrected(list(found.p_values.values()))) < 0.05
    assert alarms <= 4


def test_power_grows_with_the_share_and_with_the_window():
    """More new content is found more often, and a larger window finds a smaller share."""
    half = topics([100] * 8, 1), topics([100] * 8, 2)
    small = power.curve(*half, current=100, level=0.0125, chance=np.random.default_rng(0))
    large = power.curve(*half, current=2000, level=0.0125, chance=np.random.default_rng(0))
    assert large.found[-1] > 0.95
    assert all(after >= before - 0.1 for before, after in zip(small.found, small.found[1:], strict=False))
    assert small.detectable is None or large.detectable < small.detectable


def test_the_detectable_share_is_detected():
    """Windows with twice that share of a new direction are found nearly always."""
    reference = topics([100] * 8, 1)
    found = compare(reference, topics([100] * 8, 2))
    share = found.power.detectable
    new = round(2 * share * 800)
    hits = [
        compare(reference, topics([(800 - new) // 8] * 8 + [0, 0, new], seed), seed=seed, with_power=False).novelty.p
        < 0.0125
        for seed in range(10, 14)
    ]
    assert sum(hits) >= 3


def test_a_reference_without_topics_has_no_curve():
    """All vectors alike: there is no cell to take out."""
    same = np.ones((40, 4), np.float32) / 2
    found = power.curve(same, same, current=30, level=0.01, chance=np.random.default_rng(0))
    assert found.detectable is None or found.detectable > 0


def test_the_tests_are_named():
    """As reports name them."""
    assert set(compare(topics([9] * 4, 1), topics([9] * 4, 2), with_power=False).p_values) == set(panel.TESTS)
