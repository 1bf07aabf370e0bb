"""Cut one text: the strongest place within reach, else a sentence, a line, a word, a token.

Tokens are counted by where they begin: the tokens of [a, b) are those that begin in it, so a count is
the difference of two binary searches, and the work is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vicinal.chunk.outline import BLOCK, Outline
from vicinal.chunk.sentence import last_sentence_end, sentence_start

SPACE = re.compile(r"\s*")
GAP = re.compile(r"\s")
PAUSE = re.compile(r"\n|(?<=[.!?;:])\s")
"""Where a sentence may begin in text that has no capitals."""
FULL = 2
"""A chunk is full enough to end when it holds 1/2 of the target."""
FILLED = 4
"""Of version 2, an overlap of 1/4 of the target holds most sentences whole: one that is torn at the end of a chunk is
whole in the next. Then chunks are filled to 9/10, of which more is found (docs/concepts/chunks.md)."""
LEAST = 8
"""It may end with 1/8 of the target when what follows is to be kept whole and fits into the next one."""
LINE_SCAN_CHARS = 1 << 16
"""A sentence or a line is looked for no farther back than this, however long a token is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many tokens a chunk may hold, how many are repeated in the next, and by which version of the rules."""

    target: int
    overlap: int
    version: int = 2
    filled: bool = field(init=False)
    """Whether chunks are filled, not ended early at what is whole."""
    full: int = field(init=False)
    """How many tokens are enough for a chunk to end."""

    def __post_init__(self) -> None:
        """Work out what every step asks for."""
        filled = self.version > 1 and self.overlap * FILLED >= self.target
        object.__setattr__(self, "filled", filled)
        object.__setattr__(self, "full", self.target * 9 // 10 if filled else self.target // FULL)


class Ruler:
    """A text with its tokens: where they begin, and how many stand before a place."""

    __slots__ = ("count", "read", "starts", "text")

    def __init__(self, text: str, starts: NDArray[np.int64]) -> None:
        self.text = text
        self.starts = starts
        self.read = starts.data  # from which one number comes faster than from an array
        self.count = len(starts)

    def before(self, place: int) -> int:
        """Return how many tokens begin before a place."""
        return int(self.starts.searchsorted(place))

    def place(self, token: int) -> int:
        """Return where a token begins; the text's end after the last."""
        return self.read[token] if token < self.count else len(self.text)


def cut(text: str, outline: Outline, starts: NDArray[np.int64], sizes: Sizes, *, prose: bool) -> list[tuple[int, int]]:
    """Return the spans of the chunks of a text, in order, white space trimmed.

    Parameters
    ----------
    text : str
        The document.
    outline : Outline
        Where it may be cut.
    starts : int64 array of shape (T,)
        Where each token begins, ascending.
    sizes : Sizes
        The target and the overlap.
    prose : bool
        Whether sentences are better places than lines.

    Returns
    -------
    list of (start, end)
        Each holds at most ``sizes.target`` tokens by ``starts``. Of version 2 two neighbours in one section of prose
        overlap; of version 1, and in code, only where a piece had to be split.
    """
    ruler = Ruler(text, starts)
    pieces = _Pieces(outline, ruler)
    sizes = sizes if prose else replace(sizes, version=1)  # what belongs together in code is not filled up
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        end, following = _step(ruler, pieces, at, sizes, prose=prose)
        piece = text[at:end]
        body = piece.strip()
        if body:
            start = at + (len(piece) - len(piece.lstrip()) if piece[0].isspace() else 0)
            spans.append((start, start + len(body)))
        at = following
    return spans


class _Pieces:
    """The outline, with the tokens before each place and where the piece that begins there ends."""

    __slots__ = ("ends", "heads", "heads_at", "kept", "places", "ranks", "tokens", "total")

    def __init__(self, outline: Outline, ruler: Ruler) -> None:
        self.places = outline.places
        self.ranks = outline.ranks
        self.tokens: list[int] = ruler.starts.searchsorted(outline.places).tolist() if outline.places else []
        self.total = ruler.count
        self.kept = [
            rank < BLOCK or place in outline.fences for place, rank in zip(outline.places, outline.ranks, strict=True)
        ]
        self.ends = _next_as_strong(outline.ranks)
        self.heads_at = [number for number, rank in enumerate(outline.ranks) if rank < BLOCK]
        self.heads = [outline.places[number] for number in self.heads_at]

    def limit(self, at: int, text_end: int) -> tuple[int, int]:
        """Return (place, tokens before it) of the next heading that is as strong as the section of ``at``."""
        number = bisect_right(self.heads, at) - 1
        end = self.ends[self.heads_at[number]] if number >= 0 else len(self.places)
        return (self.places[end], self.tokens[end]) if end < len(self.places) else (text_end, self.total)

    def size(self, number: int) -> int:
        """Return how many tokens the piece that begins at a place holds."""
        end = self.ends[number]
        return (self.tokens[end] if end < len(self.tokens) else self.total) - self.tokens[number]

    def begin(self, before: int, after: int) -> int:
        """Return where the block that holds the end of [after, before) begins, or ``after``."""
        number = bisect_left(self.places, before) - 1
        while number >= 0 and self.places[number] > after:
            if self.ranks[number] <= BLOCK:
                return self.places[number]
            number -= 1
        return after


def _next_as_strong(ranks: list[int]) -> list[int]:
    """Return for each place the next one of the same or a stronger rank; the number of places for none."""
    ends = [len(ranks)] * len(ranks)
    waiting: list[int] = []
    for number, rank in enumerate(ranks):
        while waiting and ranks[waiting[-1]] >= rank:
            ends[waiting.pop()] = number
        waiting.append(number)
    return ends


def _step(ruler: Ruler, pieces: _Pieces, at: int, sizes: Sizes, *, prose: bool) -> tuple[int, int]:
    """Return where the chunk that begins at ``at`` ends and where the next one begins."""
    first = ruler.before(at)
    limit, tokens = pieces.limit(at, len(ruler.text))
    if tokens - first <= sizes.target:
        return limit, limit
    number = _best_place(pieces, at, first, sizes)
    if number is not None:
        end, whole = pieces.places[number], pieces.ranks[number] <= BLOCK
    else:
        end, whole = _finer_place(ruler, at, first, sizes, prose=prose), False
    after_space = SPACE.match(ruler.text, end)
    if after_space and after_space.end() >= limit:
        return end, (end if whole else limit)
    if sizes.version > 1 and not (number is not None and pieces.kept[number]):
        last = ruler.before(end) if number is None else pieces.tokens[number]
        return end, _repeated(ruler, at, end, sizes.overlap, first=first, last=last)
    if whole:
        return end, end
    return end, _overlapped(ruler, at, end, pieces.begin(end, at), sizes.overlap)


def _best_place(pieces: _Pieces, at: int, first: int, sizes: Sizes) -> int | None:
    """Return the last of the strongest places at which a chunk may end, or None.

    It may end where it is full enough, or earlier when the piece that follows fits whole into the next.
    """
    tokens, ranks, target = pieces.tokens, pieces.ranks, sizes.target
    low = max(bisect_left(tokens, first + target // LEAST), bisect_right(pieces.places, at))
    high = bisect_right(tokens, first + target)
    full, filled = first + sizes.full, sizes.filled
    best = None
    for number in range(low, high):
        clean = tokens[number] >= full or ((pieces.kept[number] or not filled) and pieces.size(number) <= target)
        if clean and (best is None or ranks[number] <= ranks[best]):
            best = number
    return best


def _finer_place(ruler: Ruler, at: int, first: int, sizes: Sizes, *, prose: bool) -> int:
    """Return where to cut within a piece: after a sentence, a line or a word, else before a token."""
    text = ruler.text
    high = ruler.place(first + sizes.target)
    low = max(ruler.place(first + sizes.full), at + 1, high - LINE_SCAN_CHARS)
    if high <= low:
        return max(high, at + 1)
    end = _sentence(text, low, high) if prose else 0
    if end <= low:
        end = text.rfind("\n", low, high) + 1
    if end <= low:
        end = _word(text, low, high)
    return end if end > low else high


def _sentence(text: str, low: int, high: int) -> int:
    """Return the last end of a sentence in (low, high], or 0; it is mostly near the end."""
    near = high - (high - low) // 4
    return last_sentence_end(text, near, high) or last_sentence_end(text, low, near)


def _word(text: str, low: int, high: int) -> int:
    """Return the last beginning of a word in (low, high], or 0."""
    if text[high - 1].isspace() or text[high : high + 1].isspace():
        return high
    parts = text[low:high].rsplit(None, 1)
    return high - len(parts[1]) if len(parts) > 1 else 0


def _overlapped(ruler: Ruler, at: int, end: int, begin: int, overlap: int) -> int:
    """Return where the next chunk begins: up to ``overlap`` tokens before ``end``, at a word of the same piece."""
    token = ruler.before(end) - overlap
    place = ruler.place(max(token, 0))
    if not ruler.text[place - 1 : place].isspace():
        gap = GAP.search(ruler.text, place, ruler.place(token + overlap // 2)) if overlap else None
        place = gap.end() if gap else place
    place = max(place, begin)
    return place if at < place < end else end


def _repeated(ruler: Ruler, at: int, end: int, overlap: int, *, first: int, last: int) -> int:
    """Return where the next chunk begins: at the first sentence within the last ``overlap`` tokens before ``end``.

    A sentence that begins only in the second half of them repeats too little: then after a stop of any kind or at a
    line that is in the first half, else at a word. No more than 2/3 of a chunk is repeated. ``first`` and ``last`` are
    the tokens before ``at`` and before ``end``.
    """
    text = ruler.text
    repeated = min(overlap, (last - first) * 2 // 3)
    low = max(ruler.place(last - repeated), at + 1, end - LINE_SCAN_CHARS)
    if not repeated or low >= end:
        return end
    half = max(min(ruler.place(last - repeated // 2), end), low)
    place = sentence_start(text, low, half)
    if place is None:
        stop = PAUSE.search(text, low - 1, half) or GAP.search(text, low - 1, end - 1)
        place = stop.end() if stop else low
    return place
