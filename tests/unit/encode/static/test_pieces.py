"""Looked up piece by piece, a text has the rows that it has as a whole."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_worlds import tokenizer_rules
from static_worlds import found_of, write_fasttext, write_model2vec
from vicinal.encode.static import pieces
from vicinal.encode.static.pieces import PieceMemory, is_word_by_word
from vicinal.encode.static.tables import TableTokens, read_table
from vicinal.encode.static.words import WordTokens
from vicinal.models.words import open_words

MARKS = "\t\n\r \x0b\x0c\x00\x1c\x1f\x7f\x85\xa0\xad\u0301\u0345\u0600\u1680\u180e\u2003\u200b\u200d\u2028\u202f\u3000\ufeff\ufffd"
LETTERS = "abc dé.,'-_1ß İıΣσς\u00a8\ufdfa日本🙂𝒜[]SEPUNK<>"
TEXTS = st.lists(
    st.one_of(
        st.text(st.sampled_from(MARKS + LETTERS), max_size=30),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.lists(st.sampled_from(["cat", "dog", "[SEP]", "[UNK]", "don't", "x\u0301", "\u0301", "日本", "a\x1cb"])).map(" ".join),
    ),
    max_size=5,
)  # fmt: skip


def _rules(kind):
    """Return tokenizers of several sorts that split at white space first."""
    rules = tokenizer_rules()
    if kind == "cased":
        rules["normalizer"] = rules["normalizer"] | {"lowercase": False, "strip_accents": False}
    if kind == "plain":
        rules["normalizer"], rules["pre_tokenizer"] = None, {"type": "Whitespace"}
    if kind == "compatible":
        rules["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}, {"type": "StripAccents"}]}  # fmt: skip
        rules["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    return rules


@pytest.fixture(scope="module", params=["bert", "cased", "plain", "compatible", "words"])
def direct(request, tmp_path_factory):
    """Return what finds the rows of whole texts."""
    place = tmp_path_factory.mktemp("pieces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_CACHE", str(place / "cache"))
        if request.param == "words":
            return WordTokens(open_words(write_fasttext(place / "f")), None)._picked
        found = found_of(write_model2vec(place, rules=_rules(request.param)))
        return TableTokens(found, read_table(found), None)._picked


def _same(one, other):
    for name in ("rows", "offsets", "words", "weights"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if len(one.rows) or name != "weights":  # without rows there may be none or no weights
            assert (mine is None) == (theirs is None)
            assert mine is None or (mine.dtype == theirs.dtype and mine.tolist() == theirs.tolist()), name


@given(texts=TEXTS)
def test_pieces_have_the_rows_of_the_whole(direct, texts):
    """For every kind of white space, control, mark and added token; the first time and from memory."""
    memory = PieceMemory(direct)
    expected = direct(texts)
    _same(memory(texts), expected)
    _same(memory(texts), expected)
    _same(memory(texts[::-1]), direct(texts[::-1]))


@given(rounds=st.lists(TEXTS, max_size=4))
def test_a_memory_that_overflows_begins_anew(direct, rounds):
    """However little it may remember, and whatever it was asked before, the rows are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "MAX_PIECES", 2)
        patch.setattr(pieces, "MAX_PIECE_CHARS", 9)
        memory = PieceMemory(direct)
        for texts in rounds:
            _same(memory(texts), direct(texts))
            assert len(memory._known._number) <= 2, "it begins with the end of a text"


def test_known_pieces_are_not_looked_for_again():
    """The tokenizer sees a piece once."""
    seen = []

    def pick(texts):
        seen.extend(texts)
        sizes = np.array([len(text) for text in texts], dtype=np.int64)
        rows = np.array([ord(letter) for text in texts for letter in text], dtype=np.int32)
        return pieces.Picked(rows=rows, offsets=np.concatenate([[0], np.cumsum(sizes)]), weights=None, words=sizes)

    memory = PieceMemory(pick)
    found = memory(["ab c", "", "c\tab\n"])
    assert found.rows.tolist() == [97, 98, 99, 99, 97, 98]
    assert found.offsets.tolist() == [0, 3, 3, 6]
    memory(["c ab ab"])
    assert sorted(seen) == ["", "ab", "c"]
    assert memory([]).offsets.tolist() == [0]


def test_many_threads_share_a_memory(direct):
    """Whoever learns a piece, all have the rows of the whole."""
    texts = [[f"cat {number % 7} dog{number} a{thread}" for number in range(200)] for thread in range(8)]
    memory = PieceMemory(direct)
    with ThreadPoolExecutor(8) as pool:
        for asked, found in zip(texts, pool.map(memory, texts), strict=True):
            _same(found, direct(asked))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"normalizer": None}, True),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]}}, True),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Strip"}]}}, False),
        ({"normalizer": {"type": "Sequence", "normalizers": 3}}, False),
        ({"normalizer": {"type": "Replace"}}, False),
        ({"normalizer": "BertNormalizer"}, False),
        ({"pre_tokenizer": None}, False),
        ({"pre_tokenizer": {"type": "Metaspace"}}, False),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, False),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]}}, False),
        ({"added_tokens": [{"content": "New York"}]}, False),
        ({"added_tokens": [{"content": 3}]}, False),
        ({"added_tokens": ["x"]}, False),
        ({"added_tokens": None}, True),
    ],
)
def test_which_tokenizers_are_taken_apart(change, expected):
    """Those that split at white space before anything else; whatever may look across it is asked for whole texts."""
    assert is_word_by_word(json.loads(json.dumps(tokenizer_rules() | change))) is expected
