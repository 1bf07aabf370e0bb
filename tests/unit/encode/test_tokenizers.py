"""Tokens, counts and spans agree with one another, also for a text that is taken in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_worlds import VOCABULARY, tokenizer_rules
from vicinal.encode import _tokenizers
from vicinal.encode._tokenizers import TextTokenizer
from vicinal.errors import ModelLoadError


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Return the tokenizer of letters."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_rules()))
    return TextTokenizer(path)


def test_its_own_cutting_and_padding_are_off(tokenizer):
    """The file cuts and pads to 8; here a text has the tokens it has."""
    assert tokenizer.ids(["cat", "abcdefghijkl"])[0].tolist() == [VOCABULARY["cat"]]
    assert tokenizer.counts(["", "cat", "cat dog.", "abcdefghijkl"]).tolist() == [0, 1, 3, 12]


def test_special_tokens_stand_around_a_text(tokenizer):
    """[CLS] before, [SEP] after, as the template says."""
    assert (tokenizer.before, tokenizer.after) == ((VOCABULARY["[CLS]"],), (VOCABULARY["[SEP]"],))
    assert tokenizer.special_count == 2
    assert tokenizer.padding_id == VOCABULARY["[PAD]"]


def test_spans_are_code_points_of_the_text(tokenizer):
    """A character outside of the first plane counts as one."""
    (spans,) = tokenizer.spans(["🙂 dog ab"])
    assert spans.tolist() == [[0, 1], [2, 5], [6, 7], [7, 8]]
    assert tokenizer.spans([""])[0].shape == (0, 2)


TEXT = st.text(st.sampled_from("abc dé. \t\n\r\x00\x1c\x85\u00a0\u0301日本🙂[SEP]Σς"), max_size=60)


@given(texts=st.lists(TEXT, max_size=4))
def test_pieces_have_the_tokens_of_the_whole(tokenizer, texts):
    """Taken in pieces of 5 characters, three at a time, ids and spans are those of the whole text."""
    whole = [ids.tolist() for ids in tokenizer.ids(texts)], [spans.tolist() for spans in tokenizer.spans(texts)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("PIECE_CHARS", 5), ("GROUP_CHARS", 15), ("GROUP_TEXTS", 3)):
            patch.setattr(_tokenizers, name, value)
        assert [ids.tolist() for ids in tokenizer.ids(texts)] == whole[0]
        assert [spans.tolist() for spans in tokenizer.spans(texts)] == whole[1]
        assert tokenizer.counts(texts).tolist() == [len(ids) for ids in whole[0]]


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"model": {"type": "Unheard"}}'])
def test_a_file_that_is_no_tokenizer_is_refused_by_path(tmp_path, content):
    """Whatever the library says becomes ModelLoadError."""
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(ModelLoadError) as caught:
        TextTokenizer(path)
    assert caught.value.where == str(path)


def test_a_tokenizer_without_a_template_adds_nothing(tmp_path):
    """No post-processor, no special tokens."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_rules() | {"post_processor": None}))
    assert TextTokenizer(path).special_count == 0
