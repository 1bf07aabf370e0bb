"""Rows of json, jsonl, csv and tsv as documents: which column is the text, which the id, what the others are."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from vicinal.errors import InputError
from vicinal.types import Document, FieldValue, Skipped

TEXT_COLUMNS = (
    "text",
    "content",
    "contents",
    "body",
    "passage",
    "abstract",
    "description",
    "summary",
    "message",
    "comment",
    "review",
    "answer",
    "document",
)
"""Looked for in this order, in any case."""
ID_COLUMNS = ("id", "_id")
TITLE = "title"
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?|[eE][+-]?[0-9]{1,3})")
MOST_ID_CHARS = 4096
MOST_FIELDS = 1024
"""What a record may have, by whichever way it comes: see ``lifecycle.records``."""
MOST_WHOLE = 1 << 63
"""A whole number beyond 64 bits is kept as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that the caller chose; None where the program looks for one."""

    text: str | None
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its number from 1, the line on which it ends (0 where there are no lines), its values.

    ``fault`` says why it is none. ``name`` is its key in an object of objects.
    """

    number: int
    line: int = 0
    values: Mapping[str, Any] | None = None
    name: str | None = None
    fault: str = ""

    def place(self) -> str:
        """Return where the row is, in words."""
        return f"line {self.line}" if self.line else f"row {self.number}"


def jsonl_rows(text: TextIO, max_chars: int) -> Iterator[Row]:
    """Give the rows of a file with one object a line; blank lines are none."""
    line = number = 0
    while chunk := text.readline(max_chars + 1):
        line += 1
        whole = len(chunk) <= max_chars or chunk.endswith("\n")
        while not whole and (rest := text.readline(max_chars)):
            whole = rest.endswith("\n")
            chunk = ""
        if not chunk or len(chunk) > max_chars + 1:
            number += 1
            yield Row(number=number, line=line, fault=f"over {max_chars} characters; raise max_bytes")
        elif not chunk.isspace():
            number += 1
            yield _json_row(chunk, number, line)


def _json_row(chunk: str, number: int, line: int) -> Row:
    """Return the row of one line."""
    try:
        values = _parsed(chunk)
    except ValueError as error:
        return Row(number=number, line=line, fault=_fault(error))
    if not isinstance(values, dict):
        return Row(number=number, line=line, fault=f"an object was expected, got {type(values).__name__}")
    return Row(number=number, line=line, values=values)


def json_rows(text: str) -> Iterator[Row]:
    """Give the rows of a JSON file: a list of objects, an object of objects, or one object."""
    try:
        whole = _parsed(text)
    except ValueError as error:
        yield Row(number=1, fault=_fault(error))
        return
    named: list[tuple[str | None, Any]]
    if isinstance(whole, dict):
        nested = whole and all(isinstance(value, dict) for value in whole.values())
        named = list(whole.items()) if nested else [(None, whole)]
    else:
        named = [(None, value) for value in (whole if isinstance(whole, list) else [whole])]
    for number, (name, values) in enumerate(named, 1):
        if isinstance(values, dict):
            yield Row(number=number, values=values, name=name)
        else:
            yield Row(number=number, fault=f"an object was expected, got {type(values).__name__}")


def _parsed(text: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return what JSON says; NaN, which is none, becomes null."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _fault(error: ValueError) -> str:
    """Return what is wrong with a piece of JSON, without its text."""
    return f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else str(error)


def csv_rows(text: TextIO, max_chars: int) -> Iterator[Row]:
    """Give the rows of a csv file; its header tells whether commas, semicolons or tabs divide it."""
    first = text.readline()
    text.seek(0)
    delimiter = max(",;\t", key=first.count)
    yield from _separated(csv.reader(text, delimiter=delimiter, strict=True), max_chars)


def tsv_rows(text: TextIO, max_chars: int) -> Iterator[Row]:
    """Give the rows of a tsv file, in which quotation marks mean nothing."""
    yield from _separated(csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE), max_chars)


def _separated(reader: Any, max_chars: int) -> Iterator[Row]:  # noqa: ANN401 - csv's reader has no public type
    """Give the rows below the header."""
    header: list[str] | None = None
    number = 0
    while True:
        try:
            cells = _next(reader, max_chars)
        except csv.Error as error:
            number += header is not None
            yield Row(number=max(number, 1), line=reader.line_num, fault=str(error))
            continue
        if cells is None:
            return
        if header is None:
            header = [name.strip() or f"column{place}" for place, name in enumerate(cells, 1)]
        elif cells:
            number += 1
            yield _separated_row(header, cells, number, reader.line_num)


def _next(reader: Any, max_chars: int) -> list[str] | None:  # noqa: ANN401 - as above
    """Return the next row's cells, or None at the end; the module's own limit of a cell is given back."""
    before = csv.field_size_limit(max_chars)
    try:
        cells: list[str] | None = next(reader, None)
    finally:
        csv.field_size_limit(before)
    return cells


def _separated_row(header: list[str], cells: list[str], number: int, line: int) -> Row:
    """Return one row; it must have as many cells as the header."""
    if len(cells) != len(header):
        return Row(number=number, line=line, fault=f"{len(header)} cells were expected, got {len(cells)}")
    return Row(number=number, line=line, values=dict(zip(header, map(_typed, cells), strict=True)))


def _typed(cell: str) -> FieldValue:
    """Return a cell as what it looks like; a number with leading zeros or over 18 digits stays text."""
    if WHOLE.fullmatch(cell):
        return int(cell)
    if DECIMAL.fullmatch(cell):
        number = float(cell)
        return number if math.isfinite(number) else cell
    return {"": None, "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}.get(
        cell, cell
    )


def documents(
    rows: Iterator[Row], source: str, columns: Columns, *, named: bool, settings: bool = False
) -> Iterator[Document | Skipped]:
    """Give the documents of a table's rows.

    ``named`` is true where a table without a text column is the caller's error; elsewhere it is skipped, as a
    failure unless it may be a file of settings, as most JSON files in a folder are.
    """
    chosen: str | None = None
    count = 0
    for row in rows:
        count += 1
        if row.values is None:
            yield Skipped(source=source, reason="malformed", detail=f"{row.place()}: {row.fault}", failed=True)
            continue
        found = _text_column(row.values, columns.text)
        if found is None and chosen is None:
            yield _without_text(source, row.values, columns, named=named, failed=not settings)
            return
        chosen = found or chosen
        yield _document(row, source, found, columns)
    if not count:
        yield Skipped(source=source, reason="empty", detail="no rows")


def _text_column(values: Mapping[str, Any], wanted: str | None) -> str | None:
    """Return the column that holds the text, if the row has one."""
    if wanted is not None:
        return wanted if wanted in values else None
    lower = {name.lower(): name for name in reversed(list(values))}
    return next((lower[name] for name in TEXT_COLUMNS if name in lower), None)


def _without_text(source: str, values: Mapping[str, Any], columns: Columns, *, named: bool, failed: bool) -> Skipped:
    """Return what is reported of a table without a text column, or raise it when the caller named the table."""
    wanted = f"the text column {columns.text!r}" if columns.text is not None else "a column that looks like text"
    message = f"{source} has not {wanted}; its columns are {', '.join(values) or 'none'}. Choose one with text_field (--text-field)."
    if named:
        raise InputError(message, expected=columns.text or ", ".join(TEXT_COLUMNS), got=", ".join(values), where=source)
    return Skipped(source=source, reason="no text column", detail=message, failed=failed)


def _document(row: Row, source: str, text_column: str | None, columns: Columns) -> Document | Skipped:
    """Return the document of one row, or why it is none."""
    values = row.values or {}
    name = _row_name(row, values, columns)
    text = values.get(text_column) if text_column else None
    fault = "no text column" if text_column is None else "the text is no string" if not _is_text(text) else ""
    if fault or name is None:
        detail = f"{row.place()}: {fault or f'no id in {columns.id!r}'}"
        return Skipped(source=source, reason="malformed", detail=detail, failed=True)
    title = values.get(TITLE)
    titled = title if isinstance(title, str) and text_column != TITLE else ""
    body = _sound("\n\n".join(part for part in (titled, str(text or "")) if part and not part.isspace()))
    if not body:
        return Skipped(source=source, reason="empty", detail=row.place())
    left_out = {text_column, _id_column(values, columns)}
    fields = {"path": source, **_fields({key: value for key, value in values.items() if key not in left_out})}
    record_id = f"{source}#{name}"
    if len(record_id) > MOST_ID_CHARS or len(fields) > MOST_FIELDS:
        told = f"an id of {len(record_id)} characters and {len(fields)} fields; the most are {MOST_ID_CHARS} and {MOST_FIELDS}"
        return Skipped(source=source, reason="malformed", detail=f"{row.place()}: {told}", failed=True)
    return Document(id=record_id, text=body, source=source, fields=fields)


def _is_text(value: object) -> bool:
    """Return whether a value can be a text: a string, a number of a csv cell, or nothing."""
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _id_column(values: Mapping[str, Any], columns: Columns) -> str | None:
    """Return the column that holds the id, if the row has one."""
    if columns.id is not None:
        return columns.id
    return next((name for name in ID_COLUMNS if name in values), None)


def _row_name(row: Row, values: Mapping[str, Any], columns: Columns) -> str | None:
    """Return what stands after the ``#`` in the id; None when the caller's column has nothing in it."""
    column = _id_column(values, columns)
    value = values.get(column) if column else None
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return _sound(str(value))
    if columns.id is not None:
        return None
    return _sound(row.name) if row.name else str(row.number)


def _fields(values: Mapping[str, Any]) -> dict[str, FieldValue]:
    """Return values as typed fields: objects within become ``outer.inner``, other nested values JSON text."""
    fields: dict[str, FieldValue] = {}
    waiting = list(reversed(list(values.items())))
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}.{inner}", value[inner]) for inner in reversed(value)]
        else:
            fields[_sound(str(name))] = _field(value)
    return fields


def _field(value: Any) -> FieldValue:  # noqa: ANN401 - what JSON holds
    """Return one value as a field."""
    if isinstance(value, list):
        return _list_field(value)
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, bytes):
        return None  # of a database: no field holds them
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -MOST_WHOLE < value < MOST_WHOLE:
        return str(value)
    plain: FieldValue = value
    return plain


def _list_field(values: list[Any]) -> FieldValue:
    """Return a list of strings or of numbers as it is; any other as JSON text."""
    if all(isinstance(value, str) for value in values):
        return [_sound(value) for value in values]
    if all(type(value) is int and -MOST_WHOLE <= value < MOST_WHOLE for value in values):
        return values
    if all(type(value) in {int, float} and math.isfinite(value) for value in values):
        return [float(value) for value in values]
    return json.dumps(values)


def _sound(text: str) -> str:
    """Return the text with halves of surrogate pairs, which JSON can write but no text holds, replaced."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
