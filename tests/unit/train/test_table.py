"""The table: it solves the stated system, tokens without texts stay where they are, and directions are sound."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.train import table
from vicinal.train.bags import Bags

TEXTS = [[0, 1], [1, 2], [2, 0, 1], [3], [3, 0], [1]]


def _bags(columns):
    return Bags.of([np.array(ids, dtype=np.int32) for ids in TEXTS], columns)


def test_the_table_is_the_solution_of_the_ridge_system(monkeypatch):
    """It is s + (AᵀA + λ)⁻¹ Aᵀ(Y − A s) with s the best multiple of the start, once the steps suffice."""
    monkeypatch.setattr(table, "STEPS", 40)
    chance = np.random.default_rng(3)
    targets = chance.standard_normal((len(TEXTS), 3)).astype(np.float32)
    start = chance.standard_normal((6, 3)).astype(np.float32)
    dense = np.array([np.bincount(ids, minlength=6) for ids in TEXTS], dtype=float)
    said = dense @ start
    multiple = (said * targets).sum() / (said * said).sum()
    multiple = multiple if multiple > 0 else 1
    right = dense.T @ (targets - dense @ start * multiple)
    expected = multiple * start + np.linalg.solve(dense.T @ dense + table.RIDGE * np.eye(6), right)
    found = table.solved(_bags(6), targets, start)
    assert found == pytest.approx(expected, abs=1e-4)
    assert found[4:] == pytest.approx(multiple * start[4:], abs=1e-6)


def test_a_table_that_follows_the_teacher_is_found():
    """Where the teacher's vectors are sums of rows, a fitted table puts the texts as the teacher does."""
    chance = np.random.default_rng(4)
    true = chance.standard_normal((30, 8)).astype(np.float32)
    texts = [chance.integers(0, 30, size=6).astype(np.int32) for _ in range(600)]
    vectors = np.array([true[ids].sum(axis=0) for ids in texts], dtype=np.float32)
    bags = Bags.of(texts, 30)
    found = bags.times(table.fitted(bags, vectors, chance.standard_normal((30, 8)).astype(np.float32), 8))
    centred = vectors - vectors.mean(axis=0)
    ours, theirs = (array / np.linalg.norm(array, axis=1, keepdims=True) for array in (found, centred))
    assert np.corrcoef((ours @ ours.T).ravel(), (theirs @ theirs.T).ravel())[0, 1] > 0.95


def test_a_token_that_means_nothing_stays_zero():
    """A row of zeros that no text holds is a row of zeros in the table, trained or not."""
    tokens = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
    tokens[5] = 0
    vectors = np.random.default_rng(6).standard_normal((len(TEXTS), 4)).astype(np.float32)
    assert not table.fitted(_bags(6), vectors, tokens, 2)[5].any()
    assert not table.untrained(tokens, 2)[5].any()
    assert table.untrained(tokens, 2)[:5].any(axis=1).all()


def test_directions_are_orthonormal_and_ordered():
    """The directions are orthonormal, the first has the largest spread, and each has its largest component positive."""
    vectors = np.random.default_rng(7).standard_normal((200, 5)).astype(np.float32) * np.float32([1, 5, 2, 4, 3])
    found = table.axes([vectors], 3)
    assert found.T @ found == pytest.approx(np.eye(3), abs=1e-5)
    assert np.abs(found).argmax(axis=0).tolist() == [1, 3, 4]
    assert (found.max(axis=0) == np.abs(found).max(axis=0)).all()


def test_each_set_counts_alike():
    """A thousand vectors along one axis and one along another, of any length, spread alike."""
    first = np.tile(np.float32([1, 0, 0]), (1000, 1))
    second = np.float32([[0, 0.1, 0]])
    assert np.abs(table.axes([first, second], 2)).sum(axis=1) == pytest.approx([1, 1, 0], abs=1e-5)


def test_frequent_tokens_count_less():
    """The weight is a / (a + p), and shares by rank are 1 / (r · H)."""
    assert table.sif_weights(np.array([0, table.SIF_A])).tolist() == [1, 0.5]
    assert table.zipf_shares(3) == pytest.approx(np.array([1, 1 / 2, 1 / 3]) / (1 + 1 / 2 + 1 / 3))
