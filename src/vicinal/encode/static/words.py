"""The word rule: what is a word of a text, and which rows of a file of word vectors it has.

A word is letters, digits and underscores, and goes on over a single ``-``, ``'``, ``’`` or ``.`` within it
(``well-known``, ``don't``, ``3.14``, ``U.S``); every other visible character is a word of its own.
A word is looked for as it stands, then in lower case; if neither is known, and the file has n-grams, it has those of
the word as it stands; else, if it was joined, its parts are looked for the same way. The rest is unknown and left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import numpy as np

from vicinal.encode.static.pieces import Picked, PieceMemory
from vicinal.models.words import WordVectors
from vicinal.types import Floats, Rows

WORD = re.compile(r"\w+(?:[-'’.]\w+)*|[^\w\s]")
PART = re.compile(r"\w+|[^\w\s]")
RULE = "words 1"
"""Counts the forms of the rule: another form gives another space."""


class WordTokens:
    """The words of texts and their rows. Safe for many threads.

    Parameters
    ----------
    vectors : WordVectors
        The words, their order and their n-grams.
    weights : float32 array of shape (V,) or None
        What the rows of each word are multiplied with; a word that is none of them, and has n-grams only, has 1.
    """

    def __init__(self, vectors: WordVectors, weights: Floats | None) -> None:
        words = vectors.words
        self._number = dict(zip(reversed(words), range(len(words) - 1, -1, -1), strict=True))  # the first of two counts
        self._ngrams = vectors.ngrams
        self._weights = weights
        self._memory = PieceMemory(self._picked)
        self.digest = hashlib.sha256(f"{RULE} {WORD.pattern} {PART.pattern}".encode()).hexdigest()

    def pick(self, texts: list[str]) -> Picked:
        """Return the rows of some texts."""
        return self._memory(texts)

    def counts(self, texts: list[str]) -> Rows:
        """Return (N,) counts of words, known or not."""
        return np.array([sum(1 for _ in WORD.finditer(text)) for text in texts], dtype=np.int64)

    def spans(self, texts: list[str]) -> list[Rows]:
        """Return for each text the (T, 2) code-point spans of its words, known or not."""
        found = ([word.span() for word in WORD.finditer(text)] for text in texts)
        return [np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in found]

    def _picked(self, texts: list[str]) -> Picked:
        """Return the rows of texts without memory."""
        rows: list[int] = []
        weights: list[float] = []
        ends, words = [0], []
        for text in texts:
            known = 0
            for word_rows, weight in self._words(text):
                known += 1
                rows += word_rows
                weights += [weight / len(word_rows)] * len(word_rows)
            ends.append(len(rows))
            words.append(known)
        weighted = self._weights is not None or self._ngrams is not None
        return Picked(
            rows=np.array(rows, dtype=np.int32),
            offsets=np.array(ends, dtype=np.int64),
            weights=np.array(weights, dtype=np.float32) if weighted else None,
            words=np.array(words, dtype=np.int64),
        )

    def _words(self, text: str) -> Iterator[tuple[list[int], float]]:
        """Go through the rows and the weight of each known word of a text."""
        for match in WORD.finditer(text):
            word = match.group()
            found = self._word(word)
            if found is not None:
                yield found
                continue
            parts = PART.findall(word)
            yield from filter(None, map(self._word, parts if len(parts) > 1 else ()))

    def _word(self, word: str) -> tuple[list[int], float] | None:
        """Return the rows of a word and its weight, None for an unknown one."""
        name = word if word in self._number else word.lower()
        number = self._number.get(name)
        if number is None:
            rows = self._ngrams.rows(word) if self._ngrams else []
            return (rows, 1.0) if rows else None
        weight = 1.0 if self._weights is None else float(self._weights[number])
        return [number, *(self._ngrams.rows(name) if self._ngrams else ())], weight
