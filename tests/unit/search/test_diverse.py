"""Diversity: the order of maximal marginal relevance against a slow twin, and near-equal candidates left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.search.diverse import distinct, mmr


def world_of(seed):
    """Return some vectors of small whole numbers, zeros and equal ones among them, and scores."""
    generator = np.random.default_rng(seed)
    return generator.integers(-2, 3, (9, 3)).astype(np.float32), generator.uniform(-1, 1, 9)


WORLDS = st.integers(0, 10_000).map(world_of)


def cosine(one, other):
    """The cosine of two vectors, 0 with a vector of zeros."""
    lengths = math.sqrt(float(one @ one)) * math.sqrt(float(other @ other))
    return float(one @ other) / lengths if lengths else 0.0


def slow_mmr(vectors, scores, k, weight):
    """The paper's equation, one candidate after the other."""
    chosen, left = [], list(range(len(vectors)))
    while left and len(chosen) < k:

        def worth(place):
            near = max((cosine(vectors[place], vectors[one]) for one in chosen), default=0.0)
            return weight * scores[place] - (1 - weight) * near if chosen else scores[place]

        best = max(worth(place) for place in left)
        chosen.append(next(place for place in left if worth(place) >= best - 1e-12))
        left.remove(chosen[-1])
    return chosen


def test_mmr_by_hand():
    """The copy of the best one waits until what is new has come."""
    vectors = np.float32([[1, 0], [1, 0], [0, 1]])
    scores = np.float32([0.9, 0.8, 0.5])
    # After row 0: 0.5 * 0.8 - 0.5 * 1 = -0.1 for its copy, 0.5 * 0.5 - 0 = 0.25 for the other.
    assert mmr(vectors, scores, k=3, weight=0.5).tolist() == [0, 2, 1]
    assert mmr(vectors, scores, k=3, weight=1.0).tolist() == [0, 1, 2]
    assert mmr(vectors, scores, k=2, weight=0.5).tolist() == [0, 2]


@settings(max_examples=50)
@given(WORLDS, st.integers(1, 12), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_mmr_is_its_slow_twin(world, k, weight):
    """The same order, whatever the weight, with vectors of zeros and equal ones among them."""
    vectors, scores = world
    found, twin = mmr(vectors, scores, k=k, weight=weight).tolist(), slow_mmr(vectors, scores, k, weight)
    assert sorted(set(found)) == sorted(found)
    for step, (mine, theirs) in enumerate(zip(found, twin, strict=True)):  # a tie may fall either way by rounding
        if mine != theirs:
            chosen = found[:step]
            worths = [
                weight * scores[place] - (1 - weight) * max(cosine(vectors[place], vectors[one]) for one in chosen)
                for place in (mine, theirs)
            ]
            assert worths[0] == pytest.approx(worths[1], abs=1e-9)
            break


@settings(max_examples=50)
@given(WORLDS)
def test_a_weight_of_one_is_the_order_of_the_scores(world):
    """And equal scores come by place."""
    vectors, scores = world
    scores = scores.round(1)
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    assert mmr(vectors, scores, k=len(scores), weight=1.0).tolist() == expected


def test_neither_lengths_nor_input_change():
    """A longer vector has the same cosines, and the arrays stay as they are."""
    vectors = np.float32([[1, 0], [1, 1], [0, 1]])
    vectors.flags.writeable = False
    scores = np.float32([0.3, 0.6, 0.5])
    longer = vectors * np.float32([[3], [0.5], [7]])
    assert mmr(vectors, scores, k=3).tolist() == mmr(longer, scores, k=3).tolist()


def test_distinct_by_hand():
    """The better of two near-equal ones stays, and the edge belongs to the near-equal."""
    vectors = np.float32([[1, 0], [2, 0], [0, 1], [1, 1]])
    kept, standing = distinct(vectors, threshold=1.0)
    assert kept.tolist() == [0, 2, 3]
    assert standing.tolist() == [0, 0, 2, 3]
    half = math.sqrt(0.5)
    assert distinct(vectors, threshold=round(half, 6)).kept.tolist() == [0, 2]
    assert distinct(vectors, threshold=round(half, 6) + 1e-5).kept.tolist() == [0, 2, 3]


@settings(max_examples=50)
@given(WORLDS, st.sampled_from([-0.5, 0.0, 0.5, 0.9, 1.0]))
def test_no_two_that_are_kept_are_near_equal_and_all_others_are(world, threshold):
    """Each that is left out is like the kept one before it that stands for it: no chain is followed."""
    vectors, _ = world
    kept, standing = distinct(vectors, threshold=threshold)
    for place, one in enumerate(kept):
        assert all(round(cosine(vectors[one], vectors[other]), 6) < threshold + 1e-6 for other in kept[:place])
        assert standing[one] == one
    for place in set(range(len(vectors))) - set(kept.tolist()):
        assert standing[place] < place
        assert round(cosine(vectors[place], vectors[standing[place]]), 6) >= threshold - 1e-6


def test_nothing_in_nothing_out():
    """Empty arrays of both kinds."""
    assert mmr(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), k=3).shape == (0,)
    kept, standing = distinct(np.zeros((0, 4), np.float32))
    assert kept.shape == standing.shape == (0,)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"vectors": np.zeros(3)}, ShapeError),
        ({"scores": np.zeros(2)}, ShapeError),
        ({"scores": np.float32([1, np.nan, 0])}, NonFiniteError),
        ({"vectors": np.float32([[np.inf]] * 3)}, NonFiniteError),
        ({"vectors": np.array([["a"]] * 3)}, DtypeError),
        ({"weight": 1.1}, RangeError),
        ({"weight": "half"}, DtypeError),
        ({"k": 0}, RangeError),
    ],
)
def test_what_mmr_cannot_take_is_refused(change, error):
    """By name."""
    told = {"vectors": np.eye(3, dtype=np.float32), "scores": np.zeros(3, np.float32), "k": 2, "weight": 0.5} | change
    with pytest.raises(error):
        mmr(told.pop("vectors"), told.pop("scores"), **told)


@pytest.mark.parametrize("threshold", [-1.0, 1.01, math.nan])
def test_a_threshold_out_of_range_is_refused(threshold):
    """-1 would leave one candidate alone."""
    with pytest.raises(RangeError):
        distinct(np.eye(2, dtype=np.float32), threshold=threshold)
