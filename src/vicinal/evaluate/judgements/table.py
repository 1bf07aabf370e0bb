"""Queries and judgements in one file: a row a judgement, or a row a query with the ids that answer it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from vicinal.evaluate.judgements.columns import DOCUMENT, GRADE, QUERY, QUERY_ID, RELEVANT, ROW_ID, column_of, folded
from vicinal.evaluate.judgements.judged import MOST_ID_CHARS, MOST_QUERY_CHARS
from vicinal.evaluate.judgements.lines import faulty, numbered_lines, parsed_grade, parsed_object, parsed_text
from vicinal.evaluate.judgements.qrels import put_grade
from vicinal.evaluate.judgements.queries import put_query, table_rows

SEPARATOR = "|"
"""Between ids of one cell."""
MOST_LISTED = 100_000
Parts = tuple[dict[str, str], dict[str, dict[str, int]]]


def read_table(path: Path) -> Parts:
    """Return the queries and the judgements of a CSV, TSV or JSON-lines file.

    Its columns are ``query`` and ``document``, maybe ``grade`` (1 where there is none; a row whose grade is empty is no
    judgement) and ``query_id``; or ``query`` and ``relevant``: a list of ids, in a cell as JSON or divided by ``|``, or
    an object of id and grade.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        A column is missing, or a row is no judgement. The message has the line's number.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for number, row in _rows(path):
        text = parsed_text(_value(row, QUERY), "a query", path, number, most=MOST_QUERY_CHARS).strip()
        is_listed = _value(row, DOCUMENT) is None
        told = _value(row, (*QUERY_ID, *ROW_ID) if is_listed else QUERY_ID)
        query = put_query(queries, told, text, path, number)
        for document, grade in _listed(row, path, number) if is_listed else _one(row, path, number):
            put_grade(qrels, (query, document, grade), path, number)
    return queries, qrels


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Go through the rows as name → value, the names folded."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        for number, line in numbered_lines(path):
            row = {folded(name): value for name, value in parsed_object(line, path, number).items()}
            _require_columns(list(row), path, number)
            yield number, row
        return
    rows = table_rows(path)
    number, head = next(rows, (0, []))
    names = [folded(cell) for cell in head]
    if number:
        _require_columns(names, path, number)
    for number, cells in rows:
        if len(cells) != len(names):
            raise faulty(path, number, f"{len(names)} columns were expected, got {len(cells)}")
        yield number, dict(zip(names, cells, strict=True))


def _require_columns(names: list[str], path: Path, number: int) -> None:
    if column_of(names, QUERY) is None:
        raise faulty(path, number, "no column holds the query; name one query")
    if column_of(names, (*DOCUMENT, *RELEVANT)) is None:
        raise faulty(
            path,
            number,
            "no column holds the document that answers the query; name one document (an id a row) or relevant "
            "(a list of ids), or give the judgements in a file of their own (--qrels)",
        )


def _value(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    place = column_of(list(row), names)
    return None if place is None else list(row.values())[place]


def _one(row: Mapping[str, object], path: Path, number: int) -> Iterator[tuple[str, int]]:
    """Give the judgement of a row, or none where its grade is empty."""
    names = list(row)
    grade = 1 if column_of(names, GRADE) is None else _value(row, GRADE)
    if grade is None or (isinstance(grade, str) and not grade.strip()):
        return
    yield _id(_value(row, DOCUMENT), path, number), parsed_grade(grade, path, number)


def _listed(row: Mapping[str, object], path: Path, number: int) -> Iterator[tuple[str, int]]:
    """Give the judgements of a row that names the answers of a query."""
    told = _value(row, RELEVANT)
    if isinstance(told, str):
        told = _cell(told, path, number)
    if not isinstance(told, list | dict) or len(told) > MOST_LISTED:
        raise faulty(path, number, f"relevant is a list of at most {MOST_LISTED} ids, or an object of id and grade")
    graded = told.items() if isinstance(told, dict) else ((one, 1) for one in told)
    for document, grade in graded:
        yield _id(document, path, number), parsed_grade(grade, path, number)


def _cell(text: str, path: Path, number: int) -> object:
    """Return what a cell lists: JSON where it looks like it, else the ids between the strokes."""
    if not text.lstrip().startswith(("[", "{")):
        return [one.strip() for one in text.split(SEPARATOR) if one.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise faulty(path, number, "relevant begins like JSON and is none") from error


def _id(value: object, path: Path, number: int) -> str:
    return parsed_text(value, "a document id", path, number, most=MOST_ID_CHARS)
