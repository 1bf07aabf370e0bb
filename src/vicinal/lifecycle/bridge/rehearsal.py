"""What a bridge would answer, and what a full re-embedding would: asked for some questions, and nothing is written.

For each question the old collection answers as it does today, and its index fetches what the bridge asks for. What was
fetched, the records that are known to be right, and those that the bridge was fitted on are encoded: the pool. The cascade
ranks what was fetched, the full new collection all of the pool. Where the pool is the whole collection, that is exactly what
a migration will give; where it is a part, a full re-embedding has more to confuse it with, and gives at most so much.
The cascade is the cascade of the whole collection in either case.
"""

from __future__ import annotations

import time
from collections.abc import Collection as Sized
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vicinal.chunk import Chunker
from vicinal.encode import uncached
from vicinal.errors import EncodeError, InputError
from vicinal.lifecycle.asking import ask
from vicinal.lifecycle.bridge.backfill import Missing
from vicinal.lifecycle.bridge.cascade import CANDIDATES
from vicinal.lifecycle.bridge.fetching import Memory, candidates_of
from vicinal.lifecycle.bridge.fitting import Fitted, fit
from vicinal.lifecycle.bridge.pairs import SAMPLE, Pairs, sample_pairs
from vicinal.lifecycle.ingest import WHOLE, cut_up, to_encode
from vicinal.lifecycle.question import Question
from vicinal.search.shape import Shape
from vicinal.space import Encoder, Vectors
from vicinal.store import Store
from vicinal.types import Chunk, Document, Floats, Progress

DEPTH = 100
"""Records that each side is ranked to."""
MOST_ENCODED = 20_000
RECORDS_AT_ONCE = 64
TIMED_CHUNKS = 8

Ranked = Mapping[str, float]
"""Record id → score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The answers of three searches to the same questions, and what they took.

    Parameters
    ----------
    old, cascade, full : mapping
        Query id → record id → score: by the old vectors, by the bridge, by the new model over the pool.
    fitted : Fitted
    pool, records : int
        Records that were encoded, and those that the collection has.
    chunks_encoded : int
        Chunks that the new model read.
    chunk_s : float
        Seconds that it takes for one, measured on a few without a cache.
    fit_s : float
        Seconds that the fitting took beside the encoding.
    fetched : mapping
        Query id → how many chunks would have to be encoded for its first answer.
    reuse : float
        The share of what was fetched that an earlier question of these had fetched already: the least that a store of
        misses will save once so many questions were asked.
    recall : float
        The share of the ten best of ``full`` that the bridge fetched.
    old_ms, bridge_ms : float
        Median times of a question by the old vectors, and of fetching by the bridge, encoding left out.
    left_out : int
        Questions that the budget did not reach.
    """

    old: Mapping[str, Ranked]
    cascade: Mapping[str, Ranked]
    full: Mapping[str, Ranked]
    fitted: Fitted
    pool: int
    records: int
    chunks_encoded: int
    chunk_s: float
    fit_s: float
    fetched: Mapping[str, int]
    reuse: float
    recall: float
    old_ms: float
    bridge_ms: float
    left_out: int

    @property
    def is_whole(self) -> bool:
        """Whether the pool is all of the collection, so that ``full`` is what a migration will give."""
        return self.pool >= self.records


def rehearse(  # noqa: PLR0913 - what is asked, by what, and how much of it
    store: Store,
    name: str,
    queries: Mapping[str, str],
    *,
    relevant: Mapping[str, Sized[str]],
    old_encoder: Encoder,
    encoder: Encoder,
    chunker: Chunker | None,
    recall: float,
    candidates: int = CANDIDATES,
    pairs: int = SAMPLE,
    most_encoded: int = MOST_ENCODED,
    seed: int = 0,
    progress: Progress | None = None,
) -> Rehearsal:
    """Return what the old vectors, a bridge and a full re-embedding answer to some questions.

    Parameters
    ----------
    store : Store
        Only read.
    name : str
        The collection.
    queries : mapping of str to str
        Query id → text. Asked in an order drawn by ``seed``, until the budget is spent.
    relevant : mapping
        Query id → ids of records that are in the pool whatever is fetched.
    old_encoder : Encoder
        The collection's own.
    encoder, chunker : Encoder, Chunker or None
        The new model, and what would cut the records up for it.
    recall : float
        As searches of the collection ask for.
    candidates : int, 1 <= candidates
    pairs : int, 2 <= pairs
        What the bridge is fitted on.
    most_encoded : int, 1 <= most_encoded
        Chunks that are encoded for questions at most, beside the pairs; one question is always asked.
    progress : callable, optional
        Called with (questions asked, questions), and before that with (pairs encoded, pairs).

    Raises
    ------
    RangeError
        The collection is too small to fit anything on.
    EncodeError
        A model failed.
    """
    run = _Run(store=store, name=name, encoder=encoder, chunker=chunker)
    paired = sample_pairs(store, name, encoder=encoder, sample=pairs, seed=seed, progress=progress)
    run.note(paired)
    begun = time.perf_counter()
    fitted = fit(paired.new, paired.old)
    fit_s = time.perf_counter() - begun
    run.take(dict.fromkeys(one for one, _, _ in paired.places), most=run.chunks + pairs)
    spent = run.chunks  # what the pairs and their records took is not the questions' budget
    order = np.random.default_rng(seed).permutation(len(queries))
    ids = [list(queries)[place] for place in order.tolist()]
    with store.snapshot() as snapshot:
        old_space = snapshot.lane(name).space
    asked: list[str] = []
    for query in ids:
        if asked and run.chunks - spent >= most_encoded:
            break
        text = queries[query]
        run.old(query, old_encoder, text, recall)
        vector = encoder.encode_queries([text])
        fetched = run.fetch(query, fitted.cross(vector, old_space), recall, candidates)
        run.vectors[query] = np.asarray(vector)[0]
        run.take({*fetched, *relevant.get(query, ())})
        asked.append(query)
        if progress is not None:
            progress(len(asked), len(queries))
    return run.report(asked, fitted, fit_s, left_out=len(queries) - len(asked))


@dataclass(slots=True, kw_only=True)
class _Run:
    """What has been encoded so far, and asked."""

    store: Store
    name: str
    encoder: Encoder
    chunker: Chunker | None
    known: dict[tuple[str, int, int], Floats] = field(default_factory=dict)
    pool: dict[str, Floats] = field(default_factory=dict)
    vectors: dict[str, Floats] = field(default_factory=dict)
    answers: dict[str, Ranked] = field(default_factory=dict)
    fetched: dict[str, list[str]] = field(default_factory=dict)
    old_ms: list[float] = field(default_factory=list)
    bridge_ms: list[float] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    chunks: int = 0
    texts: list[str] = field(default_factory=list)

    def note(self, pairs: Pairs) -> None:
        """Keep what was encoded for the fitting."""
        self.known = dict(zip(pairs.places, np.asarray(pairs.new), strict=True))
        self.chunks += pairs.encoded

    def old(self, query: str, encoder: Encoder, text: str, recall: float) -> None:
        """Ask the old vectors."""
        vector = encoder.encode_queries([text])
        question = Question(k=DEPTH, recall=recall, shape=Shape(per_record=1))
        begun = time.perf_counter()
        (found,) = ask(self.store, self.name, vector, question)
        self.old_ms.append((time.perf_counter() - begun) * 1000)
        self.answers[query] = {hit.id: hit.score for hit in found.items}

    def fetch(self, query: str, crossed: Vectors, recall: float, candidates: int) -> list[str]:
        """Return the ids of the records that the bridge fetches."""
        begun = time.perf_counter()
        with self.store.snapshot() as snapshot:
            lane, question = snapshot.lane(self.name), Question(k=candidates, recall=recall)
            found = candidates_of(self.store, snapshot, lane, crossed, question, most=candidates, memory=self.memory)
        self.bridge_ms.append((time.perf_counter() - begun) * 1000)
        self.fetched[query] = list(found.ids)
        return self.fetched[query]

    def take(self, ids: Sized[str], *, most: int | None = None) -> None:
        """Encode those of some records that are not in the pool; none are begun once ``most`` chunks were, of all."""
        new = sorted(one for one in ids if one not in self.pool)
        for start in range(0, len(new), RECORDS_AT_ONCE):
            if most is not None and self.chunks >= most:
                break
            self._take(new[start : start + RECORDS_AT_ONCE])

    def _take(self, ids: Sequence[str]) -> None:
        with self.store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            stored, entries = snapshot.chunks_of(lane, ids), snapshot.ledger(lane, ids)
        documents = [Missing(record=one.record, entry=entries[name]).document() for name, one in stored.items()]
        chunks = cut_up(documents, self.encoder, self.chunker)
        texts = to_encode(documents, chunks, self.encoder, WHOLE if self.chunker is None else self.chunker.id)
        places = [
            _place(document.id, chunk) for document, part in zip(documents, chunks, strict=True) for chunk in part
        ]
        wanted = list(zip(places, texts, strict=True))
        lacking = [(place, text) for place, text in wanted if place not in self.known]
        for (place, _), vector in zip(lacking, self._encoded([text for _, text in lacking]), strict=True):
            self.known[place] = vector
        taken = [text for place, text in wanted if self.known[place].any()]  # no refused ones
        self.texts += taken[: TIMED_CHUNKS - len(self.texts)]
        self.chunks += len(lacking)
        self._pooled(documents, chunks)

    def _pooled(self, documents: Sequence[Document], chunks: Sequence[Sequence[Chunk]]) -> None:
        nothing = np.empty((0, self.encoder.space.dim), dtype=np.float32)
        for document, part in zip(documents, chunks, strict=True):
            vectors = [self.known[_place(document.id, chunk)] for chunk in part]
            self.pool[document.id] = np.stack(vectors) if vectors else nothing

    def _encoded(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts; zeros for one that the model refuses."""
        try:
            return np.asarray(self.encoder.encode_documents(texts))
        except (InputError, EncodeError):
            if len(texts) == 1:
                return np.zeros((1, self.encoder.space.dim), dtype=np.float32)
            return np.concatenate([self._encoded([text]) for text in texts])

    def ranked(self, query: str, ids: Sequence[str]) -> Ranked:
        """Return the best of some records by the new model, each by its best chunk."""
        parts = [self.pool[one] for one in ids]
        owners = np.repeat(np.arange(len(ids)), [len(part) for part in parts])
        scores = np.concatenate(parts) @ self.vectors[query] if len(owners) else np.empty(0, np.float32)
        best = np.full(len(ids), -np.inf, dtype=np.float32)
        np.maximum.at(best, owners, scores)
        order = sorted(
            (place for place in range(len(ids)) if best[place] > -np.inf), key=lambda at: (-best[at], ids[at])
        )
        return {ids[place]: float(best[place]) for place in order[:DEPTH]}

    def chunk_s(self) -> float:
        """Return how long the model takes for a chunk, asked past any cache: the second of two tries."""
        took = 0.0
        for _ in range(2):
            begun = time.perf_counter()
            uncached(self.encoder).encode_documents(self.texts)
            took = time.perf_counter() - begun
        return took / max(1, len(self.texts))

    def report(self, asked: Sequence[str], fitted: Fitted, fit_s: float, *, left_out: int) -> Rehearsal:
        """Return what was found."""
        every = sorted(self.pool)
        full = {query: self.ranked(query, every) for query in asked}
        fetched = {query: self.fetched[query] for query in asked}
        total = sum(map(len, fetched.values()))
        union = {one for ids in fetched.values() for one in ids}
        tops = [(set(list(full[query])[:10]), set(fetched[query])) for query in asked]
        with self.store.snapshot() as snapshot:
            records = snapshot.lane(self.name).records
        return Rehearsal(
            old={query: self.answers[query] for query in asked},
            cascade={query: self.ranked(query, fetched[query]) for query in asked},
            full=full,
            fitted=fitted,
            pool=len(every),
            records=records,
            chunks_encoded=self.chunks,
            chunk_s=self.chunk_s(),
            fit_s=fit_s,
            fetched={query: sum(len(self.pool[one]) for one in fetched[query]) for query in asked},
            reuse=1 - len(union) / max(1, total),
            recall=sum(len(top & ids) for top, ids in tops) / max(1, sum(len(top) for top, _ in tops)),
            old_ms=float(np.median(self.old_ms)),
            bridge_ms=float(np.median(self.bridge_ms)),
            left_out=left_out,
        )


def _place(name: str, chunk: Chunk) -> tuple[str, int, int]:
    return name, chunk.start, chunk.end
