"""One string names one reranker."""

from __future__ import annotations

import pytest

from model_worlds import write_model
from vicinal import encode
from vicinal.errors import DtypeError, InputError, ModelNotFoundError, UnknownNameError
from vicinal.rerank import CrossEncoder, HttpReranker, LateInteraction, by_name


def test_each_kind_is_named_by_one_string(tmp_path, write_classifier):
    """The collection's own tokens, a folder, a server."""
    encoder = encode.load(str(write_model(tmp_path / "m")), threads=1)
    assert isinstance(by_name("late-interaction", encoder=encoder), LateInteraction)
    cross = by_name(str(write_classifier(tmp_path / "c")), threads=1)
    assert isinstance(cross, CrossEncoder)
    assert cross.threads == 1
    assert isinstance(by_name("jina:m@http://127.0.0.1:9/v1"), HttpReranker)


def test_late_interaction_needs_an_encoder():
    """The collection's."""
    with pytest.raises(InputError, match="encoder"):
        by_name("late-interaction")


def test_a_repository_that_is_not_here_is_not_fetched_without_a_network():
    """The message has the command, as for an encoder."""
    with pytest.raises(ModelNotFoundError, match="vicinal models pull"):
        by_name("cross-encoder/ms-marco-MiniLM-L6-v2")


@pytest.mark.parametrize("name", ["", "minilm", "best", "openai:x", "no/such/place", "a\0b"])
def test_what_names_none_is_refused(name):
    """With what does."""
    with pytest.raises(UnknownNameError, match="late-interaction"):
        by_name(name)
    with pytest.raises(DtypeError):
        by_name(None)


def test_a_name_out_of_a_file_gets_no_key(monkeypatch):
    """Unless its host is one that the user trusts; on this machine it may go."""
    monkeypatch.delenv("VICINAL_OFFLINE")
    monkeypatch.setenv("COHERE_API_KEY", "sk-0123456789")
    name = "cohere:m@https://rerank.example.org"

    def withheld(**told):
        return by_name(name, **told)._client._key.withheld

    assert not withheld()
    assert withheld(named_by_user=False)
    monkeypatch.setenv("VICINAL_KEY_HOSTS", "rerank.example.org")
    assert not withheld(named_by_user=False)
