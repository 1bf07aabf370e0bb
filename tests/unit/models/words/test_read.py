"""Words and vectors come back as they were written, and what is damaged is refused where it is damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from static_worlds import WORDS, WRITERS, write_fasttext, write_glove, write_word2vec, write_word2vec_binary
from vicinal.errors import ModelLoadError, UnknownNameError, UnsupportedError, VicinalError
from vicinal.models.words import open_words, text


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", WRITERS)
def test_words_and_vectors_come_back(tmp_path, kind):
    """In the order of the file, bit for bit."""
    found = open_words(WRITERS[kind](tmp_path / "file"))
    assert (found.kind, found.words, found.dim) == (kind, tuple(WORDS), 3)
    assert found.table[: len(WORDS)].tolist() == [list(map(float, vector)) for vector in WORDS.values()]
    assert found.table.dtype == np.float32
    assert not found.table.flags.writeable


def test_many_blocks_are_one_table(tmp_path, monkeypatch):
    """Read two words at a time, or in pieces of a few bytes, it is the same table."""
    monkeypatch.setattr("vicinal.models.words.text.BLOCK_ROWS", 2)
    monkeypatch.setattr("vicinal.models.words.binary.BLOCK_ROWS", 4)
    monkeypatch.setattr("vicinal.models.words.binary.CHUNK_BYTES", 7)
    for kind, write in WRITERS.items():
        found = open_words(write(tmp_path / kind))
        assert found.words == tuple(WORDS)
        assert found.table[: len(WORDS)].tolist() == [list(map(float, vector)) for vector in WORDS.values()]


def test_a_word_may_hold_spaces(tmp_path):
    """GloVe 840B has such words: a line is read from its right end."""
    found = open_words(write_glove(tmp_path / "g", WORDS | {". . .": (1, 2, 3), "at x@y.com": (0, 0, 1)}))
    assert found.words[-2:] == (". . .", "at x@y.com")
    assert found.table[-2].tolist() == [1, 2, 3]


def test_words_in_other_scripts_and_no_script_at_all(tmp_path):
    """Line ends are those of ASCII only; what is no UTF-8 is read with replacements."""
    found = open_words(write_glove(tmp_path / "g", {"a": (1, 2), "\u2028": (1, 3), "\x85": (1, 4), "東京": (2, 2)}))
    assert found.words == ("a", "\u2028", "\x85", "東京")
    (tmp_path / "b").write_bytes(b"a 1 2\n\xff\xfe 3 4\n")
    assert open_words(tmp_path / "b").words == ("a", "\ufffd\ufffd")


def test_both_ends_of_binary_rows(tmp_path):
    """The original tool ends each row with a line's end, gensim does not."""
    with_ends = open_words(write_word2vec_binary(tmp_path / "a"))
    without = open_words(write_word2vec_binary(tmp_path / "b", between=b""))
    assert with_ends.words == without.words == tuple(WORDS)
    assert np.array_equal(with_ends.table, without.table)


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"cat 1 2\ndog 1\n", "glove", "line 2: a word and 2 numbers must stand here, got 1"),
        (b"cat 1 2\ndog 1 x\n", "glove", "line 2: one of the 2 numbers is none"),
        (b"cat 1 2\ndog 1 nan\n", "glove", "line 2: a number is not finite"),
        (b"cat 1 2\ndog 1 1e39\n", "glove", "line 2: a number is not finite"),
        (b"cat 1 2\n\ndog 1 2\n", "glove", "line 2: an empty line"),
        (b"cat 1 2\nd\0g 1 2\n", "glove", "line 2: a word holds a zero byte"),
        (b"", "glove", "line 1"),
        (b"3 2\ncat 1 2\ndog 1 2\n", "word2vec", "line 4: there are 2 of 3 words: the file is cut off"),
        (b"1 2\ncat 1 2\ndog 1 2\n", "word2vec", "line 3: there are more than the 1 words"),
        (b"9999 300\ncat 1 2\n", "word2vec", "line 1: 9999 words of 300 numbers are claimed"),
        (b"cat 1 2\n", "word2vec", "line 1: the number of words and of components"),
        (b"0 2\n", "word2vec", "line 2: there are 0 of"),
        (b"cat " + bytes(8), "word2vec-binary", "byte 0: the number of words"),
        (b"900 2\ncat " + bytes(8), "word2vec-binary", "byte 0: 900 words of 2 components"),
        (b"1 2\ncat " + bytes(8) + b"dog", "word2vec-binary", "byte 16: something stands behind the 1 words"),
        (b"2 2\ncat " + bytes(8) + b"dog123456789", "word2vec-binary", "byte 16: a word and its components"),
        (b"1 2\n " + bytes(10), "word2vec-binary", "byte 4: a word and its components"),
        (b"1 2\ncat \xff\xff\xff\xff" + bytes(4), "word2vec-binary", "byte 4: a component is not finite"),
    ],
)
def test_damage_is_told_by_line_or_byte(tmp_path, content, kind, told):
    """The message has the file, the place and what stands there."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=told) as caught:
        open_words(path, kind=kind)
    assert str(path) in caught.value.message
    assert not list((tmp_path / "cache").rglob("about.json"))


def test_a_line_without_end_is_bounded(tmp_path, monkeypatch):
    """A line beyond the bound is refused before more of it is read."""
    monkeypatch.setattr(text, "MAX_WORD_BYTES", 10)
    (tmp_path / "g").write_bytes(b"cat 1 2\n" + b"x" * 999 + b"\n")
    with pytest.raises(ModelLoadError, match=r"line 2: the line has more than 138 bytes"):
        open_words(tmp_path / "g", kind="glove")


def test_what_is_no_file_of_words_is_refused(tmp_path):
    """By its path; and so is a kind that does not exist."""
    (tmp_path / "prose").write_text("It was a dark and stormy night.\n")
    with pytest.raises(ModelLoadError, match="prose is no file of word vectors"):
        open_words(tmp_path / "prose")
    with pytest.raises(UnknownNameError, match="kind must be one of glove"):
        open_words(tmp_path / "prose", kind="prose")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_an_error_with_a_name_or_harmless(tmp_path, data):
    """Cut anywhere, or with any byte changed: an error of ours, or finite vectors of the right shape."""
    kind = data.draw(st.sampled_from(sorted(WRITERS)))
    path = WRITERS[kind](tmp_path / "file")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = open_words(path, kind=kind)
    except VicinalError:
        return
    assert np.isfinite(found.table).all()
    assert len(found.words) <= len(found.table)
    assert found.ngrams is None or found.ngrams.first + found.ngrams.buckets <= len(found.table)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"quantised": 1}, UnsupportedError, "is quantised"),
        ({"pruned": 0}, UnsupportedError, "is pruned"),
        ({"version": 13}, ModelLoadError, "byte 0: this is no fastText file"),
        ({"magic": 1}, ModelLoadError, "byte 0"),
        ({"dim": 0}, ModelLoadError, "byte 8: its settings cannot be"),
        ({"high": 10**6}, ModelLoadError, "byte 8: its settings cannot be"),
        ({"rows": 10}, ModelLoadError, "a matrix of 10 rows has no room for 6 words and 5 n-grams"),
        ({"rows": 10**12}, ModelLoadError, "the matrix of words and n-grams is cut off"),
        ({"tail": b"x"}, ModelLoadError, "the file must end at byte"),
        ({"tokens": -1}, ModelLoadError, "are claimed, which cannot be"),
        ({"words": WORDS | {"inf": (1, 2, float("inf"))}}, ModelLoadError, "rows 0 to 11 is not finite"),
    ],
)
def test_fasttext_files_are_checked_whole(tmp_path, changes, error, told):
    """Sizes, kinds and ends must agree; what is no plain matrix is refused with the reason."""
    with pytest.raises(error, match=told):
        open_words(write_fasttext(tmp_path / "f.bin", **changes), kind="fasttext-binary")


def test_labels_are_no_words(tmp_path):
    """A classifier's labels stand behind its words and have no rows; one of the first version has no n-grams."""
    found = open_words(write_fasttext(tmp_path / "a", labels=("__label__x",)))
    assert found.words == tuple(WORDS)
    assert (found.ngrams.low, found.ngrams.high, found.ngrams.first) == (2, 3, 6)
    assert open_words(write_fasttext(tmp_path / "b", version=11, model=3)).ngrams is None


def test_counts_are_read(tmp_path):
    """The counts and the words of the training text, which are at least their sum."""
    found = open_words(write_fasttext(tmp_path / "a", tokens=10_000))
    assert (found.counts.tolist(), found.total) == ([100, 99, 98, 97, 96, 95], 10_000)
    assert open_words(write_fasttext(tmp_path / "b", tokens=1)).total == 585
    assert open_words(write_word2vec(tmp_path / "c")).counts is None
