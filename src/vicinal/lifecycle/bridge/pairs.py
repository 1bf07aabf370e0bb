"""Texts with a vector in both spaces: chunks of the old collection, drawn at random, and what the new model says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.errors import EncodeError, InputError, RangeError
from vicinal.lifecycle.bridge.fitting import LEAST_PAIRS, Fitted, fit
from vicinal.lifecycle.project import gathered
from vicinal.space import Encoder, Vectors
from vicinal.store import Lane, Snapshot, Store, StoredChunk, rows_of
from vicinal.types import Floats, Progress

SAMPLE = 4_000
"""Pairs that a bridge is fitted on: on SciFact 1,000 lose up to 5 % of the cascade's nDCG@10 against 4,000
(50 candidates, 0.6 % with 200), and more gain none."""
ROWS_AT_ONCE = 500

Place = tuple[str, int, int]
"""A chunk: its record's id, and its span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Vectors of the same chunks in both spaces, row by row, and which chunks they are.

    ``encoded`` counts those that the new model read for it; the others had their vectors stored.
    """

    places: tuple[Place, ...]
    new: Vectors
    old: Vectors
    encoded: int


def fit_pairs(
    store: Store,
    old: str,
    *,
    encoder: Encoder,
    new: str | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fitted:
    """Return the bridge between a collection and a new model, fitted on some of its chunks; see ``sample_pairs``, ``fit``."""
    pairs = sample_pairs(store, old, encoder=encoder, new=new, sample=sample, seed=seed, progress=progress)
    return fit(pairs.new, pairs.old)


def sample_pairs(
    store: Store,
    old: str,
    *,
    encoder: Encoder,
    new: str | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Pairs:
    """Return chunks of a collection, drawn at random, with their vectors in both spaces.

    Parameters
    ----------
    store : Store
    old : str
        The collection; its vectors are read from the store, its model is not asked.
    encoder : Encoder
        The new model. Behind a cache, what it reads here costs nothing when the record is encoded later.
    new : str, optional
        A collection in the encoder's space, from which vectors of the same chunk of the same text are taken.
    sample : int, 2 <= sample
        How many chunks; all where there are fewer.
    seed : int, 0 <= seed
        Which.
    progress : callable, optional
        Called with (chunks encoded, chunks to encode).

    Raises
    ------
    RangeError
        The collection has fewer than two chunks with a text.
    SpaceMismatchError
        The new collection is not in the encoder's space.
    RemoteError
        The model's provider cannot be reached. A text that the model refuses is left out.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(old)
        view = store.view(snapshot, lane)
        alive = rows_of(view.alive)
        rows = np.sort(np.random.default_rng(seed).permutation(alive)[:sample])
        chunks = _chunks(snapshot, lane, rows.tolist())
        rows = np.array([row for row, chunk in chunks.items() if _text(chunk).strip()], dtype=np.int64)
        if len(rows) < LEAST_PAIRS:
            raise RangeError(
                f"Collection {old!r} has {len(rows)} chunks with a text; a bridge is fitted on {LEAST_PAIRS} at least, "
                "better on thousands.",
                expected=f">= {LEAST_PAIRS}",
                got=len(rows),
                where=old,
            )
        vectors = Vectors(gathered(view, rows), lane.space)
        known = {}
        if new is not None:
            target = snapshot.lane(new)
            target.space.require(encoder.space, what="the encoder of the bridge")
            known = _stored(snapshot, lane, target, [chunks[row] for row in rows.tolist()])
    places = [_place(chunks[row]) for row in rows.tolist()]
    asked = [row for row, place in zip(rows.tolist(), places, strict=True) if place not in known]
    found = _encoded(encoder, {_place(chunks[row]): _text(chunks[row]) for row in asked}, progress)
    known |= found
    kept = [at for at, place in enumerate(places) if place in known]
    if len(kept) < LEAST_PAIRS:
        raise RangeError(
            f"The new model takes {len(kept)} of {len(places)} sampled chunks of {old!r}; a bridge is fitted on "
            f"{LEAST_PAIRS} at least.",
            expected=f">= {LEAST_PAIRS}",
            got=len(kept),
            where=old,
        )
    return Pairs(
        places=tuple(places[at] for at in kept),
        new=Vectors(np.stack([known[places[at]] for at in kept]), encoder.space),
        old=Vectors(np.asarray(vectors)[kept], vectors.space),
        encoded=len(found),
    )


def _encoded(encoder: Encoder, texts: Mapping[Place, str], progress: Progress | None) -> dict[Place, Floats]:
    """Return the vectors of chunks; where the model refuses some, they are halved until the one is found, and left out."""
    try:
        found = np.asarray(encoder.encode_documents(list(texts.values()), progress=progress))
    except (InputError, EncodeError):
        if len(texts) == 1:
            return {}
        places = list(texts)
        halves = places[: len(places) // 2], places[len(places) // 2 :]
        return {
            place: vector
            for half in halves
            for place, vector in _encoded(encoder, {one: texts[one] for one in half}, None).items()
        }
    return dict(zip(texts, found, strict=True))


def _chunks(snapshot: Snapshot, lane: Lane, rows: Sequence[int]) -> dict[int, StoredChunk]:
    """Return the chunks of rows, in their order."""
    found: dict[int, StoredChunk] = {}
    for start in range(0, len(rows), ROWS_AT_ONCE):
        found |= snapshot.chunks_at(lane, rows[start : start + ROWS_AT_ONCE])
    return {row: found[row] for row in rows if row in found}


def _text(chunk: StoredChunk) -> str:
    return chunk.record.text[chunk.start : chunk.end]


def _place(chunk: StoredChunk) -> Place:
    return chunk.record.id, chunk.start, chunk.end


def _stored(snapshot: Snapshot, old: Lane, new: Lane, chunks: Sequence[StoredChunk]) -> dict[Place, Floats]:
    """Return the vectors that the new collection has of the same chunks of the same texts."""
    ids = list(dict.fromkeys(chunk.record.id for chunk in chunks))
    rows: dict[Place, int] = {}
    for start in range(0, len(ids), ROWS_AT_ONCE):
        part = ids[start : start + ROWS_AT_ONCE]
        before, after = snapshot.ledger(old, part), snapshot.ledger(new, part)
        for record_id, stored in snapshot.chunks_of(new, part).items():
            if after[record_id].text_digest == before[record_id].text_digest:
                spans = zip(stored.rows, stored.record.spans, strict=True)
                rows |= {(record_id, begin, end): row for row, (begin, end) in spans}
    wanted = [place for place in map(_place, chunks) if place in rows]
    vectors = snapshot.vectors_at(new, np.array([rows[place] for place in wanted], dtype=np.int64))
    return dict(zip(wanted, vectors, strict=True))
