"""Long texts: nothing is lost unless the rule says so, and a server that cuts in silence is found out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from provider_worlds import FakeCohere, FakeOpenAI, FakeVoyage, fake_vector
from vicinal.encode.providers import tokens
from vicinal.errors import EncodeError, RemoteError, TooLongError, TruncationWarning

LONG = " ".join(f"w{number}" for number in range(400))
"""Far beyond the smallest windows, and no two parts of it equal."""


def _unit(vectors, weights):
    mean = np.average(np.asarray(vectors, dtype=np.float64), axis=0, weights=weights)
    return mean / np.linalg.norm(mean)


def test_a_long_text_is_the_weighted_mean_of_its_windows(openai, connect):
    """By hand from the windows of the rule; the windows together are the text."""
    encoder = connect(openai, max_tokens=64)
    got = np.asarray(encoder.encode_documents([LONG, "cat"]))
    parts = list(tokens.windows(LONG, 64 - tokens.SPECIAL))
    expected = _unit([fake_vector(part) for part in parts], [tokens.estimate(part) for part in parts])
    assert np.allclose(got[0], expected, atol=1e-6)
    assert np.allclose(got[1], fake_vector("cat"), atol=1e-6)


def test_a_long_text_is_refused_where_the_rule_says_so(openai, connect):
    """Before anything is sent; the message has the row and no text."""
    encoder = connect(openai, max_tokens=64, overflow="error")
    with pytest.raises(TooLongError, match="Text 1 has about 1890 tokens") as caught:
        encoder.encode_documents(["cat", LONG.replace("w", "wxyz")])
    assert caught.value.where == 1
    assert openai.texts == ["a"]


def test_a_long_text_is_cut_where_the_rule_says_so(openai, connect):
    """At the window, counted in every row where it stands, and warned of at the caller's line."""
    encoder = connect(openai, max_tokens=64, overflow="cut")
    with pytest.warns(TruncationWarning, match="2 texts were cut") as caught:
        got = encoder.encode_documents([LONG, "cat", LONG])
    assert caught[0].filename == __file__
    assert got.cut_rows == (0, 2)
    assert np.allclose(got[0], fake_vector(tokens.head_of(LONG, 62)), atol=1e-6)


def test_a_text_that_begins_with_much_white_space_is_cut_behind_it(openai, connect):
    """A window of nothing would say nothing."""
    encoder = connect(openai, max_tokens=64, overflow="cut")
    with pytest.warns(TruncationWarning):
        got = encoder.encode_documents(["\n" * 5000 + LONG])
    assert np.allclose(got[0], fake_vector(tokens.head_of(LONG, 62)), atol=1e-6)


def test_blank_windows_are_not_sent(openai, connect):
    """A desert between two words is no reason for a request that the provider refuses."""
    encoder = connect(openai, max_tokens=64)
    assert np.linalg.norm(encoder.encode_documents(["cat" + " " * 50_000 + "dog"])[0]) == pytest.approx(1, abs=1e-6)
    assert all(text.strip() for text in openai.texts)


@pytest.mark.parametrize("provider", [FakeCohere, FakeVoyage, FakeOpenAI])
def test_a_window_that_the_server_refuses_is_halved_until_it_fits(provider, connect):
    """The estimate was too low: smaller windows, weighted as before, and company changes nothing."""
    with provider(window=40) as fake:
        encoder = connect(fake)
        dense = "".join(random.Random(1).choices("bcdfgh", k=900))
        alone = np.asarray(encoder.encode_documents([dense]))
        among = np.asarray(encoder.encode_documents(["cat", dense, *(f"text {number}" for number in range(50))]))
        assert np.allclose(alone[0], among[1], atol=1e-6)
        answered = [len(text) // 2 for text in fake.texts if len(text) // 2 <= 40 and text in dense]
        assert answered


def test_a_refused_window_is_weighted_by_its_tokens(connect):
    """By hand: the window of 300 pieces is refused, its halves fit."""
    with FakeCohere(window=250) as fake:
        encoder = connect(fake)
        text = "abc" * 300
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        expected = _unit([fake_vector(half, role="search_document") for half in halves], [1, 1])
        assert np.allclose(encoder.encode_documents([text])[0], expected, atol=1e-6)


def test_a_refused_text_is_an_error_or_cut_as_the_rule_says(connect):
    """The server knows better than the estimate."""
    with FakeCohere(window=40) as fake:
        with pytest.raises(TooLongError, match=r"Text 1 .* the server refuses it"):
            connect(fake, overflow="error").encode_documents(["cat", "abc" * 100])
        with pytest.warns(TruncationWarning):
            got = connect(fake, overflow="cut").encode_documents(["cat", "abc" * 100])
        assert got.cut_rows == (1,)
        assert np.allclose(got[1], fake_vector(fake.texts[-1], role="search_document"), atol=1e-6)


def test_a_request_that_is_too_large_is_halved_but_a_text_is_not(openai, connect):
    """A limit on texts of a request divides the request; it must not change a vector."""
    openai.most = 3
    got = np.asarray(connect(openai).encode_documents([f"text {number}" for number in range(20)]))
    assert np.allclose(got, [fake_vector(f"text {number}") for number in range(20)], atol=1e-6)
    openai.always = lambda handler, _: handler.send_json(413, {"message": "Request Entity Too Large"})
    with pytest.raises(RemoteError, match="413"):
        connect(f"cohere:embed-english-v3.0@{openai.url}").encode_documents(["abc " * 50])


def test_a_server_that_cuts_in_silence_is_found_out(connect):
    """It is given no more than it was seen to read: the end of a long text counts."""
    with FakeOpenAI(window=600, cuts=True) as fake:  # 1,200 characters, 300 words of the proof texts
        encoder = connect(fake)
        one, other = (np.asarray(encoder.encode_documents([LONG + end])) for end in (" red", " sea"))
        assert np.abs(one - other).max() > 1e-3
        sent = [text for text in fake.texts if text in LONG]
        assert sent
        assert max(map(len, sent)) <= 1200


def test_a_server_that_reads_everything_is_asked_once(openai, connect):
    """Two texts that differ at their end only; short texts need no proof."""
    encoder = connect(openai)
    encoder.encode_documents(["cat"])
    assert len(openai.seen) == 2
    encoder.encode_documents(["cat " * 300])
    assert len(openai.seen[2][2]["input"]) == 2
    encoder.encode_documents(["dog " * 300])
    assert len(openai.seen) == 5


def test_a_server_that_refuses_needs_no_further_proof(connect):
    """It said that it would not cut."""
    with FakeOpenAI(window=100) as fake:
        encoder = connect(fake)
        encoder.encode_documents(["cat " * 300, "dog " * 300])
        proofs = [body for _, _, body in fake.seen if any(text.endswith(" red") for text in body["input"])]
        assert len(proofs) == 1


def test_providers_that_take_the_order_to_refuse_are_asked_no_proof(connect):
    """Cohere and Voyage are told not to cut."""
    for provider in (FakeCohere, FakeVoyage):
        with provider() as fake:
            connect(fake).encode_documents(["cat " * 300])
            assert fake.texts == ["a", "cat " * 300]


def test_a_prompt_that_a_server_cannot_read_is_refused(connect):
    """It would be all that the model sees."""
    with FakeOpenAI(window=60, cuts=True) as fake, pytest.raises(TooLongError, match="Shorten the prompt"):
        connect(fake, document_prompt="cat " * 60).encode_documents([LONG])


def test_a_short_window_that_is_refused_is_the_server_s_error(openai, connect):
    """Whatever the server says: a few tokens are not too long."""
    encoder = connect(openai)
    openai.always = lambda handler, _: handler.send_json(400, {"message": "too long"})
    with pytest.raises(RemoteError, match="too long"):
        encoder.encode_documents(["cat"])
    with pytest.raises(RemoteError, match="too long"):
        connect(openai.name.replace("fake", "other"))


def test_windows_that_cancel_out_have_no_direction(openai, connect):
    """Two opposite vectors of equal weight: an error that names the row, not a division by zero."""
    encoder = connect(f"voyage:fake-model@{openai.url}", max_tokens=64)

    def opposite(handler, body):
        data = [{"index": place, "embedding": [(-1.0) ** place] * 8} for place in range(len(body["input"]))]
        handler.send_json(200, {"data": data})

    openai.always = opposite
    with pytest.raises(EncodeError, match="text 0 cancel out"):
        encoder.encode_documents(["abc" * 100])
