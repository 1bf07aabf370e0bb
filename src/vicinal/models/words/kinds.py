"""Which kind of word vectors a file holds, seen at its first bytes and never at its name."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np

from vicinal.errors import ModelLoadError
from vicinal.models.words.lexicon import MAX_DIM, MAX_WORD_BYTES, MAX_WORDS

KINDS = ("glove", "word2vec", "word2vec-binary", "fasttext", "fasttext-binary")
FASTTEXT_MAGIC = (793_712_314).to_bytes(4, "little")
SEEN_BYTES = 1 << 20
"""What is looked at: three lines of vectors have under a tenth of it."""
SEEN_LINES = 3
LEAST_NUMBERS = 2
"""A line of GloVe without a header has at least so many: a word and one number may be anything."""
HEADER_BYTES = 32
DECIMALS_WORD2VEC = 6
FLOAT_BYTES = 4
LARGEST = 1e9
"""No component is larger; the bytes of a text, taken for numbers, are."""


def is_word_vectors(path: Path) -> str:
    """Return the kind of a file: ``glove``, ``word2vec``, ``word2vec-binary``, ``fasttext``, ``fasttext-binary``, or ``""``.

    Parameters
    ----------
    path : Path
        A file. At most 1 MB of it is read.

    Returns
    -------
    str
        ``word2vec`` and ``fasttext`` are the same form of text, a header and a line for each word; it is called
        fastText's where it is written as fastText writes it. ``""`` for anything else.

    Raises
    ------
    ModelLoadError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(SEEN_BYTES)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    if start.startswith(FASTTEXT_MAGIC):
        return "fasttext-binary"
    header = header_of(start)
    if header is None:
        return "glove" if _is_glove(start) else ""
    return _kind_behind(start[header[2] :], header[1])


def header_of(start: bytes) -> tuple[int, int, int] | None:
    """Return (V, D, bytes of the line) of a first line that holds two whole numbers, None for another."""
    end = start.find(b"\n", 0, HEADER_BYTES)
    parts = start[:end].split() if end > 0 else []
    if len(parts) != 2 or not all(part.isdigit() for part in parts):  # noqa: PLR2004 - V and D
        return None
    count, dim = (int(part) for part in parts)
    return (count, dim, end + 1) if count <= MAX_WORDS and 1 <= dim <= MAX_DIM else None


def lines_of(start: bytes) -> list[bytes]:
    """Return the whole lines of what was seen, the last one too if the file ends with it."""
    lines = start.split(b"\n")
    return lines[:-1] if len(start) == SEEN_BYTES or not lines[-1] else lines


def _kind_behind(body: bytes, dim: int) -> str:
    """Return the kind of a file with a header by what stands behind it."""
    if not body:
        return "word2vec"
    lines = lines_of(body)[:SEEN_LINES]
    if lines and all(numbers_of(line, dim) is not None for line in lines):
        return "fasttext" if any(_is_of_fasttext(line) for line in lines) else "word2vec"
    space = body.find(b" ", 0, MAX_WORD_BYTES)
    first = np.frombuffer(body[space + 1 : space + 1 + FLOAT_BYTES * dim], dtype=np.uint8)
    if space < 1 or len(first) < FLOAT_BYTES * dim:
        return ""
    with np.errstate(invalid="ignore"):
        return "word2vec-binary" if (np.abs(first.view("<f4")) < LARGEST).all() else ""


def _is_of_fasttext(line: bytes) -> bool:
    """Return whether a line ends with a space and has numbers of as many digits as they need; word2vec writes six."""
    number = line.rstrip().rpartition(b" ")[2]
    return line.endswith(b" ") and len(number.rpartition(b".")[2]) != DECIMALS_WORD2VEC


def _is_glove(start: bytes) -> bool:
    """Return whether each of the first lines is a word and as many numbers as the others have."""
    lines = lines_of(start)[:SEEN_LINES]
    dim = dim_of(lines)
    return dim >= LEAST_NUMBERS and all(numbers_of(line, dim) is not None for line in lines)


def dim_of(lines: list[bytes]) -> int:
    """Return how many numbers lines without a header have: what most of them have, for few words hold spaces."""
    sizes = Counter(line.rstrip(b" \r").count(b" ") for line in lines if line.strip())
    return sizes.most_common(1)[0][0] if sizes else 0


def numbers_of(line: bytes, dim: int) -> tuple[bytes, list[float]] | None:
    """Return the word of a line and its numbers, parsed from the right; None if it has not so many finite ones."""
    word, *parts = line.rstrip(b" \r").rsplit(b" ", dim)
    if not word or len(parts) != dim:
        return None
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return None
    return (word, numbers) if all(map(math.isfinite, numbers)) else None
