"""Events are those of the HTML standard however their bytes are cut; what is no piece of an answer is refused by one error."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vicinal.answer.events import Events, is_error, piece_of
from vicinal.encode.providers.wire import WrongAnswerError

STREAM = "data: one\n\n: comment\nevent: x\ndata:two\r\ndata:  three 🐈\r\n\r\nid\n\ndata\n\ndata: four\r\rdata: lost"
EXPECTED = ["one", "two\n three 🐈", "four"]


@example([STREAM.index("two") + 4])
@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=12))
def test_events_do_not_depend_on_the_cuts(cuts):
    """Any pieces of a stream, those that cut a letter or a line end in two, give the same events."""
    content, events = STREAM.encode(), Events()
    places = sorted({0, len(content), *cuts})
    found = [data for start, end in itertools.pairwise(places) for data in events.feed(content[start:end])]
    assert found == EXPECTED


def test_a_line_without_an_end_is_refused():
    """Bytes beyond a MiB, in one line or in many of one event, in one piece or in many."""
    for piece in (b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"):
        with pytest.raises(WrongAnswerError):
            collections.deque(map(Events().feed, [piece] * 2000))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "delta", "message", "content", "finish_reason", "error"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(JSON, st.booleans())
def test_any_json_is_a_piece_or_refused(payload, is_whole):
    """Nothing but a WrongAnswerError is raised, and a piece has texts."""
    with contextlib.suppress(WrongAnswerError):
        is_error(json.dumps(payload))
        piece = piece_of(json.dumps(payload), is_whole=is_whole)
        assert isinstance(piece.text, str)
        assert isinstance(piece.finish, str)


def test_pieces_by_hand():
    """A part, an end, a count of tokens without choices, a whole answer."""

    def said(choice, **settings):
        piece = piece_of(json.dumps({"choices": choice}), **settings)
        return piece.text, piece.finish

    assert said([{"delta": {"content": "a"}, "finish_reason": None}], is_whole=False) == ("a", "")
    assert said([{"delta": {}, "finish_reason": "length"}], is_whole=False) == ("", "length")
    assert said([], is_whole=False) == ("", "")
    assert said([{"message": {"content": "a"}}], is_whole=True) == ("a", "stop")
    with pytest.raises(WrongAnswerError):
        said([], is_whole=True)
    assert is_error('{"error": {"message": "x"}}')
    assert not is_error('{"error": null}')
