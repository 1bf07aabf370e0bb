"""Scores of a run: names of metrics, the policy for queries, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, UnknownNameError
from vicinal.evaluate.metrics import METRICS, canonical, scored

RUN = {"b": {"x": 1.0, "y": 2.0}, "a": {"x": 5.0}, "stray": {"x": 1.0}, "none": {"x": 1.0}}
QRELS = {"c": {"z": 1}, "b": {"x": 1}, "a": {"x": 2, "w": 0}, "none": {"x": 0, "y": -1}, "unheard": {}}


def test_every_query_is_accounted_for():
    """Relevant ones are scored, sorted; unanswered ones count 0; those nothing is relevant to, or judged of, are named."""
    scores = scored(RUN, QRELS, ["ndcg@10", "success@1"])
    assert scores.query_ids == ("a", "b", "c")
    assert scores.metrics == ("ndcg@10", "success@1")
    assert scores.values.tolist() == [[1, 1], [pytest.approx(1 / np.log2(3)), 0], [0, 0]]
    assert scores.skipped == ("none", "unheard")
    assert scores.unanswered == ("c",)
    assert scores.unjudged == ("stray",)


def test_the_mean_is_over_all_queries_that_count():
    """A query without results pulls the mean down; one without relevant documents does not."""
    scores = scored(RUN, QRELS, ["recall@10", "mrr"])
    assert scores.mean() == {"recall@10": pytest.approx(2 / 3), "reciprocal_rank": pytest.approx((1 + 1 / 2 + 0) / 3)}


def test_a_column_is_found_by_any_of_its_names():
    """An alias and its full name are one metric, computed once; one that was not asked for is refused."""
    scores = scored(RUN, QRELS, ["MRR@10", "reciprocal_rank@10", "map"])
    assert scores.metrics == ("reciprocal_rank@10", "average_precision")
    assert scores.column("mrr@10").tolist() == scores.column(" Reciprocal_Rank@10").tolist() == [1, 1 / 2, 0]
    with pytest.raises(UnknownNameError, match=r"one of reciprocal_rank@10, average_precision, got 'ndcg@10'"):
        scores.column("ndcg@10")


def test_what_is_given_is_not_changed_and_what_comes_is_read_only():
    """Run and judgements stay as they were, and the values cannot be written to."""
    run, qrels = copy.deepcopy(RUN), copy.deepcopy(QRELS)
    scores = scored(run, qrels, ["ndcg"])
    assert (run, qrels) == (RUN, QRELS)
    with pytest.raises(ValueError, match="read-only"):
        scores.values[0, 0] = 1


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_asked_for(name):
    """Each name of the table, plain and, but for r_precision, with a k."""
    asked = [name] if name == "r_precision" else [name, f"{name}@3"]
    assert scored(RUN, QRELS, asked).metrics == tuple(asked)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ndcg@10", "ndcg@10"),
        ("nDCG@010", "ndcg@10"),
        ("mrr", "reciprocal_rank"),
        ("MAP@1000", "average_precision@1000"),
    ],
)
def test_names_have_one_way_to_be_written(given, expected):
    """Case, leading zeros and short names do not count."""
    assert canonical(given) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "name", ["", "ndcg_10", "ndcg@", "ndcg@x", "ndcg@-1", "ndcg@1.5", "r_precision@5", "f1", "ndcg@10@10", "x" * 5000]
)
def test_an_unknown_metric_is_refused(name):
    """The message lists those that there are, and repeats no more than a line of what came."""
    with pytest.raises(UnknownNameError, match=r"ndcg@k, recall@k, .*r_precision, got") as caught:
        canonical(name)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("name", ["ndcg@0", "recall@1000001", "mrr@999999999"])
def test_k_has_bounds(name):
    """From 1 to a million."""
    with pytest.raises(RangeError, match="k must be 1 to 1000000"):
        canonical(name)


def test_asking_for_nothing_is_refused():
    """No metric, too many, one string instead of a list, and judgements that make nothing relevant."""
    with pytest.raises(InputError, match="1 to 100 metrics, got 0"):
        scored(RUN, QRELS, [])
    with pytest.raises(InputError, match="1 to 100 metrics, got 101"):
        scored(RUN, QRELS, [f"ndcg@{k}" for k in range(1, 102)])
    with pytest.raises(DtypeError, match="list of strings"):
        scored(RUN, QRELS, "ndcg@10")
    with pytest.raises(InputError, match="None of the 1 queries of the judgements has a relevant document"):
        scored(RUN, {"a": {"x": 0}}, ["ndcg"])


def test_a_bad_score_names_its_query():
    """A run that holds NaN is refused with the query's id."""
    with pytest.raises(NonFiniteError, match="query 'a'"):
        scored({"a": {"x": float("nan")}}, QRELS, ["ndcg"])
