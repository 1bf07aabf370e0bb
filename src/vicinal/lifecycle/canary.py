"""The canary: probe texts whose vectors are kept with a space, and compared whenever its encoder is loaded again.

A pin proves the files of a model; nothing but its vectors proves a provider's model, a runtime, or a function.
What answers under the same name with other vectors is caught here, before it writes or answers anything.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np

from vicinal.errors import CanaryMismatchError, VicinalWarning
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


def settle(store: Store, encoder: Encoder, *, collection: str) -> tuple[Probe, ...]:
    """Return the canary of an encoder's space: the one that is kept, if the encoder keeps to it, or a new one.

    Parameters
    ----------
    store : Store
        Only read: whoever makes a space, or finds it without a canary, writes what this returns.
    encoder : Encoder
        The one that calls its model, not one behind a cache: that would only tell what the model gave before.
    collection : str
        Whose encoder it is to be, for the message.

    Raises
    ------
    CanaryMismatchError
        The encoder puts a probe elsewhere than where it lies.
    """
    with store.snapshot() as snapshot:
        kept = snapshot.canary(encoder.space)
    verify(kept, encoder, collection=collection)
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
        1 where both are zero: a text in which the model knows nothing, then and now.
    """
    now = _encoded(encoder, [(probe.role, probe.text) for probe in probes])
    kept = np.stack([probe.vector for probe in probes])
    lengths = np.linalg.norm(now, axis=1) * np.linalg.norm(kept, axis=1)
    both_zero = ~now.any(axis=1) & ~kept.any(axis=1)
    products = np.einsum("nd,nd->n", now, kept)
    if not encoder.space.normalized:  # then the length counts as well: the shorter over the longer
        spans = np.stack([np.linalg.norm(now, axis=1), np.linalg.norm(kept, axis=1)])
        products = products * spans.min(axis=0) / np.maximum(spans.max(axis=0), np.finfo(np.float32).tiny)
    return np.asarray(np.where(both_zero, 1, products / np.maximum(lengths, np.finfo(np.float32).tiny)), np.float32)


def verify(probes: Sequence[Probe], encoder: Encoder, *, collection: str) -> None:
    """Refuse an encoder that puts a probe elsewhere than where the collection's own encoder put it.

    Raises
    ------
    CanaryMismatchError
        A cosine is below ``LEAST_COSINE``.
    """
    if not probes:
        return
    found = cosines(probes, encoder)
    if float(found.min()) >= LEAST_COSINE:
        return
    off = int((found < LEAST_COSINE).sum())
    raise CanaryMismatchError(
        f"The model that answers for collection {collection!r} is not the one that made its vectors: of {len(found)} probe "
        f"texts {off} lie elsewhere now, the worst at a cosine of {float(found.min()):.4f}. Nothing was written and nothing "
        "is answered, since old and new vectors cannot be compared. Bring the former model or runtime back, "
        "or index the sources into a new database.",
        expected=f">= {LEAST_COSINE}",
        got=round(float(found.min()), 6),
        where=collection,
    )


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
