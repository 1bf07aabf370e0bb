"""The way in: what a source is, and that each id comes once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from vicinal._arrays import whole_number
from vicinal.errors import NotFoundError
from vicinal.read.file import Limits, read_bytes, read_file
from vicinal.read.folder import walk
from vicinal.read.place import Place, id_of, is_text, printable
from vicinal.read.pydoc import read_pydoc
from vicinal.read.table import Columns
from vicinal.types import Document, Skipped

MAX_BYTES = 32 << 20
"""Default of the largest file that is read whole."""
STANDARD_INPUT = "-"
PYDOC = "pydoc:"


def read(
    source: str | Path,
    *,
    base: Path | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
    max_bytes: int = MAX_BYTES,
    stdin: BinaryIO | None = None,
    lets_through: Callable[[str], bool] | None = None,
) -> Iterator[Document | Skipped]:
    """Give the documents of a source one by one, and for all else why it gave none.

    Parameters
    ----------
    source : str or Path
        A file, a folder, ``"-"`` for standard input, or ``"pydoc:"`` for the documentation of this Python.
    base : Path, optional
        Ids and sources are POSIX paths relative to this folder where a file lies in it, else absolute.
    text_field, id_field : str, optional
        The columns of tables (json, jsonl, csv, tsv) with the text and the id. Default for the text: the first of
        ``text``, ``content``, ``body``, ``passage``, ``abstract``, ``description`` and their like, ``title`` before
        it; for the id: ``id``, ``_id``, else the row's number from 1.
    max_bytes : int, 1 <= max_bytes
        A larger file is skipped; of jsonl, csv and tsv, which are streamed, a larger row.
    stdin : binary file, optional
        What ``"-"`` reads. Default: the process's standard input.
    lets_through : callable, optional
        Says of the path of a file in a folder, relative to that, whether it is read. What it says no to is passed over
        in silence.

    Returns
    -------
    iterator of Document or Skipped
        In the order of names, always the same. Nothing is kept but the ids of rows. Skipped are: ``empty``,
        ``binary``, ``link``, ``not a file``, ``database``; and with ``failed``, because a person should act:
        ``unreadable``, ``undecodable``, ``too large``, ``malformed``, ``no text column``, ``duplicate id``, and
        links that lead nowhere.

    Raises
    ------
    NotFoundError
        There is no such file or folder. Raised at once, not at the first document.
    InputError
        A table that was named itself has no column of text. Raised when it is reached.
    DtypeError, RangeError
        ``max_bytes`` is no whole number of at least 1.

    Notes
    -----
    Hidden names, ``node_modules``, ``__pycache__`` and what a ``.gitignore`` names are passed over in silence within a
    folder, the rules of the repository around it included; what is named itself is always read.
    """
    most = whole_number(max_bytes, "max_bytes", low=1)
    columns = Columns(text=text_field, id=id_field)
    if source == STANDARD_INPUT:
        return _read_stdin(stdin or sys.stdin.buffer, Limits(columns=columns, max_bytes=most, named=True))
    if source == PYDOC:
        return _distinct(read_pydoc())
    path = _existing(source)
    source_id = id_of(path, base)
    if not path.is_dir():
        limits = Limits(columns=columns, max_bytes=most, named=True)
        return _distinct(_read_places(iter([_place(path, source_id)]), limits))
    places = walk(path, source_id)
    if lets_through is not None:
        places = _let_through(places, "" if source_id == "." else source_id.rstrip("/") + "/", lets_through)
    return _distinct(_read_places(places, Limits(columns=columns, max_bytes=most, named=text_field is not None)))


def _existing(source: str | Path) -> Path:
    """Return the path of a source that is there."""
    path = Path(source)
    try:
        path.stat()
    except PermissionError:
        return path  # it is there, and reading it will say why it is not read
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise NotFoundError(
            f"There is nothing to read at {printable(str(path))}: {told}. Check the path.", where=printable(str(path))
        ) from error
    return path


def _place(path: Path, source_id: str) -> Place | Skipped:
    """Return the place of a named file; its id must be text."""
    if is_text(source_id):
        return Place(path=str(path), id=source_id)
    return Skipped(
        source=printable(source_id), reason="unreadable", detail="the name is no UTF-8; rename it", failed=True
    )


def _let_through(
    places: Iterator[Place | Skipped], prefix: str, lets_through: Callable[[str], bool]
) -> Iterator[Place | Skipped]:
    """Give the places that are read; of what was skipped, that which would have been."""
    for place in places:
        name = place.source if isinstance(place, Skipped) else place.id
        if lets_through(name.removeprefix(prefix)):
            yield place


def _read_places(places: Iterator[Place | Skipped], limits: Limits) -> Iterator[Document | Skipped]:
    """Give the documents of each place, in order."""
    for place in places:
        if isinstance(place, Skipped):
            yield place
        else:
            yield from read_file(place, limits)


def _read_stdin(stream: BinaryIO, limits: Limits) -> Iterator[Document | Skipped]:
    """Give the one document of standard input."""
    yield from read_bytes(stream.read(limits.max_bytes + 1), STANDARD_INPUT, limits)


def _distinct(found: Iterator[Document | Skipped]) -> Iterator[Document | Skipped]:
    """Give what comes, and of two documents with the same id the first; only ids with a ``#`` can come twice."""
    seen: set[str] = set()
    for item in found:
        if isinstance(item, Document) and "#" in item.id:
            if item.id in seen:
                yield Skipped(source=item.source, reason="duplicate id", detail=item.id, failed=True)
                continue
            seen.add(item.id)
        yield item
