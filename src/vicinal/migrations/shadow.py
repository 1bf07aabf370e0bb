"""The same questions asked of both lanes: how far their answers agree, how their scores and times differ. A diagnosis, no gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.evaluate.environment import Latency, latency_of
from vicinal.evaluate.ranking import Run
from vicinal.evaluate.unlabelled import agreement
from vicinal.search.hybrid import Mode
from vicinal.trials import Trials
from vicinal.types import Hits, Progress

WORST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A question on which the lanes agree least, and the best records of each."""

    query: str
    overlap: float
    former: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What both lanes answered to the same questions.

    ``overlap``, ``jaccard`` and ``rank_biased_overlap`` are means over the questions, in [0, 1]; ``tau`` is that of
    Kendall's correlation of the records in common. ``score_shift`` is the Kolmogorov-Smirnov distance of the scores, in
    [0, 1]: fixed thresholds on scores need another look from 0.1 on. ``former_empty`` and ``new_empty`` count questions
    without an answer. A better model should disagree: none of this says which side is right.
    """

    queries: int
    k: int
    mode: str
    overlap: float
    jaccard: float
    rank_biased_overlap: float
    tau: float | None
    score_shift: float
    former_latency: Latency
    new_latency: Latency
    former_empty: int
    new_empty: int
    worst: tuple[Disagreement, ...]


def shadow_reads(
    former: Trials, new: Trials, queries: Sequence[str], *, k: int, mode: Mode | None, progress: Progress | None = None
) -> Shadow:
    """Ask both, one question after the other, in turn who is first.

    Parameters
    ----------
    former, new : Trials
        The collection, and the lane beside it.
    queries : sequence of str, at least one
    k : int, 1 <= k
        How many records each answer has; the best chunk stands for its record.
    mode : {"dense", "lexical", "hybrid"}, optional
        As ``search``.
    progress : callable, optional
        Called with (questions asked, questions).
    """
    answers: list[tuple[Hits, Hits]] = []
    for place, query in enumerate(queries):
        sides = (former, new) if place % 2 == 0 else (new, former)
        first, second = (side.search(query, k=k, mode=mode, per_record=1) for side in sides)
        answers.append((first, second) if place % 2 == 0 else (second, first))
        if progress is not None:
            progress(place + 1, len(queries))
    said = agreement(_run([one for one, _ in answers]), _run([other for _, other in answers]), k=k)
    order = np.argsort(said.overlap, kind="stable")[:WORST].tolist()
    at = [int(said.query_ids[place]) for place in order]
    tau = said.mean()["tau"]
    return Shadow(
        queries=len(queries),
        k=k,
        mode=mode or "hybrid",
        overlap=float(said.overlap.mean()),
        jaccard=float(np.mean([_jaccard(one, other) for one, other in answers])),
        rank_biased_overlap=float(said.rank_biased_overlap.mean()),
        tau=None if np.isnan(tau) else tau,
        score_shift=distance(_scores([one for one, _ in answers]), _scores([other for _, other in answers])),
        former_latency=latency_of([one.took_ms for one, _ in answers]),
        new_latency=latency_of([other.took_ms for _, other in answers]),
        former_empty=sum(not one for one, _ in answers),
        new_empty=sum(not other for _, other in answers),
        worst=tuple(
            Disagreement(
                query=queries[number],
                overlap=float(said.overlap[place]),
                former=tuple(hit.id for hit in answers[number][0]),
                new=tuple(hit.id for hit in answers[number][1]),
            )
            for place, number in zip(order, at, strict=True)
        ),
    )


def _run(answers: Sequence[Hits]) -> Run:
    """Return answers as a run: the rank says the order, whatever the scores."""
    return {
        f"{number:08d}": {hit.id: float(len(hits) - place) for place, hit in enumerate(hits)}
        for number, hits in enumerate(answers)
    }


def _jaccard(one: Hits, other: Hits) -> float:
    mine, theirs = {hit.id for hit in one}, {hit.id for hit in other}
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 1.0


def _scores(answers: Sequence[Hits]) -> NDArray[np.float64]:
    return np.array([hit.score for hits in answers for hit in hits], dtype=np.float64)


def distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples: the largest gap between their distribution functions, in [0, 1].

    0 for equal samples, 1 for samples apart, and where only one of them is empty.
    """
    if not len(one) or not len(other):
        return float(len(one) != len(other))
    every = np.concatenate([one, other])
    mine = np.searchsorted(np.sort(one), every, side="right") / len(one)
    theirs = np.searchsorted(np.sort(other), every, side="right") / len(other)
    return float(np.abs(mine - theirs).max())
