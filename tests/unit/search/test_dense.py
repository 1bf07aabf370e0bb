"""The nearest rows, and equal scores by id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vicinal.search import nearest
from vicinal.space import Space, Vectors
from vicinal.types import Mask, Neighbors

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
