"""Several ranked lists of one question → one: by ranks, by scores between lowest and highest, or by their distribution.

Each list is a pair (rows, scores): int64 (N,), each row once, in any order, and floats (N,), larger is better.
Nothing here knows where a list came from. Letters: L lists, N rows of a list, F rows of all lists.

What a list lacks counts as the lowest that the list could say of it. A list ends where the search that made it
stopped, so all that is known of a row behind its end is that it is no better than the last one; to count it as zero
on a scale where the last one is not zero would punish a row for a depth that somebody chose. Where the lowest score is
known by theory, as BM25's 0 for a chunk with none of the terms, or the cosine's -1, it can be given as ``lowest``.
By ranks there is no lowest: a row that is not ranked adds nothing, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, ShapeError
from vicinal.types import Rows

Doubles: TypeAlias = NDArray[np.float64]
Ranked: TypeAlias = tuple[ArrayLike, ArrayLike]
"""One list: its rows and their scores."""

K = 60
"""The constant of reciprocal rank fusion, with ranks from 1; its authors fixed it on pilot data and found it to matter little."""
SIGMAS = 3
"""How many standard deviations on each side of the mean are the scale of ``distribution_based``."""
DEPTH = 10
"""The k of the nDCG that ``tuned_weight`` looks at."""
STEPS = 20
"""How many steps of a weight are tried between 0 and 1."""


class Fused(NamedTuple):
    """What several lists say together: ``rows`` int64 (F,), ``scores`` float64 (F,), best first, equal ones by row."""

    rows: Rows
    scores: Doubles


Fusion: TypeAlias = Callable[..., Fused]


def reciprocal_rank(lists: Sequence[Ranked], *, weights: Sequence[float] | None = None, k: float = K) -> Fused:
    """Return each row's sum of ``weight / (k + rank)`` over the lists that have it.

    Parameters
    ----------
    lists : sequence of (rows, scores)
        Only the order of the scores counts. Where there are no scores, give falling numbers.
    weights : sequence of float, 0 <= weight, optional
        One for each list. Default: 1 each.
    k : float, 0 <= k
        Ranks count from 1. (Where an interface counts them from 0, its constant 61 is our 60.)

    Returns
    -------
    Fused
        Every row of any list.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, InputError
        A list is no such pair, or has a row twice.
    RangeError
        A weight or ``k`` is out of its range.

    Notes
    -----
    Equal scores of one list share the first of their ranks, so that no order of writing decides.
    Cost: a sort of each list.

    References
    ----------
    Cormack, Clarke, Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods", equation in section 2. The weights are ours; with 1 each it is the paper's.
    """
    constant = _number(k, "k")
    checked = _checked(lists)
    shares = _weights(weights, len(checked))
    parts = [share / (constant + _ranks(scores)) for share, (_, scores) in zip(shares, checked, strict=True)]
    return _summed(checked, parts, np.zeros(len(checked)))


def min_max(
    lists: Sequence[Ranked],
    *,
    weights: Sequence[float] | None = None,
    lowest: Sequence[float | None] | None = None,
) -> Fused:
    """Return each row's weighted mean of its scores, each list brought to 0 for its lowest and 1 for its highest score.

    Parameters
    ----------
    lists : sequence of (rows, scores)
        See the module.
    weights : sequence of float, 0 <= weight, optional
        One for each list, not all 0; divided by their sum, so that with two lists they are α and 1 - α.
        Default: equal ones.
    lowest : sequence of float or None, optional
        For each list the least score that theory allows, which then is the 0 of its scale; None for the lowest seen.

    Returns
    -------
    Fused
        Scores in [0, 1].

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, InputError
        A list is no such pair, or has a row twice.
    RangeError
        A weight is out of its range, or a score is below its list's ``lowest``.

    Notes
    -----
    A list whose scores are all equal says only which rows it has: they count as 1, all others as 0. So a single hit
    for an exact code keeps its whole weight.
    Unchanged when all scores of a list are multiplied with a positive number, or, without ``lowest``, shifted.

    References
    ----------
    Bruch, Gai, Ingber 2022, "An analysis of fusion functions for hybrid retrieval", arXiv 2210.11934, equations 2 to 4:
    the convex combination, with the min-max norm, or with its theoretical minimum (TM2C2).
    """
    checked = _checked(lists)
    shares = _convex(weights, len(checked))
    parts = []
    for share, (_, scores), low in zip(shares, checked, _lowest(lowest, checked), strict=True):
        seen = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)
        parts.append(share * _between(scores, seen[0] if low is None else low, seen[1]))
    return _summed(checked, parts, np.zeros(len(checked)))


def distribution_based(
    lists: Sequence[Ranked],
    *,
    weights: Sequence[float] | None = None,
    lowest: Sequence[float | None] | None = None,
) -> Fused:
    """Return each row's weighted mean of its scores, each list brought to 0 at mean - 3σ and 1 at mean + 3σ (DBSF).

    Parameters
    ----------
    lists : sequence of (rows, scores)
        See the module.
    weights, lowest : sequence, optional
        As in ``min_max``. ``lowest`` is what a row has in a list that lacks it, and no part of mean and σ.

    Returns
    -------
    Fused
        Scores around 0.5. They are not cut at 0 and 1: an outlier, such as the only chunk with a rare code, may
        have more.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, InputError, RangeError
        As ``min_max``.

    Notes
    -----
    σ is of the list as it is (divided by N). A list whose scores are all equal has no scale: its rows have 0.5, their
    place at the mean, and what it lacks has 0, the lower edge.
    Unchanged when all scores of a list are multiplied with a positive number or shifted, ``lowest`` with them.

    References
    ----------
    Mazzeschi 2023, "Distribution-based score fusion (DBSF), a new approach to vector search ranking"; not clipped,
    as in the implementation of Qdrant, whose lists, however, give 0 to what they lack.
    """
    checked = _checked(lists)
    shares = _convex(weights, len(checked))
    parts, lacking = [], np.zeros(len(checked))
    for place, (share, (_, scores), low) in enumerate(zip(shares, checked, _lowest(lowest, checked), strict=True)):
        scaled, edge = _by_distribution(scores, low)
        parts.append(share * scaled)
        lacking[place] = share * edge
    return _summed(checked, parts, lacking)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedWeight:
    """The weight of the first of two lists that served best on labelled queries, and what it gives on others.

    ``weight`` is the first list's, ``1 - weight`` the second's. ``tuning`` and ``held_out`` are its mean
    nDCG@10 (linear gain) on the queries that it was chosen on and on those that it never saw; ``tuning_default`` and
    ``held_out_default`` are the same for ``default``, the weight that it would have been. ``tuning_queries`` and ``held_out_queries`` say how many, and
    ``unjudged`` how many queries were left out because nothing is relevant to them.
    """

    weight: float
    default: float
    tuning: float
    held_out: float
    tuning_default: float
    held_out_default: float
    tuning_queries: int
    held_out_queries: int
    unjudged: int


def tuned_weight(
    lists: Sequence[tuple[Ranked, Ranked]],
    judged: Sequence[Mapping[int, float]],
    *,
    fusion: Fusion = min_max,
    default: float = 0.5,
    seed: int = 0,
) -> TunedWeight:
    """Return the weight of the first list that is best on half of the labelled queries, measured on the other half.

    Parameters
    ----------
    lists : sequence of ((rows, scores), (rows, scores))
        For each query the two lists that are fused, always in the same order.
    judged : sequence of mapping of int to float
        For each query its relevant rows and their gains; what is not there, or not above 0, is not relevant.
    fusion : callable
        One of this module's.
    default : float, 0 <= default <= 1
        What the weight would be without tuning.
    seed : int, 0 <= seed
        Which half is held out.

    Returns
    -------
    TunedWeight
        Of 0, 0.05 … 1 the best; of equally good ones the nearest to ``default``, the smaller of two.

    Raises
    ------
    ShapeError
        There are not as many judgements as pairs of lists, or one is no pair.
    RangeError
        Fewer than two queries have a relevant row: nothing could be held out.
    NonFiniteError, InputError, DtypeError
        A list is none.

    Notes
    -----
    Look at ``held_out``, not at ``tuning``: the difference between the two is what tuning fitted to chance.
    Fewer than a hundred queries make a weight that is not to be trusted over 0.5.
    Cost: 21 fusions a query of the tuning half, 2 of each other one.
    """
    if len(lists) != len(judged):
        raise ShapeError(
            f"There must be one judgement for each of {len(lists)} queries, got {len(judged)}.",
            expected=len(lists),
            got=len(judged),
            where="judged",
        )
    for place, pair in enumerate(lists):
        if len(pair) != 2:  # noqa: PLR2004 - a pair
            raise ShapeError(f"Query {place} must have 2 lists, got {len(pair)}.", expected=2, got=len(pair))
    gains = [{int(row): _number(gain, "gain") for row, gain in of.items() if gain > 0} for of in judged]
    known = np.flatnonzero(np.fromiter(map(bool, gains), dtype=np.bool_, count=len(gains)))
    if len(known) < 2:  # noqa: PLR2004 - one to tune on, one to hold out
        raise RangeError(
            f"At least 2 queries need a relevant row, got {len(known)}; label more.",
            expected=">= 2",
            got=len(known),
            where="judged",
        )
    shuffled = np.random.default_rng(whole_number(seed, "seed", low=0)).permutation(known)
    tuning, held = shuffled[: (len(known) + 1) // 2].tolist(), shuffled[(len(known) + 1) // 2 :].tolist()

    def mean(queries: list[int], weight: float) -> float:
        found = (fusion(lists[query], weights=(weight, 1 - weight)).rows for query in queries)
        return math.fsum(_ndcg(rows, gains[query]) for rows, query in zip(found, queries, strict=True)) / len(queries)

    grid = [step / STEPS for step in range(STEPS + 1)]
    measured = {weight: mean(tuning, weight) for weight in grid}
    weight = max(grid, key=lambda one: (round(measured[one], 12), -abs(one - default), -one))
    return TunedWeight(
        weight=weight,
        default=default,
        tuning=measured[weight],
        held_out=mean(held, weight),
        tuning_default=mean(tuning, default),
        held_out_default=mean(held, default),
        tuning_queries=len(tuning),
        held_out_queries=len(held),
        unjudged=len(gains) - len(known),
    )


def _ndcg(rows: Rows, gains: Mapping[int, float]) -> float:
    """Return nDCG@10 with linear gain: Σ gain / log2(1 + rank), over the same of the best order."""
    found = [gains.get(row, 0.0) for row in rows[:DEPTH].tolist()]
    best = sorted(gains.values(), reverse=True)[:DEPTH]
    return _discounted(found) / _discounted(best)


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains, start=1))


def _ranks(scores: Doubles) -> Doubles:
    """Return the rank of each score from 1: one more than there are larger ones."""
    return np.asarray(1.0 + len(scores) - np.searchsorted(np.sort(scores), scores, side="right"), dtype=np.float64)


def _between(scores: Doubles, bottom: float, top: float) -> Doubles:
    """Return scores with ``bottom`` at 0 and ``top`` at 1; all 1 where these are the same."""
    with np.errstate(under="ignore"):
        spread = top / 2 - bottom / 2  # halves: the difference of two large numbers may be infinite
        return np.ones_like(scores) if spread <= 0 else np.clip((scores / 2 - bottom / 2) / spread, 0.0, 1.0)


def _by_distribution(scores: Doubles, low: float | None) -> tuple[Doubles, float]:
    """Return scores with mean - 3σ at 0 and mean + 3σ at 1, and where a row stands that is not among them."""
    scale = float(np.abs(scores).max(initial=0.0)) or 1.0  # before squaring, so that large scores stay finite
    small = scores / scale
    mean, spread = (float(small.mean()), float(small.std())) if len(small) else (0.0, 0.0)
    if not len(scores) or scores.min() == scores.max() or spread == 0:
        return np.full_like(scores, 0.5), 0.0
    scaled = 0.5 + (small - mean) / (2 * SIGMAS * spread)
    edge = float(scaled.min()) if low is None else 0.5 + (low / scale - mean) / (2 * SIGMAS * spread)
    return scaled, edge


def _summed(lists: Sequence[tuple[Rows, Doubles]], parts: Sequence[Doubles], lacking: Doubles) -> Fused:
    """Return the sum of each row's parts over all lists, best first; ``lacking`` is the part of a row that one lacks.

    The parts of a row are added in their order of size, so that no order of the lists changes a last bit.
    """
    if not lists:
        return Fused(np.zeros(0, dtype=np.int64), np.zeros(0))
    rows = np.unique(np.concatenate([rows for rows, _ in lists]))
    table = np.repeat(lacking[:, None], len(rows), axis=1)
    for place, ((own, _), part) in enumerate(zip(lists, parts, strict=True)):
        table[place, np.searchsorted(rows, own)] = part
    scores = np.sort(table, axis=0).sum(axis=0)
    order = np.lexsort((rows, -scores))
    return Fused(rows[order], scores[order])


def _checked(lists: Sequence[Ranked]) -> list[tuple[Rows, Doubles]]:
    """Return the lists as int64 and float64, or say what is wrong with one."""
    return [_checked_list(*pair, place) for place, pair in enumerate(lists)]


def _checked_list(rows: ArrayLike, scores: ArrayLike, place: int) -> tuple[Rows, Doubles]:
    numbers, values = np.asarray(rows), np.asarray(scores)
    if numbers.ndim != 1 or numbers.shape != values.shape:
        raise ShapeError(
            f"List {place} must have one score for each row, got {numbers.shape} rows and {values.shape} scores.",
            expected=numbers.shape,
            got=values.shape,
            where=place,
        )
    if numbers.size and (numbers.dtype.kind not in "iu" or values.dtype.kind not in "fiu"):
        raise DtypeError(
            f"List {place} must hold whole rows and numbers, got {numbers.dtype} and {values.dtype}.",
            expected="int64 and float",
            got=f"{numbers.dtype} and {values.dtype}",
            where=place,
        )
    numbers, values = numbers.astype(np.int64), values.astype(np.float64)
    if not np.isfinite(values).all():
        raise NonFiniteError(f"A score of list {place} is NaN or infinite; leave that row out.", where=place)
    if len(np.unique(numbers)) != len(numbers):
        raise InputError(f"List {place} has a row twice; keep the better one.", where=place)
    return numbers, values


def _weights(weights: Sequence[float] | None, count: int) -> Doubles:
    """Return a weight for each list, 1 each without any."""
    if weights is None:
        return np.ones(count)
    if len(weights) != count:
        raise ShapeError(
            f"There must be one weight for each of {count} lists, got {len(weights)}.",
            expected=count,
            got=len(weights),
            where="weights",
        )
    return np.array([_number(weight, "weights") for weight in weights])


def _convex(weights: Sequence[float] | None, count: int) -> Doubles:
    """Return weights whose sum is 1."""
    found = _weights(weights, count)
    total = found.sum()
    if count and not 0 < total < math.inf:
        raise RangeError("One of the weights must be above 0.", expected="> 0", got=0, where="weights")
    return np.asarray(found / total) if count else found


def _lowest(lowest: Sequence[float | None] | None, lists: Sequence[tuple[Rows, Doubles]]) -> list[float | None]:
    """Return for each list its least possible score or None, and refuse one that a score is below."""
    if lowest is None:
        return [None] * len(lists)
    if len(lowest) != len(lists):
        raise ShapeError(
            f"There must be one lowest score for each of {len(lists)} lists, got {len(lowest)}.",
            expected=len(lists),
            got=len(lowest),
            where="lowest",
        )
    found = [None if low is None else _number(low, "lowest", low=-math.inf) for low in lowest]
    for place, (low, (_, scores)) in enumerate(zip(found, lists, strict=True)):
        if low is not None and len(scores) and scores.min() < low:
            got = float(scores.min())
            raise RangeError(
                f"List {place} has the score {got:g}, below its lowest, {low:g}.",
                expected=f">= {low:g}",
                got=got,
                where="lowest",
            )
    return found


def _number(value: Any, name: str, *, low: float = 0.0) -> float:  # noqa: ANN401 - checked here
    """Return a finite number that is not below ``low``."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise DtypeError(f"{name} must be a number, got {type(value).__name__}.", expected="float", where=name)
    number = float(value)
    if not (math.isfinite(number) and number >= low):
        allowed = f">= {low:g} and finite" if low > -math.inf else "finite"
        raise RangeError(f"{name} must be {allowed}, got {number:g}.", expected=allowed, got=number, where=name)
    return number
