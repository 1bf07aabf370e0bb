"""What a file holds is seen in the file."""

from __future__ import annotations

import numpy as np
import pytest

from static_worlds import WORDS, WRITERS, write_glove, write_word2vec
from vicinal.errors import ModelLoadError
from vicinal.models.words import KINDS, is_word_vectors


@pytest.mark.parametrize("kind", WRITERS)
def test_each_kind_is_seen(tmp_path, kind):
    """The name of the file says nothing."""
    assert is_word_vectors(WRITERS[kind](tmp_path / "vectors.pdf")) == kind
    assert kind in KINDS


def test_text_of_fasttext_is_told_from_word2vec(tmp_path):
    """fastText ends its lines with a space and rounds to five digits; word2vec's own tool writes six decimals."""
    words = {"the": (0.25, -1.5), "cat": (0.5, 3.25)}
    assert is_word_vectors(write_word2vec(tmp_path / "a", words, end=" ")) == "fasttext"
    assert is_word_vectors(write_word2vec(tmp_path / "b", words)) == "word2vec"
    (tmp_path / "c").write_text("1 2\nthe 0.250000 -1.500000 \n")
    assert is_word_vectors(tmp_path / "c") == "word2vec"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"word", b"a sentence of words\nand another\n", b'{"a": 1}\n', b"1 2 3 x\n4 5 6 y\n", b"%PDF-1.7\n",
        b"word 1\nother 2\n", b"cat 1 2\ndog 1\n", b"cat 1 nan\n", b"10 3\nsome text that goes on and on for a while\n",
        b"2 3\n", b"0 0\n", b"99999999999999 3\ncat 1 2 3\n", b"PK\x03\x04" + bytes(99), b"\xff" * 99,
    ],
)  # fmt: skip
def test_other_files_are_none(tmp_path, content):
    """Prose, JSON, numbers, archives: none of them; a bare header is an empty file of word2vec, refused when opened."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert is_word_vectors(path) == ("word2vec" if content == b"2 3\n" else "")


def test_no_name_is_refused(tmp_path):
    """A path without a file is an error with the path."""
    with pytest.raises(ModelLoadError, match=r"nowhere cannot be read"):
        is_word_vectors(tmp_path / "nowhere")


def test_one_line_and_no_last_end_are_enough(tmp_path):
    """A file of one word, its line not ended."""
    path = write_glove(tmp_path / "g", {"cat": (1, 2, 3)})
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert is_word_vectors(path) == "glove"


def test_enormous_lines_do_not_matter(tmp_path):
    """Only the first megabyte is looked at."""
    path = tmp_path / "g"
    path.write_bytes(b"a" * 3_000_000)
    assert not is_word_vectors(path)
    many = {f"w{row}": tuple(np.arange(300) / 8) for row in range(600)}
    assert path.stat().st_size > 1 << 20
    assert is_word_vectors(write_glove(path, WORDS | {})) == "glove"
    assert is_word_vectors(write_glove(path, many)) == "glove"
