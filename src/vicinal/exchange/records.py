"""What stands beside vectors: a line of JSON for each row, and lists of ids."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from vicinal.errors import DtypeError, InputError
from vicinal.exchange.source import damaged
from vicinal.types import Fields

MOST_LINE_BYTES = 256 << 20
"""A text of 64 million characters of four bytes."""
MOST_IDS_BYTES = 4 << 30
MOST_FIELDS = 1024

Record = tuple[str, str, Fields]


def record_line(id_: str, text: str, fields: Fields) -> bytes:
    """Return the line of one row.

    Raises
    ------
    DtypeError
        A field is no value of JSON.
    """
    try:
        told = json.dumps({"id": id_, "text": text, "fields": dict(fields)}, ensure_ascii=False, allow_nan=False)
        return told.encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise DtypeError(f"A field of the record {id_!r} cannot be written as JSON.", where=id_) from error


def records_of(path: Path, first_row: int, most: int) -> Iterator[list[Record]]:
    """Go through the lines of a file from a row on, ``most`` at a time.

    Raises
    ------
    InputError
        A line is no record.
    """
    with path.open("rb") as file:
        for _ in range(first_row):
            _line(file, path)
        row, batch = first_row, []
        while line := _line(file, path):
            batch.append(_record(line, row, path))
            row += 1
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch


def listed_ids(path: Path) -> Sequence[str]:
    """Return the lines of a file of ids.

    Raises
    ------
    InputError
        The file is too long or no UTF-8.
    """
    try:
        if path.stat().st_size > MOST_IDS_BYTES:
            raise damaged(path, f"a list of ids may have {MOST_IDS_BYTES} bytes")
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise damaged(path, "it is no UTF-8") from error


def parsed_fields(text: str | bytes, row: int, path: Path) -> dict[str, Any]:
    """Return the fields of a row from their JSON.

    Raises
    ------
    InputError
        They are no object of strings, finite numbers, booleans, nulls and lists of them.
    """
    return _fields(_json(text, row, path), row, path)


def _line(file: IO[bytes], path: Path) -> bytes:
    line = file.readline(MOST_LINE_BYTES + 1)
    if len(line) > MOST_LINE_BYTES:
        raise damaged(path, f"a line has more than {MOST_LINE_BYTES} bytes")
    return line


def _record(line: bytes, row: int, path: Path) -> Record:
    told = _json(line, row, path)
    if not isinstance(told, dict) or not isinstance(told.get("id"), str) or not isinstance(told.get("text"), str):
        raise damaged(path, f"line {row + 1} is no record with an id and a text")
    return told["id"], told["text"], _fields(told.get("fields"), row, path)


def _json(text: str | bytes, row: int, path: Path) -> Any:  # noqa: ANN401 - that is what JSON is
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, f"row {row} is no JSON") from error


def _refused(_: str) -> float:
    return math.nan  # refused as a value that is no finite number


def _fields(told: object, row: int, path: Path) -> dict[str, Any]:
    if told is None:
        return {}
    if not isinstance(told, dict) or len(told) > MOST_FIELDS:
        raise damaged(path, f"the fields of row {row} are no object of at most {MOST_FIELDS} entries")
    for value in told.values():
        if not all(_is_plain(one) for one in (value if isinstance(value, list) else [value])):
            raise damaged(path, f"a field of row {row} is no string, finite number, boolean, null or list of them")
    return told


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
