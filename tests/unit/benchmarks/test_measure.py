"""What the harness computes by itself: truth, scores, recall and cost at a recall."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "benchmarks" / "ann"), str(ROOT / "benchmarks")]

import contest  # noqa: E402, I001 - it lies beside the programs that use it
import measure  # noqa: E402

ROWS = np.eye(4, dtype=np.float32)
QUERY = np.array([[4, 3, 2, 1]], dtype=np.float32)


def test_the_nearest_are_the_largest_products() -> None:
    """Rows 0, 1, 2 of the identity score 4, 3, 2 with the query (4, 3, 2, 1)."""
    rows, scores = measure.nearest(ROWS, QUERY, 3)
    assert rows.tolist() == [[0, 1, 2]]
    assert scores.tolist() == [[4, 3, 2]]


def test_the_nearest_are_the_same_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 7 rows give what a sort of all gives."""
    monkeypatch.setattr(measure, "BLOCK", 7)
    chance = np.random.default_rng(0)
    rows, queries = (chance.standard_normal((count, 5)).astype(np.float32) for count in (100, 3))
    mask = chance.random(100) < 0.3
    scores = np.where(mask, queries @ rows.T, -np.inf)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    found, _ = measure.nearest(rows, queries, 10, mask)
    assert found.tolist() == expected.tolist()


def test_places_that_no_row_fills_are_empty() -> None:
    """A mask that lets one row through leaves the second place empty, and finding that row is a recall of 1."""
    mask = np.array([False, True, False, False])
    rows, truth = measure.nearest(ROWS, QUERY, 2, mask)
    assert rows.tolist() == [[1, -1]]
    found = measure.scores_of(ROWS, QUERY, rows, mask)
    assert found.tolist() == [[3, -np.inf]]
    assert measure.recall(truth, found) == 1


def test_a_row_twice_counts_once() -> None:
    """Answering the best row in both places finds half."""
    _, truth = measure.nearest(ROWS, QUERY, 2)
    assert measure.recall(truth, measure.scores_of(ROWS, QUERY, np.array([[0, 0]]), None)) == 0.5


def test_a_row_that_the_filter_holds_back_counts_for_nothing() -> None:
    """Row 0 is the nearest, but the mask excludes it."""
    mask = np.array([False, True, True, True])
    found = measure.scores_of(ROWS, QUERY, np.array([[0, 1]]), mask)
    assert found.tolist() == [[-np.inf, 3]]


def test_an_equal_score_is_no_miss() -> None:
    """Rows 1 and 2 are the same; either is the second neighbour."""
    rows = np.array([[4.0], [3.0], [3.0]], dtype=np.float32)
    query = np.ones((1, 1), dtype=np.float32)
    _, truth = measure.nearest(rows, query, 2)
    for second in (1, 2):
        assert measure.recall(truth, measure.scores_of(rows, query, np.array([[0, second]]), None)) == 1


def test_the_frontier_leaves_out_what_is_slower_and_worse() -> None:
    """(0.9, 2 ms) is beaten by (0.95, 1 ms)."""
    points = [{"recall": 0.9, "p50_ms": 2}, {"recall": 0.95, "p50_ms": 1}, {"recall": 0.99, "p50_ms": 3}]
    assert measure.frontier(points) == [(0.95, 1), (0.99, 3)]


def test_the_cost_at_a_recall_is_between_its_neighbours() -> None:
    """Misses of 0.1 cost 1 and of 0.001 cost 4; at 0.01, half way between their logarithms, √(1 · 4) = 2."""
    points = [{"recall": 0.9, "p50_ms": 1}, {"recall": 0.999, "p50_ms": 4}]
    assert measure.at_recall(points, 0.99) == pytest.approx(2)


def test_a_recall_that_is_never_reached_has_no_cost() -> None:
    """0.95 at best is no answer to 0.99; below the first point the first counts."""
    points = [{"recall": 0.9, "p50_ms": 1}, {"recall": 0.95, "p50_ms": 4}]
    assert measure.at_recall(points, 0.99) is None
    assert measure.at_recall(points, 0.5) == 1


def test_contestants_take_turns_in_the_other_order_every_other_round() -> None:
    """a b, b a, a b."""
    assert list(contest.turns(["a", "b"], 3)) == ["a", "b", "b", "a", "a", "b"]
