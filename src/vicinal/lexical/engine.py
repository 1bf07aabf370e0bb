"""One set of postings in a process: those that were published, and behind them the rows that came since.

tantivy scores by statistics of all its files together. So the files of a generation and those of the new rows are made
one index, in a folder of this process alone: the published ones are there as links and are never written, and scores do
not depend on what was published and what came later. Without a generation all is in memory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors
from vicinal._generations import sweep
from vicinal.lexical import files
from vicinal.lexical.analysis import BREAK, analysed, language_of, library
from vicinal.lexical.plain import PlainRow
from vicinal.lexical.words import normalized

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - the system's folder in memory, where it has one
MEMORY_LEAST_BYTES = 1 << 30
"""Free memory from which new rows are kept there: a commit on a disk waits a tenth of a second for it."""
PRIVATE = "vicinal-lexical-"


class Engine:
    """A set of postings that grows. Safe for many threads."""

    def __init__(self, generation: files.Generation | None) -> None:
        self._guard = threading.Lock()
        self._added: set[int] = set()
        self._pending = False
        self._private = None if generation is None else _linked(generation)
        if self._private is not None:
            weakref.finalize(self, _remove, self._private.path, os.getpid())
        self._postings = library().Postings(None if self._private is None else self._private.path)
        self._reading = self._postings.reading()

    @property
    def added_count(self) -> int:
        """How many rows came after the base."""
        return len(self._added)

    def add(self, row: int, text: str, title: str, language: str) -> None:
        """Add a row behind the base, unless it was added before."""
        taken = row_of(text, title, language)
        with self._guard:
            if row in self._added:
                return
            add_to(self._postings, row, taken)
            self._added.add(row)
            self._pending = True

    def reading(self) -> Any:  # noqa: ANN401 - of _tantivy
        """Return the postings with all rows added so far. Cost: one commit if any is new."""
        with self._guard:
            if self._pending:
                self._postings.commit()
                self._reading = self._postings.reading()
                self._pending = False
            return self._reading


def row_of(text: str, title: str, language: str) -> PlainRow:
    """Return the tokens of a row by field. The body holds the title too: words count wherever they stand."""
    if language == "auto":
        language = language_of(normalized(f"{title}\n{text}" if title else text))
    inside = analysed(text, language)
    if not title:
        body = (*inside.words, BREAK, *inside.kept) if inside.kept else inside.words
        return PlainRow(body=body, title=(), forms=frozenset(inside.forms), language=language)
    above = analysed(title, language)
    kept = (*above.kept, *inside.kept)
    body = (*above.words, BREAK, *inside.words, *((BREAK, *kept) if kept else ()))
    heading = (*above.words, BREAK, *above.kept) if above.kept else above.words
    return PlainRow(body=body, title=heading, forms=frozenset((*above.forms, *inside.forms)), language=language)


def add_to(postings: Any, row: int, taken: PlainRow) -> None:  # noqa: ANN401 - of _tantivy
    """Add a row's tokens."""
    postings.add(row, " ".join(taken.body), " ".join(taken.title), " ".join(sorted(taken.forms)), taken.language)


def _remove(path: Path, process: int) -> None:
    """Remove a private folder, in the process that made it: a child that was forked has no say over its parent's."""
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


class _Private:
    """A folder of this process alone: locked while it lives, so that others may remove those of the dead."""

    def __init__(self) -> None:
        place = _place()
        sweep(place, f"{PRIVATE}*")
        with disk_errors(place):
            self.path = Path(tempfile.mkdtemp(prefix=PRIVATE, dir=place))
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        weakref.finalize(self, os.close, handle)


def _place() -> Path:
    """Return where private folders are made."""
    try:
        free = shutil.disk_usage(MEMORY_FOLDER).free if os.access(MEMORY_FOLDER, os.W_OK) else 0
    except OSError:
        free = 0
    return MEMORY_FOLDER if free >= MEMORY_LEAST_BYTES else Path(tempfile.gettempdir())


def _linked(generation: files.Generation) -> _Private:
    """Return a private folder with the files of a generation: links, and copies of what tantivy rewrites."""
    private = _Private()
    try:
        with disk_errors(private.path):
            for name in generation.names:
                if name.endswith(".json"):
                    shutil.copyfile(generation.path / name, private.path / name)
                else:
                    (private.path / name).symlink_to(generation.path.resolve() / name)
    except BaseException:
        shutil.rmtree(private.path, ignore_errors=True)
        raise
    return private
