"""What was measured of each way to store vectors, and which is the cheapest that loses no more than allowed.

A way is chosen on one half of the queries and confirmed on the other, so what is promised was not picked for its luck.
Letters: Q queries, F ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of, share
from vicinal.errors import UnsupportedError
from vicinal.evaluate.frontier.bounds import Bounds, proportion_low
from vicinal.evaluate.frontier.options import MEASURES, Estimate, Measure, Option, Values
from vicinal.evaluate.frontier.plot import picture

CONFIDENCE = 0.95
LEAST_QUERIES = 50
"""Fewer queries than these promise nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The cheapest way that loses no more than allowed.

    Parameters
    ----------
    option : Option
    loss : float
        What was allowed: a share of what full float32 vectors give.
    measure : {"recall", "ndcg"}
    kept : float
        The share that it gave on the queries that it was not chosen on.
    low : float
        The lower bound of that share; at least ``1 - loss`` where ``is_confirmed``.
    is_confirmed : bool
        False where nothing cheaper than full float32 could be promised.
    reason : str
        Why this one, in words, and what can be done to have it.
    """

    option: Option
    loss: float
    measure: Measure
    kept: float
    low: float
    is_confirmed: bool
    reason: str

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        told = {name: getattr(self, name) for name in ("loss", "measure", "kept", "low", "is_confirmed", "reason")}
        return {
            "storage": str(self.option.storage),
            "dim": self.option.storage.dim,
            "cut": self.option.storage.cut,
            "precision": self.option.storage.precision,
            "rescored": self.option.storage.rescored,
            "bytes_per_vector": self.option.bytes_per_vector,
            "is_held": self.option.storage.is_held,
            **told,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frontier:
    """What each way to store the vectors of one space costs and gives.

    Parameters
    ----------
    options : tuple of Option
        Full float32 first.
    space : str
        The id of the space.
    k : int
        Neighbours that recall is of.
    times : int
        ``times * k`` rows are put in order where a way says so.
    documents, sampled, queries, judged, timed : int
        Vectors there are; those that were searched; queries; queries with judgements; vectors behind each latency.
    is_held_out : bool
        Whether stored vectors stood in for queries, for want of some.
    seed : int
    loss : float
        What may be lost where ``recommend`` is not told.
    recalls : float64 array of shape (F, Q)
        Neighbour recall of each query; where ``sampled < documents`` its loss is extended to all documents.
    ndcgs : float64 array of shape (F, judged), optional

    Notes
    -----
    A larger set has nearer neighbours, so codes lose more of them. How much more is read from random halves of the
    sample: the loss grows by as much with each doubling up to all documents, and recall is given there, not at the
    sample. It is a coarse estimate: at four and eight times the sample it was off by up to 0.03. nDCG is not extended; it is
    that of the sample, with every judged document in it.
    """

    options: tuple[Option, ...]
    space: str
    k: int
    times: int
    documents: int
    sampled: int
    queries: int
    judged: int
    timed: int
    is_held_out: bool
    seed: int
    loss: float = 0.01
    recalls: Values = field(repr=False)
    ndcgs: Values | None = field(default=None, repr=False)

    def pareto(self, measure: Measure = "recall") -> tuple[Option, ...]:
        """Return the options that no other one beats: none is as good for fewer bytes, or better for as many.

        Raises
        ------
        UnknownNameError, UnsupportedError
            The measure is none, or was not measured.
        """
        self._values(measure)
        found: list[Option] = []
        highest = -np.inf
        for option in sorted(self.options, key=lambda one: (one.bytes_per_vector, -_mean(one, measure))):
            if _mean(option, measure) > highest:
                highest = _mean(option, measure)
                found.append(option)
        return tuple(found)

    def recommend(
        self, loss: float | None = None, measure: Measure = "recall", *, held: bool = False
    ) -> Recommendation:
        """Return the cheapest option whose lower bound loses no more than allowed.

        Parameters
        ----------
        loss : float, 0 <= loss <= 1, optional
            The share of what full float32 vectors give that may be lost. Default: that of the frontier.
        measure : {"recall", "ndcg"}
            What must not be lost.
        held : bool
            Only ways that a collection can hold at rest today and be brought to without its texts: float32, all
            dimensions or a projection of them.

        Returns
        -------
        Recommendation
            Full float32 where nothing cheaper can be promised; ``reason`` says why.

        Raises
        ------
        UnknownNameError, RangeError, DtypeError
            A name or a number is none of those.
        UnsupportedError
            ``ndcg`` was asked for, and there were no judgements.

        Notes
        -----
        Options whose lower bound on one half of the queries suffices are tried by their bytes on the other half, until
        one's lower bound suffices there as well. The j-th that is tried has to pass at the level 0.05 / (j (j + 1)):
        these add up to 0.05, so the chance that the promise is broken is at most that, however many are tried.
        """
        loss = share(self.loss if loss is None else loss, "loss")
        values = self._values(measure)
        if values.shape[1] < LEAST_QUERIES:
            return self._kept_whole(
                loss,
                measure,
                f"{values.shape[1]} queries are too few to promise anything: give {LEAST_QUERIES} or more.",
            )
        one, other = self._halves(values.shape[1])
        chosen = _Lows(values[:, one], self._trials(measure, len(one)), seed=self.seed + 1)
        confirming = _Lows(values[:, other], self._trials(measure, len(other)), seed=self.seed + 2)
        tried = 0
        for place in self._candidates(chosen, 1 - loss, held=held):
            tried += 1
            low = confirming.low(place, (1 - CONFIDENCE) / (tried * (tried + 1)))
            if low >= 1 - loss:
                kept = confirming.kept(place)
                return self._promised(self.options[place], loss, measure, kept=kept, low=low, tried=tried)
        return self._kept_whole(loss, measure, _nothing_cheaper(loss, tried, held=held))

    def _values(self, measure: str) -> Values:
        """Return the values (F, Q) of a measure."""
        one_of(measure, "measure", MEASURES)
        if measure == "recall":
            return self.recalls
        if self.ndcgs is None:
            raise UnsupportedError(
                "nDCG was not measured: there were no judgements. Give some, or ask for recall.", where="measure"
            )
        return self.ndcgs

    def _halves(self, queries: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.random.default_rng(self.seed).permutation(queries)
        return order[: queries // 2], order[queries // 2 :]

    def _trials(self, measure: str, queries: int) -> int:
        """Return how many yes or no a mean is made of; for nDCG as if each query were one, which errs to the safe side."""
        return queries * self.k if measure == "recall" else queries

    def _candidates(self, chosen: _Lows, wanted: float, *, held: bool) -> Iterator[int]:
        """Go through the options that suffice on the queries that they are chosen on, by bytes."""
        cost = [one.bytes_per_vector for one in self.options]
        lows = [chosen.low(place, 1 - CONFIDENCE) for place in range(len(cost))]
        for place in sorted(range(1, len(cost)), key=lambda place: (cost[place], -lows[place])):
            is_allowed = self.options[place].storage.is_held or not held
            if is_allowed and cost[place] < cost[0] and lows[place] >= wanted:
                yield place

    def _promised(
        self, option: Option, loss: float, measure: Measure, *, kept: float, low: float, tried: int
    ) -> Recommendation:
        whole = self.options[0]
        saved = 1 - option.bytes_per_vector / whole.bytes_per_vector
        reason = (
            f"{option.storage}: {option.bytes_per_vector} bytes a vector instead of {whole.bytes_per_vector} "
            f"({saved:.0%} less) keeps {kept:.2%} of {_said(measure, self.k)} (at least {low:.2%}), on queries that "
            f"it was not chosen on{_passed_over(tried)}. {self._caveats(measure)}{option.storage.how}"
        )
        return Recommendation(
            option=option, loss=loss, measure=measure, kept=kept, low=low, is_confirmed=True, reason=reason
        )

    def _kept_whole(self, loss: float, measure: Measure, why: str) -> Recommendation:
        whole = self.options[0]
        reason = f"Keep {whole.storage}, {whole.bytes_per_vector} bytes a vector. {why}"
        return Recommendation(
            option=whole, loss=loss, measure=measure, kept=1.0, low=1.0, is_confirmed=False, reason=reason
        )

    def _caveats(self, measure: str) -> str:
        told = ""
        if self.is_held_out:
            told += "Stored vectors stood in for queries: give real ones to be sure. "
        if self.sampled < self.documents and measure == "recall":
            told += f"Recall is extended from {self.sampled:,} to all {self.documents:,} vectors. "
        if self.sampled < self.documents and measure == "ndcg":
            told += f"nDCG is that of {self.sampled:,} of {self.documents:,} vectors. "
        return told

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data, for ``--json``; the values of single queries are left out."""
        names = (
            "space",
            "k",
            "times",
            "documents",
            "sampled",
            "queries",
            "judged",
            "timed",
            "is_held_out",
            "seed",
            "loss",
        )
        best = {id(one) for one in self.pareto()}
        return {
            **{name: getattr(self, name) for name in names},
            "options": [{**_mapping(one), "is_pareto": id(one) in best} for one in self.options],
        }

    def svg(self, *, measure: Measure = "recall") -> str:
        """Return a picture of the options as SVG: bytes to the right, the measure upwards.

        Raises
        ------
        UnknownNameError, UnsupportedError
            The measure is none, or was not measured.
        """
        return picture(self.options, self.pareto(measure), measure=measure, title=_title(measure, self.k))

    def table(self, options: Sequence[Option] | None = None) -> str:
        """Return the options as a table of Markdown, the cheapest first. Default: those that none beats by recall."""
        shown = self.pareto() if options is None else options
        head = ["storage", "bytes", f"recall@{self.k}", "nDCG@10", f"ms at {self.timed:,}"]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for one in sorted(shown, key=lambda one: one.bytes_per_vector):
            time = f"{one.latency_ms:.3f}" + ("" if one.is_native else " (NumPy)")
            lines.append([str(one.storage), str(one.bytes_per_vector), _cell(one.recall), _cell(one.ndcg), time])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class _Lows:
    """Lower bounds of the share that each option keeps of what the first one gives, over values (F, Q)."""

    def __init__(self, values: Values, trials: int, *, seed: int) -> None:
        self._shares, self._trials = values.mean(axis=1), trials
        self._drawn = Bounds(values.shape[1], seed=seed).kept(values, values[0])

    def low(self, place: int, level: float) -> float:
        """Return the one-sided bound of an option at a level."""
        low = float(np.quantile(self._drawn[place], level))
        found = float(np.clip(self.kept(place), 0, 1))
        return min(low, proportion_low(found, self._trials, 1 - level))

    def kept(self, place: int) -> float:
        """Return the share that an option keeps."""
        whole = float(self._shares[0])
        return float(self._shares[place]) / whole if whole else 1.0


def _mean(option: Option, measure: str) -> float:
    found = option.estimate(measure)
    return found.mean if found else -np.inf


def _mapping(option: Option) -> Mapping[str, Any]:
    storage = asdict(option.storage)
    return {
        "name": str(option.storage),
        **storage,
        "bytes_per_vector": option.bytes_per_vector,
        "scanned_bytes": option.storage.scanned_bytes,
        "recall": asdict(option.recall),
        "ndcg": asdict(option.ndcg) if option.ndcg else None,
        "latency_ms": option.latency_ms,
        "is_native": option.is_native,
        "is_held": option.storage.is_held,
    }


def _cell(found: Estimate | None) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]" if found else "–"


def _title(measure: str, k: int) -> str:
    return f"recall@{k}" if measure == "recall" else "nDCG@10"


def _said(measure: str, k: int) -> str:
    return f"the {k} nearest neighbours" if measure == "recall" else "nDCG@10"


def _passed_over(tried: int) -> str:
    """Say how many cheaper ones did not hold what they seemed to promise."""
    if tried == 1:
        return ""
    ones = "one cheaper way" if tried == 2 else f"{tried - 1} cheaper ways"  # noqa: PLR2004 - this one and another
    return f"; {ones} seemed to suffice and did not on those"


def _nothing_cheaper(loss: float, tried: int, *, held: bool) -> str:
    among = " that a collection can hold at rest today" if held else ""
    if not tried:
        return f"No cheaper way{among} is sure to lose no more than {loss:.1%}."
    ways = "One cheaper way" if tried == 1 else f"{tried} cheaper ways"
    return (
        f"{ways}{among} seemed to lose no more than {loss:.1%}, and could not be confirmed on the other half of the "
        "queries. More queries decide it."
    )
