"""Texts → token ids and spans, through the tokenizers library, its own cutting and padding switched off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from vicinal.errors import ModelLoadError
from vicinal.types import Rows

Ids = NDArray[np.int32]

GROUP_TEXTS = 8192
GROUP_CHARS = 2_000_000
"""What is tokenized at once: the library needs some hundred bytes for each token."""
PIECE_CHARS = 1_000_000
"""A longer text is tokenized in pieces."""
BREAK = re.compile(r"[^\s\x00-\x1f\x7f][ \n\t\r]")
"""A visible character before plain white space: no rule of the tokenizers below looks across it."""
WORD_BY_WORD = {"BertPreTokenizer"}
"""What splits at white space before anything else, so that the pieces of a text have the tokens of the whole."""


class Encode(Protocol):
    """One of the library's two ways to encode; the fast one knows no spans."""

    def __call__(self, texts: list[str], /, *, add_special_tokens: bool) -> list[Encoding]:
        """Return the encoding of each text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of the text ``row`` that begins at ``start``."""

    row: int
    start: int
    text: str


class TextTokenizer:
    """The rules and the vocabulary of one tokenizer.json. Safe for many threads.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    padding_id : int
        The token that fills up a batch; the mask hides it.
    before, after : tuple of int
        The special tokens that stand around a text.

    Raises
    ------
    ModelLoadError
        The file is no tokenizer, or it puts special tokens elsewhere than around a text.
    """

    def __init__(self, path: Path) -> None:
        self._tokenizer = _library_tokenizer(path)
        self.padding_id = int((self._tokenizer.padding or {}).get("pad_id", 0))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._in_pieces = type(self._tokenizer.pre_tokenizer).__name__ in WORD_BY_WORD
        try:
            self.before, self.after = self._special_ids(path)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of the library, which is not to be caught otherwise
                raise
            raise ModelLoadError(f"{path} contradicts itself. Fetch the model again.", where=str(path)) from error

    @property
    def special_count(self) -> int:
        """How many special tokens stand around a text."""
        return len(self.before) + len(self.after)

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Return the token ids of each uncut text, special tokens left out."""
        found: list[list[Ids]] = [[] for _ in texts]
        for row, _, encoding in self._encodings(texts, self._tokenizer.encode_batch_fast):
            found[row].append(np.array(encoding.ids, dtype=np.int32))
        return [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in found]

    def counts(self, texts: Sequence[str]) -> Rows:
        """Return (N,) counts of tokens, special ones left out."""
        counts = np.zeros(len(texts), dtype=np.int64)
        for row, _, encoding in self._encodings(texts, self._tokenizer.encode_batch_fast):
            counts[row] += len(encoding)
        return counts

    def spans(self, texts: Sequence[str]) -> list[Rows]:
        """Return for each text the (T, 2) code-point spans of its tokens, special ones left out."""
        found: list[list[Rows]] = [[] for _ in texts]
        for row, start, encoding in self._encodings(texts, self._tokenizer.encode_batch):
            found[row].append(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + start)
        return [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in found]

    def _encodings(self, texts: Sequence[str], encode: Encode) -> Iterator[tuple[int, int, Encoding]]:
        """Go through (row, start in the text, encoding) of every piece, in the order of the texts."""
        for group in _groups(self._pieces(texts)):
            encodings = encode([piece.text for piece in group], add_special_tokens=False)
            for piece, encoding in zip(group, encodings, strict=True):
                yield piece.row, piece.start, encoding

    def _pieces(self, texts: Sequence[str]) -> Iterator[_Piece]:
        """Go through the texts, enormous ones in pieces that end before white space."""
        for row, text in enumerate(texts):
            start = 0
            for end in (*self._breaks(text), len(text)):
                yield _Piece(row=row, start=start, text=text[start:end])
                start = end

    def _breaks(self, text: str) -> Iterator[int]:
        """Go through the places where an enormous text may be broken."""
        end = PIECE_CHARS
        while self._in_pieces and end < len(text) and (found := BREAK.search(text, end - 1)):
            yield found.start() + 1
            end = found.start() + 1 + PIECE_CHARS

    def _special_ids(self, path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ids put before and after a text, seen at a text of one token."""
        plain = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole = self._tokenizer.encode("a", add_special_tokens=True).ids
        for before in range(len(whole) - len(plain) + 1):
            if whole[before : before + len(plain)] == plain:
                return tuple(whole[:before]), tuple(whole[before + len(plain) :])
        raise ModelLoadError(f"{path} puts special tokens into a text, not around it.", where=str(path))


def _library_tokenizer(path: Path) -> Tokenizer:
    """Return the library's tokenizer of a file."""
    try:
        return Tokenizer.from_file(str(path))
    except MemoryError:
        raise
    except Exception as error:  # the library has no errors of its own: it raises this very class
        raise ModelLoadError(
            f"{path} is no tokenizer that can be loaded: {error}. Fetch the model again.", where=str(path)
        ) from error


def _groups(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Go through the pieces in groups of bounded size."""
    group: list[_Piece] = []
    chars = 0
    for piece in pieces:
        if group and (len(group) == GROUP_TEXTS or chars + len(piece.text) > GROUP_CHARS):
            yield group
            group, chars = [], 0
        group.append(piece)
        chars += len(piece.text)
    if group:
        yield group
