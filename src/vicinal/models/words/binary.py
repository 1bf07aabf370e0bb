r"""word2vec binary: the words and their components as they lay in memory.

::

    V D\n                         ASCII
    word ' ' D × float32 [\n]     V times, little-endian; the end of line is there or not
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vicinal.errors import ModelLoadError
from vicinal.models.words.kinds import HEADER_BYTES, header_of
from vicinal.models.words.lexicon import MAX_WORD_BYTES, damaged
from vicinal.models.words.text import BLOCK_ROWS, Block

CHUNK_BYTES = 1 << 24
FLOAT_BYTES = 4


def read_binary(path: Path) -> Iterator[Block]:
    """Go through the words of a word2vec binary file, some at a time.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is cut off, claims more than it holds, or holds what is no number; the message has
        the byte.
    """
    try:
        with path.open("rb") as file:
            told = header_of(file.read(HEADER_BYTES))
            if told is None:
                raise damaged(path, "the number of words and of components must stand here", byte=0)
            count, dim, start = told
            if count * (dim * FLOAT_BYTES + 2) > path.stat().st_size or not count:
                raise damaged(
                    path, f"{count} words of {dim} components are claimed, which is not what it holds", byte=0
                )
            file.seek(start)
            yield from _Reader(path, file, start, dim).blocks(count)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error


class _Reader:
    """A piece of the file and a place in it."""

    def __init__(self, path: Path, file: BinaryIO, start: int, dim: int) -> None:
        self._path = path
        self._file = file
        self._row_bytes = dim * FLOAT_BYTES
        self._piece = b""
        self._piece_start = start
        self._at = 0

    def blocks(self, count: int) -> Iterator[Block]:
        """Go through so many words in blocks; nothing may stand behind them."""
        for first in range(0, count, BLOCK_ROWS):
            size = min(BLOCK_ROWS, count - first)
            places: list[int] = []
            words: list[str] = []
            rows: list[bytes] = []
            for _ in range(size):
                places.append(self._piece_start + self._at)
                word, row = self._next()
                words.append(word)
                rows.append(row)
            vectors = np.frombuffer(b"".join(rows), dtype="<f4").reshape(size, -1)
            finite = np.isfinite(vectors).all(axis=1)
            if not finite.all():
                raise damaged(self._path, "a component is not finite", byte=places[int(np.argmin(finite))])
            yield Block(words, vectors)
        end = self._piece_start + self._at
        if (self._piece[self._at :] + self._file.read(CHUNK_BYTES)).strip():
            raise damaged(self._path, f"something stands behind the {count} words", byte=end)

    def _next(self) -> tuple[str, bytes]:
        """Return the next word and the bytes of its vector."""
        space = self._space()
        if space < 0 or len(self._piece) < space + 1 + self._row_bytes:
            self._piece_start += self._at
            self._piece = self._piece[self._at :] + self._file.read(CHUNK_BYTES + self._row_bytes)
            self._at = 0
            space = self._space()
        end = space + 1 + self._row_bytes
        word = self._piece[self._at : space].lstrip(b"\n") if space >= 0 else b""
        if space < 0 or len(self._piece) < end or not word or b"\0" in word:
            what = "a word and its components must stand here; the file is cut off or of another kind"
            raise damaged(self._path, what, byte=self._piece_start + self._at)
        row = self._piece[space + 1 : end]
        self._at = end
        return word.decode("utf-8", "replace"), row

    def _space(self) -> int:
        return self._piece.find(b" ", self._at, self._at + MAX_WORD_BYTES)
