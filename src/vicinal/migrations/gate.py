"""Whether the new lane may answer: complete, equal but for its vectors, found by its index, and no worse on judged questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vicinal.errors import CanaryMismatchError
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.significance import Paired, paired
from vicinal.lifecycle import canary
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.doctor import measured_recall
from vicinal.lifecycle.migrate import parity
from vicinal.search.hybrid import Mode
from vicinal.space import Encoder
from vicinal.store import Store, beside
from vicinal.trials import Trials
from vicinal.types import Progress

METRIC = "ndcg@10"
DEPTH = 100
"""Documents that each judged question is answered with."""
RECALL_SAMPLES = 200
LEAST_QUERIES = 2
"""Below, a gain has no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition: whether it holds, what was found, and whether a person may overrule it with a reason."""

    name: str
    passed: bool
    detail: str
    forcible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All conditions of a cutover, as of one moment.

    ``gain`` is what the new lane gains in ``metric`` over the old one on ``queries`` judged questions, between ``low``
    and ``high`` 95 times in a hundred; ``judged`` names the questions. It passes where ``low`` is above ``-delta``.
    """

    checks: tuple[Check, ...]
    judged: str
    metric: str
    mode: str
    queries: int
    delta: float
    former: float = 0.0
    new: float = 0.0
    gain: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return all(check.passed for check in self.checks)

    @property
    def forcible(self) -> bool:
        """Whether what does not hold may be overruled: quality may, a missing record may not."""
        return all(check.passed or check.forcible for check in self.checks)


def settle(store: Store, name: str, *, progress: Progress | None = None) -> None:
    """Build and save the indexes of the lane beside, so that the first question after a cutover finds them."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(beside(name))
    derived_of(store, lane).upkeep(progress=progress, compact=False)


def gate(  # noqa: PLR0913 - both sides, and what they are measured on
    former: Trials,
    new: Trials,
    encoder: Encoder,
    judged: Judged | None,
    *,
    metric: str,
    mode: Mode | None,
    delta: float,
    seed: int,
    progress: Progress | None = None,
) -> Gate:
    """Measure everything that a cutover asks for.

    Parameters
    ----------
    former, new : Trials
        The collection, and the lane beside it.
    encoder : Encoder
        The new one, uncached.
    judged : Judged or None
        Questions with answers: a person's, or made of the records. None where there are none; then it does not pass, nor
        with one alone.
    metric : str
        Such as ``ndcg@10``.
    mode : {"dense", "lexical", "hybrid"}, optional
        How they are asked.
    delta : float, 0 <= delta
        The loss that is taken for none.
    seed : int
        Of the interval.
    progress : callable, optional
        Called with (questions asked, questions), twice, and with (records compared, records).
    """
    store, name = former._store, former.name  # noqa: SLF001 - of the facade
    others = (*_records(store, name, progress), _canary(store, name, encoder), _recall(store, new))
    if judged is None or len(judged.queries) < LEAST_QUERIES:
        told = "no questions can be made of the records; give judged ones"
        if judged is not None:
            told = f"{len(judged.queries)} question tells of no gain; give {LEAST_QUERIES} judged ones at least, better fifty"
        quality = Check(name="quality", passed=False, detail=told, forcible=True)
        return Gate(checks=(*others, quality), judged="", metric=metric, mode=mode or "hybrid", queries=0, delta=delta)
    before, after, pair = _gain(former, new, judged, metric=metric, mode=mode, seed=seed, progress=progress)
    passed = pair.low > -delta
    told = f"{metric} {before:.4f} to {after:.4f}: {pair.gain:+.4f}, {pair.low:+.4f} to {pair.high:+.4f} at 95 %"
    quality = Check(
        name="quality",
        passed=passed,
        detail=f"{told}; {'above' if passed else 'not above'} {-delta:+.4f} on {pair.queries} questions ({judged.name})",
        forcible=True,
    )
    return Gate(
        checks=(*others, quality),
        judged=judged.name,
        metric=metric,
        mode=mode or "hybrid",
        queries=pair.queries,
        former=before,
        new=after,
        gain=pair.gain,
        low=pair.low,
        high=pair.high,
        delta=delta,
    )


def _gain(
    former: Trials,
    new: Trials,
    judged: Judged,
    *,
    metric: str,
    mode: Mode | None,
    seed: int,
    progress: Progress | None,
) -> tuple[float, float, Paired]:
    """Return the metric of both, and what the new one gains over the old one."""
    old = former.evaluate(judged, metrics=[metric], k=DEPTH, mode=mode, seed=seed, progress=progress)
    now = new.evaluate(judged, metrics=[metric], k=DEPTH, mode=mode, seed=seed, progress=progress)
    columns: Sequence[Sequence[float]] = [one.scores.column(metric).tolist() for one in (old, now)]
    return old.mean()[metric], now.mean()[metric], paired(columns[0], columns[1], seed=seed)


def _records(store: Store, name: str, progress: Progress | None) -> tuple[Check, Check]:
    """Compare counts and digests of both lanes, as of one commit."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        found = parity(snapshot, lane, snapshot.lane(beside(name)), progress=progress)
    missing = found.lacking + found.unchunked
    named = f", {found.first[0]!r} first" if found.first else ""
    return (
        Check(
            name="complete",
            passed=not missing,
            detail=f"{found.records - missing} of {found.records} records are there{named if missing else ''}",
        ),
        Check(
            name="equal",
            passed=not (found.different or found.beyond),
            detail="texts, sources, fields and digests are the same on both sides"
            if not (found.different or found.beyond)
            else f"{found.different} records differ and {found.beyond} are only in the new lane{named}",
        ),
    )


def _canary(store: Store, name: str, encoder: Encoder) -> Check:
    with store.snapshot() as snapshot:
        probes = snapshot.canary(encoder.space)
    try:
        canary.verify(probes, encoder, collection=name)
    except CanaryMismatchError as error:
        return Check(name="canary", passed=False, detail=error.message)
    return Check(name="canary", passed=True, detail=f"{len(probes)} probe texts lie where they lay")


def _recall(store: Store, new: Trials) -> Check:
    found = measured_recall(store, new.name, asked=new.recall, samples=RECALL_SAMPLES)
    return Check(
        name="recall",
        passed=found.high >= new.recall,
        detail=f"of the true {found.k} nearest {found.recall:.4f} are found "
        f"({found.low:.4f} to {found.high:.4f}), {new.recall:g} is asked for",
        forcible=True,
    )
