"""Groups, pages, thresholds and copies are what a few lines over lists say."""

from __future__ import annotations

import base64
import contextlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError
from vicinal.search import grouping
from vicinal.search.grouping import (
    Background,
    Scored,
    cursor_of,
    digest_of_text,
    distinct_texts,
    distinct_vectors,
    grouped,
    page_of,
    ranked,
    reaching,
)

IDS = ["a", "b", "ä", "\ud800", "c d"]
CANDIDATES = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, np.float32(0.1).item(), -1.0, -0.0, 0.0]), st.sampled_from(IDS)), max_size=30
).map(lambda found: [Scored(place, score, name, 10 * place) for place, (score, name) in enumerate(found)])


def order_of(one):
    """The place of a candidate, as the collection has it."""
    return (-one.score, one.id, one.start)


@given(CANDIDATES, st.integers(1, 6), st.integers(1, 3), st.randoms())
def test_groups_are_the_best_of_each_record(candidates, k, each, random):
    """The first k records in the order of their best chunks, each with its best ones, whatever the order they came in."""
    expected = {}
    for one in sorted(candidates, key=order_of):
        expected.setdefault(one.id, []).append(one)
    random.shuffle(candidates)
    groups = grouped(candidates, k=k, each=each)
    assert [(one.id, list(one.candidates)) for one in groups] == [
        (name, members[:each]) for name, members in itertools.islice(expected.items(), k)
    ]
    assert [one.score for one in groups] == sorted((one.score for one in groups), reverse=True)


@settings(max_examples=60)
@given(CANDIDATES, st.lists(st.integers(1, 5), min_size=1, max_size=30), st.randoms())
def test_pages_together_are_the_ranking(candidates, lengths, random):
    """Pages of any lengths give each candidate once and in order; the cursor travels as a word."""
    shown, cursor = [], None
    for k in itertools.cycle(lengths):
        random.shuffle(candidates)
        page = page_of(candidates, k=k, binding="q", sequence=3, after=cursor)
        shown += page.candidates
        if page.cursor is None:
            break
        assert page.cursor.seen == len(shown)
        assert len(page.candidates) == k
        assert len(shown) < len(candidates)
        assert cursor_of(str(page.cursor)) == page.cursor
        cursor = cursor_of(str(page.cursor))
    assert shown == sorted(candidates, key=order_of)


def test_a_page_needs_only_the_best_so_far():
    """The best ``seen + k + 1`` candidates are enough for the next page and for whether there is another."""
    everything = [Scored(place, 1 - place / 100, "a", place) for place in range(10)]
    first = page_of(everything[:4], k=3, binding="q", sequence=1)
    second = page_of(everything[: first.cursor.seen + 4], k=3, binding="q", sequence=1, after=first.cursor)
    assert [one.row for one in second.candidates] == [3, 4, 5]
    assert second.cursor.seen == 6


def test_a_cursor_of_something_else_is_refused():
    """Of another commit, of another question, of no page at all."""
    candidates = [Scored(0, 0.5, "a", 0), Scored(1, 0.4, "b", 0)]
    cursor = page_of(candidates, k=1, binding="q", sequence=1).cursor
    with pytest.raises(InputError, match="commit 1, and the collection is at 2"):
        page_of(candidates, k=1, binding="q", sequence=2, after=cursor)
    with pytest.raises(InputError, match="another question"):
        page_of(candidates, k=1, binding="other", sequence=1, after=cursor)
    word = str(cursor)
    assert word.replace("-", "").replace("_", "").isalnum()
    for wrong in ("", "é", "%%%", word[:-3], "A" * 10_000, "bnVsbA", None):
        with pytest.raises(InputError):
            cursor_of(wrong)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_any_word_is_a_cursor_or_refused(word, content):
    """Whatever comes from outside, nothing but an InputError is raised."""
    for one in (word, base64.urlsafe_b64encode(content).decode().rstrip("=")):
        with contextlib.suppress(InputError):
            assert str(cursor_of(one))


def test_thresholds():
    """The edge is included; NaN is no threshold and no score."""
    candidates = [Scored(0, 0.5, "a", 0), Scored(1, 0.4, "b", 0), Scored(2, -0.1, "c", 0)]
    assert [one.row for one in reaching(candidates, 0.4)] == [0, 1]
    assert reaching(candidates, -math.inf) == candidates
    with pytest.raises(NonFiniteError):
        reaching(candidates, math.nan)
    with pytest.raises(NonFiniteError):
        ranked([Scored(0, math.nan, "a", 0)])


@given(st.lists(st.sampled_from([-0.5, 0, 0.1, 0.2, 1]), min_size=1, max_size=40), st.integers(0, 100))
def test_the_background_says_how_rare_a_score_is(scores, percent):
    """``share`` counts the unrelated pairs that reach a score; ``threshold`` is the least that few enough reach."""
    background, share = Background(scores), percent / 100
    for score in scores:
        assert background.share(score) == pytest.approx(sum(one >= score for one in scores) / len(scores))
    least = background.threshold(share)
    assert background.share(least) <= share + 1e-9
    if least > -math.inf:
        assert background.share(np.nextafter(least, -np.inf)) > share - 1e-9


def test_the_background_by_hand():
    """Of 100 pairs at 0.00 … 0.99 seven reach 0.93: that is the threshold of 7 %."""
    background = Background([place / 100 for place in range(100)])
    assert background.share(0.93) == pytest.approx(0.07)
    assert 0.92 < background.threshold(0.07) <= 0.93
    assert background.threshold(1) == -math.inf
    assert background.threshold(0) > 0.99
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(RangeError):
            background.threshold(wrong)
    with pytest.raises(ShapeError):
        Background([])
    with pytest.raises(NonFiniteError):
        Background([math.inf])


def test_equal_texts():
    """White space, case and composition do not tell texts apart; the first stays."""
    texts = ["One  two", "one\ntwo ", "One two!", "ﬁve", "FIVE", "caf\u0065\u0301", "CAFÉ"]
    candidates = [Scored(place, 1 - place / 10, "a", place) for place in range(len(texts))]
    assert [one.row for one in distinct_texts(candidates, texts)] == [0, 2, 3, 5]
    assert len(digest_of_text("\ud800")) == 16
    with pytest.raises(ShapeError):
        distinct_texts(candidates, texts[1:])


@settings(max_examples=60)
@given(st.integers(0, 40), st.sampled_from([1.0, 0.9, 0.5, 0.1]), st.integers(0, 2**32))
def test_near_vectors_are_those_of_a_walk(count, most, seed):
    """One goes when it is near to one that was kept before it; one near only to what went is kept."""
    vectors = np.random.default_rng(seed).integers(-2, 3, (count, 2)).astype(np.float32)
    candidates = [Scored(place, 0.0, "a", place) for place in range(count)]
    kept = []
    for place, vector in enumerate(vectors):
        lengths = [float(np.linalg.norm(vector) * np.linalg.norm(vectors[one])) for one in kept]
        cosines = [float(vector @ vectors[one]) / (length or 1) for one, length in zip(kept, lengths, strict=True)]
        if all(cosine < most - 1e-6 for cosine in cosines):
            kept.append(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "BLOCK", 7)
        found = distinct_vectors(candidates, vectors, most_similarity=most)
    assert [one.row for one in found] == kept


def test_near_vectors_that_are_refused():
    """Other numbers of vectors, no matrix, NaN, thresholds out of range."""
    candidates = [Scored(0, 0.0, "a", 0)]
    ones = np.ones((1, 2), dtype=np.float32)
    with pytest.raises(ShapeError):
        distinct_vectors(candidates, np.ones((2, 2), dtype=np.float32), most_similarity=0.9)
    with pytest.raises(ShapeError):
        distinct_vectors(candidates, np.ones(1, dtype=np.float32), most_similarity=0.9)
    with pytest.raises(NonFiniteError):
        distinct_vectors(candidates, ones * np.nan, most_similarity=0.9)
    for wrong in (0, 1.5, math.nan):
        with pytest.raises(RangeError):
            distinct_vectors(candidates, ones, most_similarity=wrong)
