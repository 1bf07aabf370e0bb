"""A classifier out of fold: its regression is the one of a library, its AUC by definition, its null wide enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.lifecycle.drift.domain_classifier import auc_of, compare, fit, principal


@given(
    mine=st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    theirs=st.lists(st.integers(-3, 3), min_size=1, max_size=12),
)
def test_an_auc_counts_pairs(mine, theirs):
    """The share of pairs in which the true one is above, ties half: by two loops."""
    scores = np.array([*mine, *theirs], dtype=np.float64)
    labels = np.arange(len(scores)) < len(mine)
    wanted = sum((one > other) + (one == other) / 2 for one in mine for other in theirs) / (len(mine) * len(theirs))
    assert auc_of(scores, labels) == pytest.approx(wanted)


def test_the_regression_is_that_of_scikit_learn():
    """The same loss, the same ridge, a free intercept: weights equal to five digits."""
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the oracle")
    chance = np.random.default_rng(1)
    points = chance.standard_normal((300, 6))
    labels = chance.random(300) < 1 / (1 + np.exp(-points[:, 0] - 1))
    oracle = linear.LogisticRegression(C=1 / (0.1 * len(points)), tol=1e-10, max_iter=1000).fit(points, labels)
    assert np.allclose(fit(points, labels, ridge=0.1), [*oracle.coef_[0], oracle.intercept_[0]], atol=1e-5)


def test_sides_that_can_be_divided_end():
    """Newton's method does not run away where a plane divides both: the ridge holds it."""
    points = np.concatenate([np.full((20, 2), -1e3), np.full((20, 2), 1e3)])
    weights = fit(points, np.arange(40) >= 20)
    assert np.isfinite(weights).all()
    assert auc_of(points @ weights[:-1], np.arange(40) >= 20) == 1


def test_main_directions_have_unit_variance_and_no_correlation():
    """Whatever the labels are: they are not asked."""
    found = principal(np.random.default_rng(2).standard_normal((200, 5)).astype(np.float32) * [9, 4, 1, 1, 0])
    assert found.shape == (200, 4)
    assert np.allclose(np.cov(found.T), np.eye(4), atol=1e-6)


def test_equal_vectors_have_no_direction():
    """Nothing varies, so nothing tells both apart."""
    found = compare(np.ones((30, 4), np.float32), np.ones((30, 4), np.float32), chance=np.random.default_rng(0))
    assert found.auc == 0.5
    assert found.p == pytest.approx(0.5)


def test_fewer_texts_than_folds_are_no_test():
    """A side of four cannot be divided into five folds."""
    found = compare(np.eye(4, dtype=np.float32), np.eye(9, 4, dtype=np.float32), chance=np.random.default_rng(0))
    assert (found.p, found.low, found.high) == (1, 0, 1)


def test_a_moved_mean_is_found():
    """Two standard deviations apart in one direction of five: the AUC is that of two normal ones, .921."""
    chance = np.random.default_rng(3)
    before, now = chance.standard_normal((2, 400, 5)).astype(np.float32)
    now[:, 0] += 2
    found = compare(before, now, chance=chance)
    assert found.p < 1e-6
    assert found.auc == pytest.approx(0.921, abs=0.03)
    assert found.low < 0.921 < found.high


@pytest.mark.parametrize(("reference", "current", "dim"), [(60, 40, 5), (200, 200, 40), (600, 150, 20)])
def test_the_null_is_wide_enough(reference, current, dim):
    """Of 80 pairs alike not more than 10 are below .05, where 4 are expected (chance alone gives more once in 300)."""
    chance = np.random.default_rng(4)
    found = [
        compare(
            chance.standard_normal((reference, dim)).astype(np.float32),
            chance.standard_normal((current, dim)).astype(np.float32),
            chance=chance,
        ).p
        for _ in range(80)
    ]
    assert np.sum(np.array(found) <= 0.05) <= 10
