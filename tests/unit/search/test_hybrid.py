"""The convex fusion: by hand, on empty sides, on scales that are no cosines, and as a law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.search.dense import Candidate
from vicinal.search.hybrid import CODE_WEIGHT, FUSIONS, WEIGHTS, convex, fused, names_code, pool_of, weight_of


def lists(dense: dict[int, float], lexical: dict[int, float]):
    """Return two lists of rows and scores."""
    return [(np.array(list(side), dtype=np.int64), np.array(list(side.values()))) for side in (dense, lexical)]


def told(found) -> dict[int, float]:
    """Return row → score."""
    return dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def test_by_hand():
    """0.8 · cosine + 0.2 · share of the best BM25; what a list lacks has its last cosine, or no words at all."""
    found = convex(lists({1: 0.9, 2: 0.5}, {2: 8.0, 3: 4.0}), weights=(0.8, 0.2))
    assert told(found) == pytest.approx({1: 0.72, 2: 0.4 + 0.2, 3: 0.4 + 0.1})
    assert found.rows.tolist() == [1, 2, 3]


def test_a_full_list_of_words_may_have_more():
    """With as many places as asked for, a row that is not among them counts as the last, not as without a word."""
    found = convex(lists({1: 0.9}, {2: 8.0, 3: 4.0}), weights=(0.5, 0.5), places=2)
    assert told(found)[1] == pytest.approx(0.45 + 0.25)


def test_scores_that_are_no_cosines_are_brought_to_one():
    """Distances below 0 or dot products of any size: 0 … 1 by the list's own ends; equal ones are all 1."""
    found = convex(lists({1: -2.0, 2: -4.0, 3: -10.0}, {}), weights=(1.0, 0.0), bounded=False)
    assert told(found) == pytest.approx({1: 1.0, 2: 0.75, 3: 0.0})
    assert told(convex(lists({1: 7.0, 2: 7.0}, {}), weights=(1.0, 0.0), bounded=False)) == {1: 1.0, 2: 1.0}


def test_empty_sides():
    """One side alone is in its own order; none gives none."""
    assert convex(lists({}, {}), weights=(0.8, 0.2)).rows.tolist() == []
    assert convex(lists({4: 0.3, 2: 0.2}, {}), weights=(0.8, 0.2)).rows.tolist() == [4, 2]
    assert convex(lists({}, {4: 3.0, 2: 2.0}), weights=(0.8, 0.2)).rows.tolist() == [4, 2]


SCORES = st.dictionaries(st.integers(0, 20), st.floats(-1, 1, width=32), max_size=10)


@given(SCORES, SCORES.map(lambda side: {row: abs(score) for row, score in side.items()}), st.floats(0, 1))
def test_every_row_once_and_no_worse_for_more(dense, lexical, weight):
    """All rows of both sides, best first, equal ones by row; a row better on both sides than another is before it."""
    sides = [
        [Candidate(row, score) for row, score in sorted(side.items(), key=lambda one: -one[1])]
        for side in (dense, lexical)
    ]
    for fusion in FUSIONS:
        every = fused(*sides, fusion=fusion, weight=weight)  # type: ignore[arg-type]  # one of the names
        assert sorted(one.row for one in every) == sorted({*dense, *lexical})
        assert [(-one.score, one.row) for one in every] == sorted((-one.score, one.row) for one in every)
        for one in every:
            assert (one.dense is None) == (one.row not in dense)
            assert one.lexical is None or one.lexical[1] == pytest.approx(lexical[one.row])
    score = {one.row: one.score for one in fused(*sides, fusion="convex", weight=weight)}
    for row in dense.keys() & lexical.keys():
        for other in dense.keys() & lexical.keys():
            if dense[row] >= dense[other] and lexical[row] >= lexical[other]:
                assert score[row] >= score[other] - 1e-9


def test_a_question_with_a_code_has_more_places():
    """What a side lacks counts as its last score, which is lower in a longer list."""
    assert [pool_of("convex", 10), pool_of("convex", 10, has_code=True), pool_of("rrf", 10)] == [40, 100, 100]
    assert [pool_of("convex", 70), pool_of("convex", 700, has_code=True), pool_of("dbsf", 700)] == [70, 700, 700]


@pytest.mark.parametrize(
    "word",
    [
        "XJ-4821",
        "E12345",
        "v1.22.03",
        "someone@else.org",
        "10.22.31.4",
        "getUserName",
        "12345678",
        "/srv/x/y_12.log",
        "IL-6",
        "a_b",
        "2.5",
    ],
)
def test_codes_are_told_from_words(word: str):
    """Alone, in a sentence, in quotes; then words count more in ``convex``, and nowhere else."""
    for text in (word, f"what does {word} mean?", f'about "{word}".'):
        assert names_code(text)
        assert weight_of("convex", text) == CODE_WEIGHT
        assert weight_of("dbsf", text) == WEIGHTS["dbsf"]


@pytest.mark.parametrize(
    "text",
    ["", "the weather in Rome", "42", "of 100 men", "state-of-the-art", "Don't", "@ / _ \\", "Wo liegt Köln?", "…"],
)
def test_words_and_amounts_are_no_codes(text: str):
    """Names in capitals, short numbers, hyphens and lone signs are prose."""
    assert not names_code(text)
    assert weight_of("convex", text) == WEIGHTS["convex"]
