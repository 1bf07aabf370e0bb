"""A ranking a page at a time: each candidate comes once, and a page that would repeat or lose some is refused."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from vicinal._arrays import whole_number
from vicinal.errors import InputError
from vicinal.search.shape import Scored, place_of, ranked

CURSOR_CHARS = 8192
"""A longer text is no cursor."""
CURSOR_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the question and the commit that it is of, and the last candidate that was shown.

    ``binding`` tells the question and the collection from any other, ``sequence`` is the last commit that changed it.
    ``seen`` is how many candidates have been shown, so that ``seen + k`` are asked for next.
    """

    binding: str
    sequence: int
    score: float
    id: str
    start: int
    seen: int

    def __str__(self) -> str:
        """Return the cursor as one word of letters, digits, - and _."""
        said = json.dumps([CURSOR_VERSION, *asdict(self).values()], ensure_ascii=True, separators=(",", ":"))
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def cursor_of(word: str) -> Cursor:
    """Return the cursor that a word says.

    Raises
    ------
    InputError
        It is none of this version.
    """
    fields = _decoded(word)
    try:
        version, binding, sequence, score, name, start, seen = fields
    except (TypeError, ValueError):
        raise _no_cursor() from None
    texts = isinstance(binding, str) and isinstance(name, str)
    wholes = all(type(one) is int and one >= 0 for one in (sequence, start, seen))
    if version != CURSOR_VERSION or not (texts and wholes) or type(score) not in {int, float} or math.isnan(score):
        raise _no_cursor()
    return Cursor(binding=binding, sequence=sequence, score=float(score), id=name, start=start, seen=seen)


def _decoded(word: str) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(word, str):
        raise _no_cursor()
    if len(word) > CURSOR_CHARS or not word.isascii():
        raise _no_cursor()
    try:
        return json.loads(base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _no_cursor() from None


def _no_cursor() -> InputError:
    return InputError(
        "This is no cursor that a page of this program gave. Ask for the first page again.", where="cursor"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some candidates of a ranking, and where to go on: ``cursor`` is None behind the last."""

    candidates: tuple[Scored, ...]
    cursor: Cursor | None


def page_of(candidates: Iterable[Scored], *, k: int, binding: str, sequence: int, after: Cursor | None = None) -> Page:
    """Return the next k candidates of a ranking.

    Parameters
    ----------
    candidates : iterable of Scored
        Of the one commit; at least the best ``after.seen + k + 1`` where there are so many.
    k : int, 1 <= k
        How many a page has.
    binding : str
        What tells the question from any other.
    sequence : int
        The last commit that changed what the candidates are of.
    after : Cursor, optional
        That of the page before; None for the first page.

    Returns
    -------
    Page
        Through all pages of one commit each candidate comes once, whatever the length of each page.

    Raises
    ------
    InputError
        The cursor is of another question, or of another commit: since then candidates may have come, gone or changed
        their places, and the pages would repeat or lose some.

    Notes
    -----
    The promise is about one ranking. An approximate index that is asked for more may find a candidate that belongs
    before the cursor; it is on no page. Ask for an exact search where that matters.
    """
    k = whole_number(k, "k", low=1)
    if after is not None:
        _require_same(after, binding, sequence)
    left = [one for one in ranked(candidates) if after is None or place_of(one) > (-after.score, after.id, after.start)]
    shown = tuple(left[:k])
    if len(left) <= k:
        return Page(candidates=shown, cursor=None)
    last, seen = shown[-1], len(shown) + (after.seen if after else 0)
    cursor = Cursor(binding=binding, sequence=sequence, score=last.score, id=last.id, start=last.start, seen=seen)
    return Page(candidates=shown, cursor=cursor)


def _require_same(after: Cursor, binding: str, sequence: int) -> None:
    """Refuse a cursor that is not of this question as of this commit."""
    if after.sequence != sequence:
        raise InputError(
            f"The cursor is of commit {after.sequence}, and the collection last changed in {sequence}. "
            "Ask for the first page again.",
            expected=sequence,
            got=after.sequence,
            where="cursor",
        )
    if after.binding != binding:
        raise InputError(
            "The cursor is of another question: its query, filter or settings differ. Ask for the first page again.",
            where="cursor",
        )
