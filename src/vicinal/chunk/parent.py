"""Parents: small chunks are found, and the section around them is read.

A small chunk has one subject and is found well; who reads it, a person or a model, needs what stands around it.
A parent is worked out from the text and the span of the chunk, so that nothing more has to be stored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from vicinal._arrays import whole_number
from vicinal.chunk.outline import BLOCK, outline
from vicinal.chunk.sentence import sentence_ends, sentence_start
from vicinal.types import Document

Span = tuple[int, int]


def parents(document: Document, spans: Sequence[Span], *, most_chars: int) -> list[Span]:
    """Return the span of the parent of each chunk.

    Parameters
    ----------
    document : Document
        The text and its form.
    spans : sequence of (start, end)
        The chunks' spans in it.
    most_chars : int, 1 <= most_chars
        The most code points of a parent; about four make an English token.

    Returns
    -------
    list of (start, end)
        The largest section around the chunk that is small enough. Where none is, as many sentences on both sides as
        fit, none from beyond its section. A chunk that is itself larger is its own parent. White space is trimmed.
        Chunks of one small section have the same parent: hand it out once.

    Raises
    ------
    DtypeError
        ``most_chars`` is no whole number.
    RangeError
        ``most_chars`` is less than 1.

    Notes
    -----
    Cost: one scan of the text, and of ``most_chars`` for each chunk.
    """
    most = whole_number(most_chars, "most_chars", low=1)
    sections = _Sections(document)
    return [_trimmed(document.text, *_parent(document.text, sections, span, most)) for span in spans]


class _Sections:
    """The headings of a text, and the sections around a place."""

    __slots__ = ("end", "places", "ranks")

    def __init__(self, document: Document) -> None:
        found = outline(document.text, document.form)
        heads = [(place, rank) for place, rank in zip(found.places, found.ranks, strict=True) if rank < BLOCK]
        self.places = [place for place, _ in heads]
        self.ranks = [rank for _, rank in heads]
        self.end = len(document.text)

    def around(self, span: Span) -> list[Span]:
        """Return the sections that hold a span whole, the smallest first, the whole text last."""
        found: list[Span] = []
        number, rank = bisect_right(self.places, span[0]) - 1, BLOCK
        while number >= 0:
            if self.ranks[number] < rank:
                rank = self.ranks[number]
                end = self._end(number)
                found += [(self.places[number], end)] if end >= span[1] else []
            number -= 1
        first = self.places[0] if self.places else self.end
        found += [(0, first)] if span[1] <= first else []
        return [*found, (0, self.end)]

    def _end(self, number: int) -> int:
        """Return where the section of a heading ends: at the next one as strong."""
        rank = self.ranks[number]
        return next(
            (self.places[after] for after in range(number + 1, len(self.places)) if self.ranks[after] <= rank),
            self.end,
        )


def _parent(text: str, sections: _Sections, span: Span, most: int) -> Span:
    """Return the span of one parent, white space included."""
    if span[1] - span[0] >= most:
        return span
    around = sections.around(span)
    small = [one for one in around if one[1] - one[0] <= most]
    return small[-1] if small else _grown(text, span, around[0], most)


def _grown(text: str, span: Span, section: Span, most: int) -> Span:
    """Return a span with as many whole sentences of its section as fit, about as much before as after."""
    (start, end), room = span, most - (span[1] - span[0])
    before = max(room // 2, room - max(section[1] - end, 0))
    low = max(section[0], start - before)
    found = low if low == section[0] else sentence_start(text, low, start)
    first = start if found is None else found
    high = min(section[1], first + most)
    last = high if high == section[1] else max(sentence_ends(text, end, high), default=end)
    return first, max(last, end)


def _trimmed(text: str, start: int, end: int) -> Span:
    """Return a span without the white space at its ends."""
    piece = text[start:end]
    body = piece.strip()
    low = start + len(piece) - len(piece.lstrip())
    return (low, low + len(body)) if body else (start, end)
