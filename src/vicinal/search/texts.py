"""Distinct texts in order, in one array of bytes: found by halving, scanned for a piece or a word at one go.

Letters: T texts.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from vicinal.search.meaning import WORD, instant_of
from vicinal.types import Mask, Rows

Bytes = NDArray[np.uint8]

END = 0xFF
"""The byte behind each text. It is in no UTF-8, so nothing that is looked for reaches over it."""
NO_DATE = np.iinfo(np.int64).min
"""The instant of text that is no date."""
BLOCK_BYTES = 1 << 18
"""Bytes that are scanned at a time, so that what a scan writes stays in the cache."""
SAMPLE_BYTES = 1 << 14
"""Bytes that are counted, to know which are rare."""
ASCII = 0x80
SMALL = 1 << 32


def encoded(text: str) -> bytes:
    """Return a text as it is stored; lone halves of surrogate pairs too, and the order is that of code points."""
    return text.encode("utf-8", "surrogatepass")


class Texts(Sequence[bytes]):
    """Distinct texts as UTF-8, ascending, which is the order of their code points.

    Parameters
    ----------
    arena : uint8 array
        The texts one after the other, the byte 0xFF behind each. Perhaps mapped.
    starts : uint32 or uint64 array of shape (T + 1,)
        Text i is ``arena[starts[i] : starts[i + 1] - 1]``.

    Notes
    -----
    Memory: the bytes of the texts and 5 to 9 each; after a ``$match`` the bytes once more, after a date or a long ``$in`` 8 each.
    Threads: safe; nothing changes but what is remembered of it.
    """

    __slots__ = ("_bytes", "_folded", "_heads", "_instants", "_offsets", "arena", "starts")

    def __init__(self, arena: Bytes, starts: NDArray[Any]) -> None:
        self.arena = arena
        self.starts = starts
        self._bytes = arena.data
        self._offsets = starts.data  # indexing it gives an int, several times faster than the array does
        self._folded: Texts | None = None
        self._instants: Rows | None = None
        self._heads: tuple[int, NDArray[np.uint64]] | None = None

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Texts:
        """Return texts that are distinct and ascending."""
        end = bytes([END])
        arena = np.frombuffer(end.join(texts) + end if texts else b"", dtype=np.uint8)
        return cls(arena, _starts(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        """Return a text as UTF-8."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return bytes(self._bytes[self._offsets[place] : self._offsets[place + 1] - 1])

    def text(self, place: int) -> str:
        """Return a text as a string."""
        return self[place].decode("utf-8", "surrogatepass")

    def first_at_least(self, text: bytes) -> int:
        """Return the place of the first text that is not before this one."""
        return bisect_left(self, text)

    def place_of(self, text: bytes) -> int:
        """Return where a text is, -1 if it is not."""
        place = bisect_left(self, text)
        return place if place < len(self) and self[place] == text else -1

    def places_of(self, texts: Sequence[bytes]) -> Rows:
        """Return the places of those texts that are here: many at once, some 0.2 µs each."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        skip, heads = self._heads_behind_common()
        common = self[0][:skip]
        alike = [text for text in texts if text.startswith(common)]
        asked = np.array([int.from_bytes(text[skip : skip + 8].ljust(8, b"\0")) for text in alike], dtype=np.uint64)
        low, high = heads.searchsorted(asked, "left").tolist(), heads.searchsorted(asked, "right").tolist()
        found = []
        for text, start, end in zip(alike, low, high, strict=True):
            place = start if end - start <= 1 else bisect_left(self, text, start, end)
            if place < end and self[place] == text:
                found.append(place)
        return np.array(found, dtype=np.int64)

    def _heads_behind_common(self) -> tuple[int, NDArray[np.uint64]]:
        """Return how many bytes all texts begin with, and of each text the next eight as one number. Made once."""
        if self._heads is None:
            ends = zip(self[0], self[len(self) - 1], strict=False)  # what the first and the last share, all share
            skip = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], ends))
            places = self.starts[:-1].astype(np.int64)[:, None] + (skip + np.arange(8))
            inside = places < self.starts[1:].astype(np.int64)[:, None] - 1
            heads = np.where(inside, self.arena[np.minimum(places, len(self.arena) - 1)], 0).astype(np.uint8)
            self._heads = skip, heads.view(">u8")[:, 0].astype(np.uint64)
        return self._heads

    def beginning(self, prefix: bytes) -> tuple[int, int]:
        """Return the half-open interval of the texts that begin so."""
        low = bisect_left(self, prefix)
        return low, bisect_left(self, prefix + bytes([END]), lo=low)

    def merged(self, keep: Mask, new: Sequence[bytes]) -> tuple[Texts, Rows, Rows]:
        """Return these texts, without those not kept, with new ones; and where the old and the new ones are then.

        Parameters
        ----------
        keep : bool array of shape (T,)
            Which stay.
        new : sequence of bytes
            Distinct, ascending, none of them here.

        Notes
        -----
        Cost: a search for each new text and one copy of the bytes.
        """
        kept = self if keep.all() else self._kept(keep)
        if not new:
            return kept, np.cumsum(keep) - 1, np.zeros(0, dtype=np.int64)
        if not len(kept):
            return Texts.of(new), np.zeros(len(keep), dtype=np.int64), np.arange(len(new))
        at: list[int] = []
        for text in new:
            at.append(bisect_left(kept, text, lo=at[-1] if at else 0))
        places = np.array(at, dtype=np.int64)
        lengths = np.insert(kept.lengths(), places, [len(text) + 1 for text in new])
        arena = kept.interleaved(at, new)
        order = np.arange(len(kept))
        old = (order + np.searchsorted(places, order, side="right"))[np.cumsum(keep) - 1]
        return Texts(arena, _starts(lengths)), old, places + np.arange(len(new))

    def _kept(self, keep: Mask) -> Texts:
        """Return some of the texts."""
        lengths = self.lengths()
        return Texts(self.arena[np.repeat(keep, lengths)], _starts(lengths[keep]))

    def lengths(self) -> Rows:
        """Return the bytes of each text, with the one behind it."""
        return np.asarray(self.starts[1:] - self.starts[:-1], dtype=np.int64)

    def interleaved(self, places: Sequence[int], new: Sequence[bytes]) -> Bytes:
        """Return the bytes with each new text before the text at its place."""
        pieces: list[Any] = []
        before, end = 0, bytes([END])
        for place, text in zip(places, new, strict=True):
            cut = self._offsets[place]
            pieces += (self._bytes[before:cut], text, end)
            before = cut
        return np.frombuffer(b"".join([*pieces, self._bytes[before:]]), dtype=np.uint8)

    def holding(self, piece: bytes) -> Rows:
        """Return the places of the texts that hold a piece, ascending."""
        return _distinct(self._texts_at(_occurrences(self.arena, piece))) if piece else np.arange(len(self))

    def instants(self) -> Rows:
        """Return the instant of each text, int64 (T,), ``NO_DATE`` where it is no date. Parsed once."""
        if self._instants is None:
            found = (instant_of(self.text(place)) for place in range(len(self)))
            self._instants = np.fromiter(
                (NO_DATE if one is None else one for one in found), dtype=np.int64, count=len(self)
            )
        return self._instants

    def with_words(self, words: Sequence[str]) -> Rows:
        """Return the places of the texts that hold each of the words, ascending. Words are folded and not empty."""
        folded = self._in_one_case()
        found = [folded.with_word(encoded(word)) for word in words]
        both = found[0]
        for other in found[1:]:
            both = np.intersect1d(both, other, assume_unique=True)
        return both

    def _in_one_case(self) -> Texts:
        """Return the texts in the same places with their case folded: no longer in order. Folded once."""
        if self._folded is None:
            # 0xFF is no UTF-8; this handler makes it U+DCFF, which no folding knows, and back again.
            whole = bytes(self._bytes).decode("utf-8", "surrogateescape").casefold()
            arena = np.frombuffer(whole.encode("utf-8", "surrogateescape"), dtype=np.uint8)
            ends = np.flatnonzero(arena == END)
            self._folded = Texts(arena, _starts(ends - np.concatenate([[-1], ends[:-1]])))
        return self._folded

    def with_word(self, word: bytes) -> Rows:
        """Return the places of the texts, folded ones, in which a word stands alone: no letter, digit or _ beside it."""
        at = _occurrences(self.arena, word)
        before = np.where(at > 0, self.arena[np.maximum(at - 1, 0)], END)
        behind = self.arena[at + len(word)]  # the byte END, at the latest
        free = IS_FREE[before] & IS_FREE[behind]
        unsure = ~free & (IS_FREE[before] | IS_WIDE[before]) & (IS_FREE[behind] | IS_WIDE[behind])
        sure = self._texts_at(at[free])
        asked = _distinct(self._texts_at(at[unsure]))
        wanted = word.decode()
        told = [place for place in asked.tolist() if wanted in words_in(self.text(place))]
        return _distinct(np.sort(np.concatenate([sure, np.array(told, dtype=np.int64)])))

    def _texts_at(self, positions: Rows) -> Rows:
        """Return in which text each position of the arena is."""
        return np.searchsorted(self.starts, positions.astype(self.starts.dtype), side="right") - 1


def words_in(folded: str) -> list[str]:
    """Return the words of a text whose case is folded already."""
    return WORD.findall(folded)


IS_WIDE: Mask = np.array([ASCII <= byte < END for byte in range(256)])
"""Bytes of a character beyond ASCII, which may be a letter or not."""
IS_FREE: Mask = np.array(
    [byte == END or (byte < ASCII and not (chr(byte).isalnum() or byte == ord("_"))) for byte in range(256)]
)
"""Bytes that are no part of a word: the end of a text, and the ASCII characters that are none."""


def _starts(lengths: Rows) -> NDArray[Any]:
    """Return where pieces of these lengths begin, and where the last ends, in as few bytes as that takes."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts.astype(np.uint32 if starts[-1] < SMALL else np.uint64)


def _distinct(ascending: Rows) -> Rows:
    """Return each number once."""
    return ascending[np.diff(ascending, prepend=-1) > 0]


def _occurrences(arena: Bytes, piece: bytes) -> Rows:
    """Return where a piece begins in the arena, ascending, overlapping ones too.

    Cost: two passes over the bytes; then a look at each place where the two rarest bytes of the piece fit.
    """
    often = np.bincount(arena[:: max(1, len(arena) // SAMPLE_BYTES)], minlength=256)
    steps = sorted(range(len(piece)), key=lambda step: int(often[piece[step]]))
    found = []
    for start in range(0, max(len(arena) - len(piece) + 1, 0), BLOCK_BYTES):
        block = arena[start : start + BLOCK_BYTES + len(piece) - 1]
        places = len(block) - len(piece) + 1
        held = block[steps[0] : steps[0] + places] == piece[steps[0]]
        if len(steps) > 1:
            held &= block[steps[1] : steps[1] + places] == piece[steps[1]]
        at = np.flatnonzero(held)
        for step in steps[2:]:
            if not len(at):
                break
            at = at[block[at + step] == piece[step]]
        if len(at):
            found.append(at + start)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
