"""Agreement of two rankings is what its formulas say, worked by hand and compared with another implementation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import InputError, RangeError
from vicinal.evaluate.unlabelled import agreement, kendall_tau, overlap_at_k, rank_biased_overlap
from vicinal.evaluate.unlabelled import agreement as function
from vicinal.evaluate.unlabelled.agreement import MOST_RANKED

RANKINGS = st.permutations(list("abcdefghij")).flatmap(lambda order: st.integers(0, 10).map(lambda k: order[:k]))
P = st.sampled_from([0.5, 0.8, 0.9, 0.98])


def slow_rbo(one, other, p):
    """Equation 32 of the paper, term by term, with sets."""
    short, long = sorted((one, other), key=len)
    s, l = len(short), len(long)  # noqa: E741 - the paper's letters
    if s == 0:
        return 1.0 if l == 0 else 0.0
    x = [0, *(len(set(short[:d]) & set(long[:d])) for d in range(1, l + 1))]
    total = sum(x[d] / d * p**d for d in range(1, l + 1))
    total += sum(x[s] * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    return (1 - p) / p * total + ((x[l] - x[s]) / l + x[s] / s) * p**l


@given(RANKINGS, RANKINGS, P)
def test_rank_biased_overlap_is_the_papers(one, other, p):
    """Equal to the formula over sets, symmetric, within [0, 1]."""
    found = rank_biased_overlap(one, other, persistence=p)
    assert found == pytest.approx(slow_rbo(one, other, p), abs=1e-12)
    assert found == pytest.approx(rank_biased_overlap(other, one, persistence=p), abs=1e-12)
    assert 0 <= found <= 1


def test_rank_biased_overlap_by_hand():
    """Two of two places swapped, p = 0.5: (0.5/0.5)(0/1·0.5 + 2/2·0.25) + 2/2·0.25 = 0.5."""
    assert rank_biased_overlap(["a", "b"], ["b", "a"], persistence=0.5) == pytest.approx(0.5)
    assert rank_biased_overlap(list("abc"), list("abc")) == pytest.approx(1)
    assert rank_biased_overlap(list("abc"), list("xyz")) == 0


def test_the_top_counts_more():
    """A difference at rank 1 costs more than one at rank 9."""
    base = list("abcdefghij")
    top, bottom = ["x", *base[1:]], [*base[:8], "x", base[9]]
    assert rank_biased_overlap(base, top) < rank_biased_overlap(base, bottom) < 1


@given(RANKINGS, RANKINGS)
def test_kendall_tau_is_the_share_of_pairs(one, other):
    """Concordant less discordant pairs over all pairs of the documents in common."""
    common = [document for document in one if document in other]
    pairs = list(itertools.combinations(common, 2))
    found = kendall_tau(one, other)
    if not pairs:
        assert math.isnan(found)
        return
    agreeing = sum(1 if other.index(first) < other.index(second) else -1 for first, second in pairs)
    assert found == pytest.approx(agreeing / len(pairs), abs=1e-12)


def test_kendall_tau_is_scipys():
    """On 200 random orders of 30."""
    stats = pytest.importorskip("scipy.stats")
    chance = np.random.default_rng(3)
    for _ in range(200):
        order = chance.permutation(30)
        expected = stats.kendalltau(np.arange(30), np.argsort(order)).statistic
        assert kendall_tau(list(map(str, range(30))), list(map(str, order))) == pytest.approx(expected, abs=1e-12)


@given(RANKINGS, RANKINGS, st.integers(1, 12))
def test_overlap(one, other, k):
    """Documents in common over those of the longer part; two empty ones agree."""
    mine, theirs = set(one[:k]), set(other[:k])
    expected = len(mine & theirs) / max(len(mine), len(theirs)) if mine or theirs else 1.0
    assert overlap_at_k(one, other, k=k) == expected


def test_runs_are_compared_query_by_query():
    """In trec_eval's order, on the queries of both; the rest is counted, and the least agreeing come first."""
    one = {"a": {"d": 1.0, "e": 0.5}, "b": {"d": 1.0, "e": 0.5}, "c": {}}
    other = {"a": {"d": 9.0, "e": 8.0}, "b": {"d": 0.1, "e": 0.2}, "z": {}}
    found = agreement(one, other, k=2, persistence=0.5)
    assert (found.query_ids, found.unshared) == (("a", "b"), 2)
    assert found.overlap.tolist() == [1, 1]
    assert found.rank_biased_overlap.tolist() == pytest.approx([1, 0.5])
    assert found.tau.tolist() == [1, -1]
    assert found.mean() == {"overlap@2": 1, "rank_biased_overlap": pytest.approx(0.75), "tau": 0}
    assert found.least(1) == ("b",)


def test_tau_of_no_common_documents_is_nan():
    """It is left out of the mean, which is NaN where no query has one."""
    found = function({"a": {"d": 1.0}}, {"a": {"e": 1.0}})
    assert math.isnan(found.mean()["tau"])


def test_what_cannot_be_compared_is_refused():
    """No common query, a persistence out of range, a document twice, too many documents for all pairs."""
    with pytest.raises(InputError, match="no query in common"):
        agreement({"a": {}}, {"b": {}})
    for p in (0, 1, -1, float("nan")):
        with pytest.raises(RangeError):
            rank_biased_overlap(["a"], ["a"], persistence=p)
    with pytest.raises(RangeError, match="twice"):
        rank_biased_overlap(["a", "a"], ["b"])
    long = list(map(str, range(MOST_RANKED + 1)))
    with pytest.raises(RangeError, match="cut the runs"):
        kendall_tau(long, long)
