"""The best rows while blocks pass by: the same as sorting everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.evaluate.frontier.nearest import Lists, Nearest, best, within

SCORES = np.array([-np.inf, np.nan, -1, 0, 0.5, 0.5, 1, 2, np.inf], dtype=np.float32)


def passed(scores, lengths, width):
    """Return the lists of scores (Q, N) that come in blocks, with their double carried."""
    kept = Nearest(len(scores), width, 1)
    start = 0
    for length in lengths:
        rows = np.arange(start, start + length, dtype=np.int64)
        part = scores[:, start : start + length]
        kept.offer(rows, part, [part * 2])
        start += length
    return kept.lists()


@settings(max_examples=80)
@given(
    st.integers(0, 1 << 30), st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 4)
)
def test_blocks_give_what_sorting_gives(seed, lengths, width, queries):
    """The first W by score, equal ones by row, NaN and -inf never; what is carried belongs to its row."""
    scores = np.random.default_rng(seed).choice(SCORES, (queries, sum(lengths)))
    found = passed(scores, lengths, width)
    for query, line in enumerate(scores):
        usable = [row for row in range(len(line)) if line[row] > -np.inf]
        expected = sorted(usable, key=lambda row: (-line[row], row))[:width]
        count = len(expected)
        assert found.rows[query, :count].tolist() == expected
        assert (found.rows[query, count:] == -1).all()
        assert (found.scores[query, count:] == -np.inf).all()
        np.testing.assert_array_equal(found.scores[query, :count], line[expected])
        np.testing.assert_array_equal(found.carried[0, query, :count], line[expected] * 2)


def test_other_scores_put_the_best_in_order():
    """By the carried scores 3, 9, 6 of rows 0, 1, 2 the first two are 1 and 2."""
    lists = Lists(
        rows=np.array([[0, 1, 2]]),
        scores=np.array([[5, 4, 3]], dtype=np.float32),
        carried=np.array([[[3, 9, 6]]], dtype=np.float32),
    )
    found = best(lists, lists.carried[0], 2)
    assert found.rows.tolist() == [[1, 2]]
    assert found.scores.tolist() == [[9, 6]]
    assert found.carried.tolist() == [[[9, 6]]]


def test_left_out_rows_go_and_the_others_move_up():
    """Row 7 goes, 8 and 9 keep their order, and an unused place stands last."""
    lists = Lists(
        rows=np.array([[7, 8, 9]]),
        scores=np.array([[5, 4, 3]], dtype=np.float32),
        carried=np.array([[[1, 2, 3]]], dtype=np.float32),
    )
    found = within(lists, np.array([[False, True, True]]))
    assert found.rows.tolist() == [[8, 9, -1]]
    assert found.scores.tolist() == [[4, 3, -np.inf]]
    assert found.carried.tolist() == [[[2, 3, -np.inf]]]
