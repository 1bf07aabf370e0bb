"""Whatever the text, the form and the tokenizer: spans are exact, nothing is lost, nothing is too long."""

import re
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.chunk import Chunker, parents, sentences
from vicinal.types import Document

PIECES = [
    "# h\n",
    "## i\n",
    "\n\n",
    "\n",
    "a ",
    "word ",
    "Dr. ",
    "e.g. ",
    "End. ",
    "。",
    "漢字",
    "é",
    "e\u0301",
    "😀",
    "👩‍👩‍👧",
]
PIECES += [
    "\r\n",
    "\r",
    "\0",
    "```\n",
    "~~~~\n",
    "def f():\n",
    "    ",
    "class A:\n",
    "@d\n",
    "# c\n",
    "====\n",
    "----\n",
]
PIECES += ["1. ", "- ", "\u2003", "\ufeff", "'''", "\u2028", "ﷺ", "\x1c", "x" * 50, "lorem ipsum " * 10]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    st.lists(st.sampled_from(PIECES), max_size=120).map("".join),
)
FORMS = st.sampled_from(["text", "markdown", "rst", "python", "code", "other"])


def whole_words(texts):
    """Return words and marks as tokens."""
    return [np.array([m.span() for m in re.finditer(r"\w+|[^\w\s]", t)], np.int64).reshape(-1, 2) for t in texts]


def sub_words(texts):
    """Return tokens of three characters counted from the beginning of each word and of the text: parts count otherwise."""
    found = []
    for text in texts:
        shift = len(text) % 3
        spans = [(a, min(a + 3, m.end())) for m in re.finditer(r"\S+", text) for a in range(m.start(), m.end(), 3)]
        found.append(np.array([(0, 0)] * shift + spans, np.int64).reshape(-1, 2))
    return found


def bytes_of(texts):
    """Return one token for each UTF-8 byte, as tokenizers of bytes do: several tokens with one span."""
    return [np.array([(i, i + 1) for i, c in enumerate(t) for _ in c.encode()], np.int64).reshape(-1, 2) for t in texts]


TOKENIZERS = st.sampled_from([whole_words, sub_words, bytes_of])


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    form=FORMS,
    token_spans=TOKENIZERS,
    target=st.sampled_from([8, 9, 20, 250]),
    share=st.floats(0, 1),
    version=st.sampled_from([1, 2]),
)
def test_chunks_are_exact_complete_and_short(text, form, token_spans, target, share, version):
    """Each chunk is its span's text, trimmed and within the target; together they hold all but white space."""
    most = target // 2 if version == 1 else target * 2 // 3
    chunker = Chunker(target=target, overlap=int(share * most), version=version)
    chunks = chunker.split(Document(id="x", text=text, form=form), token_spans)
    covered = bytearray(len(text))
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert len(token_spans([chunk.text])[0]) <= target
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert all(covered[place] or letter.isspace() for place, letter in enumerate(text))
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    assert chunks == Chunker.from_id(chunker.id).split(Document(id="y", text=text, form=form), token_spans)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, form=FORMS, context=st.integers(1, 12), title=st.sampled_from(["", "A title", "x" * 90]))
def test_what_is_encoded_is_within_the_target(text, form, context, title):
    """Context and text together, as words and marks are counted; the text is the end of it."""
    document = Document(id="x", text=text, form=form, fields={"title": title})
    chunker = Chunker(target=24, overlap=4, context=context)
    chunks = chunker.split_all([document], whole_words)
    encoded = chunker.encoded([document], chunks, whole_words)
    assert all(len(spans) <= 24 for spans in whole_words(encoded[0]))
    assert all(whole.endswith(chunk.text) for whole, chunk in zip(encoded[0], chunks[0], strict=True))


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, form=FORMS, most=st.integers(1, 300))
def test_a_parent_holds_its_chunk_and_is_small_enough(text, form, most):
    """It holds the chunk whole, is no longer than asked unless the chunk is, and has no white space at its ends."""
    document = Document(id="x", text=text, form=form)
    spans = [(chunk.start, chunk.end) for chunk in Chunker(target=8, overlap=0).split(document, whole_words)]
    for (start, end), (low, high) in zip(spans, parents(document, spans, most_chars=most), strict=True):
        assert low <= start < end <= high
        assert high - low <= max(most, end - start)
        assert text[low:high] == text[low:high].strip()


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_sentences_hold_everything_once(text):
    """Spans ascend without overlap, are trimmed, and leave out white space only."""
    at = 0
    for start, end in sentences(text):
        assert text[at:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        at = end
    assert text[at:].strip() == ""


def test_a_line_of_a_hundred_thousand_characters_without_a_space():
    """A word larger than any target is divided between tokens, and every letter is there."""
    text = "x" * 100_000
    chunks = Chunker(target=50, overlap=10).split(Document(id="x", text=text), sub_words)
    assert max(len(sub_words([chunk.text])[0]) for chunk in chunks) <= 50
    assert chunks[0].start == 0
    assert chunks[-1].end == len(text)
    assert all(after.start <= before.end for before, after in pairwise(chunks))
