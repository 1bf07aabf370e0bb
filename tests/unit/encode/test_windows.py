"""Windows hold every token once, none is beyond the room, and none is much smaller than another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.windows import split

NONE = np.zeros(0, dtype=np.int32)


def _ids(length, first=100):
    return np.arange(first, first + length, dtype=np.int32)


def test_a_text_within_the_window_is_one_window():
    """Exactly the room is no overflow; an empty text is a window of no tokens."""
    assert [len(window) for window in split(_ids(10), 10, NONE)] == [10]
    assert [len(window) for window in split(NONE, 10, NONE)] == [0]


def test_windows_are_even():
    """Eleven tokens in a room of ten are six and five, not ten and one."""
    assert sorted(len(window) for window in split(_ids(11), 10, NONE)) == [5, 6]


def test_a_prompt_stands_before_every_window():
    """Two prompt tokens leave room for three of the text's seven: three windows, each with the prompt."""
    text = np.concatenate([_ids(2, first=7), _ids(7)])
    assert [window.tolist() for window in split(text, 5, _ids(2, first=7))] == [
        [7, 8, 100, 101],
        [7, 8, 102, 103],
        [7, 8, 104, 105, 106],
    ]


@given(length=st.integers(0, 400), room=st.integers(1, 40), head=st.integers(0, 45))
def test_no_token_is_lost_and_sizes_differ_by_at_most_one(length, room, head):
    """For every length, room and prompt."""
    prompt = _ids(head, first=1)
    ids = np.concatenate([prompt, _ids(length, first=1000)])
    found = [window.tolist() for window in split(ids, room, prompt)]
    assert max(map(len, found)) <= room
    assert max(map(len, found)) - min(map(len, found)) <= 1
    kept = head if len(ids) > room and head < room else 0
    assert all(window[:kept] == prompt[:kept].tolist() for window in found)
    assert [token for window in found for token in window[kept:]] == ids[kept:].tolist()
