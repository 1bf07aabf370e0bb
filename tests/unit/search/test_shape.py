"""What is shown of a ranking is what a few lines over lists say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.search.shape import (
    Known,
    Scored,
    Shape,
    apart,
    digest_of_text,
    distinct_texts,
    per_record,
    ranked,
    reaching,
    shaped,
)

IDS = ["a", "b", "ä", "\ud800", "c d"]
CANDIDATES = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, np.float32(0.1).item(), -1.0, -0.0, 0.0]), st.sampled_from(IDS)), max_size=30
).map(lambda found: [Scored(place, score, name, 10 * place) for place, (score, name) in enumerate(found)])


def order_of(one):
    """The place of a candidate, as the collection has it."""
    return (-one.score, one.id, one.start)


@given(CANDIDATES, st.integers(1, 3))
def test_some_of_each_record(candidates, most):
    """Each candidate stays that has fewer than ``most`` of its record before it, in the order they came in."""
    expected = [
        one for place, one in enumerate(candidates) if sum(other.id == one.id for other in candidates[:place]) < most
    ]
    assert per_record(candidates, most) == expected


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(1, 8)), max_size=20))
def test_chunks_apart(spans):
    """No two that stay share a code point of one record; each that goes shares one with a better one that stays."""
    candidates = [Scored(row, -row, name, start) for row, (name, start, _) in enumerate(spans)]
    points = [{(name, place) for place in range(start, start + length)} for name, start, length in spans]
    kept = [one.row for one in apart(candidates, lambda row: spans[row][1] + spans[row][2])]
    assert kept == sorted(kept)
    for row in range(len(spans)):
        shares = [bool(points[row] & points[other]) for other in kept if other < row]
        assert any(shares) == (row not in kept)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(
        [Shape(per_record=1), Shape(overlapping=False), Shape(most_similarity=0.5), Shape(parent_chars=12)]
    ),
)
def test_a_longer_ranking_only_adds(seed, shape):
    """What is shown of the first candidates does not change when more come behind them: pages rely on it."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((12, 3)).astype(np.float32)
    candidates = [Scored(row, -row, "abc"[random.integers(3)], int(random.integers(30))) for row in range(12)]
    known = Known(
        lambda row: candidates[row].start + 5,
        lambda row: str(row % 7),
        lambda rows: vectors[rows],
        lambda row, most: (candidates[row].start - 3, candidates[row].start - 3 + most),
    )
    whole = shaped(candidates, shape, known, k=12)
    for end in range(12):
        part = shaped(candidates[:end], shape, known, k=12)
        assert whole[: len(part)] == part


def test_shapes_by_hand():
    """Four chunks, two of them copies: each rule on its own."""
    candidates = [Scored(0, 0.9, "a", 0), Scored(1, 0.8, "a", 6), Scored(2, 0.7, "b", 0), Scored(3, 0.1, "c", 0)]
    vectors = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.7, 0.7]], dtype=np.float32)
    known = Known(
        lambda row: candidates[row].start + 10,
        lambda row: f"text {row}",
        lambda rows: vectors[rows],
        lambda row, most: (candidates[row].start, candidates[row].start + most),
    )

    def rows(**told):
        return [one.row for one in shaped(candidates, Shape(**told), known, k=3)]

    assert Shape().is_plain
    assert rows() == [0, 1, 2, 3]
    assert rows(least_score=0.7) == [0, 1, 2]
    assert rows(overlapping=False) == [0, 2, 3]
    assert rows(per_record=1) == [0, 2, 3]
    assert rows(parent_chars=15) == [0, 1, 2, 3]  # row 1 ends at 16, beyond the parent of row 0
    assert rows(parent_chars=16) == [0, 2, 3]
    assert rows(most_similarity=0.95) == [0, 2, 3]
    # worth is (0.9, 0.8, 0.7, 0.1) brought to (1, .875, .75, 0): with λ = 0.5 the second is max over .5·worth − .5·cos
    # with row 0: row 1 .4375 − .497, row 2 .375 − 0, row 3 0 − .354; then rows 1 and 3 by their nearest chosen one.
    assert rows(diversity=0.5) == [0, 2, 1]
    assert rows(diversity=0.0) == [0, 1, 2]
    assert rows(least_score=2) == []


def test_shapes_out_of_range():
    """Each parameter is refused by name."""
    for wrong, error in (
        ({"per_record": 0}, RangeError),
        ({"per_record": 1.5}, DtypeError),
        ({"parent_chars": 0}, RangeError),
        ({"parent_chars": 1.5}, DtypeError),
        ({"most_similarity": 0}, RangeError),
        ({"most_similarity": 1.1}, RangeError),
        ({"diversity": -0.1}, RangeError),
        ({"diversity": "0"}, DtypeError),
        ({"least_score": math.nan}, NonFiniteError),
        ({"least_score": "0.5"}, DtypeError),
        ({"least_score": True}, DtypeError),
    ):
        with pytest.raises(error, match=next(iter(wrong))):
            Shape(**wrong)


def test_thresholds():
    """The edge is included; NaN is no threshold and no score."""
    candidates = [Scored(0, 0.5, "a", 0), Scored(1, 0.4, "b", 0), Scored(2, -0.1, "c", 0)]
    assert [one.row for one in reaching(candidates, 0.4)] == [0, 1]
    assert reaching(candidates, -math.inf) == candidates
    with pytest.raises(NonFiniteError):
        reaching(candidates, math.nan)
    with pytest.raises(NonFiniteError):
        ranked([Scored(0, math.nan, "a", 0)])


def test_equal_texts():
    """White space, case and composition do not tell texts apart; the first stays."""
    texts = ["One  two", "one\ntwo ", "One two!", "ﬁve", "FIVE", "caf\u0065\u0301", "CAFÉ"]
    candidates = [Scored(place, 1 - place / 10, "a", place) for place in range(len(texts))]
    assert [one.row for one in distinct_texts(candidates, texts)] == [0, 2, 3, 5]
    assert len(digest_of_text("\ud800")) == 16
    with pytest.raises(ShapeError):
        distinct_texts(candidates, texts[1:])
