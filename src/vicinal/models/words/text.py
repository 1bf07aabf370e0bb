"""GloVe and word2vec text: a line for each word, read once from the first to the last.

::

    glove       word n1 n2 … nD                 a word may hold spaces, so a line is read from its right end
    word2vec    V D                             and V such lines; fastText's .vec is the same
                word n1 n2 … nD
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vicinal.errors import ModelLoadError
from vicinal.models.words.kinds import SEEN_BYTES, dim_of, header_of, lines_of
from vicinal.models.words.lexicon import MAX_DIM, MAX_WORD_BYTES, damaged
from vicinal.types import Floats

BLOCK_ROWS = 1024
DIM_LINES = 256
"""Lines without a header that tell the number of components."""
NUMBER_BYTES = 64
"""The longest number of a line; longer ones are no numbers."""


@dataclass(slots=True)
class Block:
    """Some words and their vectors (B, D)."""

    words: list[str]
    vectors: Floats


@dataclass(slots=True)
class _Lines:
    """The lines of a block while it fills."""

    path: Path
    dim: int
    first: int
    words: list[str] = field(default_factory=list)
    numbers: array[float] = field(default_factory=lambda: array("f"))

    def take(self, line: bytes) -> None:
        """Add a line, read from its right end."""
        word, *parts = line.rstrip(b" \r\n").rsplit(b" ", self.dim)
        number = self.first + len(self.words)
        if len(parts) != self.dim or not word:
            raise damaged(self.path, f"a word and {self.dim} numbers must stand here, got {len(parts)}", line=number)
        if b"\0" in word:
            raise damaged(self.path, "a word holds a zero byte", line=number)
        try:
            self.numbers.extend(map(float, parts))
        except ValueError:
            raise damaged(self.path, f"one of the {self.dim} numbers is none", line=number) from None
        self.words.append(word.decode("utf-8", "replace"))

    def block(self) -> Block:
        """Return what was added, every number finite."""
        vectors = np.frombuffer(self.numbers, dtype=np.float32).reshape(-1, self.dim)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise damaged(self.path, "a number is not finite", line=self.first + int(np.argmin(finite)))
        return Block(self.words, vectors)


def read_text(path: Path, *, header: bool) -> Iterator[Block]:
    """Go through the words of a text file, some at a time.

    Parameters
    ----------
    path : Path
        The file.
    header : bool
        Whether the first line says how many words and components there are.

    Raises
    ------
    ModelLoadError
        The file cannot be read, or a line is not what it must be; the message has its number, from 1.

    Notes
    -----
    Words that are no UTF-8 (some published files cut long words within a character) are read with U+FFFD in place
    of what is none: no text has such a word. Memory: about 1,000 lines.
    """
    try:
        with path.open("rb") as file:
            start = file.read(SEEN_BYTES)
            count, dim = _form(path, start, header=header)
            file.seek(0)
            if header:
                file.readline()
            yield from _blocks(path, file, dim, count, first=2 if header else 1)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error


def _form(path: Path, start: bytes, *, header: bool) -> tuple[int | None, int]:
    """Return how many words and components there are; the words are not known without a header."""
    if not header:
        dim = dim_of(lines_of(start)[:DIM_LINES])
        if not 1 <= dim <= MAX_DIM:
            raise damaged(path, "a word and its numbers must stand here", line=1)
        return None, dim
    told = header_of(start)
    if told is None:
        raise damaged(path, "the number of words and of components must stand here", line=1)
    count, dim, _ = told
    if count * 2 * (dim + 1) > path.stat().st_size:  # a line has a character and a space or an end for each part
        raise damaged(path, f"{count} words of {dim} numbers are claimed, more than the file can hold", line=1)
    return count, dim


def _blocks(path: Path, file: BinaryIO, dim: int, count: int | None, *, first: int) -> Iterator[Block]:
    """Go through the lines in blocks; require as many as were claimed."""
    longest = MAX_WORD_BYTES + dim * NUMBER_BYTES
    lines = _Lines(path, dim, first)
    while line := file.readline(longest):
        number = lines.first + len(lines.words)
        if len(line) == longest and not line.endswith(b"\n"):
            raise damaged(path, f"the line has more than {longest} bytes", line=number)
        if not line.strip():
            _require_end(path, file, number)
            break
        if count is not None and number - first == count:
            raise damaged(path, f"there are more than the {count} words that line 1 claims", line=number)
        lines.take(line)
        if len(lines.words) == BLOCK_ROWS:
            yield lines.block()
            lines = _Lines(path, dim, number + 1)
    read = lines.first + len(lines.words) - first
    if read == 0 or (count is not None and read != count):
        raise damaged(path, f"there are {read} of {count or 'some'} words: the file is cut off", line=first + read)
    if lines.words:
        yield lines.block()


def _require_end(path: Path, file: BinaryIO, number: int) -> None:
    """Refuse an empty line with anything behind it."""
    while rest := file.read(SEEN_BYTES):
        if rest.strip():
            raise damaged(path, "an empty line stands among the words", line=number)
