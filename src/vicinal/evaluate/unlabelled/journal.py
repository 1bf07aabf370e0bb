"""Judgements as they are made: a line each, on the disk before the next is asked for.

::

    query_id <tab> query <tab> document <tab> grade
    q-1a…    <tab> stop the bill <tab> notes/cancel.md <tab> 2
    q-1a…    <tab> stop the bill <tab> notes/prices.md <tab>          skipped: no judgement, and not asked again

``read_judged`` and ``read_qrels`` read the file as it is, at any time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from vicinal._arrays import whole_number
from vicinal._files import disk_errors, sync_folder
from vicinal.errors import ConflictError, InputError, LockedError
from vicinal.evaluate.judgements.judged import MOST_GRADE
from vicinal.evaluate.judgements.lines import MOST_LINE_BYTES, decoded, faulty, parsed_grade
from vicinal.evaluate.judgements.qrels import written_id

HEAD = ("query_id", "query", "document", "grade")
MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a person said of a document for a query; ``grade`` None: he would rather not say."""

    query_id: str
    query: str
    document: str
    grade: int | None

    def line(self) -> bytes:
        """Return its line; white space of the query is one blank, since a tab would end the column."""
        grade = "" if self.grade is None else str(self.grade)
        return "\t".join((self.query_id, " ".join(self.query.split()), self.document, grade)).encode() + b"\n"


class Journal:
    """A file of judgements that is written line by line, and goes on where it ended.

    Parameters
    ----------
    path : str or Path
        Made where it is not there. Held alone until ``close``.

    Raises
    ------
    LockedError
        Another process judges into it.
    InputError
        It is another kind of file, or a line of it is none. A last line that a crash cut short is taken off.
    StoreError
        The disk refused.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with disk_errors(self.path):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            self._judgements = self._resumed()
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def __len__(self) -> int:
        """Return how many documents were judged or skipped."""
        return len(self._judgements)

    def __iter__(self) -> Iterator[Judgement]:
        """Go through the judgements, the oldest first."""
        return iter(tuple(self._judgements.values()))

    def __contains__(self, pair: object) -> bool:
        """Return whether a pair (query id, document) was judged or skipped."""
        return pair in self._judgements

    @property
    def last(self) -> Judgement | None:
        """The judgement that ``undo`` would take back, None for none."""
        return self._judgements[next(reversed(self._judgements))] if self._judgements else None

    def add(self, judgement: Judgement) -> None:
        """Write a judgement; it is on the disk when this returns.

        Raises
        ------
        ConflictError
            The document was judged for this query before; undo that first.
        InputError
            An id holds a tab or a line's end.
        DtypeError, RangeError
            The grade is none.
        StoreError
            The disk refused; the judgement was not made.
        """
        pair = (written_id(judgement.query_id, "a query id"), written_id(judgement.document, "a document id"))
        if judgement.grade is not None:
            whole_number(judgement.grade, "a grade", low=-MOST_GRADE, high=MOST_GRADE)
        if pair in self._judgements:
            raise ConflictError(
                f"{judgement.document!r} was judged for query {judgement.query_id!r} before.", where=judgement.document
            )
        if not judgement.query.strip():
            raise InputError("A judgement needs the text of its query.", where="query")
        self._append(judgement.line())
        self._judgements[pair] = judgement

    def undo(self) -> Judgement | None:
        """Take the last judgement back, and return it; None where there is none."""
        if not self._judgements:
            return None
        pair, last = self._judgements.popitem()
        with disk_errors(self.path):
            try:
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - len(last.line()))
                os.fsync(self._handle)
            except BaseException:
                self._judgements[pair] = last
                raise
        return last

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _append(self, line: bytes) -> None:
        """Write at the end; what a full disk cut short is taken off again."""
        with disk_errors(self.path):
            end = os.lseek(self._handle, 0, os.SEEK_END)
            try:
                written = os.write(self._handle, line)
                while written < len(line):
                    written += os.write(self._handle, line[written:])
                os.fsync(self._handle)
            except BaseException:
                os.ftruncate(self._handle, end)
                raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"Another process is judging into {self.path}; end it, or name another file.", where=str(self.path)
            ) from error

    def _resumed(self) -> dict[tuple[str, str], Judgement]:
        """Return what the file holds, and write its head where it is new."""
        with disk_errors(self.path):
            size = os.fstat(self._handle).st_size
            if size > MOST_BYTES:
                raise faulty(self.path, 0, f"it is longer than {MOST_BYTES} bytes")
            content = self.path.read_bytes()
        head = "\t".join(HEAD).encode() + b"\n"
        if len(content) < len(head) and head.startswith(content):
            with disk_errors(self.path):
                os.ftruncate(self._handle, 0)
                self._append(head)
                sync_folder(self.path.absolute().parent)
            return {}
        if not content.startswith(head):
            raise faulty(
                self.path, 1, f"it is no file of judging, which begins with {' '.join(HEAD)}; name another one"
            )
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with disk_errors(self.path):
                os.ftruncate(self._handle, whole)
                os.fsync(self._handle)
        return _judgements_of(content[len(head) : whole], self.path)


def _judgements_of(content: bytes, path: Path) -> dict[tuple[str, str], Judgement]:
    found: dict[tuple[str, str], Judgement] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], 2):
        cells = decoded(line[:MOST_LINE_BYTES], path, number).split("\t")
        if len(cells) != len(HEAD):
            raise faulty(path, number, f"{len(HEAD)} columns were expected, got {len(cells)}")
        query_id, query, document, grade = cells
        judgement = Judgement(
            query_id=query_id,
            query=query,
            document=document,
            grade=parsed_grade(grade, path, number) if grade.strip() else None,
        )
        if judgement.line() != line + b"\n":
            raise faulty(
                path, number, "it was changed by another program, so it could not be undone; write it as it was"
            )
        if found.setdefault((query_id, document), judgement) is not judgement:
            raise faulty(path, number, "the document was judged before for the same query")
    return found
