"""Anything at all: weird texts have vectors, and weird answers are errors of ours."""

from __future__ import annotations

import json
import random
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provider_worlds import FakeCohere, FakeOpenAI, FakeVoyage
from vicinal.encode import providers
from vicinal.errors import UnknownTextWarning, VicinalError

ALPHABET = 'aZ 9.,\n\t\x00\x1f\x7f\u200b\u3000éß東ア한ع्🙂\U0010ffff\ufeff\u202e"\\'


def test_weird_texts_have_vectors(fake, connect):
    """300 texts of control characters, marks of direction, emoji, quotes, all lengths: unit or zero, each as alone."""
    chance = random.Random(7)
    texts = ["".join(chance.choices(ALPHABET, k=int(1.025**number))) for number in range(300)]
    encoder = connect(fake)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownTextWarning)
        got = np.asarray(encoder.encode_documents(texts))
        alone = np.concatenate([np.asarray(encoder.encode_documents([text])) for text in texts[::20]])
    lengths = np.linalg.norm(got, axis=1)
    assert np.allclose(lengths, [bool(text.strip()) for text in texts], atol=1e-5)
    assert np.abs(got[::20] - alone).max() < 1e-6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("AACAPwAAAAA="),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "embedding", "index", "embeddings", "float", "usage", "meta", "error"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NUMBERS = st.lists(st.floats() | st.integers(-2, 2) | st.just(10**400), min_size=8, max_size=8)
NEAR = st.fixed_dictionaries(
    {
        "data": st.lists(
            st.fixed_dictionaries({"index": st.integers(-1, 2), "embedding": NUMBERS | st.text(max_size=8)}), max_size=3
        ),
        "embeddings": st.fixed_dictionaries({"float": st.lists(NUMBERS, max_size=3)}),
    }
)


@pytest.fixture(scope="module")
def fuzzed():
    """Return encoders of all wires with the fakes behind them, for as long as the fuzz lasts."""
    fakes = [provider().__enter__() for provider in (FakeOpenAI, FakeCohere, FakeVoyage)]
    encoders = [providers.connect(fake.name, secret=lambda _: None) for fake in fakes]
    yield list(zip(fakes, encoders, strict=True))
    for fake, encoder in zip(fakes, encoders, strict=True):
        encoder.close()
        fake.__exit__()


@given(payload=JSON | NEAR, status=st.sampled_from([200, 200, 200, 201, 204, 301, 400, 404, 413]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_answers_a_vector_or_an_error_of_ours_comes_of_it(fuzzed, payload, status):
    """Any JSON, some of it almost right, under any status: unit vectors of the space, or a VicinalError."""
    content = json.dumps(payload).encode()
    for fake, encoder in fuzzed:
        fake.always = lambda handler, _: handler.send_bytes(status, content, "application/json")
        try:
            got = np.asarray(encoder.encode_documents(["cat", "dog"]))
        except VicinalError:
            continue
        assert got.shape == (2, 8)
        assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


@given(content=st.binary(max_size=60), kind=st.sampled_from(["application/json", "text/html", "", "é"]))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_an_error_of_ours_comes_of_them(fuzzed, content, kind):
    """Bytes that are no JSON, of any content type."""
    fake, encoder = fuzzed[0]
    fake.always = lambda handler, _: handler.send_bytes(200, content, kind)
    with pytest.raises(VicinalError):
        encoder.encode_documents(["cat"])
