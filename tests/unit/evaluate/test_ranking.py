"""The order of documents is trec_eval's, and what is no run or no judgement is refused by name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import DtypeError, NonFiniteError, RangeError
from vicinal.evaluate.ranking import graded, has_relevant, ranking


def test_scores_fall_and_equal_ones_have_ids_fall():
    """The highest score first; of equal scores the highest id, by code points, whatever the order of writing."""
    documents = {"a": 1, "ab": 1.0, "é": 1.0, "z": 1.0, "first": 2, "last": np.float32(-3)}
    expected = ["first", "é", "z", "ab", "a", "last"]
    assert ranking(documents) == expected
    assert ranking(dict(reversed(documents.items()))) == expected


def test_scores_are_compared_as_float32():
    """Scores that float32 cannot tell apart are equal, as in trec_eval; zero has no sign."""
    assert ranking({"a": 1 + 1e-9, "b": 1.0}) == ["b", "a"]
    assert ranking({"a": 1 + 1e-6, "b": 1.0}) == ["a", "b"]
    assert ranking({"a": 0.0, "b": -0.0, "c": 1e-60}) == ["c", "b", "a"]


def test_grades_stand_in_the_order_of_the_ranking():
    """Unjudged documents, and those judged as not relevant, have 0; what was not found is known as relevant."""
    one = graded({"a": 1.0, "b": 1.0, "c": 3.0, "d": 0.0}, {"a": 2, "b": 1, "c": -1, "far": 3})
    assert one.ranked.tolist() == [0, 1, 2, 0]
    assert one.relevant.tolist() == [3, 2, 1]
    assert one.first(2).tolist() == [0, 1]
    assert one.first(None).tolist() == one.first(99).tolist() == [0, 1, 2, 0]


def test_nothing_found_and_nothing_judged_are_empty():
    """Empty is a shape."""
    one = graded({}, {})
    assert (one.ranked.shape, one.relevant.shape) == ((0,), (0,))
    assert ranking({}) == []
    assert [has_relevant(grades) for grades in ({}, {"a": 0, "b": -1}, {"a": 0, "b": 1})] == [False, False, True]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1e39, np.float64("nan")])
def test_a_score_that_is_not_finite_is_refused(score):
    """NaN has no place, and all infinite scores, or those that float32 makes infinite, would be equal."""
    for function in (ranking, lambda documents, query_id: graded(documents, {}, query_id=query_id)):
        with pytest.raises(NonFiniteError, match="A score of query 'q7' is NaN, infinite or beyond float32") as caught:
            function({"a": 1.0, "b": score}, query_id="q7")
        assert caught.value.where == "q7"


@pytest.mark.parametrize(("documents", "words"), [({"a": "1.5"}, "score"), ({"a": True}, "score"), ({7: 1.0}, "id")])
def test_what_is_no_score_or_id_is_refused(documents, words):
    """A string, a boolean, an id that is a number: each says which query it is of."""
    with pytest.raises(DtypeError, match=f"{words} of query 'q' must be"):
        ranking(documents, query_id="q")


def test_what_is_no_grade_is_refused():
    """A grade is a small whole number, of Python or NumPy."""
    assert graded({"a": 1.0}, {"a": np.int32(2)}).ranked.tolist() == [2]
    with pytest.raises(DtypeError, match="grade of query 'q' must be a whole number, got float"):
        graded({}, {"a": 1.0}, query_id="q")
    with pytest.raises(RangeError, match="grade of query 'q' is beyond 1000000"):
        graded({}, {"a": 10**7}, query_id="q")


@pytest.mark.parametrize("k", [0, -1])
def test_k_begins_at_one(k):
    """To look at no document is to measure nothing."""
    with pytest.raises(RangeError, match="k must be >= 1"):
        graded({"a": 1.0}, {"a": 1}).first(k)
