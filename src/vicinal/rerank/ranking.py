"""Hits and a reranker → the hits in a better order, within a number of candidates and a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vicinal._arrays import texts_list, whole_number
from vicinal.errors import DtypeError, RangeError
from vicinal.rerank.protocol import Reranker, checked_scores
from vicinal.types import Hit, Hits

CANDIDATES = 50
"""How many are looked at where nothing is said: more cost more and help less, and can hurt."""
SAFE = 0.8
"""The share of the time that is left that the next call may take, by what the texts before took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """Hits in a new order, and how far it reaches.

    ``hits`` are all that came in: first the ``reached`` ones by the reranker's score, then the others in their old
    order. A hit that was reached has the reranker's score, one that was not keeps its own, so the scores of the two
    parts are not comparable; ``hits.score_kind`` is that of the first part.
    ``candidates`` is how many were to be looked at; ``complete`` is false where the time was over before.
    ``before`` has for each hit its place in the old order, from 0; ``scores`` the old scores by that place.
    ``took_ms`` is the reranker's time alone.
    """

    hits: Hits
    reached: int
    candidates: int
    before: tuple[int, ...]
    scores: tuple[float, ...]
    took_ms: float

    @property
    def complete(self) -> bool:
        """Whether every candidate was looked at."""
        return self.reached == self.candidates


def rerank(
    hits: Hits,
    query: str,
    reranker: Reranker,
    *,
    candidates: int = CANDIDATES,
    budget_ms: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Reranked:
    """Return hits reordered by a reranker's scores.

    Parameters
    ----------
    hits : Hits
        Best first. Their texts are what is scored. Not modified.
    query : str
        The question.
    reranker : Reranker
        Any.
    candidates : int, 0 <= candidates
        How many of the first hits are looked at.
    budget_ms : float, optional, 0 <= budget_ms
        How long that may take. Texts then are scored ``reranker.at_once`` at a time, best first, as long as the next
        ones will fit by what those before took; the first call is made unless the budget is 0, whatever it takes.
        None: all candidates, in one call.
    clock : callable
        Seconds.

    Returns
    -------
    Reranked
        As many hits as came. Equal scores stay in their old order.

    Raises
    ------
    DtypeError, RangeError
        A parameter is out of its range.
    EncodeError
        The reranker gave something else than a finite number for each text.
    VicinalError
        What the reranker itself raises: nothing is reordered then.
    """
    (asked,) = texts_list([query], "query")
    count = min(whole_number(candidates, "candidates", low=0), len(hits))
    began = clock()
    until = None if budget_ms is None else began + _milliseconds(budget_ms) / 1000
    scores = _scored(hits[:count], asked, reranker, until, clock)
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    first = [replace(hits[place], score=scores[place]) for place in order]
    return Reranked(
        hits=replace(
            hits,
            items=(*first, *hits[len(scores) :]),
            score_kind=reranker.score_kind if scores else hits.score_kind,
        ),
        reached=len(scores),
        candidates=count,
        before=(*order, *range(len(scores), len(hits))),
        scores=tuple(hit.score for hit in hits),
        took_ms=(clock() - began) * 1000,
    )


def _scored(
    hits: tuple[Hit, ...], query: str, reranker: Reranker, until: float | None, clock: Callable[[], float]
) -> list[float]:
    """Return the scores of the first hits, of all of them unless the time is over before."""
    texts = [hit.text for hit in hits]
    if until is None:
        return _call(reranker, query, texts)
    scores: list[float] = []
    began, step = clock(), min(reranker.at_once, len(texts))
    while step and clock() < until:
        scores += _call(reranker, query, texts[len(scores) : len(scores) + step])
        now = clock()
        each = max(now - began, 1e-9) / len(scores)
        fitting = int(SAFE * max(until - now, 0.0) / each)
        step = min(reranker.at_once, len(texts) - len(scores), fitting)
    return scores


def _call(reranker: Reranker, query: str, texts: list[str]) -> list[float]:
    found = checked_scores(reranker.score(query, texts), len(texts), f"The reranker {reranker.score_kind!r}")
    return [float(score) for score in found]


def _milliseconds(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        got = type(value).__name__
        raise DtypeError(f"budget_ms must be a number, got {got}.", expected="float", got=got, where="budget_ms")
    if not value >= 0:
        raise RangeError(f"budget_ms must be >= 0, got {value:g}.", expected=">= 0", got=value, where="budget_ms")
    return float(value)
