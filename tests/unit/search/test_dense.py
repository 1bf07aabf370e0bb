"""The nearest rows, and equal scores by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.search import nearest
from vicinal.space import Space, Vectors
from vicinal.types import Bits, Mask, Neighbors

SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=16, overflow="chunk", full_dim=1, dim=1
)


class Scored:
    """An index with given scores: best first, equal ones by row, as the contract says."""

    def __init__(self, scores: list[int]) -> None:
        self.scores = np.array(scores, dtype=np.float32)

    def search(self, queries: Vectors, *, k: int, mask: Mask | None = None) -> Neighbors:
        """Answer by sorting."""
        rows = np.flatnonzero(mask)
        best = rows[np.lexsort((rows, -self.scores[rows]))][:k]
        pad = k - len(best)
        return Neighbors(
            rows=np.concatenate([best, np.full(pad, -1)])[None].astype(np.int64),
            scores=np.concatenate([self.scores[best], np.full(pad, -np.inf)])[None].astype(np.float32),
            counts=np.array([len(best)]),
        )


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40), st.integers(1, 45), st.randoms())
def test_equal_scores_are_ordered_by_id_and_not_by_row(world: list[tuple[int, bool]], k: int, chance: object) -> None:
    """Of any number of equals the first by id are found, also across the k-th place."""
    scores = [score for score, _ in world]
    mask = np.array([alive for _, alive in world])
    names = [f"{place:03}" for place in range(len(world))]
    chance.shuffle(names)

    def order(rows: Sequence[int]) -> dict[int, tuple[str, int]]:
        return {row: (names[row], 0) for row in rows}

    found = nearest(Scored(scores), Vectors([[1.0]], SPACE), k=k, mask=mask, order=order)
    expected = sorted((row for row in range(len(world)) if mask[row]), key=lambda row: (-scores[row], names[row]))[:k]
    assert [candidate.row for candidate in found] == expected
    assert [candidate.score for candidate in found] == [scores[row] for row in expected]


class Counted(Scored):
    """An index that takes bitmaps, misses all but the first few rows, and counts how often it is asked."""

    def __init__(self, scores: list[int], most: int) -> None:
        super().__init__(scores)
        self.most = most
        self.asked: list[int] = []

    def search(self, queries: Vectors, *, k: int, mask: Bits | None = None) -> Neighbors:
        """Answer by sorting, never more than ``most``."""
        self.asked.append(k)
        allowed = np.ones(len(self.scores), np.bool_) if mask is None else kernels.mask_of_bits(mask, len(self.scores))
        found = super().search(queries, k=k, mask=allowed)
        held = min(int(found.counts[0]), self.most)
        found.rows[0, held:], found.scores[0, held:] = -1, -np.inf
        return replace(found, counts=np.array([held]), work=np.array([7]), recall_estimate=0.9)


def by_row(rows: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Say that ids fall as rows rise."""
    return {row: (f"{999 - row:03}", 0) for row in rows}


def test_an_index_that_has_no_more_is_not_asked_for_ever():
    """Of 300 equals an index that gives at most 10 gives 10: asked twice, and the last ids of those come first."""
    index = Counted([1] * 300, most=10)
    found = nearest(index, Vectors([[1.0]], SPACE), k=3, mask=None, order=by_row)
    assert [candidate.row for candidate in found] == [9, 8, 7]
    assert index.asked == [4, 32]


def test_all_equals_are_found_through_a_bitmap():
    """Rows 100 to 199 are let through, all equal: the first by id is the last by row; nothing beyond them is asked for."""
    index = Counted([1] * 300, most=1000)
    mask = kernels.bits_of_rows(np.arange(100, 200), 300)
    found = nearest(index, Vectors([[1.0]], SPACE), k=2, mask=mask, order=by_row)
    assert [candidate.row for candidate in found] == [199, 198]
    assert index.asked == [3, 24, 100]


def test_what_the_index_says_of_its_answer_is_kept():
    """Work and the estimate of the recall come along; the row beyond the k-th is not asked to be ordered."""
    ordered: list[int] = []

    def order(rows: Sequence[int]) -> dict[int, tuple[str, int]]:
        ordered.extend(rows)
        return by_row(rows)

    found = nearest(Counted([5, 3, 3, 1], most=9), Vectors([[1.0]], SPACE), k=3, mask=None, order=order)
    assert found == [(0, 5.0), (2, 3.0), (1, 3.0)]
    assert (found.work, found.recall_estimate, sorted(ordered)) == (7, 0.9, [0, 1, 2])
