"""What every kind of file becomes: words in order, a table of their vectors, counts and n-grams where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import ModelLoadError
from vicinal.models.words.ngrams import Ngrams
from vicinal.types import Floats

MAX_DIM = 65_536
"""Far above any published vectors; a header that claims more is damaged."""
MAX_WORDS = 1 << 30
MAX_WORD_BYTES = 65_536
"""The longest word of GloVe 840B has under 2,000 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordVectors:
    """The content of one file of word vectors.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    digest : str
        SHA-256 of the file.
    words : tuple of str
        In the file's order, which is by falling frequency in all that are published. A word may stand twice;
        the first counts.
    table : float32 array of shape (R, D), read only
        Row i is the vector of word i; behind them stand the rows of n-grams, if there are any. Finite.
    counts : int64 array of shape (V,) or None
        How often each word came in the training text.
    total : int
        How many words the training text had; 0 without counts.
    ngrams : Ngrams or None
        How a word is taken apart. Then the vector of a word is the mean of its own row and those of its n-grams.
    """

    kind: str
    digest: str
    words: tuple[str, ...]
    table: Floats
    counts: NDArray[np.int64] | None = None
    total: int = 0
    ngrams: Ngrams | None = None

    @property
    def dim(self) -> int:
        """D."""
        return int(self.table.shape[1])


def damaged(path: Path, what: str, *, line: int | None = None, byte: int | None = None) -> ModelLoadError:
    """Return the error of a damaged file of word vectors: its path, the line or the byte, what is wrong there."""
    place = f", line {line}" if line is not None else f", byte {byte}" if byte is not None else ""
    where = f"{path}:{line if line is not None else byte}" if place else str(path)
    return ModelLoadError(f"{path}{place}: {what}. Fetch the file again.", where=where)
