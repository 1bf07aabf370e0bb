"""Sentences: where they end, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.chunk import sentences
from vicinal.chunk.sentence import last_sentence_end, sentence_ends


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four…", ["One.", "Two!", "Three?", "Four…"]),
        ("Dr. Smith met J. R. Hill, e.g. in St. Ives.", ["Dr. Smith met J. R. Hill, e.g. in St. Ives."]),
        ("It cost 3.14 in v1.2. See Fig. 3 or no. 5.", ["It cost 3.14 in v1.2.", "See Fig. 3 or no. 5."]),
        ("The answer is no. So I left.", ["The answer is no.", "So I left."]),
        ("Was it I. You know.", ["Was it I.", "You know."]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("He asked why? and left.", ["He asked why? and left."]),
        ("今日は。明日！はい？「え。」次。", ["今日は。", "明日！", "はい？", "「え。」", "次。"]),
        ("# Title\nThis text\nwraps. End", ["# Title", "This text\nwraps.", "End"]),
        ("A list:\n- one\n- two\n1. three\n2. four", ["A list:", "- one", "- two", "1. three", "2. four"]),
        ("First part\r\n\r\nsecond part", ["First part", "second part"]),
        (" \n\t", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    """Stops, abbreviations, initials, decimals, items, headings, blank lines and ideographic stops are told apart."""
    assert [text[start:end] for start, end in sentences(text)] == expected


@given(text=st.text(alphabet="aB 1.!?…。」\"'\n\t#-", max_size=60), low=st.integers(0, 60), length=st.integers(0, 60))
def test_the_last_end_is_the_largest_of_all_ends(text, low, length):
    """Looked for from behind, the same place is found as by going through all of them; 0 for none."""
    assert last_sentence_end(text, low, low + length) == max(sentence_ends(text, low, low + length), default=0)
