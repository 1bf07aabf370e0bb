"""Reranking: which hits are looked at, in which order they come, and what a time budget leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, EncodeError, InputError, RangeError
from vicinal.rerank import CallableReranker, rerank
from vicinal.types import Hit, Hits


def hits_of(count):
    """Return hits with falling scores and their place as text."""
    items = tuple(
        Hit(id=f"r{place}", score=1 - place / 100, text=str(place), source="", start=0, end=1, line=1, fields={})
        for place in range(count)
    )
    return Hits(items=items, complete=True, recall_estimate=1.0, work=count, space="s", took_ms=1.0)


def ids(reranked):
    """Return the places that the hits had, in their new order."""
    return [int(hit.text) for hit in reranked.hits]


class Timed:
    """A clock, and a reranker that takes a second a text on it; larger numbers are better."""

    score_kind = "timed"

    def __init__(self, at_once=4, seconds=1.0):
        self.now, self.at_once, self.seconds, self.calls = 0.0, at_once, seconds, []

    def clock(self):
        """Return the time."""
        return self.now

    def score(self, query, texts):
        """Score by the number that a text is."""
        self.now += self.seconds * len(texts)
        self.calls.append(len(texts))
        return np.array([float(text) for text in texts], dtype=np.float32)


def test_the_best_come_first_and_the_others_follow_in_their_order():
    """Six hits, four candidates: the larger number is better."""
    found = rerank(hits_of(6), "q", Timed(), candidates=4)
    assert ids(found) == [3, 2, 1, 0, 4, 5]
    assert found.before == (3, 2, 1, 0, 4, 5)
    assert [hit.score for hit in found.hits] == [3.0, 2.0, 1.0, 0.0, 0.96, 0.95]
    assert found.scores == (1.0, 0.99, 0.98, 0.97, 0.96, 0.95)
    assert (found.reached, found.candidates, found.complete) == (4, 4, True)
    assert found.hits.score_kind == "timed"
    assert found.hits.space == "s"


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 14))
def test_no_hit_is_lost_and_equal_scores_keep_their_order(scores, candidates):
    """Against sorting by (score, place)."""
    reranker = CallableReranker(lambda _, texts: [scores[int(text)] for text in texts])
    found = rerank(hits_of(len(scores)), "q", reranker, candidates=candidates)
    looked = min(candidates, len(scores))
    expected = sorted(range(looked), key=lambda place: (-scores[place], place))
    assert ids(found) == [*expected, *range(looked, len(scores))]
    assert found.reached == found.candidates == looked


def test_without_a_budget_there_is_one_call():
    """All candidates at once."""
    timed = Timed()
    rerank(hits_of(9), "q", timed)
    assert timed.calls == [9]


def test_a_budget_ends_before_a_call_that_would_not_fit():
    """A second a text: 4 are scored after 4 s; of the 8 s that are left of 12, four fifths hold 4 more, then 2."""
    timed = Timed()
    found = rerank(hits_of(20), "q", timed, candidates=15, budget_ms=12_000, clock=timed.clock)
    assert timed.calls == [4, 4, 3]
    assert (found.reached, found.candidates, found.complete) == (11, 15, False)
    assert ids(found) == [*range(10, -1, -1), *range(11, 20)]
    assert found.took_ms == pytest.approx(11_000)


def test_a_first_call_is_made_unless_there_is_no_time_at_all():
    """What is then measured ends it."""
    timed = Timed()
    assert rerank(hits_of(9), "q", timed, budget_ms=1, clock=timed.clock).reached == 4
    nothing = rerank(hits_of(9), "q", timed, budget_ms=0, clock=timed.clock)
    assert (nothing.reached, ids(nothing)) == (0, list(range(9)))
    assert nothing.hits.score_kind == "cosine"
    assert not nothing.complete


def test_a_large_budget_reaches_all():
    """In calls of the reranker's own size."""
    timed = Timed(seconds=0.001)
    found = rerank(hits_of(10), "q", timed, budget_ms=60_000, clock=timed.clock)
    assert found.complete
    assert timed.calls == [4, 4, 2]


def test_no_hits_and_no_candidates_are_left_as_they_are():
    """Without a call."""
    timed = Timed()
    assert len(rerank(hits_of(0), "q", timed, budget_ms=5, clock=timed.clock).hits) == 0
    assert ids(rerank(hits_of(3), "q", CallableReranker(lambda *_: [1]), candidates=0)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"candidates": -1}, RangeError),
        ({"candidates": 1.5}, DtypeError),
        ({"budget_ms": -1}, RangeError),
        ({"budget_ms": float("nan")}, RangeError),
        ({"budget_ms": "soon"}, DtypeError),
        ({"query": 3}, InputError),
    ],
)
def test_a_parameter_out_of_range_is_refused(change, error):
    """By name."""
    told = {"query": "q"} | change
    with pytest.raises(error):
        rerank(hits_of(3), told.pop("query"), Timed(), **told)


@pytest.mark.parametrize("wrong", [[1.0], [[1.0]] * 3, ["a"] * 3, [1.0, float("nan"), 2.0], [1e300, 0, 0], None])
def test_what_is_no_score_for_each_text_is_refused(wrong):
    """A function's answer, and any reranker's."""
    with pytest.raises(EncodeError):
        rerank(hits_of(3), "q", CallableReranker(lambda *_: wrong))
    bad = Timed()
    bad.score = lambda *_: wrong
    with pytest.raises(EncodeError):
        rerank(hits_of(3), "q", bad)


def test_a_function_that_fails_is_named_and_is_the_cause():
    """And no text is in the message."""

    def failing(query, texts):
        raise ValueError(texts[0])

    with pytest.raises(EncodeError, match="'mine' raised ValueError") as caught:
        CallableReranker(failing, name="mine").score("q", ["secret text"])
    assert isinstance(caught.value.__cause__, ValueError)
    assert "secret" not in str(caught.value)
    with pytest.raises(DtypeError):
        CallableReranker("no function")


def test_a_function_gets_a_list_of_its_own():
    """Changing it changes nothing here."""
    given_texts = ["b", "a"]
    CallableReranker(lambda _, texts: (texts.sort(), [0, 0])[1]).score("q", given_texts)
    assert given_texts == ["b", "a"]
    assert CallableReranker(lambda *_: 1 / 0).score("q", []).shape == (0,)
