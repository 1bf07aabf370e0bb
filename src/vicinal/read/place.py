"""A file with the id of its document, and how it is opened without ever waiting for it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vicinal.types import Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file: the path that opens it, and its POSIX path as a person knows it, which is the document's id."""

    path: str
    id: str


def located(path: Path) -> Path:
    """Return the absolute path with the links of its folders resolved, its own name kept."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."
    return Path(os.path.realpath(absolute.parent)) / absolute.name


def id_of(path: Path, base: Path | None) -> str:
    """Return the POSIX path relative to ``base`` when ``path`` lies in it, else the absolute one."""
    full = located(path)
    if base is not None:
        inside = Path(os.path.realpath(base))
        if full.is_relative_to(inside):
            return full.relative_to(inside).as_posix()
    return full.as_posix()


def printable(name: str) -> str:
    """Return the name with bytes that are no text written as escapes, as a report can show it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_text(name: str) -> bool:
    """Return whether UTF-8 can hold a name, as an id must."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def open_regular(path: str) -> BinaryIO | None:
    """Open a file for reading, or return None if it is a pipe, a socket, a device or a folder.

    Raises
    ------
    OSError
        The system refused; the caller reports it.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a path of the walk, which is a string
        return None
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def refused(source: str, error: OSError) -> Skipped:
    """Return what is reported of a file or folder that the system would not give."""
    return Skipped(source=source, reason="unreadable", detail=error.strerror or str(error), failed=True)
