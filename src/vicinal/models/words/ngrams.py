"""The n-grams of a word, as fastText takes it apart (Bojanowski, Grave, Joulin, Mikolov 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FNV_START = 2_166_136_261
FNV_FACTOR = 16_777_619
BITS_32 = 0xFFFFFFFF
END_OF_SENTENCE = "</s>"
"""A word of the vocabulary that fastText never takes apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ngrams:
    """The rule: n-grams of ``low`` to ``high`` characters, hashed into ``buckets`` rows behind ``first``.

    Parameters
    ----------
    low, high : int
        The least and most characters (code points) of an n-gram, the marks of the word's ends counted.
    buckets : int, 1 <= buckets
        Rows that the n-grams share.
    first : int
        The row of the first bucket.
    """

    low: int
    high: int
    buckets: int
    first: int

    def rows(self, word: str) -> list[int]:
        """Return the row of each n-gram of ``<word>``, from left to right and short before long.

        The hash is FNV-1a in 32 bits over the bytes of UTF-8, each byte taken as a signed number that is widened
        before it is mixed in: a slip of the first release that every published model is trained with.
        A single mark of an end is no n-gram.

        Examples
        --------
        >>> rule = Ngrams(low=3, high=3, buckets=1 << 32, first=0)
        >>> rule.rows("a") == [fnv(b"<a>")]
        True
        """
        return [] if word == END_OF_SENTENCE else list(self._rows(f"<{word}>"))

    def _rows(self, marked: str) -> Iterator[int]:
        characters = [character.encode() for character in marked]
        last = len(characters)
        for start in range(last):
            mixed = FNV_START
            for end in range(start + 1, min(start + self.high, last) + 1):
                mixed = fnv(characters[end - 1], mixed)
                size = end - start
                if size >= self.low and not (size == 1 and (start == 0 or end == last)):
                    yield self.first + mixed % self.buckets


def fnv(content: bytes, mixed: int = FNV_START) -> int:
    """Return the 32-bit hash of some bytes, going on from the hash of what stood before them."""
    for byte in content:
        signed = byte | 0xFFFFFF00 if byte & 0x80 else byte
        mixed = ((mixed ^ signed) * FNV_FACTOR) & BITS_32
    return mixed
