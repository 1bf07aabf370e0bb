"""Parents: the section around a chunk, or as many sentences as fit."""

import re

import pytest

from vicinal.chunk import parents
from vicinal.errors import DtypeError, RangeError
from vicinal.types import Document

BOOK = "intro\n\n# A\n\naa aa\n\n## B\n\nbb bb\n\n# C\n\ncc"


def around(text, piece, most_chars, form="markdown"):
    """Return the text of the parent of the first place of a piece."""
    start = text.index(piece)
    document = Document(id="x", text=text, form=form)
    ((low, high),) = parents(document, [(start, start + len(piece))], most_chars=most_chars)
    return text[low:high]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (100, BOOK),
        (30, "# A\n\naa aa\n\n## B\n\nbb bb"),
        (13, "## B\n\nbb bb"),
        (5, "bb bb"),
        (1, "bb bb"),
    ],
)
def test_a_parent_is_the_largest_section_that_is_small_enough(most, expected):
    """The whole text of 40 characters, the section of 24, the one under it of 13 with its blank line, the chunk."""
    assert around(BOOK, "bb bb", most) == expected


def test_where_no_section_is_small_enough_whole_sentences_are_added_on_both_sides():
    """Sentences of 4 characters with a space: the chunk has 4, 10 more are two sentences, one on each side."""
    text = " ".join(f"{letter}{letter}{letter}." for letter in "ABCDEFGH")
    assert around(text, "DDD.", 14, "text") == "CCC. DDD. EEE."
    assert around(text, "DDD.", 15, "text") == "CCC. DDD. EEE."
    assert around(text, "DDD.", 4, "text") == "DDD."


def test_at_an_end_of_the_section_the_other_side_gets_the_room():
    """The last sentence takes two from before it, the first two from behind."""
    text = " ".join(f"{letter}{letter}{letter}." for letter in "ABCDEFGH")
    assert around(text, "HHH.", 15, "text") == "FFF. GGG. HHH."
    assert around(text, "AAA.", 15, "text") == "AAA. BBB. CCC."


def test_a_parent_does_not_leave_its_section():
    """The neighbour sections are nearer than more of its own; they are left out."""
    text = "# A\n\nAaa. Bbb. Ccc.\n\n# B\n\nDdd. Eee. Fff. Ggg. Hhh."
    assert around(text, "Ddd.", 20) == "# B\n\nDdd. Eee. Fff."


def test_chunks_of_one_section_have_one_parent():
    """So that it is handed out once."""
    document = Document(id="x", text=BOOK, form="markdown")
    spans = [match.span() for match in re.finditer("aa|bb", BOOK)]
    assert set(parents(document, spans, most_chars=30)) == {(7, 30)}


def test_nothing_in_nothing_out():
    """No spans have no parents."""
    assert parents(Document(id="x", text=""), [], most_chars=10) == []


@pytest.mark.parametrize(("most", "error"), [(0, RangeError), (2.0, DtypeError)])
def test_a_size_that_is_no_count_is_refused(most, error):
    """A parent has at least one character."""
    with pytest.raises(error, match="most_chars"):
        parents(Document(id="x", text=""), [], most_chars=most)
