"""Recall measured on a set's own vectors: which widths reach which recall, and what an index really reaches.

Half of the queries are stored vectors, half lie between two of them: a query of a user is near the stored vectors, but
is none of them. The row that a query was made of is left out of the exact answer and of the approximate one.
Letters: N rows, Q queries, D components, K places, M cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as default

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.index.calibration import (
    CANDIDATES,
    CROWDED_KS,
    DOUBTS,
    KS,
    REACHES,
    RESCORED,
    SHARES,
    TARGETS,
    Calibration,
    Measurement,
    Setting,
    found_shares,
    front_of,
    gaps_of,
    measured,
)
from vicinal.index.coding import Coder
from vicinal.index.pace import Pace
from vicinal.index.parts import Part, merged, nearest, row_count_of, sampled, vectors_of
from vicinal.index.plan import costs_for, lengths_for
from vicinal.types import Bits, Floats, Mask, Neighbors, Progress, Rows

BETWEEN = 0.35
"""How far a query that was made lies from one stored vector to another."""
SLACK = 0.0005
"""Recall that a narrower last stage may cost."""
SURE = 0.995
"""Recall of many candidates below which codes tell too little for a doubt."""
WIDEST = 4096
"""Those candidates, for ten places; more places want as many more as the root of their number."""
SPREAD = 3
"""Times the usual candidates that the hardest queries may have."""
GAIN = 0.0003
"""Recall that more candidates must gain to be tried further."""
PRODUCTS = 2_000_000_000
"""Of components, that are made between two words of progress: about 50 ms."""
BATCH = 32
REACHING = 96
"""Queries whose many neighbours are looked for."""
WIDER = 4
"""Times the neighbours, of candidates for them: found by codes, as a few that are missing lie in no other cells."""
MARGINS = (0.7, 0.55, 0.42, 0.3)
"""Of the neighbours that may be missed, that are planned to be: the rest is for what the lower bound takes."""

Tick = Callable[[], None]


@dataclass(slots=True)
class Questions:
    """Queries (Q, D), the row that each was made of, and the rows and scores of the true neighbours without it (Q, K)."""

    vectors: Floats
    sources: Rows
    rows: Rows = default(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    scores: Floats = default(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def first(self, count: int) -> Questions:
        """Return the first of the queries."""
        return Questions(self.vectors[:count], self.sources[:count], self.rows[:count], self.scores[:count])


def questions_of(
    parts: Sequence[Part],
    metric: kernels.Metric,
    alive: Bits | None,
    *,
    count: int,
    k: int,
    seed: int,
    dim: int,
    tick: Tick = lambda: None,
) -> Questions:
    """Return queries made of living rows, with their exact answers."""
    chooser = np.random.default_rng(seed)
    rows = sampled(parts, count, chooser, alive)
    stored = vectors_of(parts, rows, dim)
    others = stored[chooser.permutation(len(stored))]
    made = chooser.permutation(len(stored))[: len(stored) // 2]
    asked = stored.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        asked[made] += np.float32(BETWEEN) * (others[made] - asked[made])
        if metric != "l2":  # as long as the one that it is near
            lengths, before = np.linalg.norm(asked, axis=1), np.linalg.norm(stored, axis=1)
            asked *= np.where(lengths > 0, before / np.where(lengths > 0, lengths, 1), 1).astype(np.float32)[:, None]
    asked = np.where(np.isfinite(asked).all(axis=1, keepdims=True), asked, stored)
    true = _exact(parts, asked, k + 1, alive, metric, tick)
    return Questions(asked, rows, *without(true.rows, true.scores, rows, k))


def _exact(
    parts: Sequence[Part], asked: Floats, k: int, alive: Bits | None, metric: kernels.Metric, tick: Tick
) -> Neighbors:
    """Return the exact neighbours, a portion of the rows after the other."""
    count = row_count_of(parts)
    mask = None if alive is None else _booleans(alive, count)
    size = max(1024, PRODUCTS // max(1, asked.size))
    best = merged([], len(asked), k)
    for part in parts:
        for start in range(0, len(part.vectors), size):
            piece = Part(part.first + start, part.vectors[start : start + size])
            best = merged([best, nearest([piece], asked, k, mask, metric)], len(asked), k)
            tick()
    return best


def without(rows: Rows, scores: Floats, sources: Rows, k: int) -> tuple[Rows, Floats]:
    """Return the first k rows and scores of each query's answer without the row that it was made of."""
    kept = rows != sources[:, None]
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(kept & (rows >= 0), order, axis=1)
    chosen = np.where(there, np.take_along_axis(rows, order, axis=1), -1)
    return chosen, np.where(there, np.take_along_axis(scores, order, axis=1), np.float32(-np.inf))


def measured_recall(ask: Callable[[Floats, int], tuple[Rows, Floats]], asked: Questions, k: int) -> Measurement:
    """Return the recall of anything that answers queries with rows and scores."""
    rows, scores = ask(asked.vectors, k + 1)
    return measured(found_shares(without(rows, scores, asked.sources, k)[1], asked.scores), k)


def calibrated(  # noqa: PLR0913 - an index, and how to ask it
    funnel: kernels.Funnel,
    run: kernels.Run | None,
    coder: Coder,
    parts: Sequence[Part],
    alive: Bits | None,
    *,
    queries: int,
    seed: int,
    threads: int,
    progress: Progress | None,
) -> Calibration:
    """Return the settings that no cheaper one beats, for each number of places in ``KS``; ``run`` is that with cells."""
    rows, metric = sum(len(part.vectors) for part in parts), funnel.metric
    living = rows if alive is None else min(rows, kernels.count_bits(alive))
    steps = _Steps(progress)
    asked = questions_of(parts, metric, alive, count=queries, k=max(KS), seed=seed, dim=funnel.dim, tick=steps.tick)
    pace = None if run is None else Pace.of(run, asked.vectors, coder)
    cells = 0 if run is None or run.centers is None else len(run.centers)
    fronts = {}
    for k in KS:
        few = asked.first(math.ceil(len(asked.sources) * math.sqrt(min(KS) / k)))  # more places tell more a query
        trial = _Trial(funnel, few, pace, rows, cells, alive, k, threads, steps.tick)
        fronts[k] = trial.front()
    reaches = {} if pace is None else _reaches(funnel, pace, asked.first(REACHING), alive, threads, steps.tick)
    lengths = lengths_for(asked.vectors, metric)
    gaps = {k: np.sort(gaps_of(asked.scores, k, lengths)) for k in CROWDED_KS}
    usual = {k: float(gap[len(gap) // 10]) for k, gap in gaps.items() if len(gap) and np.isfinite(gap[len(gap) // 10])}
    steps.finish()
    return Calibration(
        rows=living,
        cells=cells,
        queries=len(asked.sources),
        fronts=fronts,
        gaps=usual,
        reaches=reaches,
        lags=() if pace is None else pace.table,
    )


@dataclass(slots=True)
class _Steps:
    """Words of progress: how many there will be is not known, so the total stays ahead until the end."""

    progress: Progress | None
    done: int = 0

    def tick(self) -> None:
        """Tell that something was done; what the callback raises ends the work."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, max(400, self.done + 1))

    def finish(self) -> None:
        """Tell that all is done."""
        if self.progress is not None:
            self.progress(max(400, self.done), max(400, self.done))


def _reaches(
    funnel: kernels.Funnel, pace: Pace, asked: Questions, alive: Bits | None, threads: int, tick: Tick
) -> dict[int, tuple[int, ...]]:
    """Return how many cells hold each share of ``TARGETS`` of the nearest, for the numbers of places in ``REACHES``."""
    most = min(max(REACHES), pace.all_rows)
    found = []
    for start in range(0, len(asked.vectors), BATCH):
        vectors, sources = asked.vectors[start : start + BATCH], asked.sources[start : start + BATCH]
        rows, scores, _, _ = funnel.search(
            vectors, k=most + 1, candidates=WIDER * most, rescored=2 * most, probes=0, mask=alive, threads=threads
        )
        found.append(without(rows, scores, sources, most)[0])
        tick()
    near = replace(asked, rows=np.concatenate(found)) if found else asked
    ranks, there = pace.ranks(near.rows), near.rows >= 0
    reaches = {}
    for k in (one for one in REACHES if one <= most):
        ordered = np.sort(ranks[:, :k][there[:, :k]])
        if len(ordered):
            cells = (int(ordered[math.ceil(target * len(ordered)) - 1]) + 1 for target in TARGETS)
            reaches[k] = tuple(max(pace.least, one) for one in cells)
    return reaches


@dataclass(slots=True)
class _Trial:
    """The trials of one number of places."""

    funnel: kernels.Funnel
    asked: Questions
    pace: Pace | None
    rows: int
    cells: int
    alive: Bits | None
    k: int
    threads: int
    tick: Tick
    ranks: NDArray[np.int64] = default(init=False)

    def __post_init__(self) -> None:
        if self.pace is not None:
            self.ranks = self.pace.ranks(self.asked.rows)

    def front(self) -> tuple[Setting, ...]:
        """Return the settings that no cheaper one beats.

        Two things lose neighbours: cells that are not probed, which the ranks of the true ones' cells tell without a
        search, and candidates, which a few searches through (nearly) all true cells tell. Widths are chosen as if both
        added up, and each choice is then measured.
        """
        wide = self._probes_for(0.9995)
        rescored = self._narrowest(wide)
        doubts = self._doubts(wide, rescored)
        ladder = self._ladder(wide, rescored, kernels.sure_candidates(rescored) if doubts else max(CANDIDATES)) + doubts
        found = list(ladder)
        if self.cells:
            for target in TARGETS:
                found += self._found_for(target, ladder)
        return front_of(found)

    def _found_for(self, target: float, ladder: Sequence[Setting]) -> list[Setting]:
        """Return what was tried until the lower bound of one was the target."""
        tried: dict[tuple[int, int, float], Setting] = {}
        for margin in MARGINS:
            chosen = self._cheapest((1 - target) * margin, ladder)
            if chosen is None:
                break
            probes, step = chosen
            widths = probes, step.candidates, step.doubt
            if widths not in tried:
                tried[widths] = self._tried(probes, step.candidates, step.rescored, step.doubt, step.usual)
            if tried[widths].low >= target:
                break
        return list(tried.values())

    def _cheapest(self, missing: float, ladder: Sequence[Setting]) -> tuple[int, Setting] | None:
        """Return the cheapest probes and step of the ladder that should miss no more than that together."""
        best: tuple[float, int, Setting] | None = None
        top = max(self._covered(ladder[0].probes), *(one.recall for one in ladder))
        for one in ladder:
            allowed = missing - max(0.0, top - one.recall)
            if allowed <= 0:
                continue
            probes = self._probes_for(1 - allowed)
            cost = self._cost(probes, one.usual, one.rescored)
            if best is None or cost < best[0]:
                best = (cost, probes, one)
        return None if best is None else best[1:]

    def _covered(self, probes: int) -> float:
        """Return the share of true neighbours whose cells are probed."""
        if self.pace is None or not probes:
            return 1.0
        there = self.asked.rows[:, : self.k] >= 0
        ranks = self.ranks[: len(there), : self.k][there]
        return float(np.mean(ranks < probes)) if len(ranks) else 1.0

    def _probes_for(self, covered: float) -> int:
        """Return how many cells hold that share of the true neighbours; 0 where that is nearly all."""
        if self.pace is None:
            return 0
        ranks = np.sort(self.ranks[: len(self.asked.rows), : self.k][self.asked.rows[:, : self.k] >= 0])
        if not len(ranks):
            return 0
        place = min(len(ranks) - 1, math.ceil(covered * len(ranks)) - 1)
        probes = max(self.pace.least, int(ranks[max(0, place)]) + 1)
        return 0 if probes > max(SHARES) * self.cells else probes

    def _narrowest(self, probes: int) -> int:
        """Return the fewest rows to floats that cost no recall where the codes let enough through."""
        widths = [math.ceil(self.k * times) + 6 for times in RESCORED]
        wide = min(2048, 40 * self.k)
        best = self._tried(probes, wide, widths[-1]).recall
        return next((one for one in widths if self._tried(probes, wide, one).recall >= best - SLACK), widths[-1])

    def _doubts(self, probes: int, rescored: int) -> list[Setting]:
        """Return settings with more and more doubt, until more gains nothing; none where many candidates are too few."""
        wide = min(self.rows, math.ceil(WIDEST * math.sqrt(self.k / min(KS))))
        best, work = self._measured(probes, wide, rescored, 0.0)
        found: list[Setting] = []
        for doubt in DOUBTS if best.recall >= SURE else ():
            one, less = self._measured(probes, wide, rescored, doubt)
            usual = math.ceil(wide - (work - less))
            most = max(SPREAD * usual, kernels.sure_candidates(rescored))
            found.append(self._tried(probes, min(wide, most), rescored, doubt, usual))
            if one.recall >= best.recall:
                break
        return found

    def _ladder(self, probes: int, rescored: int, most: int) -> list[Setting]:
        """Return settings with more and more candidates, all of which go to int8, until more gain nothing."""
        found: list[Setting] = []
        for candidates in (one for one in CANDIDATES if max(rescored, 3 * self.k) <= one <= most):
            found.append(self._tried(probes, candidates, rescored))
            gains = len(found) < 3 or found[-1].recall - found[-3].recall >= GAIN  # noqa: PLR2004 - two steps
            # Where many rows have one code, more candidates gain nothing until all of these are among them.
            if found[-1].recall >= 1 or (found[-1].recall >= TARGETS[0] and not gains):
                break
        return found

    def _tried(
        self, probes: int, candidates: int, rescored: int, doubt: float = 0.0, usual: int | None = None
    ) -> Setting:
        """Return a setting with its measured recall and its cost; ``usual`` candidates go to int8, all where not said."""
        share, _ = self._measured(probes, candidates, rescored, doubt)
        usual = candidates if usual is None else max(1, min(candidates, usual))
        return Setting(
            probes=probes,
            candidates=candidates,
            rescored=rescored,
            recall=share.recall,
            low=share.low,
            cost=self._cost(probes, usual, rescored),
            doubt=doubt,
            compared=usual,
        )

    def _measured(self, probes: int, candidates: int, rescored: int, doubt: float) -> tuple[Measurement, float]:
        """Return the recall of some widths, and how much was compared for a query."""
        k, vectors, found, work = self.k, self.asked.vectors, [], 0
        for start in range(0, len(vectors), BATCH):
            rows, scores, _, compared = self.funnel.search(
                vectors[start : start + BATCH],
                k=k + 1,
                candidates=candidates,
                doubt=doubt,
                rescored=rescored,
                probes=probes,
                lag=0.0 if self.pace is None else self.pace.lag(probes),
                mask=self.alive,
                threads=self.threads,
            )
            found.append(without(rows, scores, self.asked.sources[start : start + BATCH], k)[1])
            work += int(compared.sum())
            self.tick()
        every = np.concatenate(found) if found else np.empty((0, k), dtype=np.float32)
        return measured(found_shares(every, self.asked.scores[:, :k]), k), work / max(1, len(vectors))

    def _positions(self, probes: int) -> float:
        """Return how many positions a query looks at; rows that came after the cells are all looked at."""
        if self.pace is None:
            return float(self.rows)
        return self.rows - self.pace.all_rows + self.pace.rows(probes, len(self.asked.vectors))

    def _cost(self, probes: int, candidates: int, rescored: int) -> float:
        """Return what a setting costs."""
        costs = costs_for(self.rows, self.funnel.dim, self.funnel.code_dim)
        return costs.search(
            positions=self._positions(probes), cells=self.cells, candidates=candidates, rescored=rescored
        )


def _booleans(alive: Bits, count: int) -> Mask:
    """Return a boolean for each row; bits that are not there are rows that are not."""
    held = kernels.mask_of_bits(alive, min(count, len(alive) * 64))
    return np.pad(held, (0, count - len(held)))
