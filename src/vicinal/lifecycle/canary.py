"""The canary: probe texts whose vectors are kept with a space, and compared whenever its encoder is loaded again.

A pin proves the files of a model; nothing but its vectors proves a provider's model, a runtime, or a function.
What answers under the same name with other vectors is caught here, before it writes or answers anything.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.errors import CanaryMismatchError, VicinalWarning
from vicinal.lifecycle import history, mismatch
from vicinal.space import Encoder, Space, runtime_of
from vicinal.store import Probe, Store
from vicinal.types import Floats

TEXTS = (
    ("document", "The cat sat on the warm stone wall."),
    ("document", "Cancel your subscription on the billing page before the first of the month."),
    ("document", "Aspirin inhibits the enzyme cyclooxygenase."),
    ("document", "def add(a, b): return a + b"),
    ("document", "In 1969, two people walked on the Moon for 2 h 31 min."),
    ("document", "Die Straßenbahn fährt heute nicht."),
    ("document", "東京は日本の首都です。"),
    ("document", "ERROR XJ-4821: disk full"),
    ("query", "how do I stop the bill"),
    ("query", "capital of Japan"),
    ("query", "cat"),
)
"""Roles and texts: prose, science, code, numbers, other languages and scripts, a code that no vocabulary has."""
LEAST_COSINE = 0.999
"""What each probe must keep. Worst cosines of all-MiniLM-L6-v2 against float32 over 2,500 texts: other float32 runtimes
1.000000, bfloat16 0.9997, 8-bit weights 0.999, 8-bit weights and activations 0.98 (docs/adr/0006-canary.md)."""

HISTORY = "canary"
"""The word of the setting in which checks are kept."""
NOTHING = "This space has no probe texts yet, so nothing was compared; the first use that can write makes them."
WAY_OUT = (
    "Bring the former model or runtime back (a provider often serves it under a dated name), take another model with "
    "vicinal migrate, or index the sources into a new database."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCheck:
    """What the probes of a collection's space show now.

    Parameters
    ----------
    checked_at : str
        ISO 8601, in UTC.
    same : bool
        Whether every probe lies where it lay: at a cosine of ``least`` or more.
    worst : float
        The lowest cosine; 1 where there are no probes.
    least : float
        What each must keep.
    probes, moved : int
        How many there are, and how many of them lie elsewhere.
    runtime, former_runtime : str
        What runs the model now, and what ran it when the probes were made.
    told : str
        What to do where the encoder has moved, or that there was nothing to compare, else "".
    """

    checked_at: str
    same: bool
    worst: float
    least: float
    probes: int
    moved: int
    runtime: str
    former_runtime: str
    told: str = ""


def settle(store: Store, encoder: Encoder, *, collection: str) -> tuple[Probe, ...]:
    """Return the canary of an encoder's space: the one that is kept, if the encoder keeps to it, or a new one.

    Parameters
    ----------
    store : Store
        Whoever makes a space, or finds it without a canary, writes what this returns; here only a mismatch is written.
    encoder : Encoder
        The one that calls its model, not one behind a cache: that would only tell what the model gave before.
    collection : str
        Whose encoder it is to be, for the message.

    Raises
    ------
    CanaryMismatchError
        The encoder puts a probe elsewhere than where it lies. The space is marked: see ``vicinal.lifecycle.mismatch``.
    """
    with store.snapshot() as snapshot:
        kept = snapshot.canary(encoder.space)
    found = check(kept, encoder, collection=collection)
    if not found.same:
        mismatch.put(store, encoder.space, checked_at=found.checked_at, worst=found.worst)
    _require_same(found, collection)
    return kept or make(encoder)


def make(encoder: Encoder) -> tuple[Probe, ...]:
    """Return the probe texts with the vectors that an encoder gives them; those beyond a window that refuses are left out."""
    probes = [(role, text) for role, text in TEXTS if _fits(encoder, text)]
    vectors = _encoded(encoder, probes)
    runtime = runtime_of(encoder)
    return tuple(
        Probe(role=role, text=text, runtime=runtime, vector=vector)
        for (role, text), vector in zip(probes, vectors, strict=True)
    )


def _fits(encoder: Encoder, text: str) -> bool:
    """Return whether a text is encoded, whatever the overflow rule; prompts of both roles have room beside it."""
    if encoder.space.overflow != "error":
        return True
    prompt = max(encoder.space.query_prompt, encoder.space.document_prompt, key=len)
    return int(encoder.count_tokens([prompt + text])[0]) <= encoder.max_tokens


def cosines(probes: Sequence[Probe], encoder: Encoder) -> Floats:
    """Return for each probe the cosine between the vector that is kept and the one that the encoder gives now.

    Where vectors keep their length, it is multiplied with the ratio of the lengths, the shorter over the longer.

    Returns
    -------
    float32 array of shape (N,)
        1 where both are zero: a text in which the model knows nothing, then and now. -1 where it gives no number.
    """
    now = _encoded(encoder, [(probe.role, probe.text) for probe in probes])
    kept = np.stack([probe.vector for probe in probes])
    lengths = np.linalg.norm(now, axis=1) * np.linalg.norm(kept, axis=1)
    both_zero = ~now.any(axis=1) & ~kept.any(axis=1)
    products = np.einsum("nd,nd->n", now, kept)
    if not encoder.space.normalized:  # then the length counts as well: the shorter over the longer
        spans = np.stack([np.linalg.norm(now, axis=1), np.linalg.norm(kept, axis=1)])
        products = products * spans.min(axis=0) / np.maximum(spans.max(axis=0), np.finfo(np.float32).tiny)
    found = np.where(both_zero, 1, products / np.maximum(lengths, np.finfo(np.float32).tiny))
    return np.asarray(np.where(np.isfinite(found), found, -1), np.float32)


def verify(probes: Sequence[Probe], encoder: Encoder, *, collection: str) -> None:
    """Refuse an encoder that puts a probe elsewhere than where the collection's own encoder put it.

    Raises
    ------
    CanaryMismatchError
        A cosine is below ``LEAST_COSINE``.
    """
    _require_same(check(probes, encoder, collection=collection), collection)


def _require_same(found: CanaryCheck, collection: str) -> None:
    if not found.same:
        raise CanaryMismatchError(
            found.told, expected=f">= {LEAST_COSINE}", got=round(found.worst, 6), where=collection
        )


def check(probes: Sequence[Probe], encoder: Encoder, *, collection: str) -> CanaryCheck:
    """Return where an encoder puts the probes now; nothing is refused here.

    Parameters
    ----------
    probes : sequence of Probe
        Those that are kept with the space.
    encoder : Encoder
        The one that calls its model, not one behind a cache.
    collection : str
        Whose encoder it is, for what is told.

    Notes
    -----
    For whoever is about to rely on an encoder for long, a migration for one: ``same`` first, or ``verify``, which raises.
    Cost: two small batches.
    """
    found = cosines(probes, encoder) if probes else np.ones(0, np.float32)
    worst = float(found.min(initial=1.0))
    moved = int((found < LEAST_COSINE).sum())
    told = (
        f"The model that answers for collection {collection!r} is not the one that made its vectors: of {len(found)} probe "
        f"texts {moved} lie elsewhere now, the worst at a cosine of {worst:.4f}. Nothing was written and nothing is "
        f"answered, since old and new vectors cannot be compared. {WAY_OUT}"
    )
    return CanaryCheck(
        checked_at=history.now(),
        same=not moved,
        worst=worst,
        least=LEAST_COSINE,
        probes=len(found),
        moved=moved,
        runtime=runtime_of(encoder),
        former_runtime=probes[0].runtime if probes else "",
        told=told if moved else "" if probes else NOTHING,
    )


def checked(store: Store, encoder: Encoder, *, collection: str, keep: bool = True) -> CanaryCheck:
    """Check an encoder against the canary of a collection's space, and keep what was found in its history.

    Where it has moved the space is marked, for all who have one of its collections open; else the mark is lifted.

    Parameters
    ----------
    store : Store
    encoder : Encoder
        In the collection's space, and not behind a cache.
    collection : str
    keep : bool
        Whether the check joins the history, the last ``history.MOST_ENTRIES`` of which stay.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        probes = snapshot.canary(lane.space)
    lane.space.require(encoder.space, what=f"the encoder that is checked for collection {collection!r}")
    found = check(probes, encoder, collection=collection)
    if found.same:
        mismatch.lift(store, lane.space)
    else:
        mismatch.put(store, lane.space, checked_at=found.checked_at, worst=found.worst)
    if keep:
        told = {name: getattr(found, name) for name in ("checked_at", "same", "probes", "moved", "runtime")}
        told["space"] = lane.space.id
        history.keep(store, lane.collection, HISTORY, {**told, "worst": round(found.worst, 7)})
    return found


def proof_of(probes: Sequence[Probe], space: Space) -> str:
    """Return a digest of the probes' vectors where only they tell which model it is, ``""`` where digests of files do."""
    if not space.weights.startswith("provider:"):
        return ""
    return hashlib.sha256(b"".join(probe.vector.tobytes() for probe in probes)).hexdigest()


def _encoded(encoder: Encoder, probes: Sequence[tuple[str, str]]) -> Floats:
    """Return the vectors of probes, one call for each role."""
    vectors = np.zeros((len(probes), encoder.space.dim), dtype=np.float32)
    for role, encode in (("document", encoder.encode_documents), ("query", encoder.encode_queries)):
        rows = [row for row, (one, _) in enumerate(probes) if one == role]
        with warnings.catch_warnings():  # a probe may be unknown to a model, or longer than its window: then and now
            warnings.simplefilter("ignore", VicinalWarning)
            vectors[rows] = np.asarray(encode([probes[row][1] for row in rows]))
    return vectors
