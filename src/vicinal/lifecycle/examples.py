"""Stored records as examples: the vector that stands for some and not for others, and how unrelated ones score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal.chunk import sentences
from vicinal.errors import RangeError, RecordNotFoundError, UnsupportedError
from vicinal.search.background import Background
from vicinal.search.negation import centroid, without
from vicinal.space import Encoder, Vectors
from vicinal.store import Lane, Snapshot, Store
from vicinal.types import Floats, Progress

SENTENCE_CHARS = 400
"""Of a first sentence, what is asked: text without stops would be a whole document."""


def moved(store: Store, name: str, like: Sequence[str], unlike: Sequence[str]) -> Vectors:
    """Return the vector to ask by for records like some and unlike others: shape (1, D).

    Raises
    ------
    RecordNotFoundError
        An id is not stored.
    UnsupportedError
        ``unlike`` in a space of distances.
    RangeError
        Nothing is left of the examples without what they are to be unlike, or these are too many.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        if unlike and lane.space.metric == "l2":
            raise UnsupportedError(
                "unlike takes a direction out of the examples, and a space of Euclidean distances has none."
            )
        wanted = _vectors_of(snapshot, lane, like)
        unwanted = _vectors_of(snapshot, lane, unlike) if unlike else wanted[:0]
        space = lane.space
    if space.metric == "l2":
        return Vectors(np.asarray(wanted.mean(axis=0, keepdims=True), dtype=np.float32), space)
    middle = centroid(wanted)
    if not middle.any():
        raise RangeError("The examples point in opposite directions: their mean is nothing.", where="like")
    return Vectors(without(middle, unwanted), space)


def _vectors_of(snapshot: Snapshot, lane: Lane, ids: Sequence[str]) -> Floats:
    """Return one vector for each record: the mean of its chunks, each at length 1 where directions count."""
    found = snapshot.chunks_of(lane, ids)
    missing = [one for one in ids if one not in found or not found[one].record.spans]
    if missing:
        raise RecordNotFoundError(
            f"{len(missing)} of the ids are not stored, {missing[0]!r} first.", got=missing[0], where=lane.name
        )
    each = [snapshot.vectors_at(lane, np.array(found[one].rows, dtype=np.int64)) for one in ids]
    if lane.space.metric == "l2":
        return np.stack([part.mean(axis=0) for part in each])
    return np.concatenate([centroid(part) for part in each])


def background(
    store: Store, name: str, encoder: Encoder, *, samples: int, seed: int, progress: Progress | None = None
) -> Background:
    """Return how first sentences score against chunks of other records.

    Each of the sampled records is asked by its first sentence, against the first chunk of each other one.

    Raises
    ------
    RangeError
        Fewer than two records with a text are stored.
    UnsupportedError
        The space is one of distances.
    """
    random = np.random.default_rng(seed)
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        if lane.space.metric == "l2":
            raise UnsupportedError("A background is of cosines or dot products, and this space is one of distances.")
        every = list(snapshot.ids(lane))
        chosen = [every[place] for place in sorted(random.permutation(len(every))[: 2 * samples].tolist())]
        found = [one for one in snapshot.chunks_of(lane, chosen).values() if one.record.text.strip()]
        found = [found[place] for place in random.permutation(len(found))[:samples].tolist()]
        if len(found) < 2:  # noqa: PLR2004 - a pair
            raise RangeError(
                f"A background needs two records with a text, and collection {name!r} has {len(found)}.",
                expected=">= 2",
                got=len(found),
                where=name,
            )
        rows = np.array([one.first_row for one in found], dtype=np.int64)
        chunks = Vectors(np.ascontiguousarray(snapshot.vectors_at(lane, rows)), lane.space)
    queries = encoder.encode_queries([_first_sentence(one.record.text) for one in found], progress=progress)
    scores = queries.similarity(chunks)
    return Background(scores[~np.eye(len(found), dtype=np.bool_)])


def _first_sentence(text: str) -> str:
    start, end = next((span for span in sentences(text) if text[slice(*span)].strip()), (0, len(text)))
    return text[start : min(end, start + SENTENCE_CHARS)].strip() or text.strip()[:SENTENCE_CHARS]
