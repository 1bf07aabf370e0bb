"""Turning: few directions are coded where they hold what tells neighbours apart, and all where none can go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vicinal import kernels
from vicinal.index import ExactIndex, FunnelIndex, turning
from vicinal.index.turning import principal, turn_for
from vicinal.space import Space, Vectors

DIM = 256
SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=8, overflow="cut", full_dim=DIM, dim=DIM
)


def few_directions(count: int, held: int, seed: int = 0) -> np.ndarray:
    """Return centred rows whose variance lies in the first components of a random basis."""
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))[0]
    sizes = np.where(np.arange(DIM) < held, 1.0, 0.02)
    return ((random.standard_normal((count, DIM)) * sizes) @ basis).astype(np.float32)


def test_few_directions_are_coded() -> None:
    """Of 256 components whose variance lies in 60 directions, fewer are coded, and they hold nearly all."""
    rows = few_directions(4000, 60)
    turn = turn_for(rows, rows=100_000_000, cells=True, seed=0)
    assert isinstance(turn, kernels.Projection)
    assert turn.code_dim < DIM
    assert np.allclose(turn.matrix @ turn.matrix.T, np.eye(turn.code_dim), atol=1e-4)
    assert (kernels.turned(rows, turn) ** 2).sum() > 0.99 * (rows**2).sum()


def test_directions_of_equal_variance_are_all_coded() -> None:
    """Where every direction tells as much as any other, none is left out."""
    assert turn_for(few_directions(4000, DIM), rows=1_000_000, cells=True, seed=0) is None


@pytest.mark.parametrize("count", [0, 1, 700])
def test_too_few_rows_teach_nothing(count: int) -> None:
    """Directions are not learned from a handful of rows."""
    assert not isinstance(
        turn_for(few_directions(4000, 60)[:count], rows=count, cells=False, seed=0), kernels.Projection
    )


def test_a_row_that_is_no_number_is_left_out() -> None:
    """Infinite rows teach nothing and harm nothing."""
    rows = few_directions(4000, 60)
    rows[7] = np.inf
    assert isinstance(turn_for(rows, rows=100_000_000, cells=True, seed=0), kernels.Projection)
    assert principal(rows) is None


def test_principal_directions_come_by_variance() -> None:
    """The first direction is that of the largest variance."""
    rows = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32) * np.float32([1, 9, 2, 5, 3])
    found = principal(rows)
    assert found is not None
    assert np.abs(found).argmax(axis=0).tolist() == [1, 3, 4, 2, 0]


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("cells", [0, 8])
def test_a_projected_index_holds_its_recall(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metric: str, cells: int
) -> None:
    """An index of few coded directions finds what exact search finds: from its files, and with a tail behind."""
    monkeypatch.setattr(turning, "CANDIDATE_COST", 0.0)  # of so few rows none would be left out
    rows = few_directions(6000, 60) + np.float32(0.05)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    space = replace(SPACE, metric=metric, normalized=metric == "cosine")
    index = FunnelIndex.build([(0, rows[:5000])], space, cells=cells)
    index = index.with_calibration(index.calibrate(queries=100)).save(tmp_path, {}).extended([(0, rows)])
    assert index.info()["code_dim"] < DIM
    queries = Vectors(rows[::100] + np.float32(0.001), space)
    true = ExactIndex([(0, rows)], space).search(queries, k=10).rows
    found = index.search(queries, k=10, recall=0.99)
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(true.tolist(), found.rows.tolist(), strict=True)]
    assert np.mean(shares) >= 0.97
    again = FunnelIndex.open(tmp_path, [(0, rows[:5000])], space)
    assert again is not None
    assert again.info()["code_dim"] == index.info()["code_dim"]
