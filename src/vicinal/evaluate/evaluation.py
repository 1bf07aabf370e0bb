"""One search on judged questions: how good it is, on which questions it fails, how long it took, what it costs.

References
----------
The metrics are trec_eval's, see ``metrics``; the intervals are bootstraps over queries, see ``significance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vicinal._arrays import whole_number
from vicinal.errors import InputError, RangeError
from vicinal.evaluate import files
from vicinal.evaluate.environment import Latency, latency_of, machine
from vicinal.evaluate.judgements.judged import Judged, digest_of_run
from vicinal.evaluate.metrics import Scores, canonical, scored
from vicinal.evaluate.ranking import Run
from vicinal.evaluate.searcher import Answered, Searcher, absent_from, checked_description
from vicinal.evaluate.significance import bootstrap_interval, smallest_detectable_gain
from vicinal.evaluate.worst import Failure, failures
from vicinal.types import Progress

__all__ = [
    "DEFAULT_METRICS",
    "Answered",
    "Evaluation",
    "Latency",
    "Searcher",
    "evaluate",
    "evaluate_run",
]

DEFAULT_METRICS = ("ndcg@10", "recall@10", "recall@100", "reciprocal_rank@10", "success@1")
MAX_K = 100_000
WORST = 10
"""Queries that a report shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How good a search is on judged questions.

    Parameters
    ----------
    judged : Judged
        The questions and what answers them.
    run : mapping
        Query id → document id → score, as it was found.
    scores : Scores
        A value for each query and metric.
    latency : Latency or None
        None for a run that was read from a file.
    described : mapping
        What the searcher says of itself: space, model, bytes of a vector, documents, settings.
    environment : mapping
        Versions, machine, digests of the judgements and of the run, seed: what a second run needs to give the same.
    incomplete : int
        Answers that an approximate index gave, which may have missed something nearer.
    absent : int or None
        Judged relevant documents that are not stored at all; None where the searcher does not say.
    hopeless : tuple of str
        Queries none of whose relevant documents is stored: no search could answer them.
    notices : tuple of str
        What a reader of the numbers must know, in words.
    """

    judged: Judged
    run: Run
    scores: Scores
    latency: Latency | None
    described: Mapping[str, Any]
    environment: Mapping[str, Any]
    incomplete: int = 0
    absent: int | None = None
    hopeless: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default_factory=tuple)

    @property
    def judged_name(self) -> str:
        """What the questions are called."""
        return self.judged.name

    def mean(self) -> dict[str, float]:
        """Return metric → mean over the queries."""
        return self.scores.mean()

    def intervals(self, confidence: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return metric → (low, high): where the mean lies, were other queries of the same kind asked.

        A percentile bootstrap over the queries with the seed of this evaluation; cost: 10,000 draws a metric. One
        query says nothing of others, so its interval is all of [0, 1].
        """
        if len(self.scores.query_ids) == 1:
            return dict.fromkeys(self.scores.metrics, (0.0, 1.0))
        seed = int(self.environment["seed"])
        return {
            name: bootstrap_interval(self.scores.column(name), confidence=confidence, seed=seed)
            for name in self.scores.metrics
        }

    @property
    def smallest_gain(self) -> float | None:
        """The gain of another search that so many queries would show four times in five; None for one query.

        See ``significance.smallest_detectable_gain``, with the spread that it takes for nDCG@10.
        """
        queries = len(self.scores.query_ids)
        return None if queries == 1 else smallest_detectable_gain(queries)

    def worst(self, k: int = WORST, metric: str | None = None) -> list[Failure]:
        """Return the k queries with the lowest value, and what was found in place of what would have been right.

        Parameters
        ----------
        k : int, 1 <= k
            How many. Queries with full marks are not among them.
        metric : str, optional
            One of those that were computed. Default: the first.
        """
        name = canonical(metric or self.scores.metrics[0])
        values = dict(zip(self.scores.query_ids, self.scores.column(name).tolist(), strict=True))
        return failures(values, self.run, self.judged, k=whole_number(k, "k", low=1))

    def differences(self, other: Evaluation) -> tuple[str, ...]:
        """Return what is not the same in another evaluation but times: empty for a second run of the same.

        Names of ``judged``, ``run``, ``described``, and of metrics whose values differ for any query.
        """
        named = {
            "judged": (self.judged.digest, other.judged.digest),
            "run": (digest_of_run(self.run), digest_of_run(other.run)),
            "described": (dict(self.described), dict(other.described)),
            "metrics": (self.scores.metrics, other.scores.metrics),
            "queries": (self.scores.query_ids, other.scores.query_ids),
            "seed": (self.environment["seed"], other.environment["seed"]),
            "incomplete": (self.incomplete, other.incomplete),
        }
        found = [name for name, (one, another) in named.items() if one != another]
        if not {"metrics", "queries"} & set(found):
            unequal = (self.scores.values != other.scores.values).any(axis=0).tolist()
            found += [name for name, differs in zip(self.scores.metrics, unequal, strict=True) if differs]
        return tuple(found)

    def to_mapping(self) -> dict[str, Any]:
        """Return everything but the values of each query as plain data for JSON; ``latency`` holds all times."""
        intervals = self.intervals()
        return {
            "judged": {
                "name": self.judged.name,
                "queries": len(self.scores.query_ids),
                "skipped": len(self.scores.skipped),
                "unjudged": self.judged.unjudged,
                "digest": self.judged.digest,
            },
            "metrics": {
                name: {"mean": mean, "low": intervals[name][0], "high": intervals[name][1]}
                for name, mean in self.mean().items()
            },
            "smallest_gain": self.smallest_gain,
            "latency": None if self.latency is None else asdict(self.latency),
            "incomplete": self.incomplete,
            "absent": self.absent,
            "hopeless": list(self.hopeless),
            "worst": [asdict(one) for one in self.worst()],
            "described": files.plain(self.described),
            "environment": files.plain(self.environment),
            "notices": list(self.notices),
        }

    def write(self, folder: str | Path) -> Path:
        """Write ``run.trec``, ``per_query.tsv`` and ``report.json`` into a folder, each whole or not at all.

        Returns
        -------
        Path
            The folder, made where it was not there.

        Raises
        ------
        InputError
            An id holds a tab or a line's end, which a run file cannot hold.
        StoreError
            The disk refused.
        """
        return files.write_evaluation(
            Path(folder), run=self.run, scores=self.scores, judged=self.judged, report=self.to_mapping()
        )


def evaluate(
    searcher: Searcher,
    judged: Judged,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    k: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask a search all judged questions, and return how good its answers are.

    Parameters
    ----------
    searcher : Searcher
        What is evaluated. If it has ``holds(ids)``, it is asked which of the relevant documents it has.
    judged : Judged
        The questions, asked in ascending order of their ids.
    metrics : sequence of str
        Such as ``ndcg@10``; none may look at more than ``k`` documents.
    k : int, 1 <= k <= 100,000
        How many documents are asked for. A metric without ``@k`` looks at all of them.
    seed : int, 0 <= seed
        What fixes the draws of the intervals.
    progress : callable, optional
        Called with (queries asked, queries in all).

    Returns
    -------
    Evaluation
        Queries without any relevant document are asked, and count in no metric.

    Raises
    ------
    InputError
        A metric is unknown or looks further than ``k``; no query has a relevant document; the searcher breaks its
        contract.

    Notes
    -----
    The first query is asked once more before all others, so that what is loaded with it is in no percentile.
    Cost: the searches; the metrics of a thousand queries take less than a second.
    """
    k, seed = whole_number(k, "k", low=1, high=MAX_K), whole_number(seed, "seed", low=0)
    names = checked_metrics(metrics, k)
    scored({}, judged.qrels, names)  # refuses what cannot be scored before anything is searched
    absent = absent_from(searcher, sorted(judged.relevant()))
    first_ms = searcher.documents(next(iter(judged.queries.values())), k=k).took_ms
    answers: dict[str, Answered] = {}
    for query, text in judged.queries.items():
        answers[query] = searcher.documents(text, k=k)
        if len(answers[query].ids) > k:
            raise RangeError(
                f"A searcher was asked for {k} documents and gave {len(answers[query].ids)}.",
                expected=f"<= {k}",
                got=len(answers[query].ids),
                where=query,
            )
        if progress is not None:
            progress(len(answers), len(judged))
    run = {query: answer.as_results() for query, answer in answers.items()}
    scores = scored(run, judged.qrels, names)
    incomplete = sum(not answer.complete for answer in answers.values())
    hopeless = () if absent is None else _hopeless(judged, absent)
    return Evaluation(
        judged=judged,
        run=run,
        scores=scores,
        latency=latency_of((answer.took_ms for answer in answers.values()), first_ms=first_ms),
        described={**checked_description(searcher), "k": k},
        environment=_environment(judged, run, seed),
        incomplete=incomplete,
        absent=None if absent is None else len(absent),
        hopeless=hopeless,
        notices=(*_absence(judged, absent, hopeless), *_left_out(judged, scores)),
    )


def evaluate_run(
    run: Run,
    judged: Judged,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    seed: int = 0,
    described: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Return how good a given run is, such as one that another program wrote; nothing is searched.

    Parameters
    ----------
    run : mapping
        Query id → document id → score. A judged query that it does not have counts 0; one that is not judged is left
        out, and both are told in the notices.
    judged, metrics, seed
        As ``evaluate``.
    described : mapping, optional
        What is known of the system that made it.

    Raises
    ------
    InputError
        A metric is unknown, no query has a relevant document, or no query of the run is judged.
    """
    seed = whole_number(seed, "seed", low=0)
    known = {query: dict(run[query]) for query in judged.queries if query in run}
    if not known:
        raise InputError(
            f"None of the {len(run)} queries of the run is among the {len(judged)} judged ones; are their ids the same?",
            where="run",
        )
    scores = scored(known, judged.qrels, metrics)
    told = {
        "Judged queries without an answer in the run, counted as 0": len(scores.unanswered),
        "Queries of the run that are not judged, left out": len(run) - len(known),
    }
    return Evaluation(
        judged=judged,
        run=known,
        scores=scores,
        latency=None,
        described=dict(described or {}),
        environment=_environment(judged, known, seed),
        notices=(*_counted(told), *_left_out(judged, scores)),
    )


def checked_metrics(metrics: Sequence[str], k: int) -> tuple[str, ...]:
    """Return canonical names of metrics that k documents suffice for.

    Raises
    ------
    UnknownNameError, RangeError
        One is unknown, or looks at more than k documents: it would give the value of a smaller one under its name.
    """
    names = tuple(dict.fromkeys(canonical(one) for one in metrics))
    for name in names:
        depth = int(name.partition("@")[2] or 0)
        if depth > k:
            raise RangeError(
                f"{name} looks at {depth} documents, but only k={k} are asked for; ask for more, or leave it out.",
                expected=f"<= {k}",
                got=depth,
                where="metrics",
            )
    return names


def _environment(judged: Judged, run: Run, seed: int) -> dict[str, Any]:
    """Return what a second run needs to give the same numbers."""
    digests = {"judged": judged.digest, "run": digest_of_run(run)}
    return {"machine": machine(), "digests": digests, "seed": seed, "source": judged.source}


def _hopeless(judged: Judged, absent: Iterable[str]) -> tuple[str, ...]:
    """Return the queries whose relevant documents are all absent."""
    gone = frozenset(absent)
    relevant = {query: {one for one, grade in grades.items() if grade > 0} for query, grades in judged.qrels.items()}
    return tuple(query for query, right in relevant.items() if right and right <= gone)


def _absence(judged: Judged, absent: frozenset[str] | None, hopeless: Sequence[str]) -> tuple[str, ...]:
    """Return the notice of relevant documents that are not stored."""
    if not absent:
        return ()
    told = (
        f"Relevant documents that are not in the collection: {len(absent)} of {len(judged.relevant())}, such as "
        f"{min(absent)!r}. Queries that have no other, so that no search can answer them: {len(hopeless)}. "
        "Are the ids the same, and is everything indexed?"
    )
    return (told,)


def _left_out(judged: Judged, scores: Scores) -> tuple[str, ...]:
    """Return the notices of queries that are in no metric."""
    return _counted(
        {
            "Queries without a judgement, left out": judged.unjudged,
            "Queries without a relevant document, in no metric": len(scores.skipped),
        }
    )


def _counted(told: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{text}: {count}." for text, count in told.items() if count)
