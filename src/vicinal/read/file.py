"""Read one file: whole where it is one document, row by row where it is a table."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vicinal.read import html, parquet, table
from vicinal.read.decode import HEAD_BYTES, encoding_of, is_binary
from vicinal.read.formats import ROWS, UNKNOWN, Format, format_of
from vicinal.read.place import Place, open_regular, refused
from vicinal.types import Document, Skipped

STREAMED = frozenset({"jsonl", "csv", "tsv"})
"""Formats that are never in memory as a whole."""
PARQUET = "parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for every file of a source. ``named`` is true for a file that the caller named himself."""

    columns: table.Columns
    max_bytes: int
    named: bool


def read_file(place: Place, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the documents of one file, or why there are none."""
    kind = format_of(place.id)
    if kind is None:
        yield Skipped(source=place.id, reason="binary", detail="by its suffix")
        return
    try:
        file = open_regular(place.path)
        if file is None:
            yield Skipped(source=place.id, reason="not a file", detail="a pipe, a socket, a device or a folder")
            return
        with file:
            if kind.name == PARQUET:
                yield from parquet.read_parquet(file, place.id, limits.columns, limits.max_bytes, named=limits.named)
            else:
                yield from read_stream(file, place.id, kind, limits)
    except OSError as error:
        yield refused(place.id, error)


def read_stream(file: BinaryIO, source: str, kind: Format, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the documents of an open file that can be rewound."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if is_binary(head):
        yield Skipped(source=source, reason="binary", detail="it holds zero bytes")
    elif kind.name in STREAMED:
        yield from _read_rows(file, source, kind, limits)
    else:
        data = file.read(limits.max_bytes + 1)
        if len(data) > limits.max_bytes:
            detail = f"over {limits.max_bytes} bytes; raise max_bytes or divide it"
            yield Skipped(source=source, reason="too large", detail=detail, failed=True)
        else:
            yield from _read_whole(data, source, kind, limits)


def read_bytes(data: bytes, source: str, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the document of text that came without a name, as from standard input."""
    yield from read_stream(io.BytesIO(data), source, UNKNOWN, limits)


def _read_rows(file: BinaryIO, source: str, kind: Format, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the documents of a table, one row in memory at a time."""
    encoding = encoding_of(file, declares=False)
    if encoding is None:
        yield _undecodable(source, kind)
        return
    with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        rows = table.jsonl_rows if kind.name == "jsonl" else table.csv_rows if kind.name == "csv" else table.tsv_rows
        try:
            yield from table.documents(rows(text, limits.max_bytes), source, limits.columns, named=limits.named)
        except UnicodeError:
            yield Skipped(source=source, reason="undecodable", detail="the file changed while it was read", failed=True)


def _read_whole(data: bytes, source: str, kind: Format, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the document of a file, or the documents of a JSON file."""
    encoding = encoding_of(io.BytesIO(data), declares=kind.name in {"html", "python", "code"})
    if encoding is None:
        yield _undecodable(source, kind)
        return
    text = data.decode(encoding)
    if not text or text.isspace():
        yield Skipped(source=source, reason="empty")
    elif kind.name in ROWS:
        named = limits.named
        yield from table.documents(table.json_rows(text), source, limits.columns, named=named, settings=True)
    else:
        yield _document(text, source, kind)


def _document(text: str, source: str, kind: Format) -> Document | Skipped:
    """Return the document of a file of text."""
    if kind.name == "html":
        text = html.visible_text(text)
        if not text or text.isspace():
            return Skipped(source=source, reason="empty", detail="no visible text")
    fields = {"path": source, "format": kind.name}
    return Document(id=source, text=text, source=source, form=kind.form, fields=fields)


def _undecodable(source: str, kind: Format) -> Skipped:
    """Return what is reported of bytes in no known encoding: a hole where text was promised, else just binary."""
    if kind.known:
        return Skipped(source=source, reason="undecodable", detail="convert it to UTF-8", failed=True)
    return Skipped(source=source, reason="binary", detail="by its content")
