"""Every way to store some vectors, measured in one pass over them: bytes, neighbour recall, nDCG@10, time.

Letters: N documents, n of a block, Q queries, D dimensions, K neighbours, W places, F ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import share, whole_number
from vicinal.encode.shrink import fit_pca
from vicinal.errors import InputError
from vicinal.evaluate.frontier.advice import CONFIDENCE, Frontier
from vicinal.evaluate.frontier.batches import Batches
from vicinal.evaluate.frontier.bounds import Bounds
from vicinal.evaluate.frontier.choosing import Chosen, Numbers, checked_queries, given, stand_in
from vicinal.evaluate.frontier.labels import LISTED, Grades, Scorer
from vicinal.evaluate.frontier.nearest import Lists, best, within
from vicinal.evaluate.frontier.options import Estimate, Option, Values
from vicinal.evaluate.frontier.scanning import ShapeName, Way, finer_of, scan
from vicinal.evaluate.frontier.shapes import Asked, Coder, Shape
from vicinal.evaluate.frontier.storage import Storage, storages
from vicinal.evaluate.frontier.timing import TIMED_QUERIES, latencies
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Progress, Rows

MAX_K = 100
MAX_TIMES = 100
MAX_QUERIES = 5000
HALVINGS = 8
"""Random halves of a sample that tell how the loss grows with the number of documents."""
SPARE = 1.25
"""More places than twice those wanted, so that a half of the documents still fills them."""
PRIOR_LOSS = 0.01
"""Of a loss of this size half of the growth is believed: below it a few misses more or less decide."""
TIE = 1e-6
"""Of the largest score: a row within it of the last neighbour is as near."""


def measure(  # noqa: PLR0913 - what may be asked of one measurement
    documents: Floats | Iterable[Floats],
    queries: Floats | None = None,
    *,
    space: Space,
    k: int = 10,
    dims: Sequence[int] | None = None,
    precisions: Sequence[str] | None = None,
    cuts: Sequence[str] = ("pca", "first"),
    times: int = 10,
    loss: float = 0.01,
    samples: int = 200_000,
    query_samples: int = 500,
    grades: Grades | None = None,
    owners: Rows | None = None,
    scorer: Scorer | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Frontier:
    """Return what each way to store the documents' vectors costs and gives.

    Parameters
    ----------
    documents : float32 array of shape (N, D), or batches of shape (n, D)
        Batches are gone through three times; they may be mapped from files. 2 <= N.
    queries : float32 array of shape (Q, D), optional
        Default: documents, drawn at random. Then a document is no neighbour of its own.
    space : Space
        Of both. Its metric and whether it is normalized count.
    k : int, 1 <= k <= 100
        Neighbours that recall is of.
    dims, precisions, cuts
        As in ``storages``.
    times : int, 1 <= times <= 100
        ``times * k`` rows are put in order where a way says so.
    loss : float, 0 <= loss <= 1
        What may be lost where ``Frontier.recommend`` is not told: a share of what full float32 vectors give.
    samples : int, 100 <= samples
        Documents that are searched at most, drawn at random; judged ones are always among them.
    query_samples : int, 1 <= query_samples <= 5000
        Queries that are asked at most, drawn at random.
    grades : sequence of mappings, optional
        For each query the grades of judged documents by their number: then nDCG@10 is measured as well.
    owners : int64 array of shape (N,), optional
        The number of the document that each row is a chunk of, for the grades. Default: its own.
    scorer : callable, optional
        In place of grades: from rows (Q, L), best first, -1 behind the last, to values of the Q queries in [0, 1], NaN
        where nothing is judged. All queries are asked then, and all documents searched.
    seed : int, 0 <= seed
        Of every draw, and of the rotation of codes.
    progress : callable, optional
        Called with (documents done, documents to do).

    Returns
    -------
    Frontier

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        Documents or queries are no such matrices, or ``documents`` can be gone through only once.
    RangeError, UnknownNameError, InputError
        A number or a name is none of those, or arguments exclude one another.

    Notes
    -----
    Projections are fitted as ``encode.shrink.fit_pca`` does, uncentred, on at most 50,000 documents, evenly spread: the
    same that ``Collection.project`` fits, so what is measured is what applying gives.
    Cost: about N * Q * D products for each full-length way and less for shorter ones; 100,000 x 384 and 500 queries with
    all ways of three lengths take about a minute on one core. Memory: the fitted vectors (77 MB at 384), some 8 KB a query and way,
    and blocks of 4,096; no more for more documents.

    References
    ----------
    Jégou, Douze, Schmid 2011, "Product quantization for nearest neighbor search", section V, for recall against exact
    neighbours.
    """
    numbers = Numbers(
        k=whole_number(k, "k", low=1, high=MAX_K),
        times=whole_number(times, "times", low=1, high=MAX_TIMES),
        samples=whole_number(samples, "samples", low=100),
        query_samples=whole_number(query_samples, "query_samples", low=1, high=MAX_QUERIES),
        seed=whole_number(seed, "seed", low=0),
    )
    loss = share(loss, "loss")
    if scorer is not None and grades is not None:
        raise InputError("Give grades or a scorer, not both.", where="scorer")
    if queries is None and (grades is not None or scorer is not None):
        raise InputError("Judgements are about queries: give those queries.", where="queries")
    ways = storages(space.dim, dims=dims, precisions=precisions, cuts=cuts, metric=space.metric)
    batches = Batches(documents, space.dim)
    asked = None if queries is None else checked_queries(queries, space.dim)
    count = whole_number(batches.count(), "the number of documents", low=2)
    if asked is None:
        chosen = stand_in(numbers, batches, count, space.dim)
    else:
        chosen = given(numbers, batches, count, asked, grades=grades, owners=owners, scorer=scorer)
    return replace(_Measuring(numbers, space, chosen, ways).frontier(batches, progress), loss=loss)


class _Measuring:
    """One measurement: what is fitted once, and what the lists of a pass over the documents say."""

    def __init__(self, numbers: Numbers, space: Space, chosen: Chosen, ways: Sequence[Storage]) -> None:
        self._numbers, self._space, self._chosen = numbers, space, chosen
        self._shapes = _shapes(space, chosen.fitted, ways)
        self._ways = [way for way in ways if (way.cut, way.dim) in self._shapes]
        self._finer = finer_of(self._ways)
        searched = len(chosen.rows)
        self._k = min(numbers.k, searched - 1)
        self._candidates = min(numbers.times * self._k, searched)
        self._growth = chosen.count / searched
        self._coders: dict[ShapeName, Coder] = {}
        for name, shape in self._shapes.items():
            center = shape.of(chosen.fitted).mean(axis=0, dtype=np.float64).astype(np.float32)
            self._coders[name] = Coder(center=center, metric=space.metric, seed=numbers.seed)

    def frontier(self, batches: Batches, progress: Progress | None) -> Frontier:
        """Measure."""
        asked = {
            name: (shape, Asked(shape.of(self._chosen.queries), self._coders[name]))
            for name, shape in self._shapes.items()
        }
        lists = scan(batches, self._chosen, asked, self._ways, width=self._width(), progress=progress)
        recalls = np.stack([self._recall(way, lists) for way in self._ways])
        ndcgs = self._ndcgs(lists)
        times = self._times()
        seed = self._numbers.seed
        gains: Sequence[Estimate | None] = [None] * len(self._ways) if ndcgs is None else _estimates(ndcgs, seed)
        return Frontier(
            options=tuple(
                Option(storage=way, recall=recall, ndcg=ndcg, latency_ms=times[way][0], is_native=times[way][1])
                for way, recall, ndcg in zip(self._ways, _estimates(recalls, seed), gains, strict=True)
            ),
            space=self._space.id,
            k=self._k,
            times=self._numbers.times,
            documents=self._chosen.count,
            sampled=len(self._chosen.rows),
            queries=len(self._chosen.queries),
            judged=0 if ndcgs is None else ndcgs.shape[1],
            timed=len(self._chosen.fitted),
            is_held_out=self._chosen.is_held_out,
            seed=seed,
            recalls=recalls,
            ndcgs=ndcgs,
        )

    def _width(self) -> int:
        """Return how many places of each list are kept."""
        wanted = max(self._candidates, self._k, LISTED if self._chosen.scorer else 0)
        return math.ceil(wanted * 2 * SPARE) if self._growth > 1 else wanted

    def _recall(self, way: Storage, lists: Mapping[Way, Lists]) -> Values:
        """Return the neighbour recall of each query (Q,), at all documents."""
        name: Way = (way.cut, way.dim, way.precision)
        exact = lists["full", self._space.dim, "float32"]
        found = self._found_share(self._answered(way, lists[name]), exact)
        if self._growth <= 1 or found.mean() == 1:
            return found
        chance = np.random.default_rng(self._numbers.seed)
        halves = []
        for _ in range(HALVINGS):
            kept = chance.random(self._chosen.count) < 1 / 2
            half = _kept(lists[name], kept)
            halves.append(self._found_share(self._answered(way, half), _kept(exact, kept)).mean())
        loss, half_loss = 1 - float(found.mean()), 1 - float(np.mean(halves))
        a_doubling = max(loss - half_loss, 0) * loss / (loss + PRIOR_LOSS)
        grown = min(loss + a_doubling * math.log2(self._growth), 1.0)
        extended: Values = 1 - (1 - found) * (grown / loss)
        return extended

    def _answered(self, way: Storage, lists: Lists) -> Lists:
        """Return the lists in the order that a way gives: the best by its codes, put in order by finer rows."""
        if not way.rescored:
            return lists
        cut = best(lists, lists.scores, self._candidates)
        finer = self._finer[way.cut, way.dim, way.precision].index(way.rescored)
        return best(cut, cut.carried[1 + finer], self._candidates)

    def _found_share(self, answered: Lists, exact: Lists) -> Values:
        """Return the share of the k first that are as near as the k-th nearest, for each query."""
        true = exact.scores[:, : self._k]
        counts = np.isfinite(true).sum(axis=1)
        last = np.take_along_axis(true, np.maximum(counts - 1, 0)[:, None], axis=1)
        edge = np.where(np.isfinite(true), np.abs(true), 0).max(axis=1, keepdims=True) * TIE
        near = answered.carried[0][:, : self._k] >= last - edge
        near &= answered.rows[:, : self._k] >= 0
        shares = np.minimum(near.sum(axis=1), counts) / np.maximum(counts, 1)
        return np.where(counts > 0, shares, 1.0)

    def _ndcgs(self, lists: Mapping[Way, Lists]) -> Values | None:
        """Return nDCG@10 (F, judged) of the queries that have judgements; None where nothing is judged."""
        scorer = self._chosen.scorer
        if scorer is None:
            return None
        found = np.stack(
            [
                np.asarray(scorer(self._answered(way, lists[way.cut, way.dim, way.precision]).rows), dtype=np.float64)
                for way in self._ways
            ]
        )
        judged = ~np.isnan(found).any(axis=0)
        if judged.any() and not found[0, judged].any():
            raise InputError(
                "With full vectors no judged document is among the best of any query: the judgements are of other "
                "documents, or of other questions.",
                where="judged",
            )
        return found[:, judged] if judged.any() else None

    def _times(self) -> dict[Storage, tuple[float, bool]]:
        """Return for each way the milliseconds of a query, and whether native kernels served."""
        found: dict[Storage, tuple[float, bool]] = {}
        for name, shape in self._shapes.items():
            vectors, queries = shape.of(self._chosen.fitted), shape.of(self._chosen.queries[:TIMED_QUERIES])
            ways = [way for way in self._ways if (way.cut, way.dim) == name]
            timed = latencies(ways, vectors, queries, self._coders[name], k=self._k, candidates=self._candidates)
            found.update({way: (ms, is_native) for way, ms, is_native in timed})
        return found


def _shapes(space: Space, fitted: Floats, ways: Sequence[Storage]) -> dict[ShapeName, Shape]:
    """Return the cuts that the vectors can be brought to, full length first; too few vectors fit no projection."""
    names = list(dict.fromkeys((way.cut, way.dim) for way in ways))
    most = max((dim for cut, dim in names if cut == "pca" and dim < len(fitted)), default=0)
    matrix = fit_pca(Vectors(fitted, space), most).matrix if most else None
    has_units = space.normalized or space.metric == "cosine"
    found: dict[ShapeName, Shape] = {}
    for cut, dim in names:
        if cut == "full":
            found[cut, dim] = Shape(cut=cut, dim=dim, matrix=None, has_units=has_units and not space.normalized)
        elif cut == "first":
            found[cut, dim] = Shape(cut=cut, dim=dim, matrix=None, has_units=has_units)
        elif matrix is not None and dim <= most:
            part = np.ascontiguousarray(matrix[:, :dim])
            found[cut, dim] = Shape(cut=cut, dim=dim, matrix=part, has_units=has_units)
    return found


def _kept(lists: Lists, rows: NDArray[np.bool_]) -> Lists:
    """Return the lists without the rows that are not among some documents (N,)."""
    return within(lists, rows[np.maximum(lists.rows, 0)] & (lists.rows >= 0))


def _estimates(values: Values, seed: int) -> list[Estimate]:
    """Return the mean of each line of values (F, Q) with its interval."""
    drawn = Bounds(values.shape[1], seed=seed).means(values)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=1)
    means = values.mean(axis=1)
    return [
        Estimate(mean=float(mean), low=float(one), high=float(other))
        for mean, one, other in zip(means, np.minimum(low, means), np.maximum(high, means), strict=True)
    ]
