"""fastText's own files: the vocabulary is read, the matrix of words and n-grams stays where it lies.

::

    i32 magic 793712314   i32 version 11 or 12
    i32 × 12  dim window epochs least_count negatives word_ngrams loss model buckets low high rate_steps   f64 sampling
    i32 × 3   entries words labels          i64 tokens          i64 pruned (-1: not)
    entries × (UTF-8 bytes, 0, i64 count, u8 kind)              words, then labels
    u8 quantised          i64 rows   i64 dim   float32 rows × dim      words, then buckets
    u8 quantised          i64 rows   i64 dim   float32 …               what training alone needs
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import ModelLoadError, UnsupportedError
from vicinal.models.words.kinds import FASTTEXT_MAGIC
from vicinal.models.words.lexicon import MAX_DIM, MAX_WORD_BYTES, damaged
from vicinal.models.words.ngrams import Ngrams

VERSIONS = (11, 12)
SUPERVISED = 3
MAX_NGRAM = 1000
CHECK_BYTES = 1 << 26
FLOAT_BYTES = 4
SETTINGS = struct.Struct("<4sI12id")
SIZES = struct.Struct("<3i2q")
ENTRY = struct.Struct("<qB")
MATRIX = struct.Struct("<B2q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is in a file: words and counts, where the matrix begins and its shape, and the rule of n-grams."""

    words: list[str]
    counts: NDArray[np.int64]
    total: int
    offset: int
    shape: tuple[int, int]
    ngrams: Ngrams | None


@dataclass(frozen=True, slots=True)
class _Settings:
    dim: int
    buckets: int
    low: int
    high: int


def read_fasttext(path: Path) -> Parts:
    """Return the vocabulary of a fastText file and where its matrix lies, every number of it checked once.

    Raises
    ------
    UnsupportedError
        The file is quantised or pruned: its rows are no longer the vectors of training.
    ModelLoadError
        The file cannot be read, is cut off, or its numbers contradict each other; the message has the byte.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Reader(path, content).parts()
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    except ValueError:  # what an empty file cannot be mapped with
        raise damaged(path, "the file is empty", byte=0) from None


class _Reader:
    """A place in the mapped file."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self._at = 0

    def parts(self) -> Parts:
        settings = self._settings()
        words, counts, tokens = self._vocabulary()
        shape = self._matrix("words and n-grams", settings.dim)
        offset = self._at
        buckets = settings.buckets if settings.high > 0 else 0
        if shape[0] < len(words) + buckets:
            what = f"a matrix of {shape[0]} rows has no room for {len(words)} words and {buckets} n-grams"
            raise damaged(self._path, what, byte=offset)
        self._require_finite(offset, shape)
        self._at += shape[0] * shape[1] * FLOAT_BYTES
        self._require_output()
        first = len(words)
        rule = Ngrams(low=settings.low, high=settings.high, buckets=buckets, first=first) if buckets else None
        total = max(tokens, int(counts.sum()))
        return Parts(words=words, counts=counts, total=total, offset=offset, shape=shape, ngrams=rule)

    def _take(self, form: struct.Struct) -> tuple[Any, ...]:
        """Return the next numbers."""
        if self._at + form.size > len(self._content):
            raise damaged(self._path, "the file is cut off", byte=len(self._content))
        values = form.unpack_from(self._content, self._at)
        self._at += form.size
        return values

    def _settings(self) -> _Settings:
        magic, version, dim, _, _, _, _, _, _, model, buckets, low, high, _, _ = self._take(SETTINGS)
        if magic != FASTTEXT_MAGIC or version not in VERSIONS:
            raise damaged(self._path, f"this is no fastText file of version 11 or 12 (got {version})", byte=0)
        if version == VERSIONS[0] and model == SUPERVISED:
            high = 0  # such classifiers had no n-grams of characters, whatever stands there
        if not (1 <= dim <= MAX_DIM and buckets >= 0 and low >= 0 and high <= MAX_NGRAM):
            what = f"its settings cannot be: dim {dim}, {buckets} buckets, n-grams of {low} to {high}"
            raise damaged(self._path, what, byte=8)
        return _Settings(dim, buckets, low, high)

    def _vocabulary(self) -> tuple[list[str], NDArray[np.int64], int]:
        """Return the words, their counts, and the words of the training text."""
        place = self._at
        entries, words, labels, tokens, pruned = self._take(SIZES)
        if pruned >= 0:
            raise _unsupported(self._path, "pruned: most of its n-grams have no row of their own any more")
        room = (len(self._content) - self._at) // (ENTRY.size + 1)
        if not (0 < words <= entries == words + labels <= room and labels >= 0 and tokens >= 0):
            what = f"{entries} entries of {words} words and {labels} labels are claimed, which cannot be"
            raise damaged(self._path, what, byte=place)
        found: list[str] = []
        counts = np.zeros(words, dtype=np.int64)
        for number in range(entries):
            place = self._at
            word, count, kind = self._entry()
            if kind != (number >= words) or count < 0:
                raise damaged(self._path, "an entry of the vocabulary is of another kind than its place", byte=place)
            if number < words:
                found.append(word)
                counts[number] = count
        return found, counts, tokens

    def _entry(self) -> tuple[str, int, int]:
        """Return the next word, its count and kind."""
        end = self._content.find(b"\0", self._at, self._at + MAX_WORD_BYTES)
        if end < 0:
            raise damaged(self._path, "a word of the vocabulary has no end", byte=self._at)
        word = self._content[self._at : end].decode("utf-8", "replace")
        self._at = end + 1
        count, kind = self._take(ENTRY)
        return word, count, kind

    def _matrix(self, what: str, dim: int) -> tuple[int, int]:
        """Return the shape of the next matrix, which the file must hold whole."""
        place = self._at
        quantised, rows, columns = self._take(MATRIX)
        if quantised:
            raise _unsupported(self._path, "quantised: its rows are codes, not vectors")
        if columns != dim or rows < 0:
            raise damaged(self._path, f"the matrix of {what} has the shape ({rows}, {columns})", byte=place)
        if self._at + rows * columns * FLOAT_BYTES > len(self._content):
            raise damaged(self._path, f"the matrix of {what} is cut off", byte=len(self._content))
        return rows, columns

    def _require_output(self) -> None:
        """Require that the file ends where the last matrix does: it is not cut off, and nothing was added."""
        quantised, rows, columns = self._take(MATRIX)
        end = self._at + rows * columns * FLOAT_BYTES
        if not quantised and end != len(self._content):
            what = f"the file must end at byte {end}; it has {len(self._content)}"
            raise damaged(self._path, what, byte=min(end, len(self._content)))

    def _require_finite(self, offset: int, shape: tuple[int, int]) -> None:
        """Refuse a matrix with anything that is no number, some megabytes at a time."""
        rows_at_once = max(CHECK_BYTES // (shape[1] * FLOAT_BYTES), 1)
        for first in range(0, shape[0], rows_at_once):
            rows = min(rows_at_once, shape[0] - first)
            start = offset + first * shape[1] * FLOAT_BYTES
            piece = np.frombuffer(self._content, dtype="<f4", count=rows * shape[1], offset=start)
            finite = bool(np.isfinite(piece).all())
            del piece  # the map cannot be closed while an array looks into it
            if not finite:
                raise damaged(self._path, f"one of rows {first} to {first + rows - 1} is not finite", byte=start)


def _unsupported(path: Path, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path} is {why}. Take the full .bin, or the .vec beside it.", expected="a full fastText file", where=str(path)
    )
