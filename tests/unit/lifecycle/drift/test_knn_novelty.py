"""New content shows in the lower tail of how near texts come, and what chance gives is told as chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from vicinal.lifecycle.drift import knn_novelty
from vicinal.lifecycle.drift.knn_novelty import compare, compared_at, null, scores

SAMPLES = st.integers(1, 60).flatmap(
    lambda size: arrays.arrays(np.float32, size, elements=st.sampled_from([0, 1, 2, 3.5]))
)


def unit(rows, dim, seed):
    """Return random directions."""
    found = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_a_score_is_the_mean_cosine_to_the_nearest_five():
    """By the definition, text by text: sort, take five, divide by five."""
    vectors, store = unit(7, 4, 1), unit(30, 4, 2)
    wanted = [np.sort([float(one @ other) for other in store])[-5:].mean() for one in vectors]
    assert np.allclose(scores(vectors, store), wanted, atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    """What is scored a row at a time is what is scored at once."""
    vectors, store = unit(50, 4, 1), unit(40, 4, 2)
    whole = scores(vectors, store)
    monkeypatch.setattr(knn_novelty, "BLOCK_BYTES", 1)
    assert np.allclose(scores(vectors, store), whole, atol=1e-6)


def test_a_store_of_fewer_than_five_is_asked_whole():
    """Two rows: the mean of both cosines."""
    vectors, store = unit(3, 4, 1), unit(2, 4, 2)
    assert np.allclose(scores(vectors, store), (vectors @ store.T).mean(axis=1), atol=1e-6)


def test_no_vectors_no_scores():
    """Empty in, empty out."""
    assert scores(unit(0, 4, 1), unit(9, 4, 2)).shape == (0,)


@settings(max_examples=50)
@given(before=SAMPLES, now=SAMPLES)
def test_counts_at_depths_are_those_of_a_loop(before, now):
    """Ties included: how many scores lie at or below each threshold, and how many of them are current."""
    counts, below, _ = compared_at(before, now)
    pooled = sorted([*before.tolist(), *now.tolist()])
    thresholds = sorted({pooled[int(np.ceil(depth * len(pooled))) - 1] for depth in knn_novelty.DEPTHS})
    assert counts.tolist() == [sum(value <= one for value in pooled) for one in thresholds]
    assert below.tolist() == [sum(value <= one for value in now.tolist()) for one in thresholds]


@settings(max_examples=50)
@given(before=SAMPLES, now=SAMPLES)
def test_what_is_told_stays_in_its_range(before, now):
    """Any two samples: a p-value above 0 and at most 1, shares between 0 and 1."""
    found = compare(before, now, chance=np.random.default_rng(0), draws=50)
    assert 1 / 51 <= found.p <= 1
    assert 0 <= found.new_share <= 1
    assert 0 <= found.ks <= 1
    assert 0 < found.depth <= 1


def test_draws_are_those_of_shuffled_labels():
    """The hypergeometric shortcut gives the distribution of the statistic that shuffling gives."""
    values = np.random.default_rng(3).standard_normal(80).astype(np.float32)
    counts, _, _ = compared_at(values[:50], values[50:])
    drawn = null(counts, 50, 30, chance=np.random.default_rng(4), draws=2000)
    chance, shuffled = np.random.default_rng(5), []
    for _ in range(2000):
        mixed = chance.permutation(values)
        shuffled.append(compared_at(mixed[:50], mixed[50:])[2].max())
    assert stats.ks_2samp(drawn, shuffled).pvalue > 0.001


def test_a_share_of_far_scores_is_found_and_measured():
    """10 % of the window lie far below all others: the test is sure, and says about 10 %."""
    chance = np.random.default_rng(6)
    before, now = chance.normal(0.6, 0.1, 500), chance.normal(0.6, 0.1, 1000)
    now[:100] = chance.normal(0.1, 0.02, 100)
    found = compare(before.astype(np.float32), now.astype(np.float32), chance=chance)
    assert found.p < 1e-3
    assert 0.07 < found.new_share < 0.13


def test_nearer_texts_are_not_new():
    """Only the side of farther texts counts."""
    chance = np.random.default_rng(7)
    found = compare(
        chance.normal(0.5, 0.1, 400).astype(np.float32), chance.normal(0.8, 0.1, 400).astype(np.float32), chance=chance
    )
    assert found.p > 0.9


def test_the_distance_is_that_of_scipy():
    """Kolmogorov and Smirnov's one-sided distance."""
    chance = np.random.default_rng(8)
    before, now = chance.normal(0.5, 0.1, 90).astype(np.float32), chance.normal(0.45, 0.1, 70).astype(np.float32)
    assert compare(before, now, chance=chance).ks == pytest.approx(
        stats.ks_2samp(now, before, alternative="greater").statistic
    )


def test_the_level_is_kept():
    """Of 200 pairs of samples alike, about a twentieth is below .05: within four standard deviations."""
    chance = np.random.default_rng(9)
    found = [
        compare(chance.standard_normal(60), chance.standard_normal(40), chance=chance, draws=400).p for _ in range(200)
    ]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 200))
