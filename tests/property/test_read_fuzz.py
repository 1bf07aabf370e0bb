"""Whatever bytes a file holds, reading gives documents and reports, and nothing else."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError
from vicinal.read import read
from vicinal.read.html import visible_text
from vicinal.types import Document, Skipped

SUFFIXES = st.sampled_from(["txt", "md", "rst", "html", "py", "json", "jsonl", "csv", "tsv", "xyz", ""])
TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b"\n",
    b"\r\n",
    b"text",
    b'"text":',
    b":",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b"\t",
    b";",
]
TOKENS += [
    b"<",
    b">",
    b"</",
    b"<!",
    b"<![",
    b"<!--",
    b"&",
    b"&#x",
    b"<p>",
    b"<script>",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x81",
]
TOKENS += [b"coding: utf-16\n", b"charset=hex ", b'{"text": "a"}\n', b"id,text\n"]
BYTES = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join))


@settings(max_examples=400, deadline=None)
@given(suffix=SUFFIXES, content=BYTES, in_folder=st.booleans())
def test_any_bytes_give_documents_or_reports(suffix, content, in_folder):
    """Texts, ids and fields are fit for UTF-8; a table without text is the only error, and only where it was named."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, f"x.{suffix}")
        path.write_bytes(content)
        try:
            found = list(read(name if in_folder else path, base=Path(name), max_bytes=200))
        except InputError:
            assert not in_folder
            return
    assert found
    for item in found:
        assert isinstance(item, Document | Skipped)
        if isinstance(item, Document):
            assert item.text.strip()
            assert f"{item.id}{item.text}{item.fields}".encode()


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=200),
        st.lists(st.sampled_from(TOKENS), max_size=60).map(lambda t: b"".join(t).decode("latin-1")),
    )
)
def test_any_page_has_a_text(text):
    """The parser never gives up on a page."""
    assert visible_text(text) == visible_text(text).strip()


@pytest.mark.parametrize("piece", ["<div>", "<div hidden>", "<pre>", "<p", "a<b ", "&#", "<!--", "</p>", "<![", "x<b>"])
@pytest.mark.parametrize("end", ["", ">"])
def test_a_page_of_one_piece_over_and_over_is_read(piece, end):
    """Deep and broken pages need no recursion, and no time that grows with the square of their length."""
    assert isinstance(visible_text(piece * 30_000 + end), str)
