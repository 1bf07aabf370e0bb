"""Lines of a file that others wrote: bounded, numbered, in UTF-8, and errors that say which line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vicinal._arrays import is_encodable
from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError

MOST_BYTES = 4 << 30
MOST_LINE_BYTES = 16 << 20
MOST_LINES = 100_000_000
BOM = b"\xef\xbb\xbf"
GRADE = re.compile(r"[+-]?[0-9]{1,7}(?:\.0{1,7})?")


def faulty(path: Path, line: int, what: str) -> InputError:
    """Return the error of a line: where it is and what is wrong with it; ``line`` 0 is the whole file."""
    place = f"{path}, line {line}" if line else str(path)
    return InputError(f"{place}: {what}.", where=f"{path}:{line}" if line else str(path))


def existing_file(path: Path) -> Path:
    """Return the path of a file that may be read.

    Raises
    ------
    NotFoundError
        There is none.
    InputError
        It is no file, or longer than 4 GiB.
    """
    with disk_errors(path):
        if not path.exists():
            raise NotFoundError(f"There is no file {path}.", where=str(path))
        if not path.is_file():
            raise faulty(path, 0, "it is no file")
        if path.stat().st_size > MOST_BYTES:
            raise faulty(path, 0, f"it is longer than {MOST_BYTES} bytes")
    return path


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""Go through the lines of a file that are not blank, with their numbers from 1, without their ``\r\n``.

    Raises
    ------
    NotFoundError, InputError
        There is no such file; or it, or a line, is too long.
    """
    with disk_errors(path), existing_file(path).open("rb") as file:
        number = 0
        while line := file.readline(MOST_LINE_BYTES + 1):
            number += 1
            if len(line) > MOST_LINE_BYTES:
                raise faulty(path, number, f"it has more than {MOST_LINE_BYTES} bytes")
            if number > MOST_LINES:
                raise faulty(path, number, f"a file may have {MOST_LINES} lines")
            bare = line.removesuffix(b"\n").removesuffix(b"\r")
            bare = bare.removeprefix(BOM) if number == 1 else bare
            if bare.strip():
                yield number, bare


def decoded(content: bytes, path: Path, line: int) -> str:
    """Return text from UTF-8.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise faulty(path, line, "it is no UTF-8; save the file as UTF-8") from error


def whole_text(path: Path) -> str:
    """Return the text of a short file, such as one of topics.

    Raises
    ------
    NotFoundError, InputError
        There is no such file; it is too long, or no UTF-8.
    """
    with disk_errors(path):
        if existing_file(path).stat().st_size > MOST_LINE_BYTES:
            raise faulty(path, 0, f"it has more than {MOST_LINE_BYTES} bytes")
        return decoded(path.read_bytes().removeprefix(BOM), path, 0)


def cells_of(line: bytes, counts: tuple[int, ...], path: Path, number: int) -> list[str]:
    """Return the columns of a line: those between tabs where they are as many as one of the counts, else between blanks.

    So an id may hold a blank where the file has tabs. Only ASCII white space divides.

    Raises
    ------
    InputError
        There is another number of columns.
    """
    if line.count(b"\t") + 1 in counts:
        return decoded(line, path, number).split("\t")
    cells = line.split()
    if len(cells) in counts:
        return decoded(b"\t".join(cells), path, number).split("\t")
    listed = " or ".join(map(str, counts))
    raise faulty(path, number, f"{listed} columns were expected, got {len(cells)}")


def parsed_object(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """Return the object of JSON of a line.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        told = json.loads(decoded(line, path, number))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise faulty(path, number, "it is no JSON") from error
    if not isinstance(told, dict):
        raise faulty(path, number, f"an object was expected, got {type(told).__name__}")
    return told


def parsed_grade(value: object, path: Path, number: int) -> int:
    """Return a grade from a cell or a value of JSON; ``1`` and ``1.0`` are the same.

    Raises
    ------
    InputError
        It is no whole number.
    """
    if isinstance(value, bool):
        return int(value)
    text = value.strip() if isinstance(value, str) else str(value)
    if not isinstance(value, str | int | float) or not text.isascii() or not GRADE.fullmatch(text):
        raise faulty(path, number, f"a grade is a whole number of at most seven digits, got {text[:20]!r}")
    return int(text.partition(".")[0])


def parsed_text(value: object, what: str, path: Path, number: int, *, most: int) -> str:
    """Return an id or a query from a cell or a value of JSON; a whole number is an id as well.

    Raises
    ------
    InputError
        It is empty, too long, or no text.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        value = str(value)
    if not isinstance(value, str):
        raise faulty(path, number, f"{what} is text, got {type(value).__name__}")
    if not value.strip() or len(value) > most:
        raise faulty(path, number, f"{what} has 1 to {most} characters and not only white space, got {len(value)}")
    if not value.isascii() and not is_encodable(value):
        raise faulty(path, number, f"{what} holds a lone surrogate, which is no character")
    return value
