"""The encoder of a provider: the contract, one vector for each text, nothing cut in silence."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from provider_worlds import fake_vector
from vicinal.encode.providers import tokens
from vicinal.errors import (
    UnknownTextWarning,
)
from vicinal.testing import check_encoder

LONG = " ".join(f"w{number}" for number in range(400))
"""Far beyond the smallest windows, and no two parts of it equal."""
ROLES = {"openai": ("", ""), "cohere": ("search_query", "search_document"), "voyage": ("query", "document")}


def _unit(vectors, weights):
    mean = np.average(np.asarray(vectors, dtype=np.float64), axis=0, weights=weights)
    return mean / np.linalg.norm(mean)


def test_the_contract_of_encoders_holds(fake, connect):
    """Every check of vicinal.testing, on every wire; its texts hold two blank ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownTextWarning)
        check_encoder(connect(fake))


def test_each_role_has_its_own_vectors_where_the_provider_knows_roles(fake, connect):
    """As the fake gives them, row by row, to float32's rounding."""
    encoder = connect(fake)
    query, document = ROLES[encoder.name.partition(":")[0]]
    texts = ["cat", "A small cat.", "東京 🙂"]
    for got, role in ((encoder.encode_queries(texts), query), (encoder.encode_documents(texts), document)):
        assert np.allclose(np.asarray(got), [fake_vector(text, role=role) for text in texts], atol=1e-6)


def test_a_prompt_stands_before_every_text_of_its_role(openai, connect):
    """And before each window of a long one."""
    encoder = connect(openai, query_prompt="q: ", document_prompt="d: ", max_tokens=64)
    encoder.encode_queries(["cat"])
    assert openai.texts[-1] == "q: cat"
    before = len(openai.texts)
    encoder.encode_documents([LONG])
    sent = openai.texts[before:]
    assert len(sent) > 5
    assert all(text.startswith("d: ") for text in sent)
    assert "".join(text.removeprefix("d: ") for text in sorted(sent, key=lambda text: LONG.index(text[3:]))) == LONG


def test_equal_texts_are_sent_once(openai, connect):
    """And have one vector, wherever they stand."""
    got = np.asarray(connect(openai).encode_documents(["cat", "dog", "cat", "cat"]))
    assert openai.texts == ["a", "cat", "dog"]
    assert np.array_equal(got[0], got[2])
    assert np.array_equal(got[0], got[3])


def test_a_blank_text_is_not_sent_and_near_nothing(openai, connect):
    """Its vector is zero, with a warning at the caller's line that counts it."""
    encoder = connect(openai, document_prompt="d: ")
    with pytest.warns(UnknownTextWarning, match="2 texts are blank") as caught:
        got = np.asarray(encoder.encode_documents(["", "cat", " \n\u3000"]))
    assert caught[0].filename == __file__
    assert np.linalg.norm(got, axis=1).round(6).tolist() == [0, 1, 0]
    assert openai.texts == ["a", "d: cat"]
    with pytest.warns(UnknownTextWarning, match="1 text is blank"):
        encoder.encode_queries([""])


def test_many_texts_go_in_bounded_requests(fake, connect):
    """No more than the provider takes in one; every row is where it belongs, and progress ends at the total."""
    encoder = connect(fake)
    role = ROLES[encoder.name.partition(":")[0]][1]
    texts, told = [f"text {number}" for number in range(700)], []
    got = np.asarray(encoder.encode_documents(texts, progress=lambda done, total: told.append((done, total))))
    assert np.allclose(got, [fake_vector(text, role=role) for text in texts], atol=1e-6)
    sizes = [len(body.get("input", body.get("texts"))) for _, _, body in fake.seen]
    assert max(sizes) <= {"openai": 32, "cohere": 96, "voyage": 256}[encoder.name.partition(":")[0]]
    assert told[-1] == (700, 700)
    assert told == sorted(told)


def test_the_tokens_of_a_request_are_bounded(openai, connect):
    """A server of one's own gets no more than four fifths of 16,384 at once, by the estimate."""
    encoder = connect(openai, max_tokens=4096)
    openai.seen.clear()
    encoder.encode_documents([f"{number} " + "cat " * 3000 for number in range(9)])
    sizes = [sum(map(tokens.estimate, body["input"])) for _, _, body in openai.seen]
    assert max(sizes) <= 13_107
    assert len(sizes) > 2


def test_usage_and_cost(openai, connect):
    """The server's count of tokens: half the characters of ``a``, ``catalogue`` and ``dog`` in this fake."""
    encoder = connect(openai, price_per_million=20)
    encoder.encode_documents(["catalogue", "dog"])
    assert (encoder.usage.requests, encoder.usage.tokens, encoder.usage.estimated_tokens) == (2, 0 + 4 + 1, 0)
    assert encoder.usage.cost == pytest.approx(5 * 20 / 1e6)


def test_an_encoder_says_what_it_is_and_closes(openai, connect):
    """Its name opens it again; a closed one opens a new connection."""
    with connect(openai) as encoder:
        assert encoder.name == openai.name
        assert encoder.runtime == f"remote {openai.url}"
        assert repr(encoder) == f"RemoteEncoder({openai.name}, dim=8)"
    assert encoder.encode_queries(["cat"]).shape == (1, 8)


def test_a_model_that_was_swapped_behind_its_name_gives_other_vectors_in_the_same_space(openai, connect):
    """Nothing here can see it: that is what the canary of a collection is for."""
    encoder = connect(openai)
    before = np.asarray(encoder.encode_documents(["cat"]))
    openai.seed = 1
    after = np.asarray(encoder.encode_documents(["cat"]))
    assert np.abs(before - after).max() > 0.1
    assert encoder.space == replace(encoder.space)
