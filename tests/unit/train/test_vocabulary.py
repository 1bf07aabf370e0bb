"""The vocabulary: the teacher's tokens without those that mean nothing, words behind them, and words alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model_worlds import LETTERS, SPECIAL, tokenizer_rules, write_model
from vicinal import encode
from vicinal.errors import InputError, ModelLoadError, RangeError, UnsupportedError
from vicinal.train._tokenizers import Rules
from vicinal.train.vocabulary import token_vectors, vocabulary_of

TEXTS = ["bad cat, bad dog", "a bad idea", "an idea of an owl", "Owl"]


def _made(teacher, *, corpus=TEXTS, vocabulary=None, words=None):
    return vocabulary_of(teacher, corpus, vocabulary=vocabulary, words=words)


def test_special_and_unused_tokens_go(tmp_path):
    """Of the special tokens only the unknown one is left, without a vector; unused ones go; the order stays."""
    rules = tokenizer_rules()
    rules["model"]["vocab"] |= {"[unused0]": len(rules["model"]["vocab"])}
    folder = write_model(tmp_path / "m", vocab_size=len(rules["model"]["vocab"]))
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    found = _made(encode.load(str(folder), threads=1))
    assert found.tokens == ["", *LETTERS, *(f"##{letter}" for letter in LETTERS), "cat", "dog", ".", ","]
    assert found.rules["model"]["vocab"]["[UNK]"] == found.unknown == 0
    assert [token["content"] for token in found.rules["added_tokens"]] == ["[UNK]"]
    assert found.rules["truncation"] is found.rules["padding"] is found.rules["post_processor"] is None
    assert found.known == len(found) - 1


def test_token_vectors_are_the_teachers(network):
    """A row is what the network gives for the token's own id between its special tokens, at unit length."""
    found = _made(network)
    got = token_vectors(network, found)
    row = found.tokens.index("cat")
    expected = network.encode_documents(["cat"])[0]
    assert got[row] == pytest.approx(expected, abs=1e-5)
    assert not got[found.unknown].any()
    assert np.linalg.norm(got, axis=1)[1:] == pytest.approx(1)


def test_words_become_tokens(network):
    """Given words come first, then the frequent ones that are no tokens yet; the teacher sees each as its own pieces."""
    found = _made(network, vocabulary=["Owl", "cat"], words=2)
    assert found.tokens[-3:] == ["owl", "bad", "an"]
    assert found.words == 3
    ids = Rules(found.rules).ids(["A bad owl! bade"], without=found.unknown)[0]
    assert [found.tokens[row] for row in ids] == ["a", "bad", "owl", "bad", "##e"]
    vector = token_vectors(network, found)[found.tokens.index("owl")]
    assert vector == pytest.approx(network.encode_documents(["owl"])[0], abs=1e-5)


def test_a_teacher_without_tokens_is_given_words(summing, sums):
    """The corpus's words that come twice stand for it, in the order of their number; each is asked as a document."""
    found = _made(summing)
    assert found.tokens == ["", "bad", "an", "idea", "owl"]
    assert found.ids is None
    vectors = token_vectors(summing, found)
    expected = sums.word("owl") / np.linalg.norm(sums.word("owl"))
    assert vectors[4] == pytest.approx(expected, abs=1e-6)
    ids = Rules(found.rules).ids(["The Owl is bad."], without=found.unknown)[0]
    assert [found.tokens[row] for row in ids] == ["owl", "bad"]


def test_without_any_word_there_is_no_student(summing):
    """No corpus and no words: the message says what to give."""
    with pytest.raises(InputError, match="needs words"):
        _made(summing, corpus=[])


@pytest.mark.parametrize("wrong", ["two words", "", "semi-colon"])
def test_what_is_not_one_word_is_refused(network, wrong):
    """A word that the tokenizer splits would never be met."""
    with pytest.raises(RangeError, match=r"vocabulary\[1\]"):
        _made(network, vocabulary=["fine", wrong])


def _with_model(tmp_path, model, **changes):
    """Return a teacher of the small network whose tokenizer is of another kind."""
    rules = tokenizer_rules() | changes
    rules["model"] = model
    folder = write_model(tmp_path / "other")
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    return encode.load(str(folder), threads=1)


def test_a_vocabulary_of_another_kind_stays_as_it_is(tmp_path):
    """A Unigram or BPE vocabulary keeps its ids; special and unknown tokens have no vector; words are refused."""
    pieces = [[token, 0.0] for token in SPECIAL] + [["ca", -1.0], ["t", -2.0], ["▁", -3.0]]
    unigram = _with_model(
        tmp_path / "u", {"type": "Unigram", "unk_id": 1, "vocab": pieces, "byte_fallback": False}, pre_tokenizer=None
    )
    assert _made(unigram).tokens == ["", "", "", "", "ca", "t", "▁"]
    assert _made(unigram).unknown == 1
    vocab = {token: row for row, token in enumerate([*SPECIAL, "c", "a", "t", "ca"])}
    bpe = _with_model(tmp_path / "b", {"type": "BPE", "vocab": vocab, "merges": [["c", "a"]], "unk_token": "[UNK]"})
    assert _made(bpe).tokens == ["", "", "", "", "c", "a", "t", "ca"]
    assert token_vectors(bpe, _made(bpe)).any(axis=1).tolist() == [False] * 4 + [True] * 4
    for teacher in (unigram, bpe):
        with pytest.raises(UnsupportedError, match="WordPiece"):
            _made(teacher, words=5)


def test_a_head_behind_the_pooling_needs_words(network, monkeypatch):
    """Token ids lead only to where the head begins: such a teacher is asked in words."""
    changed = type("Pin", (), {"heads": ("dense:2_Dense",)})()
    monkeypatch.setattr(network, "pin", changed)
    assert _made(network).ids is None


def test_rules_that_are_none_have_a_name():
    """What the tokenizers library cannot read is an error of ours."""
    with pytest.raises(ModelLoadError, match="cannot be used"):
        Rules({"model": {"type": "Chance"}})
