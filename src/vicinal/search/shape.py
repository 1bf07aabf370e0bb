"""What a ranking becomes before it is shown: not too much of one record, no copies, nothing too far away.

Pure functions over scored candidates. The order is everywhere that of a collection: larger scores first, equal ones by
id and then by where the chunk begins.

Letters: N candidates, D dimensions.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vicinal._arrays import real_number, share, whole_number
from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.search.diverse import distinct, mmr
from vicinal.types import Floats


class Scored(NamedTuple):
    """A row with its score, the id of its record, and where in the record its chunk begins."""

    row: int
    score: float
    id: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a ranking is shown. As it is made: all of it.

    Parameters
    ----------
    per_record : int, 1 <= per_record, optional
        How many chunks of a record at most.
    overlapping : bool
        Whether a chunk may share text with a better one of its record.
    most_similarity : float, 0 < most_similarity <= 1, optional
        A chunk goes when its cosine with a better one that stays is at least this; equal texts go too.
    diversity : float, 0 <= diversity <= 1, optional
        How much unlikeness to the better ones counts against relevance; see ``mmr``.
    least_score : float, optional
        A chunk below it goes; one that has it stays.
    parent_chars : int, 1 <= parent_chars, optional
        The section around each chunk is shown instead, of at most so many code points; see ``chunk.parents``. A chunk
        that lies within the section of a better one goes.

    Raises
    ------
    RangeError, DtypeError, NonFiniteError
        One of them is out of its range.
    """

    per_record: int | None = None
    overlapping: bool = True
    most_similarity: float | None = None
    diversity: float | None = None
    least_score: float | None = None
    parent_chars: int | None = None

    def __post_init__(self) -> None:
        """Check each."""
        if self.per_record is not None:
            whole_number(self.per_record, "per_record", low=1)
        if self.parent_chars is not None:
            whole_number(self.parent_chars, "parent_chars", low=1)
        if self.most_similarity is not None and not share(self.most_similarity, "most_similarity"):
            raise RangeError(
                "most_similarity must be above 0 and at most 1, got 0.",
                expected="0 < most_similarity <= 1",
                got=self.most_similarity,
                where="most_similarity",
            )
        if self.diversity is not None:
            share(self.diversity, "diversity")
        if self.least_score is not None and math.isnan(real_number(self.least_score, "least_score")):
            raise NonFiniteError("least_score must be a number, got NaN.", expected="a number", where="least_score")

    @property
    def is_plain(self) -> bool:
        """Whether all of a ranking is shown."""
        return self == WHOLE

    @property
    def needs_vectors(self) -> bool:
        """Whether the candidates' vectors are looked at."""
        return self.most_similarity is not None or self.diversity is not None


WHOLE = Shape()
"""All of a ranking."""


class Known(NamedTuple):
    """What is known of candidates, asked for by row: the end of the chunk, its text, the vectors of several, its parent.

    ``parent`` takes the row and the most code points, and returns a half-open span of the record's text.
    """

    end: Callable[[int], int]
    text: Callable[[int], str]
    vectors: Callable[[Sequence[int]], Floats]
    parent: Callable[[int, int], tuple[int, int]]


def shaped(candidates: Sequence[Scored], shape: Shape, known: Known, *, k: int) -> list[Scored]:
    """Return the candidates that are shown, in the order in which they are.

    Parameters
    ----------
    candidates : sequence of Scored
        Best first.
    shape : Shape
    known : Known
    k : int, 1 <= k
        How many ``diversity`` puts in order; without it all that are left come back.

    Notes
    -----
    Without ``diversity``, what is left of the first candidates does not depend on those behind them: a longer ranking
    only adds to the end.
    """
    left = list(candidates)
    if shape.least_score is not None:
        left = reaching(left, shape.least_score)
    if not shape.overlapping:
        left = apart(left, known.end)
    if shape.parent_chars is not None:
        most = shape.parent_chars
        left = of_own_parents(left, known.end, lambda row: known.parent(row, most))
    if shape.per_record is not None:
        left = per_record(left, shape.per_record)
    if not left:
        return left
    if shape.most_similarity is not None:
        left = distinct_texts(left, [known.text(one.row) for one in left])
        kept = distinct(known.vectors([one.row for one in left]), threshold=shape.most_similarity).kept
        left = [left[place] for place in kept.tolist()]
    if shape.diversity is not None:
        scores = np.array([one.score for one in left])
        low, high = scores.min(), scores.max()
        worth = ((scores - low) / (high - low) if high > low else np.ones_like(scores)).astype(np.float32)
        places = mmr(known.vectors([one.row for one in left]), worth, k=k, weight=1 - shape.diversity)
        left = [left[place] for place in places.tolist()]
    return left


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
    return sorted(listed, key=place_of)


def place_of(one: Scored) -> tuple[float, str, int]:
    """Return the place of a candidate in the order of a collection: smaller is better."""
    return -one.score, one.id, one.start


def per_record(candidates: Iterable[Scored], most: int) -> list[Scored]:
    """Return the candidates without those behind the best ``most`` of their record, in their order."""
    counts: Counter[str] = Counter()
    kept = []
    for one in candidates:
        counts[one.id] += 1
        if counts[one.id] <= most:
            kept.append(one)
    return kept


def apart(candidates: Iterable[Scored], end: Callable[[int], int]) -> list[Scored]:
    """Return the candidates without those that share text with an earlier one of their record that stays.

    Parameters
    ----------
    candidates : iterable of Scored
        Best first. Their chunks are half-open spans.
    end : callable
        Row → where its chunk ends.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    kept = []
    for one in candidates:
        start, last = one.start, end(one.row)
        taken = spans.setdefault(one.id, [])
        if all(last <= begun or over <= start for begun, over in taken):
            taken.append((start, last))
            kept.append(one)
    return kept


def of_own_parents(
    candidates: Iterable[Scored], end: Callable[[int], int], parent: Callable[[int], tuple[int, int]]
) -> list[Scored]:
    """Return the candidates without those that lie within the parent of an earlier one of their record that stays.

    Parameters
    ----------
    candidates : iterable of Scored
        Best first.
    end : callable
        Row → where its chunk ends.
    parent : callable
        Row → the half-open span of its parent.
    """
    parents: dict[str, list[tuple[int, int]]] = {}
    kept = []
    for one in candidates:
        taken, last = parents.setdefault(one.id, []), end(one.row)
        if not any(begun <= one.start and last <= over for begun, over in taken):
            taken.append(parent(one.row))
            kept.append(one)
    return kept


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


def _require_one_each(expected: int, got: int, name: str) -> None:
    if expected != got:
        raise ShapeError(
            f"{name} must hold one for each of the {expected} candidates, got {got}.",
            expected=expected,
            got=got,
            where=name,
        )
