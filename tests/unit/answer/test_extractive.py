"""The best sentences are the nearest by the encoder, with the span and the number of their source."""

from __future__ import annotations

import numpy as np

from vicinal.answer import Context, Source, extract
from vicinal.answer import extractive as module
from vicinal.answer.extractive import written
from vicinal.testing import ToyEncoder

FIRST = "# Numbers 1 2 3\n\nThere are 12 cats and 34 dogs. Nobody counted the quiet birds in the tall trees."
SECOND = "Short.\nThere are 12 cats and 34 dogs! All of the horses ran over the wide green hill."


def context_of(*texts, start=100):
    """Return a context of texts that begin at a place of their records, in line 5."""
    sources = [
        Source(number=place, id="d", source="d", line=5, start=start, end=start + len(text), score=1, text=text)
        for place, text in enumerate(texts, 1)
    ]
    return Context(sources=tuple(sources), tokens=0, budget_tokens=1, left_out=0)


def test_the_nearest_sentences_come_first():
    """Scores are the encoder's, best first; the span leads to the sentence; what says the same comes once."""
    encoder = ToyEncoder()
    question = "12 34 how many cats are there"
    found = extract(question, context_of(FIRST, SECOND), encoder=encoder)
    assert found[0].text == "There are 12 cats and 34 dogs."
    assert (found[0].number, found[0].line) == (1, 7)
    assert FIRST[found[0].start - 100 : found[0].end - 100] == found[0].text
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    vectors = encoder.encode_documents([one.text for one in found])
    assert np.allclose(vectors.similarity(encoder.encode_queries([question]))[:, 0], [one.score for one in found])
    assert "There are 12 cats and 34 dogs!" not in [one.text for one in found]
    assert not any(one.text.startswith("#") or one.text == "Short." for one in found)


def test_scraps_where_there_is_nothing_else():
    """A context of headings gives a heading; one of nothing gives nothing."""
    assert [one.text for one in extract("a", context_of("# A"), encoder=ToyEncoder())] == ["# A"]
    assert extract("a", context_of(), encoder=ToyEncoder()) == []
    assert extract("a", context_of(" \n"), encoder=ToyEncoder()) == []


def test_work_is_bounded(monkeypatch):
    """Beyond so many sentences, by rank, none is encoded; a sentence without an end is cut."""
    monkeypatch.setattr(module, "MOST_SENTENCES", 2)
    asked = []
    encoder = ToyEncoder()
    encode = encoder.encode_documents
    encoder.encode_documents = lambda texts: asked.append(texts) or encode(texts)
    found = extract("a", context_of("x " * 5000, FIRST, SECOND), encoder=encoder, most=9)
    assert len(asked[0]) == 2
    assert max(len(one.text) for one in found) <= 2000


def test_written_as_lines():
    """One sentence a line, white space made one space, its number behind it."""
    found = extract("a", context_of("One two\nthree four."), encoder=ToyEncoder())
    assert written(found) == "One two three four. [1]"


def test_citations_of_a_sentence_are_not_ours():
    """Numbers in brackets that an author wrote are shown in parentheses; the extract has the text as it is."""
    found = extract("a", context_of("Masks were worn [2], as in [ 3, 4 ] and a[i] shown."), encoder=ToyEncoder())
    assert found[0].text == "Masks were worn [2], as in [ 3, 4 ] and a[i] shown."
    assert written(found) == "Masks were worn (2), as in ( 3, 4 ) and a[i] shown. [1]"


def test_markup_is_no_sentence():
    """Code, tables and tags are passed over where a sentence says something."""
    text = (
        'Here is a whole sentence.\n\n| a | table | of | words |\n\n>>> some(code, of, words)\n\n<a href="x">y z w</a>'
    )
    assert [one.text for one in extract("a", context_of(text), encoder=ToyEncoder())] == ["Here is a whole sentence."]
