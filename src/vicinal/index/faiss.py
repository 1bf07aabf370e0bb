"""Any index of FAISS behind the same contract: a factory string, such as ``HNSW32``, decides its kind.

::

    rows      0 ─────────────── coded ──────────────── coded rows ── new rows
    FAISS     graph, cells or codes: candidates                      compared exactly
    then      candidates compared exactly by their stored vectors         │
              └────────────── merged: score descending, row ascending ────┘

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal.errors import (
    DamagedIndexWarning,
    DtypeError,
    MissingExtraError,
    RangeError,
    RecallWarning,
    UnsupportedError,
    VicinalError,
)
from vicinal.index import effort, generation
from vicinal.index.effort import Effort
from vicinal.index.exact import ExactIndex
from vicinal.index.parts import checked_booleans, checked_queries, merged, metric_of
from vicinal.index.rows import Parts, RowMap
from vicinal.space import Space, Vectors
from vicinal.types import Bits, Floats, Mask, Neighbors, Progress, Rows

DEFAULT_FACTORY = "HNSW32"
DEFAULT_RECALL = 0.98
EXACT_ROWS = 1024
EXACT_PART = 20
"""So few rows, or so small a part of all, are compared one by one: no graph finds them as surely, few cells as soon."""
TAIL_ROWS = 16_384
"""New rows beyond so many, or beyond as many as are coded, are added: adding copies the index first."""
BLOCK_ROWS = 65_536
TRAINING_ROWS = 100_000
"""Rows that teach."""
GRAPH_FILTERED = 2
"""How many rows let through, for each of its width, a graph must have met for its answer to be trusted."""
CELLS_FILTERED = 16
"""How many rows let through, for each place, cells must have held, or half of what they hold without a filter."""
MORE = 1.25
"""How many more places are asked for than a filter leaves on average, where the kind cannot filter."""
JITTER = (0.5, 1.0)
"""How far vectors that ask are moved, in their lengths: one half so, one half so. HNSW16 at efSearch 32, recall of
vectors that it has never seen, of its own, and of its own moved by 0.5 and by 1: .898, .961, .948, .900 (20,000 x 24,
random); .999, 1.000, .994, .964 (20,000 x 64, 200 clusters). The estimate is to err on the low side."""
CHUNK_BYTES = 1 << 20
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What FAISS holds: its index, the row of each position, and how it was made."""

    native: Any
    coded: Rows
    factory: str
    rescored: bool
    dot: bool
    efforts: tuple[Effort, ...]


class FaissIndex:
    """Vectors searched by an index of FAISS, filtered, rescored, and completed by the rows that it has not seen.

    Made by ``build``, ``extended`` and ``open``. It never changes, so threads may share it.

    Notes
    -----
    What a filter leaves few of, and what FAISS has not been given, is compared exactly, so k places are filled where
    k rows are let through. Without ``rescored`` the scores are those of FAISS's codes: near the true ones.
    Memory: what the kind takes, and 8 bytes a row; the vectors stay mapped.
    """

    def __init__(self, held: _Held, parts: Parts, space: Space) -> None:
        self.space = space
        self._held = held
        self._exact = ExactIndex(parts, space)
        self._map = RowMap(parts, held.coded)
        self._tail = ExactIndex(self._map.behind, space)
        filled = bool(len(held.coded))
        self._knob: str = ""
        self._high: int = 0
        if filled:
            self._knob, self._high = _library().knob_of(held.native)
        self._selects = filled and _library().selects(held.native)
        self._told: set[float] = set()

    @property
    def can(self) -> frozenset[str]:
        """What it is able to do; ``approximate scores`` where nothing is rescored."""
        able = {"approximate", "filter", "insert", "mmap", "save"}
        return frozenset(able if self._held.rescored else able | {"approximate scores"})

    @classmethod
    def build(
        cls,
        parts: Parts,
        space: Space,
        *,
        factory: str = DEFAULT_FACTORY,
        rescored: bool = True,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Self:
        """Return an index of all rows of the parts, calibrated.

        Parameters
        ----------
        parts : sequence of (int, float32 array of shape (n, D))
            As ``ExactIndex`` takes them. Fewer than 1,024 rows are not given to FAISS at all.
        space : Space
            The space of the vectors, of any metric.
        factory : str
            The kind in FAISS's own words: ``HNSW32``, ``IVF1024,PQ32x4fs``, ``SQ8``.
        rescored : bool
            Whether candidates are compared again by their stored vectors.
        seed : int, 0 <= seed
            Settles samples and clusterings: equal seeds give equal indexes where one thread builds.
        threads : int, 1 <= threads
            How many build.
        progress : callable, optional
            Told of the rows that are in.

        Raises
        ------
        MissingExtraError
            faiss-cpu is not installed.
        UnsupportedError
            FAISS does not know the string, has no such kind for this metric, or too few rows came to teach it.
        DtypeError, ShapeError, RangeError
            The parts, the seed or the threads are none.

        Notes
        -----
        Cost: what the kind takes (a graph of a million rows: many minutes), and 200 exact searches to calibrate.
        """
        library = _library()
        seed = whole_number(seed, "seed", low=0, high=2**31 - 2)
        threads = whole_number(threads, "threads", low=1)
        if not isinstance(factory, str):
            raise DtypeError(
                f"factory must be a string of FAISS such as HNSW32, got {type(factory).__name__}.", where="factory"
            )
        ExactIndex(parts, space)  # refuses parts that are none
        with library.refusals(factory, "making it"):
            native, dot = _made(library, space, factory, seed)
        none = np.empty(0, dtype=np.int64)
        held = _Held(native=native, coded=none, factory=factory, rescored=rescored, dot=dot, efforts=())
        rows = RowMap(parts, none)
        if rows.new_count < EXACT_ROWS:
            return cls(held, parts, space)
        sample = rows.sampled(TRAINING_ROWS, seed)
        with library.refusals(factory, f"teaching it with {len(sample):,} rows"):
            library.train(native, _ready(sample, space), threads=threads)
        return cls(_filled(held, rows, space, threads, progress), parts, space).calibrated(seed=seed)

    @property
    def row_count(self) -> int:
        """The row number behind the last: the length of a mask."""
        return self._exact.row_count

    @property
    def coded_rows(self) -> int:
        """How many rows FAISS holds; those behind are compared exactly."""
        return len(self._held.coded)

    def info(self) -> dict[str, Any]:
        """Return what it is, as plain data."""
        return {
            "kind": "faiss",
            "factory": self._held.factory,
            "faiss": _library().VERSION,
            "metric": self.space.metric,
            "coded_rows": self.coded_rows,
            "new_rows": self._map.new_count,
            "dropped_rows": self._map.lost_count,
            "rescored": self._held.rescored,
            "knob": self._knob,
            "filters_inside": self._selects,
            "calibration": [asdict(one) for one in self._held.efforts],
        }

    def search(
        self,
        queries: Vectors,
        *,
        k: int,
        mask: Mask | Bits | None = None,
        recall: float = DEFAULT_RECALL,
        threads: int = 1,
    ) -> Neighbors:
        """Return the k stored vectors most similar to each query, as far as the kind finds them.

        Parameters
        ----------
        queries : Vectors, float32 of shape (Q, D)
            Q may be 0.
        k : int, 1 <= k
            How many; fewer are found when fewer are stored or let through.
        mask : bool array of shape (row_count,), or Bits, optional
            The rows that may be answers.
        recall : float, 0 < recall <= 1
            The share of the true neighbours to find; the calibration turns it into the kind's knob and a number of
            candidates. 1 compares everything exactly.
        threads : int, 1 <= threads
            How many share the queries.

        Returns
        -------
        Neighbors
            ``recall_estimate`` is what the calibration measured for this effort, without a filter.

        Raises
        ------
        SpaceMismatchError
            The queries are in another space.
        DtypeError, RangeError, ShapeError
            An argument is out of its range, or the mask does not fit the rows.
        UnsupportedError
            FAISS refused the search.

        Warns
        -----
        RecallWarning
            Once for each recall: the kind does not reach it.
        """
        array = checked_queries(queries, self.space)
        k, threads = whole_number(k, "k", low=1), whole_number(threads, "threads", low=1)
        recall = _checked_recall(recall)
        held = checked_booleans(mask, self.row_count)
        allowed = self._map.allowed(held)
        open_count = self.coded_rows if allowed is None else int(np.count_nonzero(allowed))
        if recall == 1 or not len(queries) or open_count <= max(EXACT_ROWS, self.coded_rows // EXACT_PART):
            return self._exact.search(queries, k=k, mask=held)
        width = effort.chosen(self._held.efforts, recall)
        places = width.places(k) if self._held.rescored else k
        if places * 4 >= open_count:
            return self._exact.search(queries, k=k, mask=held)
        self._tell(recall, width)
        knob, wanted = width.width(k, self._knob), 0
        if allowed is not None:
            places, wanted = self._filtered(places, knob, k)
            knob = math.ceil(knob * self.coded_rows / open_count)  # a graph or cell holds fewer that may be answers
        found, seen = self._approximate(array, k, (knob, places), allowed, threads)
        if self._map.new_count:
            tail_mask = None if held is None else held[: self._tail.row_count]
            found = merged([found, self._tail.search(queries, k=k, mask=tail_mask)], len(array), k)
        short = (seen < wanted) | (found.counts < min(k, self._map.living_count(held)))
        return self._completed(
            replace(found, recall_estimate=width.recall, complete=False), queries, k, held, np.flatnonzero(short)
        )

    def extended(self, parts: Parts) -> Self:
        """Return an index of parts that have grown at their end, or lost some of their rows; this one stays as it is.

        Few new rows are compared exactly. When they are more than 16,384, or than those that are coded, all are added
        to a copy; an index of fewer than 1,024 rows is then built.

        Raises
        ------
        DtypeError, ShapeError, RangeError, UnsupportedError
            The parts are none of this space, or FAISS refused them.

        Notes
        -----
        Cost: nothing a row mostly, and what the kind's adding costs for all new rows at once (16,384 rows of a graph:
        about ten seconds), with twice the memory meanwhile.
        """
        library, held = _library(), self._held
        grown = type(self)(held, parts, self.space)
        rows = RowMap(parts, held.coded)
        if rows.new_count < min(TAIL_ROWS, max(EXACT_ROWS, self.coded_rows)):
            return grown
        if not self.coded_rows:
            return self.build(parts, self.space, factory=held.factory, rescored=held.rescored)
        if not library.grows(held.native):
            return grown
        with library.refusals(held.factory, "copying it"):
            copied = replace(held, native=library.copied(held.native))
        return type(self)(_filled(copied, rows, self.space, 1, None), parts, self.space)

    def calibrated(self, *, sample: int = effort.SAMPLE, seed: int = 0, alive: Mask | Bits | None = None) -> Self:
        """Return the index with its efforts measured anew, by own vectors that are moved, and left out of their answer.

        Parameters
        ----------
        sample : int, 1 <= sample
            Vectors that ask.
        seed : int, 0 <= seed
            Which ones.
        alive : bool array of shape (row_count,), or Bits, optional
            The rows that may ask and be answers.

        Notes
        -----
        A vector that is itself in a graph is found too easily, so each is moved, by half or all of its length.
        A question that is unlike all that is stored is harder than these.
        Cost: ``sample`` exact searches, and some ten times as many of the kind's own.
        """
        held = checked_booleans(alive, self.row_count)
        allowed = self._map.allowed(held)
        coded = self._held.coded if allowed is None else self._held.coded[allowed]
        if len(coded) <= EXACT_ROWS:
            return self
        count = min(whole_number(sample, "sample", low=1), len(coded))
        own = np.sort(np.random.default_rng(seed).choice(coded, count, replace=False))
        among = np.zeros(self.row_count, dtype=np.bool_)
        among[coded] = True
        queries = Vectors(_moved(self._map.vectors(own), self.space, seed), self.space)
        true = _without(self._exact.search(queries, k=effort.SAMPLE_K + 1, mask=among).rows, own)

        def ask(knob: int, places: int) -> Rows:
            return _without(self._candidates(np.asarray(queries), (knob, places + 1), allowed, 1)[1], own)

        efforts = effort.measured(
            ask,
            true,
            knob=self._knob,
            high=self._high,
            nests=_library().nests(self._held.native),
            rescored=self._held.rescored,
            cell_rows=self.coded_rows / max(1, self._high),
        )
        return type(self)(replace(self._held, efforts=efforts), self._map.parts, self.space)

    def save(self, folder: Path, meta: Mapping[str, Any]) -> Path:
        """Publish the index as the newest generation of a folder, and return the generation's folder.

        Parameters
        ----------
        folder : Path
            Made if it is not there.
        meta : mapping
            Plain JSON that ``open`` hands to ``accepts``.

        Raises
        ------
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused; what was there is untouched.
        """
        held = self._held
        said = {
            "version": VERSION,
            "space": self.space.id,
            "factory": held.factory,
            "rescored": held.rescored,
            "dot": held.dot,
            "efforts": [list(astuple(one)) for one in held.efforts],
        }
        crc = 0

        def taken(piece: bytes) -> None:
            nonlocal crc
            crc = zlib.crc32(piece, crc)
            draft.append("faiss", np.frombuffer(piece, dtype=np.uint8))

        with generation.publish_stream(folder, meta) as draft:
            draft.put("rows", held.coded)
            _library().write(held.native, taken)
            draft.meta["faiss"] = {**said, "crc32": crc}
        return draft._path  # noqa: SLF001 - as generation.publish does

    @classmethod
    def open(
        cls,
        folder: Path,
        parts: Parts,
        space: Space,
        accepts: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> Self | None:
        """Return the newest index of a folder that is sound, of this space, and accepted by its meta; None without one.

        Rows that the index has not are compared exactly; rows that the parts have no longer are never answers.

        Raises
        ------
        MissingExtraError
            faiss-cpu is not installed.

        Warns
        -----
        DamagedIndexWarning
            A file is damaged, or this version of FAISS cannot read it; it is left aside.

        Notes
        -----
        Every byte is compared with a checksum before FAISS reads it, since bytes that rotted could make FAISS crash.
        A checksum stops no forger: open folders of your own, as with the database itself.
        Cost: two readings of the file.
        """
        library = _library()
        found = generation.latest(folder, lambda meta: _is_ours(meta, space) and accepts(meta))
        if found is None:
            return None
        try:
            held = _read(library, found)
        except VicinalError as error:
            warnings.warn(
                f"{found.path} is left aside until it is built again: {error}", DamagedIndexWarning, stacklevel=2
            )
            return None
        return cls(held, parts, space)

    def _candidates(
        self, queries: Floats, width: tuple[int, int], allowed: Mask | None, threads: int
    ) -> tuple[Floats, Rows]:
        """Return FAISS's numbers and rows for each query, as many places as the width says; its knob, then places."""
        knob, places = width
        if allowed is not None and not self._selects:  # then more are asked for, and what may not be is left out
            open_count = max(1, int(np.count_nonzero(allowed)))
            places = math.ceil(places * MORE * len(allowed) / open_count) + effort.SAMPLE_K
        bits = np.packbits(allowed, bitorder="little") if allowed is not None and self._selects else None
        library = _library()
        with library.refusals(self._held.factory, "searching it"):
            numbers, positions = library.search(
                self._held.native,
                _ready(queries, self.space),
                min(places, self.coded_rows),
                knob=min(max(knob, 1), self._high) if self._knob else 0,
                allowed=bits,
                threads=threads,
            )
        if allowed is not None and bits is None:
            positions[~allowed[positions]] = -1
        return numbers, np.where(positions >= 0, self._held.coded[positions], -1)

    def _filtered(self, places: int, knob: int, k: int) -> tuple[int, int]:
        """Return the places to ask for under a filter, and how few let through say that it hides the neighbourhood.

        A filter that leaves rows elsewhere than the query is cannot be told by its share alone: then the answers that
        come are few or far, and the query is compared exactly.
        """
        if not self._selects:
            return places, places
        if self._knob == "efSearch":  # it compares several times as many as it is wide
            places = max(places, GRAPH_FILTERED * knob)
            return places, places
        if self._knob == "nprobe":
            places = max(places, CELLS_FILTERED * k)
            return places, min(CELLS_FILTERED * k, knob * self.coded_rows // (2 * self._high))
        return places, k

    def _approximate(
        self, queries: Floats, k: int, width: tuple[int, int], allowed: Mask | None, threads: int
    ) -> tuple[Neighbors, Rows]:
        """Return the neighbours among the coded rows, and how many candidates each query had."""
        numbers, rows = self._candidates(queries, width, allowed, threads)
        seen = (rows >= 0).sum(axis=1)
        if not self._held.rescored:
            scores = numbers if self._held.dot else (-numbers if self.space.metric == "l2" else 1 - numbers / 2)
            return _ordered(rows, np.where(rows >= 0, scores, -np.inf).astype(np.float32), k), seen
        each = [
            self._rescored(queries[place : place + 1], np.unique(found[found >= 0]), k)
            for place, found in enumerate(rows)
        ]
        found, best, counts = zip(*each, strict=True)
        return Neighbors(rows=np.concatenate(found), scores=np.concatenate(best), counts=np.concatenate(counts)), seen

    def _rescored(self, query: Floats, rows: Rows, k: int) -> tuple[Rows, Floats, Rows]:
        """Return the best of some ascending rows by their stored vectors."""
        found, scores, counts = kernels.top_k(self._map.vectors(rows), query, k=k, metric=metric_of(self.space))
        found[found >= 0] = rows[found[found >= 0]]
        return found, scores, counts

    def _completed(self, found: Neighbors, queries: Vectors, k: int, held: Mask | None, short: Rows) -> Neighbors:
        """Return the answer with some queries asked exactly."""
        for place in short.tolist():
            exact = self._exact.search(queries[place : place + 1], k=k, mask=held)
            for mine, theirs in ((found.rows, exact.rows), (found.scores, exact.scores), (found.counts, exact.counts)):
                mine[place] = theirs[0]
        return found

    def _tell(self, recall: float, width: Effort) -> None:
        """Warn once of a recall that the kind does not reach."""
        if width.recall < recall and recall not in self._told:
            self._told.add(recall)
            warnings.warn(
                f"{self._held.factory} reaches a recall of {width.recall:.3f} here, not {recall}; "
                "choose a finer kind, or the built-in index.",
                RecallWarning,
                stacklevel=3,
            )


def _library() -> ModuleType:
    """Return what talks with FAISS.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        from vicinal.index import _faiss  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise MissingExtraError(
            "FAISS is not installed. Run: pip install 'vicinal[faiss]'", expected="faiss-cpu", where="faiss"
        ) from error
    return _faiss


def _made(library: ModuleType, space: Space, factory: str, seed: int) -> tuple[Any, bool]:
    """Return an empty index, and whether its numbers are dot products, not squared distances."""
    if space.metric != "l2":
        try:
            return library.made(space.dim, factory, dot=True, seed=seed), True
        except RuntimeError:
            if space.metric == "dot":
                raise
    return library.made(space.dim, factory, dot=False, seed=seed), False  # unit vectors: the same order


def _filled(held: _Held, rows: RowMap, space: Space, threads: int, progress: Progress | None) -> _Held:
    """Return what FAISS holds after the new rows were added."""
    library, done = _library(), 0
    added = [held.coded]
    if not library.grows(held.native):  # all at once, then
        ready = _ready(rows.sampled(rows.new_count, 0), space)
        with library.refusals(held.factory, "adding to it"):
            library.add(held.native, ready, threads=threads)
        return replace(held, coded=rows.new_rows)
    for first, vectors in rows.behind:
        for start in range(0, len(vectors), BLOCK_ROWS):
            block = vectors[start : start + BLOCK_ROWS]
            with library.refusals(held.factory, "adding to it"):
                library.add(held.native, _ready(block, space), threads=threads)
            added.append(np.arange(first + start, first + start + len(block), dtype=np.int64))
            done += len(block)
            if progress is not None:
                progress(done, rows.new_count)
    return replace(held, coded=np.concatenate(added))


def _ready(vectors: Floats, space: Space) -> Floats:
    """Return vectors as FAISS is given them: of unit length for the cosine."""
    if space.metric == "cosine" and not space.normalized:
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        vectors = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)
    return np.ascontiguousarray(vectors)


def _moved(vectors: Floats, space: Space, seed: int) -> Floats:
    """Return vectors moved by ``JITTER`` of their length in random directions, of unit length where all are."""
    noise = np.random.default_rng((seed, 1)).standard_normal(vectors.shape)
    noise *= (
        np.resize(JITTER, (len(vectors), 1))
        * np.linalg.norm(vectors, axis=1, keepdims=True)
        / np.linalg.norm(noise, axis=1, keepdims=True)
    )
    moved = vectors + noise
    if space.normalized:
        moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return moved.astype(np.float32)


def _ordered(rows: Rows, scores: Floats, k: int) -> Neighbors:
    """Return the first k places of answers, equal scores by ascending row."""
    order = np.lexsort((rows, -scores, rows < 0), axis=1)[:, :k]
    rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return Neighbors(rows=rows, scores=scores, counts=(rows >= 0).sum(axis=1))


def _without(rows: Rows, own: Rows) -> Rows:
    """Return (Q, K + 1) rows with each query's own left out, and one place less."""
    order = np.argsort(rows == own[:, None], axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :-1]


def _checked_recall(recall: object) -> float:
    if isinstance(recall, bool) or not isinstance(recall, int | float):
        raise DtypeError(
            f"recall must be a number, got {type(recall).__name__}.", expected="0 < recall <= 1", where="recall"
        )
    if not 0 < recall <= 1:
        raise RangeError(
            f"recall must be above 0 and at most 1, got {recall}.",
            expected="0 < recall <= 1",
            got=recall,
            where="recall",
        )
    return float(recall)


def _is_ours(meta: Mapping[str, Any], space: Space) -> bool:
    said = meta.get("faiss")
    return isinstance(said, dict) and said.get("version") == VERSION and said.get("space") == space.id


def _read(library: ModuleType, found: generation.Generation) -> _Held:
    """Return what a generation holds, its bytes proven first."""
    said, bytes_of = found.meta["faiss"], memoryview(found.arrays["faiss"])  # type: ignore[arg-type]  # a buffer
    crc = 0
    for start in range(0, len(bytes_of), CHUNK_BYTES):
        crc = zlib.crc32(bytes_of[start : start + CHUNK_BYTES], crc)
    if crc != said["crc32"]:
        raise UnsupportedError("its bytes do not match their checksum.", where=str(found.path))
    with library.refusals(said["factory"], "reading it"):
        native = library.read(bytes_of)
    coded = np.array(found.arrays["rows"], dtype=np.int64)
    if native.ntotal != len(coded):
        raise UnsupportedError("it holds another number of rows than it says.", where=str(found.path))
    return _Held(
        native=native,
        coded=coded,
        factory=said["factory"],
        rescored=said["rescored"],
        dot=said["dot"],
        efforts=tuple(Effort(*one) for one in said["efforts"]),
    )
