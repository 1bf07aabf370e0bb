"""Queries in files: JSON lines, tables with a header, TREC's topics, an id and a text by a tab, or one query a line."""

from __future__ import annotations

import csv
import hashlib
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError
from vicinal.evaluate.judgements.columns import QUERY, QUERY_ID, ROW_ID, column_of, folded
from vicinal.evaluate.judgements.judged import MOST_ID_CHARS, MOST_QUERY_CHARS
from vicinal.evaluate.judgements.lines import (
    decoded,
    faulty,
    numbered_lines,
    parsed_object,
    parsed_text,
    whole_text,
)

BEGINNINGS = ("queries", "topics")
"""How the file of queries of a folder begins."""
ENDINGS = (".jsonl", ".ndjson", ".tsv", ".csv", ".txt", ".trec", ".xml", ".qrels", ".qrel", "")
ID_DIGITS = 12
"""Hexadecimal digits of the id of a query that came without one."""
TOPIC = re.compile(r"<top>(.*?)</top>|<topic\b([^>]{0,1000})>(.*?)</topic>", re.DOTALL | re.IGNORECASE)
NUMBER = re.compile(r"<num>\s*(?:number\s*:)?\s*([^\s<]+)", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""\b(?:number|id)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
TITLE = re.compile(r"<(?:title|query)>\s*(?:topic\s*:)?\s*([^<]+)", re.IGNORECASE)


def read_queries(path: str | Path) -> dict[str, str]:
    """Return the queries of a file, with or without judgements.

    Parameters
    ----------
    path : str or Path
        ``.jsonl``: objects with a text (``text``, ``query``, ``question``) and maybe an id (``_id``, ``id``,
        ``query_id``). ``.csv``, ``.tsv``: a header with such names; a ``.tsv`` without one has an id and a text.
        A file that begins with ``<top`` or ``<topics``: TREC's topics, of which the title, or the query, is asked.
        Anything else: one query a line, or an id, a tab, and a query. Of a folder, its one file ``queries.*`` or
        ``topics.*``.

    Returns
    -------
    dict of str to str
        Query id → text, in the order of the file. Equal queries without an id of their own are one.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        A line is no query, or an id comes twice with different texts (the message has the line's number); a folder
        has several such files.

    Notes
    -----
    A query without an id gets ``id_of`` its text, so its id does not depend on where it stands.
    """
    path = _queries_file(Path(path))
    read = READERS.get(path.suffix.lower(), _lines)
    found: dict[str, str] = {}
    for number, told, asked in read(path):
        text = parsed_text(asked, "a query", path, number, most=MOST_QUERY_CHARS).strip()
        put_query(found, told, text, path, number)
    return found


def _queries_file(path: Path) -> Path:
    """Return the one file of queries of a folder; a file is returned as it is."""
    with disk_errors(path):
        if not path.is_dir():
            return path
    found = [one for one in files_of(path) if one.name.startswith(BEGINNINGS)]
    if not found:
        raise NotFoundError(
            f"{path} has no file of queries: queries.jsonl as in BEIR, or topics.txt as in TREC.", where=str(path)
        )
    if len(found) > 1:
        listed = ", ".join(one.name for one in found)
        raise InputError(f"{path} has several files of queries: {listed}. Name one, with qrels.", where=str(path))
    return found[0]


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold queries or judgements, by name."""
    with disk_errors(folder):
        return sorted(one for one in folder.iterdir() if one.is_file() and one.suffix.lower() in ENDINGS)


def put_query(found: dict[str, str], told: object, text: str, path: Path, number: int) -> str:
    """Add a query with the id that it was told with, or that of its text for None or ``""``; return the id.

    Raises
    ------
    InputError
        The id is none, or stands for another text.
    """
    is_named = told is not None and told != ""
    query = parsed_text(told, "a query id", path, number, most=MOST_ID_CHARS) if is_named else id_of(text)
    if found.setdefault(query, text) != text:
        raise faulty(path, number, f"query {query!r} has another text here than before")
    return query


def id_of(text: str) -> str:
    """Return the id of a query that has none: ``q-`` and digits of the SHA-256 of its text."""
    return f"q-{hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]}"


Row = tuple[int, object, object]
"""The line's number, the id or None, the text."""


def _objects(path: Path) -> Iterator[Row]:
    for number, line in numbered_lines(path):
        told = {folded(name): value for name, value in parsed_object(line, path, number).items()}
        yield number, _named(told, (*ROW_ID, *QUERY_ID)), _named(told, QUERY)


def _named(told: dict[str, object], names: tuple[str, ...]) -> object:
    """Return the value of the first of the names that is there and not null."""
    return next((told[one] for one in names if told.get(one) is not None), None)


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Go through the rows of a table, the header too, with the number of the line on which each ends.

    In a ``.csv`` a comma or, where the header has more of them, a semicolon divides, and quotation marks hold a cell
    together. In a ``.tsv`` tabs divide and quotation marks mean nothing.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, or a row is none.
    """
    if path.suffix.lower() != ".csv":
        for number, line in numbered_lines(path):
            yield number, decoded(line, path, number).split("\t")
        return
    first = next(iter(numbered_lines(path)), (0, b""))[1]
    reader = csv.reader(_csv_lines(path), delimiter=max(",;", key=first.decode(errors="replace").count), strict=True)
    try:
        yield from ((reader.line_num, cells) for cells in reader if any(map(str.strip, cells)))
    except csv.Error as error:
        raise faulty(path, reader.line_num, f"it is no row of a table: {error}") from error


def _csv_lines(path: Path) -> Iterator[str]:
    """Go through the lines of a table with their ends, blank ones too: a quoted cell may hold some."""
    at = 1
    for number, line in numbered_lines(path):
        yield from ("\n" for _ in range(number - at))
        at = number + 1
        yield decoded(line, path, number) + "\n"


def _table(path: Path) -> Iterator[Row]:
    rows = table_rows(path)
    number, head = next(rows, (0, []))
    names = [folded(cell) for cell in head]
    text, told = column_of(names, QUERY), column_of(names, (*QUERY_ID, *ROW_ID))
    if text is None:
        if number and (path.suffix.lower() == ".csv" or len(head) != 2):  # noqa: PLR2004 - an id and a text
            raise faulty(path, number, "the header names no column for the query, such as query or text")
        if number:
            yield number, head[0], head[1]
        text, told = 1, 0
    for number, cells in rows:
        if len(cells) <= max(text, told or 0):
            raise faulty(path, number, f"{len(head)} columns were expected, got {len(cells)}")
        yield number, None if told is None else cells[told], cells[text]


def _lines(path: Path) -> Iterator[Row]:
    first = next(iter(numbered_lines(path)), (0, b""))[1]
    if first.lstrip().lower().startswith((b"<top", b"<?xml", b"<!")):
        yield from _topics(path)
        return
    for number, line in numbered_lines(path):
        told, tab, text = decoded(line, path, number).partition("\t")
        yield (number, told, text) if tab else (number, None, told)


def _topics(path: Path) -> Iterator[Row]:
    content = whole_text(path)
    for match in TOPIC.finditer(content):
        number = content.count("\n", 0, match.start()) + 1
        classic, head, body = match.groups()
        name = NUMBER.search(classic) if head is None else ATTRIBUTE.search(head) or NUMBER.search(body)
        title = TITLE.search(classic if head is None else body)
        if name is None or title is None:
            raise faulty(path, number, "a topic has a number, and a title or a query")
        yield number, name[1], " ".join(html.unescape(title[1]).split())


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _objects,
    ".ndjson": _objects,
    ".csv": _table,
    ".tsv": _table,
    ".xml": _topics,
}
