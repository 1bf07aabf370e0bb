"""Hits → a context within a budget of tokens: pieces of one record joined, nothing twice, the best first, each numbered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from vicinal._arrays import whole_number
from vicinal.chunk import sentences
from vicinal.types import Hit, Record

Counter: TypeAlias = Callable[[Sequence[str]], Iterable[int]]
"""Texts → how many tokens each has."""
Lookup: TypeAlias = Callable[[str], Record | None]
"""The id of a record → the record, None where it is gone."""

MOST_BUDGET = 10_000_000
MOST_HITS = 1000
"""Hits that are looked at; the rest are left out."""
SHOWN_CHARS = 200
"""Characters of an id and of a source's place that a model is shown."""
ELLIPSIS = "…"
HIDDEN = (
    dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], " ")
    | dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080)])
    | {0x2028: "\n", 0x2029: "\n"}
)
"""What a person does not see and a model may read: control characters, turns of direction, tag characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A piece of a record that an answer may cite as ``[number]``, from 1; ``text`` is its span of the record.

    ``score`` is that of the best hit in it, ``is_cut`` whether only a part of that hit is here.
    """

    number: int
    id: str
    source: str
    line: int
    start: int
    end: int
    score: float
    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is shown to whoever answers: sources by rank, their tokens with headings, and how many hits had no room."""

    sources: tuple[Source, ...]
    tokens: int
    budget_tokens: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A source in the making; ``rank`` is that of its best hit."""

    rank: int
    source: Source
    tokens: int


def pack(
    hits: Sequence[Hit],
    *,
    budget_tokens: int,
    count_tokens: Counter,
    lookup: Lookup | None = None,
    neighbors: int = 0,
) -> Context:
    """Return the context that the best hits make.

    Parameters
    ----------
    hits : sequence of Hit
        Best first. Hits of one record that overlap or touch become one source, in the place of the better.
    budget_tokens : int, 1 <= budget_tokens
        Tokens of all sources with their headings.
    count_tokens : callable
        An encoder's ``count_tokens``, or that of the model that will read them. One that counts more than the model
        does leaves room unused; one that counts less may be over the model's limit.
    lookup : callable, optional
        Gives the record of an id: then only white space between two hits does not keep them apart, and ``neighbors``
        can be had. A record whose text is not the hit's any more is not used.
    neighbors : int, 0 <= neighbors
        How many chunks of the record before and behind each hit are taken along, where there is room for them.

    Returns
    -------
    Context
        What has no room is left out, and the next hit is tried; only the best is cut, at sentences around the one
        that is nearest where the hit names it, so that there is at least one source where anything fits.

    Notes
    -----
    Cost: tokens of each hit are counted once or twice, and once more for each piece that it joins.
    """
    budget_tokens = whole_number(budget_tokens, "budget_tokens", low=1, high=MOST_BUDGET)
    neighbors = whole_number(neighbors, "neighbors", low=0)
    packing = _Packing(budget_tokens, count_tokens, lookup)
    left_out, cut = max(len(hits) - MOST_HITS, 0), None
    for rank, hit in enumerate(hits[:MOST_HITS]):
        if not hit.text.strip():
            continue
        wide = packing.widened(hit, neighbors)
        fits = packing.take(rank, wide) or (wide.text != hit.text and packing.take(rank, _source(hit)))
        if not fits and rank == 0 and packing.take_part(hit):
            cut = hit
        elif not fits:
            left_out += 1
    if cut is not None and not packing.tells_of(cut):
        left_out += 1
    ordered = sorted(packing.pieces, key=lambda piece: piece.rank)
    return Context(
        sources=tuple(replace(piece.source, number=number) for number, piece in enumerate(ordered, 1)),
        tokens=sum(piece.tokens for piece in ordered),
        budget_tokens=budget_tokens,
        left_out=left_out,
    )


def heading(source: Source) -> str:
    """Return the line that stands above a source: its number, id and place, as JSON so that no name ends the line."""
    place = f"{shown(source.source)}:{source.line}"
    return json.dumps({"source": source.number, "id": shown(source.id), "place": place}, ensure_ascii=False)


def shown(text: str) -> str:
    """Return a name in one line, short, without what a person does not see."""
    line = " ".join(visible(text).split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + ELLIPSIS


def visible(text: str) -> str:
    """Return a text without the characters of ``HIDDEN``."""
    return text.translate(HIDDEN)


class _Packing:
    """The pieces so far and the tokens that they take."""

    def __init__(self, budget_tokens: int, count_tokens: Counter, lookup: Lookup | None) -> None:
        self.pieces: list[_Piece] = []
        self._budget = budget_tokens
        self._count = count_tokens
        self._lookup = lookup
        self._records: dict[str, Record | None] = {}

    def take(self, rank: int, source: Source) -> bool:
        """Take a source, joined with the pieces that it meets; return whether there was room."""
        met = [piece for piece in self.pieces if self._meet(piece.source, source)]
        joined = source
        for piece in met:
            joined = self._joined(joined, piece.source)
        if any(piece.source == joined for piece in met):
            return True  # all of it is there
        tokens = self._tokens(joined)
        others = sum(piece.tokens for piece in self.pieces if piece not in met)
        if others + tokens > self._budget:
            return False
        rank = min([rank, *(piece.rank for piece in met)])
        self.pieces = [piece for piece in self.pieces if piece not in met]
        self.pieces.append(_Piece(rank=rank, source=joined, tokens=tokens))
        return True

    def take_part(self, hit: Hit) -> bool:
        """Take as many sentences of a hit as there is room for, from the nearest on; return whether there is any."""
        spans = sentences(hit.text)
        nearest = 0
        if hit.best is not None:
            at = hit.best[0] - hit.start
            nearest = max((place for place, (start, _) in enumerate(spans) if start <= at), default=0)
        best: Source | None = None
        first, last = nearest, nearest
        while True:
            part = _part(hit, spans[first][0], spans[last][1])
            if self._tokens(part) > self._budget:
                break
            best = part
            if last + 1 < len(spans):
                last += 1
            elif first > 0:
                first -= 1
            else:
                break
        return best is not None and self.take(0, best)

    def tells_of(self, hit: Hit) -> bool:
        """Return whether a hit is there wholly, or its piece says that it was cut: another hit may have joined it."""
        of_record = [piece.source for piece in self.pieces if piece.source.id == hit.id]
        return any(one.is_cut or (one.start <= hit.start and hit.end <= one.end) for one in of_record)

    def widened(self, hit: Hit, neighbors: int) -> Source:
        """Return a hit as a source, with the chunks of its record around it."""
        source = _source(hit)
        record = self._record(source)
        if record is None or not neighbors:
            return source
        spans = sorted(record.spans)
        held = [place for place, (start, end) in enumerate(spans) if start < hit.end and hit.start < end]
        if not held:
            return source
        around = spans[max(held[0] - neighbors, 0) : held[-1] + neighbors + 1]
        start = min(hit.start, *(span[0] for span in around))
        end = max(hit.end, *(span[1] for span in around))
        return _of_record(source, record, start, end)

    def _meet(self, one: Source, other: Source) -> bool:
        """Return whether two sources are of one record with nothing between them."""
        if one.id != other.id or one.source != other.source or not (_is_whole(one) and _is_whole(other)):
            return False
        before, behind = sorted((one, other), key=lambda source: source.start)
        if behind.start < before.end:
            shared = min(before.end, behind.end) - behind.start
            return before.text[behind.start - before.start :][:shared] == behind.text[:shared]
        if behind.start == before.end:
            return True
        record = self._record(one)
        return record is not None and not record.text[before.end : behind.start].strip()

    def _joined(self, one: Source, other: Source) -> Source:
        """Return the source that two which meet make."""
        before, behind = sorted((one, other), key=lambda source: (source.start, -source.end))
        score = max(one.score, other.score)
        if behind.end <= before.end:
            return replace(before, score=score, is_cut=before.is_cut)
        record = self._record(one)
        between = record.text[before.end : behind.start] if record is not None and behind.start > before.end else ""
        text = before.text + between + behind.text[max(before.end - behind.start, 0) :]
        return replace(before, text=text, end=behind.end, score=score, is_cut=before.is_cut or behind.is_cut)

    def _record(self, source: Source) -> Record | None:
        """Return the record of a source, if it can be had and still says the same."""
        if self._lookup is None:
            return None
        if source.id not in self._records:
            self._records[source.id] = self._lookup(source.id)
        record = self._records[source.id]
        return record if record is not None and record.text[source.start : source.end] == source.text else None

    def _tokens(self, source: Source) -> int:
        """Return the tokens of a source with its heading; the number is counted as one of three digits."""
        numbered = replace(source, number=999)
        return sum(int(count) for count in self._count([heading(numbered), visible(source.text)]))


def _source(hit: Hit) -> Source:
    return Source(
        number=0,
        id=hit.id,
        source=hit.source,
        line=hit.line,
        start=hit.start,
        end=hit.end,
        score=hit.score,
        text=hit.text,
    )


def _part(hit: Hit, start: int, end: int) -> Source:
    """Return a part of a hit as a source; start and end are counted in the hit's text."""
    return replace(
        _source(hit),
        line=hit.line + hit.text.count("\n", 0, start),
        start=hit.start + start,
        end=hit.start + end,
        text=hit.text[start:end],
        is_cut=True,
    )


def _of_record(source: Source, record: Record, start: int, end: int) -> Source:
    """Return another span of a source's record as a source."""
    line = record.text.count("\n", 0, start) + 1
    return replace(source, line=line, start=start, end=end, text=record.text[start:end])


def _is_whole(source: Source) -> bool:
    """Return whether a source's text is as long as its span says."""
    return len(source.text) == source.end - source.start
