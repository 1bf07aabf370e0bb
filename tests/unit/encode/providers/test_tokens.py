"""The estimate of tokens, the windows it makes, and the texts that prove what a server reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.providers import tokens

TEXT = st.text(st.sampled_from("aZ9.é東🙂 \n\t\u3000\x00"), max_size=120)


@pytest.mark.parametrize(
    ("text", "pieces", "count"),
    [
        ("", [], 0),
        (" ", [], 0),
        ("cat", ["cat"], 1),
        ("Cats sat", ["Cat", "s", "sat"], 3),
        ("HTML5", ["HT", "ML", "5"], 3),
        ("a  b\n", ["a", "  ", "b", "\n"], 4),
        ("Köln", ["K", "ö", "ln"], 3),
        ("東京", ["東", "京"], 4),
        ("🙂", ["🙂"], 3),
    ],
)
def test_the_rule_by_hand(text, pieces, count):
    """Three letters, two capitals, a run of white space, or one character; two and three tokens for long characters."""
    assert [text[start:end] for start, end in tokens.spans_of(text)] == pieces
    assert tokens.estimate(text) == count


@given(text=TEXT)
def test_spans_are_in_order_and_leave_out_single_spaces_only(text):
    """What is between two spans is nothing but spaces, and the estimate is the sum of the weights."""
    spans = tokens.spans_of(text)
    assert spans.dtype == np.int64
    edges = [0, *spans.ravel().tolist(), len(text)]
    assert edges == sorted(edges)
    assert all(set(text[edges[i] : edges[i + 1]]) <= {" "} for i in range(0, len(edges), 2))
    assert tokens.weights_of(text, spans).sum() == tokens.estimate(text)


@given(text=TEXT, room=st.integers(4, 40))
def test_windows_are_the_text_and_fit(text, room):
    """Joined they are the text, code point for code point, and none has more tokens than there is room."""
    found = list(tokens.windows(text, room))
    assert "".join(found) == text
    assert max(map(tokens.estimate, found)) <= room


def test_windows_are_even():
    """100 words in windows of 32 are four of 25, not three full ones and a rest."""
    assert [tokens.estimate(part) for part in tokens.windows("cat " * 100, 32)] == [25, 25, 25, 25]


@given(text=TEXT, room=st.integers(1, 40))
def test_the_head_is_a_beginning_that_fits(text, room):
    """It is the longest such run of pieces, but never less than one piece."""
    head = tokens.head_of(text, room)
    assert text.startswith(head)
    assert tokens.estimate(head) <= room or len(tokens.spans_of(head)) == 1


@pytest.mark.parametrize("words", [60, 126, 510, 8189])
def test_the_proof_texts_differ_in_their_last_sixteenth(words):
    """Both have exactly the words by the rule, and are the same up to the place that is told."""
    one, other, same = tokens.probes(words)
    assert tokens.estimate(one) == tokens.estimate(other) == words
    assert same == words - words // 16
    assert one.split()[:same] == other.split()[:same]
    assert set(one.split()[same:]) == {"red"}
    assert set(other.split()[same:]) == {"sea"}
