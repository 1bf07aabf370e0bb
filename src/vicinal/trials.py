"""Whether a collection's answers are any good, and whether others would be better: measured through the real search."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Sized
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from vicinal import encode
from vicinal._arrays import one_of, texts_list
from vicinal.chunk import Chunker
from vicinal.errors import ConflictError, InputError
from vicinal.evaluate.comparison import Comparison, Setting, compare
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Evaluation, evaluate
from vicinal.evaluate.frontier import Frontier, measure
from vicinal.evaluate.judgements import Judged, read_judged
from vicinal.evaluate.searcher import Answered
from vicinal.evaluate.unlabelled import known_items
from vicinal.lifecycle import WHOLE
from vicinal.lifecycle.derived import derived_of, stop_upkeep
from vicinal.lifecycle.ingest import chunker_for
from vicinal.lifecycle.project import gathered
from vicinal.lifecycle.question import FUSION
from vicinal.lifecycle.variant import bytes_of_vector, projected, reencoded, rounded
from vicinal.opened import following
from vicinal.search.fuse import Ranked, TunedWeight, tuned_weight
from vicinal.search.hybrid import FUSIONS, WEIGHTS, Fusion, Mode
from vicinal.searches import RerankerLike, Searches
from vicinal.space import Encoder
from vicinal.store import Store, rows_of
from vicinal.types import Document, Floats, Overflow, Progress, Where

Asked = Judged | str | Path
BENCH = "vicinal-bench-"
"""How the folders are called in which other forms of a collection are made."""
MOST_PROCESS = 1 << 31
ROWS_AT_ONCE = 4096
RECORDS_AT_ONCE = 500
ROWS_WITHOUT_INDEX = 20_000
"""Of so many a comparison builds no index: every vector is compared in about a millisecond."""


@dataclass(frozen=True, slots=True)
class _Documents:
    """A search whose answers are documents: the best chunk stands for its record, under the name that judgements use."""

    chosen: Searches
    options: Mapping[str, Any]
    about: Mapping[str, Any]
    names: Mapping[str, str]
    stored: Mapping[str, str]
    is_chunked: bool

    def documents(self, query: str, *, k: int) -> Answered:
        """Return the k best documents for a question."""
        hits = self.chosen.search(query, k=k, per_record=1 if self.is_chunked else None, **self.options)
        return Answered(
            ids=tuple(self.names.get(hit.id, hit.id) for hit in hits),
            scores=tuple(float(hit.score) for hit in hits),
            took_ms=hits.took_ms,
            complete=hits.complete,
        )

    def describe(self) -> Mapping[str, Any]:
        """Return what is searched, and how."""
        return self.about

    def holds(self, ids: Sized[str]) -> AbstractSet[str]:
        """Return those of the ids that are stored."""
        return {one for one in ids if one in self.stored or one in self.chosen}


@dataclass(slots=True)
class _Bench:
    """Where other forms of a collection are made for as long as they are compared; each once."""

    store: Store
    progress: Progress | None
    made: dict[tuple[Any, ...], Searches] = field(default_factory=dict)


class Trials(Searches):
    """The verbs of a collection that say whether it is worth it."""

    @following
    def evaluate(  # noqa: PLR0913 - as search, on judged queries
        self,
        judged: Asked,
        *,
        metrics: Sequence[str] = DEFAULT_METRICS,
        k: int = 100,
        where: Where | None = None,
        mode: Mode | None = None,
        fusion: Fusion | None = None,
        weight: float | None = None,
        rerank: RerankerLike | None = None,
        candidates: int | None = None,
        recall: float | None = None,
        exact: bool = False,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Return how good the answers to judged queries are, through the search that users have.

        Parameters
        ----------
        judged : Judged, or path
            Queries and judgements: see ``evaluate.judgements.read_judged``. A judged document is a record of that id, or
            the one whose id ends in ``#`` and it, as rows of a file have.
        metrics : sequence of str
            Such as ``ndcg@10``: see ``evaluate.metrics``.
        k : int, 1 <= k
            How many documents each query is answered with; the best chunk stands for its document.
        where, mode, fusion, weight, rerank, candidates, recall, exact
            As ``search``.
        seed : int, 0 <= seed
            What fixes the draws of the intervals.
        progress : callable, optional
            Called with (queries asked, queries).

        Returns
        -------
        Evaluation
            Per query and in the mean, with intervals, latency, and what was searched.

        Raises
        ------
        InputError
            The judgements cannot be read, no query has a relevant document, or a metric looks further than ``k``.
        """
        told = {"mode": mode, "fusion": fusion, "weight": weight, "rerank": rerank, "recall": recall, "where": where}
        options = {name: value for name, value in told.items() if value is not None}
        if candidates is not None or rerank is not None:
            options["candidates"] = k if candidates is None else candidates
        if exact:
            options["exact"] = True
        asked = _read(judged)
        searcher = self._searcher(asked, options)
        return evaluate(searcher, asked, metrics=metrics, k=k, seed=seed, progress=progress)

    @following
    def compare(  # noqa: PLR0913 - what is compared, on what, by what
        self,
        judged: Asked,
        settings: Sequence[Setting],
        *,
        metric: str = "ndcg@10",
        metrics: Sequence[str] | None = None,
        baseline: str | None = None,
        k: int = 100,
        seed: int = 0,
        allowed_loss: float = 0.01,
        progress: Progress | None = None,
    ) -> Comparison:
        """Return what each way to search gives on the same queries, which differences carry, and a verdict.

        Parameters
        ----------
        judged : Judged, or path
            As ``evaluate``.
        settings : sequence of Setting
            What differs: mode, model, dimension, precision, chunker, reranker, fusion, weight. What a setting does not say
            is as this collection has it. Other models, chunkers, dimensions and precisions are made of its records in a
            folder of their own, which is removed at the end; encodings are kept in the cache, so that they cost once.
        metric, metrics, baseline, k, seed, allowed_loss, progress
            As ``evaluate.comparison.compare``.

        Returns
        -------
        Comparison
            ``verdict``, tables, intervals, and ``write(folder)`` for the report.

        Notes
        -----
        A dimension is so many principal directions, fitted on the collection's own vectors; a precision is what such a
        storage leaves of each vector, without rescoring. This collection is not written to.
        """
        asked = _read(judged)
        with _bench(progress=None) as bench:

            def make(setting: Setting) -> _Documents:
                said = {"mode": setting.mode, "fusion": setting.fusion, "weight": setting.weight}
                options = {name: value for name, value in said.items() if value is not None}
                if setting.rerank not in {None, "none"}:
                    options |= {"rerank": setting.rerank, "candidates": min(k, 50)}
                formed = self._formed(setting, bench)
                return formed._searcher(asked, options, precision=setting.precision or "float32")  # noqa: SLF001 - of this class

            return compare(
                make,
                settings,
                asked,
                metric=metric,
                metrics=metrics,
                baseline=baseline,
                k=k,
                seed=seed,
                allowed_loss=allowed_loss,
                progress=progress,
            )

    @following
    def frontier(  # noqa: PLR0913 - what is measured, and on what
        self,
        *,
        judged: Asked | None = None,
        queries: Sequence[str] | None = None,
        dims: Sequence[int] | None = None,
        precisions: Sequence[str] | None = None,
        loss: float = 0.01,
        k: int = 10,
        samples: int = 200_000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Frontier:
        """Return what fewer dimensions and fewer bits would cost and lose, measured on the collection's own vectors.

        Parameters
        ----------
        judged : Judged, or path, optional
            Then nDCG@10 is measured as well.
        queries : list of str, optional
            Questions without judgements. Default: stored vectors stand in for them.
        dims : sequence of int, optional
            Dimensions to try. Default: the space's, and the three largest powers of two below it.
        precisions : sequence of str, optional
            Of ``evaluate.frontier.PRECISIONS``.
        loss : float, 0 <= loss <= 1
            The share of what full vectors give that may be lost, where ``recommend`` is not told.
        k : int, 1 <= k <= 100
            The neighbours that recall is of.
        samples : int, 100 <= samples
            Chunks that are searched at most.
        seed : int, 0 <= seed
        progress : callable, optional
            Called with (chunks done, chunks to do).

        Returns
        -------
        Frontier
            ``recommend()`` names the cheapest that loses no more, chosen on half of the queries and confirmed on the
            other.

        Raises
        ------
        InputError
            Both judged and other queries were given, or a number is wrong.
        """
        if judged is not None and queries is not None:
            raise InputError("Give judged or queries, not both: judgements come with their questions.", where="queries")
        asked = None if judged is None else _read(judged)
        texts = list(asked.queries.values()) if asked is not None else None
        if queries is not None:
            texts = texts_list(queries, "queries")
        vectors = None if texts is None else np.asarray(self.encoder.encode_queries(texts))
        with self._store.snapshot() as snapshot:
            snapshot.lane(self.name).space.require(self.space, what="the collection")
            rows = _StoredRows(self._store, self.name, snapshot.sequence)
        labels = {} if asked is None else self._labels(asked, rows)
        return measure(
            rows,
            vectors,
            space=self.space,
            k=k,
            dims=dims,
            precisions=precisions,
            loss=loss,
            samples=samples,
            seed=seed,
            progress=progress,
            **labels,
        )

    @following
    def tune(
        self,
        judged: Asked,
        *,
        fusion: Fusion = FUSION,
        k: int = 100,
        where: Where | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> TunedWeight:
        """Return the weight of meaning in ``hybrid`` that is best on half of judged queries, measured on the other half.

        Parameters
        ----------
        judged : Judged, or path
            As ``evaluate``.
        fusion : {"convex", "dbsf", "min_max", "rrf"}
            What the weight is for: give both to ``search``.
        k : int, 1 <= k
            Documents of each side.
        where
            As ``search``.
        seed : int, 0 <= seed
            Which half is held out.
        progress : callable, optional
            Called with (queries asked, queries).

        Returns
        -------
        TunedWeight
            Look at ``held_out`` beside ``held_out_default``: the gain on queries that the weight was not chosen on.

        Raises
        ------
        RangeError
            Fewer than two queries have a relevant document that is stored.
        """
        one_of(fusion, "fusion", tuple(FUSIONS))
        asked = _read(judged)
        names = self._names(asked)
        numbers: dict[str, int] = {}
        lists: list[tuple[Ranked, Ranked]] = []
        gains: list[dict[int, float]] = []
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
        each = 1 if lane.rows > lane.records else None
        for done, (query, text) in enumerate(asked.queries.items(), 1):
            sides = [self.search(text, k=k, mode=mode, where=where, per_record=each) for mode in ("dense", "lexical")]
            ranked = [
                (
                    np.array([numbers.setdefault(names.get(hit.id, hit.id), len(numbers)) for hit in side], np.int64),
                    np.array([hit.score for hit in side]),
                )
                for side in sides
            ]
            lists.append((ranked[0], ranked[1]))
            grades = asked.qrels.get(query, {})
            gains.append({numbers.setdefault(one, len(numbers)): grade for one, grade in grades.items() if grade > 0})
            if progress is not None:
                progress(done, len(asked))
        return tuned_weight(lists, gains, fusion=FUSIONS[fusion], default=WEIGHTS[fusion], seed=seed)

    def known_queries(self, queries: int = 200, *, seed: int = 0, kind: str = "sentence") -> Judged:
        """Return judged queries made of the collection's own records: each asks for the one it was made of.

        Parameters
        ----------
        queries : int, 1 <= queries <= 10,000
            How many at most.
        seed : int, 0 <= seed
            Which records.
        kind : {"sentence", "title", "heading", "keywords"}
            What of a record asks for it.

        Returns
        -------
        Judged
            Its name says of which kind the queries are. What was asked stands in the texts that are searched, which is
            kind to words: such queries compare searches of one kind better than words with meaning.

        Raises
        ------
        InputError
            No record has what is asked for.
        """
        return known_items(self._documents(), queries=queries, kind=kind, seed=seed).judged

    def _documents(self) -> Iterator[Document]:
        """Go through the records as documents, as of one commit."""
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            ids = list(snapshot.ids(lane))
            for start in range(0, len(ids), RECORDS_AT_ONCE):
                for found in snapshot.chunks_of(lane, ids[start : start + RECORDS_AT_ONCE]).values():
                    record = found.record
                    if record.text.strip():
                        yield Document(id=record.id, text=record.text, source=record.source, fields=record.fields)

    def _searcher(self, judged: Judged, options: Mapping[str, Any], *, precision: str = "float32") -> _Documents:
        """Return what is evaluated: this collection, by the names that the judgements use."""
        with self._store.snapshot() as snapshot:
            lane, sequence = snapshot.lane(self.name), snapshot.sequence
        names = self._names(judged)
        told = {name: value if isinstance(value, str | int | float) else str(value) for name, value in options.items()}
        about = {
            "space": self.space.id,
            "model": self.model or "an encoder object",
            "chunker": self._chunker_id,
            "dim": self.space.dim,
            "precision": precision,
            "bytes_per_vector": bytes_of_vector(self.space.dim, precision),
            "documents": lane.records,
            "chunks": lane.rows,
            "sequence": sequence,
            "recall": self.recall,
            **told,
        }
        return _Documents(
            chosen=self,
            options=options,
            about=about,
            names=names,
            stored={name: record for record, name in names.items()},
            is_chunked=lane.rows > lane.records,
        )

    def _names(self, judged: Judged) -> dict[str, str]:
        """Return record id → the name that judgements have for it: what stands behind the last ``#``, as rows of files have.

        Empty where the judgements name the records themselves. A name that two records would have is nobody's.
        """
        if all(one in self for one in judged.relevant()):
            return {}
        names = {record: record.rpartition("#")[2] for record in self.ids()}
        counts = Counter(names.values())
        return {record: name for record, name in names.items() if name != record and counts[name] == 1}

    def _labels(self, judged: Judged, rows: _StoredRows) -> dict[str, Any]:
        """Return the grades of each query by the number of a record, and the record's number of each chunk."""
        names = self._names(judged)
        numbers: dict[str, int] = {}
        owners = [numbers.setdefault(names.get(one, one), len(numbers)) for one in rows.owners()]
        grades = [
            {numbers[one]: max(0, grade) for one, grade in judged.qrels.get(query, {}).items() if one in numbers}
            for query in judged.queries
        ]
        return {"grades": grades, "owners": np.array(owners, dtype=np.int64)}

    def _formed(self, setting: Setting, bench: _Bench) -> Trials:
        """Return the collection that a setting asks for: this one, or one of its records in another form."""
        of_model = self._of_model(setting.model, setting.chunker, bench)
        return of_model._of_dim(setting, bench)._of_precision(setting, bench)  # noqa: SLF001 - of this class

    def _of_dim(self, setting: Setting, bench: _Bench) -> Trials:
        dim = setting.dim
        if dim is None or dim == self.space.dim:
            return self
        return self._kept(bench, ("dim", dim), lambda made: self._with_dim(bench, made, dim))

    def _of_precision(self, setting: Setting, bench: _Bench) -> Trials:
        precision = setting.precision
        if precision is None or precision == "float32":
            return self
        return self._kept(bench, ("precision", precision), lambda made: self._with_precision(bench, made, precision))

    def _kept(self, bench: _Bench, what: tuple[Any, ...], make: Callable[[str], Encoder]) -> Self:
        """Return another form of this collection, made where it is not yet."""
        key = (id(self._store), self.name, *what)
        if key not in bench.made:
            made = f"{len(bench.made)}"
            encoder = make(made)
            _settle(bench.store, made)
            bench.made[key] = type(self)(bench.store, made, base=self._base, encoder=encoder, proven=True)
        found = bench.made[key]
        assert isinstance(found, type(self))  # noqa: S101 - our own invariant: it was made there
        return found

    def _with_dim(self, bench: _Bench, made: str, dim: int) -> Encoder:
        return projected(
            self._store, self.name, bench.store, made, encoder=self.encoder, dim=dim, progress=bench.progress
        )

    def _with_precision(self, bench: _Bench, made: str, precision: str) -> Encoder:
        rounded(
            self._store,
            self.name,
            bench.store,
            made,
            encoder=self.encoder,
            precision=precision,
            progress=bench.progress,
        )
        return self.encoder

    def _of_model(self, model: str | None, chunker: str | None, bench: _Bench) -> Trials:
        """Return the records under another model or chunker."""
        if model in {None, self.model} and chunker in {None, self._chunker_id}:
            return self

        def make(made: str) -> Encoder:
            overflow = cast("Overflow", "chunk" if chunker not in {None, WHOLE} else self.space.overflow)
            is_own = model in {None, self.model} and overflow == self.space.overflow
            encoder = self.encoder if is_own else encode.cached(encode.load(model or self.model, overflow=overflow))
            cut = None if overflow != "chunk" else chunker_for(encoder) if chunker is None else Chunker.from_id(chunker)
            reencoded(self._store, self.name, bench.store, made, encoder=encoder, chunker=cut, progress=bench.progress)
            return encoder

        return self._kept(bench, ("model", model, chunker), make)


@dataclass(frozen=True, slots=True)
class _StoredRows:
    """The living vectors of a collection in batches, as often as they are asked for, in the order of their rows."""

    store: Store
    name: str
    sequence: int

    def __iter__(self) -> Iterator[Floats]:
        """Go through them."""
        with self.store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            if snapshot.sequence != self.sequence:
                raise ConflictError(f"Collection {self.name!r} was written to while it was measured. Ask again.")
            view = self.store.view(snapshot, lane)
            rows = rows_of(view.alive)
            for start in range(0, len(rows), ROWS_AT_ONCE):
                yield gathered(view, rows[start : start + ROWS_AT_ONCE])

    def owners(self) -> list[str]:
        """Return the id of the record that each is a chunk of."""
        with self.store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            ids = list(snapshot.ids(lane))
            found: dict[int, str] = {}
            for start in range(0, len(ids), RECORDS_AT_ONCE):
                stored = snapshot.chunks_of(lane, ids[start : start + RECORDS_AT_ONCE])
                found |= {row: one.record.id for one in stored.values() for row in one.rows}
        return [found[row] for row in sorted(found)]


def _settle(store: Store, name: str) -> None:
    """Make a collection ready to be timed: indexed where that pays, and with nothing that runs in the background."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
    derived = derived_of(store, lane)
    if lane.rows > ROWS_WITHOUT_INDEX:
        derived.upkeep(compact=False)
    derived.stop()


def _sweep(base: Path) -> None:
    """Remove what processes have left that were killed: their number is in the folder's name."""
    for folder in base.glob(f"{BENCH}*"):
        number = folder.name.removeprefix(BENCH).partition("-")[0]
        if not number.isdigit() or int(number) >= MOST_PROCESS:
            continue
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not _lives(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _bench(*, progress: Progress | None) -> Iterator[_Bench]:
    """Give a store that is gone at the end."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{BENCH}{os.getpid()}-") as folder:
        store = Store.open(Path(folder) / "bench")
        try:
            yield _Bench(store, progress)
        finally:
            stop_upkeep(store)
            store.close()


def _read(judged: Asked) -> Judged:
    return judged if isinstance(judged, Judged) else read_judged(judged)
