"""The comparison with the teacher: ranks and neighbours by their formulas, and speed as a median."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.train import report as module
from vicinal.train.report import agreement, texts_per_s


def _unit(count, dim, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_rotation_agrees_wholly():
    """Vectors turned together keep every similarity: both figures are 1."""
    vectors = _unit(30, 6, 1)
    turned = vectors @ np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0].astype(np.float32)
    found = agreement(vectors, turned)
    assert found.spearman == pytest.approx(1, abs=1e-6)
    assert found.overlap_at_10 == 1


def test_chance_agrees_by_chance():
    """Of unrelated vectors the rank correlation is near 0, and of 10 neighbours among 199 others half a one is shared."""
    found = agreement(_unit(200, 8, 3), _unit(200, 8, 4))
    assert abs(found.spearman) < 0.05
    assert found.overlap_at_10 == pytest.approx(10 / 199, abs=0.02)


def test_few_texts_say_nothing():
    """Below twice the neighbours there is no figure."""
    assert agreement(_unit(19, 4, 5), _unit(19, 4, 6)) is None
    assert agreement(_unit(20, 4, 5), _unit(20, 4, 6)) is not None


def test_equal_numbers_share_their_rank():
    """Ranks from 0 of 5, 3, 5, 1 are 2.5, 1, 2.5, 0; without spread the correlation is 0."""
    assert module._ranks(np.array([5.0, 3, 5, 1])).tolist() == [2.5, 1, 2.5, 0]
    assert module._spearman(np.array([1.0, 2, 3]), np.array([9.0, 9, 9])) == 0
    assert module._spearman(np.array([1.0, 2, 3]), np.array([9.0, 8, 1])) == -1


def test_speed_is_texts_by_time(monkeypatch):
    """Ten texts between two looks at a clock that moves a quarter of a second each time, seen twice: 10 / 0.5 s."""
    clock = iter(np.arange(0, 100, 0.25))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    assert texts_per_s(lambda texts: None, ["a"] * 10) == 10 / 0.5
