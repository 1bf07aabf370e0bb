"""Pages together are the ranking, and a cursor of anything else is refused."""

from __future__ import annotations

import base64
import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError
from vicinal.search.cursor import cursor_of, page_of
from vicinal.search.shape import Scored

IDS = ["a", "b", "ä", "\ud800", "c d"]
CANDIDATES = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, np.float32(0.1).item(), -1.0, -0.0, 0.0]), st.sampled_from(IDS)), max_size=30
).map(lambda found: [Scored(place, score, name, 10 * place) for place, (score, name) in enumerate(found)])


def order_of(one):
    """The place of a candidate, as the collection has it."""
    return (-one.score, one.id, one.start)


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
    with pytest.raises(InputError, match="commit 1, and the collection last changed in 2"):
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
