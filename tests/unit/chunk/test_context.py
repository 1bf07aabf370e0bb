"""The context of a chunk: title and headings above it, within a budget, before what is encoded and nowhere else."""

import re

import numpy as np
import pytest

from vicinal.chunk import Chunker, contexts, with_context
from vicinal.errors import DtypeError, RangeError
from vicinal.types import Chunk, Document

TEXT = "intro\n\n# A one\n\na a\n\n## B two ##\n\nb b\n\nPart\n====\n\nd d"


def words(texts):
    """Return the spans of the words: a tokenizer that can be counted by hand."""
    return [np.array([m.span() for m in re.finditer(r"\S+", t)], dtype=np.int64).reshape(-1, 2) for t in texts]


def above(text, pattern, *, most=50, form="markdown", fields=None):
    """Return the context of each match of a pattern, as if each were a chunk."""
    document = Document(id="x", text=text, form=form, fields=fields or {})
    chunks = [Chunk(text=m[0], start=m.start(), end=m.end()) for m in re.finditer(pattern, text)]
    return contexts([document], [chunks], most, words)[0]


def test_a_context_is_the_title_and_the_headings_above():
    """Depth opens and closes headings; one that begins the chunk is not repeated; nothing stands over the first."""
    assert above(TEXT, "intro|# A one|a a|b b|Part|d d") == ["", "", "A one", "A one > B two", "", "Part"]
    assert above(TEXT, "intro|b b", fields={"title": " The \n book "}) == ["The book", "The book > A one > B two"]


def test_a_title_that_the_text_says_itself_is_not_repeated():
    """It is the first heading above, or the beginning of the chunk; a title that is no string is none."""
    assert above(TEXT, "a a|d d", fields={"title": "A one"}) == ["A one", "A one > Part"]
    assert above(TEXT, "intro", fields={"title": "intro"}) == [""]
    assert above(TEXT, "a a", fields={"title": 7}) == ["A one"]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(8, "T u > A one > B two"), (7, "T u > B two"), (5, "T u > B two"), (4, "T u"), (2, "T u"), (1, "T"), (0, "")],
)
def test_a_path_that_is_too_long_loses_its_outer_headings_first(most, expected):
    """By words, the marks between two parts included: 8 in all, 5 without the outer heading, 2 of the title."""
    assert above(TEXT, "b b", most=most, fields={"title": "T u"}) == [expected]


def test_titles_of_other_forms_lose_their_marks():
    """Overlines and underlines of rst; of Python what is defined, without decorators; imports have no title."""
    rst = "====\nBook\n====\n\ntext\n\nPart\n----\n\nmore"
    assert above(rst, "text|more", form="rst") == ["Book", "Book > Part"]
    code = "import os\n\n\n@d(1)\nclass A(B):\n    x = 1\n\n    # why\n    async def f(self):\n        return 2\n\n\nX = 3\n"
    assert above(code, "import|x = 1|return 2|X = 3", form="python") == ["", "class A", "class A > async def f", ""]


def test_what_is_encoded_is_context_and_text_within_the_target_and_the_text_stays():
    """Target 20, 6 for the context and 2 for what joins them: 12 words of text; the chunk's own text is its span."""
    document = Document(id="x", text="# A one\n\n" + "w " * 40, form="markdown", fields={"title": "T u"})
    chunker = Chunker(target=20, overlap=0, context=6)
    chunks = chunker.split_all([document], words)
    encoded = chunker.encoded([document], chunks, words)[0]
    assert [len(words([text])[0]) for text in encoded] == [2 + 12, 5 + 12, 5 + 12, 5 + 7]
    assert encoded[1] == "T u > A one\n\n" + chunks[0][1].text
    assert all(one.text == document.text[one.start : one.end] for one in chunks[0])
    plain = Chunker(target=20, overlap=0)
    assert plain.encoded([document], chunks, words) == [[one.text for one in chunks[0]]]


def test_without_a_context_a_text_is_encoded_as_it_is():
    """Nothing is put before it."""
    assert with_context("", "a") == "a"
    assert with_context("T", "a") == "T\n\na"


def test_nothing_in_nothing_out():
    """No documents, and documents without chunks, keep their shape."""
    assert contexts([], [], 5, words) == []
    assert contexts([Document(id="x", text="")], [[]], 5, words) == [[]]


@pytest.mark.parametrize(("most", "error"), [(-1, RangeError), (1.5, DtypeError)])
def test_a_budget_that_is_no_count_is_refused(most, error):
    """A budget counts tokens."""
    with pytest.raises(error, match="most"):
        contexts([], [], most, words)


def test_a_context_that_leaves_no_room_is_refused():
    """8 words of text and 2 for what joins are the least; version 1 knows no context."""
    assert Chunker(target=20, overlap=0, context=10).text_target == 8
    with pytest.raises(RangeError):
        Chunker(target=20, overlap=0, context=11)
    with pytest.raises(RangeError, match="Version 1"):
        Chunker(target=20, overlap=0, context=5, version=1)
