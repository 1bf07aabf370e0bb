"""Names of providers: all that is needed to open a model again, and nothing that is secret."""

from __future__ import annotations

import pytest

from vicinal.encode import providers
from vicinal.encode.providers.names import is_loopback
from vicinal.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "model", "url", "local"),
    [
        ("openai:text-embedding-3-small", "text-embedding-3-small", "https://api.openai.com/v1", False),
        ("cohere:embed-v4.0", "embed-v4.0", "https://api.cohere.com", False),
        ("voyage:voyage-3.5", "voyage-3.5", "https://api.voyageai.com/v1", False),
        ("ollama:nomic-embed-text:latest", "nomic-embed-text:latest", "http://localhost:11434/v1", True),
        ("lmstudio:a", "a", "http://localhost:1234/v1", True),
        ("vllm:BAAI/bge-m3", "BAAI/bge-m3", "http://localhost:8000/v1", True),
        ("tei:BAAI/bge-m3@main", "BAAI/bge-m3@main", "http://localhost:8080/v1", True),
        ("openai:m@http://127.0.0.1:9000/v1/", "m", "http://127.0.0.1:9000/v1", True),
        ("openai:m@v2@https://host/v1", "m@v2", "https://host/v1", False),
        ("vllm:m@http://[::1]:8000/v1", "m", "http://[::1]:8000/v1", True),
    ],
)
def test_a_name_says_provider_model_and_url(name, model, url, local):
    """The model's own name may hold colons, slashes and at signs; the slash at the end of a URL is dropped."""
    got = providers.parse(name)
    assert (got.model, got.url, got.local) == (model, url, local)
    assert providers.is_provider(name)
    assert providers.parse(str(got)) == got


def test_the_provider_s_own_url_in_the_name_is_no_other_name():
    """``@`` with the default URL says nothing new, so the words and the key are those of the provider."""
    assert providers.parse("openai:m@https://api.openai.com/v1") == providers.parse("openai:m")


@pytest.mark.parametrize("name", ["minilm", "owner/name", "C:\\models\\a", "http://host/v1", "OpenAI:m", ":m", ""])
def test_other_names_are_no_provider_s(name):
    """Built-in names, repositories, paths and bare URLs belong to others."""
    assert not providers.is_provider(name)
    with pytest.raises(UnknownNameError, match="openai, cohere, voyage, ollama"):
        providers.parse(name)


@pytest.mark.parametrize(
    "name",
    [
        "openai:",
        "openai: m",
        "openai:a\nb",
        "openai:" + "m" * 501,
        "openai:m@http://",
        "openai:m@http://host:99999/v1",
        "openai:m@http://host:0/v1",
        "openai:m@http://host:x/v1",
        "openai:m@https://host/v1?key=1",
        "openai:m@https://host/v1#a",
        "openai:m@https://host/v 1",
        "openai:m@https://höst/v1",
        "openai:m@https://host/" + "a" * 500,
        "openai:m@http://[::1/v1",
    ],
)
def test_a_name_without_a_model_or_with_a_strange_url_is_refused(name):
    """The message says what form is right."""
    with pytest.raises(InputError, match=r"MODEL|plain base"):
        providers.parse(name)


def test_a_url_with_a_password_is_refused_and_not_repeated():
    """The name is stored in the collection and shown, so no secret may be in it."""
    with pytest.raises(InputError, match="no name or password") as caught:
        providers.parse("openai:m@https://user:hunter2@host/v1")
    assert "hunter2" not in f"{caught.value} {caught.value.as_dict()}"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("2130706433", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_name_or_address_only(host, here):
    """Nothing is looked up, so a name that resolves to this machine by a trick counts as another machine."""
    assert is_loopback(host) is here
