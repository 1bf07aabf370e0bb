"""Vectors against their texts: some passages are encoded again by the collection's own model."""

from __future__ import annotations

import random
import warnings
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from vicinal.errors import VicinalWarning
from vicinal.lifecycle.canary import LEAST_COSINE
from vicinal.lifecycle.ingest import WHOLE
from vicinal.lifecycle.verify.finding import Findings
from vicinal.space import Encoder
from vicinal.store import Lane, Snapshot, Store, StoredChunk, rows_of
from vicinal.types import Floats

DRAWN = 4
"""Rows that are drawn for each passage that is wanted: some may have vectors that no model made here."""
MOST_SAMPLED = 100_000
AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What is encoded again: how many passages, by which model, and the seed that chooses them.

    ``encoder`` is one that no cache answers for. ``is_wanted`` says that the user asked for it: then a model that fails is
    an error, else nothing is compared.
    """

    encoder: Encoder
    count: int
    seed: int
    is_wanted: bool


def check_sample(
    store: Store, collection: str, sampled: Sampled, findings: Findings, also: Collection[str] = ()
) -> int:
    """Compare stored vectors with those that the model gives the same passages now; return how many.

    Also those of some records. Left out are records that something else was found about, and those that came with vectors
    of their own where that can be told: such vectors need not be any model's.

    Raises
    ------
    VicinalError
        The model fails, and the user asked for it.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        known = set(findings.about("text", "span", "vector", "stale"))
        chosen = _chosen(store, snapshot, lane, sampled, also, known)
        stored = snapshot.vectors_at(lane, np.array(list(chosen), dtype=np.int64))
    if not chosen:
        return 0
    passages = list(chosen.values())
    try:
        with warnings.catch_warnings():  # that a text is cut was told when it was stored
            warnings.simplefilter("ignore", VicinalWarning)
            parts = [
                np.asarray(sampled.encoder.encode_documents([_text(one) for one in passages[start : start + AT_ONCE]]))
                for start in range(0, len(passages), AT_ONCE)
            ]
    except Exception:  # the user's own encoder may raise anything
        if sampled.is_wanted:
            raise
        return 0
    again = np.concatenate(parts)
    for place in np.flatnonzero(_differ(stored, again)):
        one = passages[place]
        findings.add(
            "encoded",
            one.record.id,
            f"its passage {one.start}:{one.end} encoded again lies at a cosine of {_cosine(stored[place], again[place]):.4f}",
        )
    return len(passages)


def _chosen(
    store: Store, snapshot: Snapshot, lane: Lane, sampled: Sampled, also: Collection[str], known: Collection[str]
) -> dict[int, StoredChunk]:
    """Return passages by their rows, drawn at random, and the first of each named record."""
    living = rows_of(store.view(snapshot, lane).alive)
    count = min(len(living), DRAWN * sampled.count)
    drawn = [int(living[place]) for place in random.Random(sampled.seed).sample(range(len(living)), count)]  # noqa: S311 - a sample, no secret
    named = [one.first_row for one in snapshot.chunks_of(lane, sorted(also)).values() if one.record.spans]
    found = snapshot.chunks_at(lane, [*named, *drawn])
    ledger = snapshot.ledger(lane, sorted({one.record.id for one in found.values()}))
    made_here = {one for one, entry in ledger.items() if one not in known and (entry.origin or entry.chunker != WHOLE)}
    fitting = [row for row in dict.fromkeys([*named, *drawn]) if row in found and found[row].record.id in made_here]
    return {row: found[row] for row in fitting[: sampled.count + len(named)]}


def _text(passage: StoredChunk) -> str:
    return passage.record.text[passage.start : passage.end]


def _differ(stored: Floats, again: Floats) -> np.ndarray:
    """Return which vectors lie further apart than two of one length at the canary's cosine (N,)."""
    lengths = np.maximum(np.linalg.norm(stored, axis=1), np.linalg.norm(again, axis=1))
    apart = np.linalg.norm(stored - again, axis=1)
    return np.asarray(~(apart <= np.sqrt(2 * (1 - LEAST_COSINE)) * lengths))  # also where one is not finite


def _cosine(one: Floats, other: Floats) -> float:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
