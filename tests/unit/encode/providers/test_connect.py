"""Connecting: the space, the dimension, and what is refused before anything is sent."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from provider_worlds import KEY, fake_vector
from vicinal.errors import DtypeError, InputError, ModelNotFoundError, RangeError, UnknownNameError

ROLES = {"openai": "", "cohere": "search_document", "voyage": "document"}


def test_the_space_says_what_is_spoken_to_whom_and_no_url(fake, connect):
    """The same model behind another URL is in the same space."""
    encoder = connect(fake, query_prompt="q: ", document_prompt="d: ", max_tokens=300, overflow="cut")
    wire = encoder.name.partition(":")[0]
    types = {"openai": "", "cohere": " input_type=search_query/search_document", "voyage": " input_type=query/document"}
    space = encoder.space
    assert space.weights == f"provider:{wire}:fake-model"
    assert space.architecture == f"remote {wire} dim=8{types[wire]}"
    assert (space.tokenizer, space.pooling, space.metric, space.normalized) == (
        "remote pieces-1",
        "remote",
        "cosine",
        True,
    )
    assert (space.query_prompt, space.document_prompt, space.max_tokens, space.overflow) == ("q: ", "d: ", 300, "cut")
    assert str(fake.port) not in space.canonical()


def test_all_servers_of_openai_s_words_share_a_space(openai, connect):
    """Only the model counts."""
    spaces = {
        connect(f"{who}:fake-model@{openai.url}").space for who in ("openai", "ollama", "vllm", "tei", "lmstudio")
    }
    assert len(spaces) == 1


@pytest.mark.parametrize(
    ("name", "dim", "max_tokens"),
    [
        ("openai:text-embedding-3-small", 1536, 8191),
        ("openai:text-embedding-3-large", 3072, 8191),
        ("cohere:embed-v4.0", 1536, 128_000),
        ("cohere:embed-english-v3.0", 1024, 512),
        ("voyage:voyage-3.5", 1024, 32_000),
        ("voyage:voyage-law-2", 1024, 16_000),
    ],
)
def test_known_models_need_no_request(name, dim, max_tokens, connect, monkeypatch):
    """Their dimension and window are documented; nothing is asked before there is a text."""
    monkeypatch.delenv("VICINAL_OFFLINE")
    space = connect(name, secret=lambda _: KEY).space
    assert (space.dim, space.full_dim, space.max_tokens) == (dim, dim, max_tokens)


def test_an_unknown_model_is_asked_for_its_dimension_once(fake, connect):
    """With the text ``a``; the window is 512 where nothing is documented."""
    encoder = connect(fake)
    assert fake.texts == ["a"]
    assert (encoder.space.dim, encoder.space.full_dim, encoder.max_tokens) == (8, 8, 512)


def test_fewer_dimensions_are_asked_of_the_provider(fake, connect):
    """The space has both numbers, so that the model is opened again with the right one."""
    encoder = connect(fake, dim=4)
    assert (encoder.space.dim, encoder.space.full_dim) == (4, 8)
    got = encoder.encode_documents(["cat"])
    role = ROLES[encoder.name.partition(":")[0]]
    assert np.allclose(got[0], fake_vector("cat", role=role, dim=4), atol=1e-6)
    assert connect(fake, dim=8).space == connect(fake).space


@pytest.mark.parametrize(("name", "dim"), [("voyage:voyage-3.5", 300), ("openai:text-embedding-ada-002", 512)])
def test_a_dimension_that_the_model_does_not_have_is_refused(name, dim, connect, monkeypatch):
    """Before anything is sent."""
    monkeypatch.delenv("VICINAL_OFFLINE")
    with pytest.raises(RangeError, match="dim must be"):
        connect(name, secret=lambda _: KEY, dim=dim)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"overflow": "truncate"}, UnknownNameError),
        ({"dim": 0}, RangeError),
        ({"dim": "8"}, DtypeError),
        ({"max_tokens": 31}, RangeError),
        ({"max_tokens": 64, "query_prompt": "cat " * 60}, RangeError),
        ({"query_prompt": 3}, DtypeError),
        ({"document_prompt": "\ud800"}, RangeError),
        ({"timeout_s": 0}, RangeError),
        ({"timeout_s": float("nan")}, RangeError),
        ({"timeout_s": "1"}, DtypeError),
        ({"concurrency": 0}, RangeError),
        ({"concurrency": 65}, RangeError),
        ({"price_per_million": -1}, RangeError),
        ({"price_per_million": True}, DtypeError),
    ],
)
def test_parameters_out_of_range_are_refused(openai, connect, settings, error):
    """Each with its name in the message."""
    with pytest.raises(error, match=next(reversed(settings)).split("_")[-1]):
        connect(openai, **settings)


def test_a_lone_surrogate_is_refused_as_everywhere(openai, connect):
    """No JSON can hold it."""
    with pytest.raises(RangeError, match="surrogate"):
        connect(openai).encode_documents(["\ud800"])


def test_offline_allows_this_machine_only(openai, connect, monkeypatch):
    """A server here is no network; any other is refused before a connection is tried, at each call."""
    connect(openai).encode_queries(["cat"])
    with pytest.raises(ModelNotFoundError, match="VICINAL_OFFLINE"):
        connect("openai:text-embedding-3-small", secret=lambda _: KEY)
    monkeypatch.delenv("VICINAL_OFFLINE")
    encoder = connect("openai:text-embedding-3-small", secret=lambda _: KEY)
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match="another machine"):
        encoder.encode_queries(["cat"])


def test_a_missing_key_is_said_when_connecting(connect, monkeypatch):
    """Not after an hour of work."""
    monkeypatch.delenv("VICINAL_OFFLINE")
    with pytest.raises(InputError, match="set COHERE_API_KEY or CO_API_KEY"):
        connect("cohere:embed-v4.0")


def test_importing_opens_nothing():
    """The package loads without the HTTP library: that comes with the first question."""
    code = (
        "import sys; from vicinal.encode import providers; providers.parse('openai:m'); print('httpx2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
