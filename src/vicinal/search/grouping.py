"""What a ranking becomes before it is shown: one chunk a record, a page at a time, no copies, nothing too far away.

Pure functions over scored candidates. The order is everywhere that of a collection: larger scores first, equal ones by
id and then by where the chunk begins.

Letters: N candidates, D dimensions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError
from vicinal.types import Floats

CURSOR_CHARS = 8192
"""A longer text is no cursor."""
CURSOR_VERSION = 1
BLOCK = 256
"""Candidates whose cosines with those kept are computed together."""


class Scored(NamedTuple):
    """A row with its score, the id of its record, and where in the record its chunk begins."""

    row: int
    score: float
    id: str
    start: int


class Group(NamedTuple):
    """The candidates of one record, best first: never empty."""

    id: str
    candidates: tuple[Scored, ...]

    @property
    def score(self) -> float:
        """The score of the best."""
        return self.candidates[0].score


def ranked(candidates: Iterable[Scored]) -> list[Scored]:
    """Return candidates best first, equal scores by id and start.

    Raises
    ------
    NonFiniteError
        A score is NaN, which has no place in an order.
    """
    listed = list(candidates)
    if any(math.isnan(one.score) for one in listed):
        raise NonFiniteError("A score is NaN, so the candidates have no order.", expected="a number", where="score")
    return sorted(listed, key=_place)


def _place(one: Scored) -> tuple[float, str, int]:
    return -one.score, one.id, one.start


def grouped(candidates: Iterable[Scored], *, k: int, each: int = 1) -> list[Group]:
    """Return the k best records, each with its best chunks.

    Parameters
    ----------
    candidates : iterable of Scored
        In any order.
    k : int, 1 <= k
        How many records; fewer come back when the candidates are of fewer.
    each : int, 1 <= each
        How many chunks of a record at most.

    Returns
    -------
    list of Group
        By the best chunk of each.

    Notes
    -----
    Among the nearest k chunks there may be fewer than k records: ask for more candidates while ``len(groups) < k``.
    """
    k, each = whole_number(k, "k", low=1), whole_number(each, "each", low=1)
    groups: dict[str, list[Scored]] = {}
    for one in ranked(candidates):
        if one.id in groups or len(groups) < k:
            members = groups.setdefault(one.id, [])
            if len(members) < each:
                members.append(one)
    return [Group(name, tuple(members)) for name, members in groups.items()]


def reaching(candidates: Iterable[Scored], least_score: float) -> list[Scored]:
    """Return the candidates whose score is at least so large, in their order; one exactly on the edge is kept.

    Raises
    ------
    NonFiniteError
        The threshold is NaN.
    """
    if math.isnan(least_score):
        raise NonFiniteError("least_score must be a number, got NaN.", expected="a number", where="least_score")
    return [one for one in candidates if one.score >= least_score]


class Background:
    """What scores mean in one space: how often a pair that has nothing in common reaches them.

    A cosine of 0.3 is near in one model and nothing in another; the share of unrelated pairs that score as much can
    be compared.

    Parameters
    ----------
    scores : array of shape (N,), N >= 1
        Of pairs drawn at random: questions with chunks that do not answer them. A thousand say it to about 0.03.

    Raises
    ------
    ShapeError, NonFiniteError
        There is none, or one is NaN or infinite.
    """

    __slots__ = ("_scores",)

    def __init__(self, scores: Sequence[float] | Floats) -> None:
        found = np.sort(np.asarray(scores, dtype=np.float64).ravel())
        if not len(found):
            raise ShapeError("A background needs at least one score.", expected=">= 1", got=0, where="scores")
        if not np.isfinite(found).all():
            raise NonFiniteError("A score of the background is NaN or infinite.", expected="finite", where="scores")
        self._scores = found

    def share(self, score: float) -> float:
        """Return the share of the unrelated pairs that score at least so much, from 0 to 1."""
        return 1.0 - int(self._scores.searchsorted(score, "left")) / len(self._scores)

    def threshold(self, share: float) -> float:
        """Return the least score that at most this share of the unrelated pairs reach; infinite where none is.

        Parameters
        ----------
        share : float, 0 <= share <= 1
            0.01: one unrelated chunk in a hundred passes.
        """
        if not 0 <= share <= 1:
            raise RangeError(f"share must be 0 to 1, got {share}.", expected="0 to 1", got=share, where="share")
        allowed = math.floor(share * len(self._scores) + 1e-9)  # 0.07 · 100 is 7.000000000000001
        if allowed == len(self._scores):
            return -math.inf
        return float(np.nextafter(self._scores[len(self._scores) - allowed - 1], np.inf))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the question and the commit that it is of, and the last candidate that was shown.

    ``binding`` tells the question from any other (``search.answers.Binding.digest`` does), ``sequence`` is the commit.
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
        The commit that the candidates are of.
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
    left = [one for one in ranked(candidates) if after is None or _place(one) > (-after.score, after.id, after.start)]
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
            f"The cursor is of commit {after.sequence}, and the collection is at {sequence} by now. "
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


def digest_of_text(text: str) -> bytes:
    """Return what texts share that are equal but for white space, case and composition (NFKC): 16 bytes."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def distinct_texts(candidates: Sequence[Scored], texts: Sequence[str]) -> list[Scored]:
    """Return the candidates without those whose text an earlier one has, by ``digest_of_text``.

    Parameters
    ----------
    candidates : sequence of Scored
        The first of equal ones stays, so best first.
    texts : sequence of str
        The text of each.

    Raises
    ------
    ShapeError
        There are not as many texts as candidates.
    """
    _require_one_each(len(candidates), len(texts), "texts")
    first: dict[bytes, Scored] = {}
    for one, text in zip(candidates, texts, strict=True):
        first.setdefault(digest_of_text(text), one)
    return list(first.values())


def distinct_vectors(candidates: Sequence[Scored], vectors: Floats, *, most_similarity: float) -> list[Scored]:
    """Return the candidates without those that are nearly an earlier one that was kept.

    Parameters
    ----------
    candidates : sequence of Scored, N
        The first of near ones stays, so best first. One that is near to a candidate that went is kept: nearness is
        not handed on.
    vectors : float32 array of shape (N, D)
        Of each; of any length. A vector of zeros is near to none.
    most_similarity : float, 0 < most_similarity <= 1
        A candidate goes when its cosine with one that was kept is at least this (within 1e-6).

    Raises
    ------
    ShapeError
        There are not as many vectors as candidates.
    RangeError
        The threshold is out of range.

    Notes
    -----
    Cost: N · (candidates kept) cosines; 1,000 candidates of 384 dimensions take some 20 ms.
    """
    _require_one_each(len(candidates), len(vectors), "vectors")
    if not 0 < most_similarity <= 1:
        raise RangeError(
            f"most_similarity must be above 0 and at most 1, got {most_similarity}.",
            expected="0 < most_similarity <= 1",
            got=most_similarity,
            where="most_similarity",
        )
    units = unit_rows(vectors)
    keep: list[int] = []
    for start in range(0, len(units), BLOCK):
        block = units[start : start + BLOCK]
        near = np.zeros(len(block), dtype=np.bool_)
        if keep:
            near[:] = (block @ units[keep].T >= most_similarity - EDGE).any(axis=1)
        within = block @ block.T >= most_similarity - EDGE
        for place in range(len(block)):
            if not near[place]:
                keep.append(start + place)
                near |= within[place]
    return [candidates[place] for place in keep]


EDGE = 1e-6
"""What a cosine in float32 may be off: one that is nearer to the threshold reaches it."""


def unit_rows(vectors: Floats) -> Floats:
    """Return vectors at unit length, those of zeros as they are.

    Raises
    ------
    ShapeError
        It is no matrix.
    NonFiniteError
        A vector holds NaN or infinity.
    """
    matrix: NDArray[np.float64] = np.asarray(vectors, dtype=np.float64)
    if matrix.ndim != 2:  # noqa: PLR2004 - a matrix
        raise ShapeError(
            f"vectors must have the shape (N, D), got {matrix.shape}.", expected="(N, D)", got=matrix.shape
        )
    if not np.isfinite(matrix).all():
        raise NonFiniteError("A vector holds NaN or infinity.", expected="finite", where="vectors")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _require_one_each(expected: int, got: int, name: str) -> None:
    if expected != got:
        raise ShapeError(
            f"{name} must hold one for each of the {expected} candidates, got {got}.",
            expected=expected,
            got=got,
            where=name,
        )
