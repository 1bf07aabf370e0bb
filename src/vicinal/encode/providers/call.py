"""One call of the encoder: texts → windows → batches, and what comes of them → one vector for each text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import numpy as np

from vicinal.encode.providers import tokens
from vicinal.encode.providers.client import Answer, Session, TooLarge
from vicinal.encode.providers.wire import Doubles, Limits, Role
from vicinal.errors import EncodeError, TooLongError
from vicinal.space import Space
from vicinal.types import Progress

Ask: TypeAlias = Callable[[Sequence[str], Role, Session, int], Answer | TooLarge]
BATCH_TEXTS, BATCH_TOKENS = 256, 60_000
"""The most that one request holds, where the provider allows more: a larger one is no faster and loses more if it fails."""
BELOW_LIMIT = 0.8
"""The share of a provider's limit of tokens that is used, by the estimate."""
LEAST_HALVED = 8
"""A window of fewer tokens is not divided further: if that is refused, its length is not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A window of the text whose first row is ``row``, with its estimated tokens."""

    row: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What came of a piece: the sum of unit vectors times their tokens, and the tokens; cut if some were left out."""

    row: int
    total: Doubles
    tokens: int
    cut: bool = False


class Call:
    """The texts of one call, and what is known of their vectors so far.

    Parameters
    ----------
    texts : sequence of str
        All of them, in order.
    role : {"query", "document"}
        What they are.
    space : Space
        Its prompt, dimension and overflow rule count.
    ask : callable
        Returns what the server answers.
    progress : callable, optional
        Told of (texts done, N).

    Attributes
    ----------
    array : float32 array of shape (N, D)
        The vectors; rows of blank texts stay zero.
    blank : list of int
        The rows of blank texts.
    places : dict
        For the first row of each different text all of its rows.
    cut : set of int
        The rows whose text was cut.
    longest : int
        Tokens of the longest text.
    """

    def __init__(
        self, texts: Sequence[str], role: Role, space: Space, *, ask: Ask, progress: Progress | None = None
    ) -> None:
        self._texts = texts
        self._role = role
        self._ask = ask
        self._prompt = space.query_prompt if role == "query" else space.document_prompt
        self._overflow = space.overflow
        self._progress = progress
        self._sums: dict[int, tuple[Doubles, int]] = {}
        self._left: dict[int, int] = {}
        self.array = np.zeros((len(texts), space.dim), dtype=np.float32)
        self.blank = [row for row, text in enumerate(texts) if not text.strip()]
        self.places = _places(texts)
        self.cut: set[int] = set()
        self._counts = {row: tokens.estimate(texts[row]) for row in self.places}
        self.longest = max(self._counts.values(), default=0)
        self._done = len(self.blank)
        if self.blank:
            self._tell()

    def pieces(self, room: int) -> Iterator[Piece]:
        """Go through the windows of the different texts, of so many tokens at most, as the overflow rule says."""
        too_long = next((row for row, count in self._counts.items() if count > room), None)
        if too_long is not None and self._overflow == "error":
            self._refuse(too_long, f"the window has room for {room}")
        for row, count in self._counts.items():
            found = list(_told(self._kept(row, count, room), count, room))
            self._left[row] = len(found)
            yield from (Piece(row=row, text=part, tokens=size) for part, size in found)

    def work(self, batch: Sequence[Piece], session: Session) -> list[Part]:
        """Return what comes of a batch; one that is refused for its size is asked for in halves."""
        texts = [self._prompt + piece.text for piece in batch]
        got = self._ask(texts, self._role, session, sum(piece.tokens for piece in batch))
        if isinstance(got, Answer):
            return [
                Part(row=piece.row, total=vector * piece.tokens, tokens=piece.tokens)
                for piece, vector in zip(batch, got.vectors, strict=True)
            ]
        if len(batch) > 1:
            middle = len(batch) // 2
            return self.work(batch[:middle], session) + self.work(batch[middle:], session)
        return [self._halved(batch[0], got, session)]

    def take(self, parts: Iterable[Part]) -> None:
        """Add what came; a text whose windows are all there gets its vector, in every row where it stands."""
        for part in parts:
            total, count = self._sums.get(part.row, (np.zeros(1), 0))
            self._sums[part.row] = (total + part.total, count + part.tokens)
            self._left[part.row] -= 1
            if part.cut:
                self.cut.update(self.places[part.row])
            if not self._left[part.row]:
                self._lay(part.row)
        self._tell()

    def _kept(self, row: int, count: int, room: int) -> str:
        """Return a text, or the part of it that the rule ``cut`` leaves."""
        if count <= room or self._overflow != "cut":
            return self._texts[row]
        self.cut.update(self.places[row])
        return tokens.head_of(self._texts[row].lstrip(), room)

    def _halved(self, piece: Piece, refusal: TooLarge, session: Session) -> Part:
        """Return what comes of a window that the server found too long, in smaller ones."""
        if refusal.about == "request":
            raise refusal.error
        if self._overflow == "error":
            self._refuse(piece.row, "the server refuses it")
        halves = list(_told(piece.text, piece.tokens, piece.tokens // 2 + 2)) if piece.tokens >= LEAST_HALVED else []
        if not halves:
            raise refusal.error
        cut = self._overflow == "cut"
        parts = [
            part
            for text, size in (halves[:1] if cut else halves)
            for part in self.work([Piece(row=piece.row, text=text, tokens=size)], session)
        ]
        total: Doubles = np.sum([part.total for part in parts], axis=0)
        return Part(row=piece.row, total=total, tokens=sum(part.tokens for part in parts), cut=cut)

    def _lay(self, row: int) -> None:
        """Write the vector of a text into its rows."""
        total, count = self._sums.pop(row)
        mean = total / count
        length = float(np.linalg.norm(mean))
        if not length > np.finfo(np.float32).tiny:
            raise EncodeError(
                f"The windows of text {row} cancel out, so it has no direction. Cut it into shorter documents.",
                where=row,
            )
        self.array[self.places[row]] = mean / length
        self._done += len(self.places[row])

    def _refuse(self, row: int, why: str) -> NoReturn:
        """Say that a text is too long."""
        count = self._counts[row]
        raise TooLongError(
            f"Text {row} has about {count} tokens, but {why}. Shorten it, or connect with "
            'overflow="chunk" (nothing is lost) or overflow="cut" (the rest is left out and counted).',
            got=count,
            where=row,
        )

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, len(self._texts))


def batches_of(pieces: Iterable[Piece], limits: Limits) -> Iterator[list[Piece]]:
    """Go through the pieces in lists that fit a request; a piece of more tokens than that has a list of its own."""
    most_texts = min(limits.texts, BATCH_TEXTS)
    most_tokens = min(int(limits.tokens * BELOW_LIMIT), BATCH_TOKENS)
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        if batch and (len(batch) == most_texts or size + piece.tokens > most_tokens):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += piece.tokens
    if batch:
        yield batch


def _told(text: str, count: int, room: int) -> Iterator[tuple[str, int]]:
    """Go through the windows of a text that are not blank, each with its tokens; ``count`` is the whole text's."""
    if count <= room:
        yield text, max(count, 1)
        return
    for part in tokens.windows(text, room):
        if part.strip():
            yield part, max(tokens.estimate(part), 1)


def _places(texts: Sequence[str]) -> dict[int, list[int]]:
    """Return for the first row of each different text that is not blank all of its rows."""
    found: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if text.strip():
            found.setdefault(text, []).append(row)
    return {same[0]: same for same in found.values()}
