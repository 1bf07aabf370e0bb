"""Two spaces that are one: the same weights under two names, proven by vectors, and recorded with the evidence.

A space is told by digests (docs/adr/0002-space-identity.md), and digests differ where weights do not: a provider has none
to show, and a file that was written anew has others. Where a user says that two are the same, the other encoder encodes
the probe texts, and stored texts, and every vector must lie where the stored one lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from vicinal.errors import InputError, NotFoundError, SpaceMismatchError, corrupt
from vicinal.lifecycle import canary, history
from vicinal.lifecycle.canary import LEAST_COSINE
from vicinal.lifecycle.chunks import has_context, in_turn, text_of
from vicinal.space import Encoder, Space
from vicinal.store import Lane, Probe, Snapshot, Store, Transaction, rows_of

SETTING = "equivalences"
MOST = 100
"""Equivalences of one database."""
BRIDGED = ("weights", "architecture", "tokenizer", "pooling", "full_dim")
"""What may differ: fields that say what made a vector, and that its vectors can prove. All others say how it is used."""
LONGEST_SHARE = 0.2
"""Of the stored texts that are tried: the longest, where windows and limits show."""
POOL = 8
"""Texts among which the longest are looked for, for each that is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Two spaces that were proven to be the same.

    Parameters
    ----------
    space, other : str
        The id of the space that is stored, and of the one whose encoder may serve it.
    model : str
        The name that loads the other's encoder, "" if it was given as an object.
    worst : float
        The lowest cosine of all texts that were encoded by the other.
    least : float
        What each had to reach.
    probes, texts : int
        How many probe texts and how many stored ones there were.
    asserted_at : str
        ISO 8601, in UTC.
    differing : tuple of str
        The fields in which both spaces differ.
    """

    space: str
    other: str
    model: str
    worst: float
    least: float
    probes: int
    texts: int
    asserted_at: str
    differing: tuple[str, ...]


def model_setting(lane: Lane) -> str:
    """Return the name of the setting that holds the model which serves a lane's space in place of its own."""
    return history.setting_of(lane.collection, f"model of {lane.space.id}")


def recorded(snapshot: Snapshot, store_path: object = "vicinal.sqlite") -> list[Equivalence]:
    """Return all equivalences of a database, the oldest first.

    Raises
    ------
    CorruptStoreError
        They cannot be read.
    """
    text = snapshot.setting(SETTING)
    if text is None:
        return []
    try:
        names = [field.name for field in fields(Equivalence)]
        return [
            Equivalence(**{**{name: one[name] for name in names}, "differing": tuple(one["differing"])})
            for one in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise corrupt(str(store_path), "the equivalences of spaces cannot be read") from error


def is_recorded(snapshot: Snapshot, space: Space, other: Space) -> bool:
    """Return whether the encoder of another space was proven to serve a space."""
    return any((one.space, one.other) == (space.id, other.id) for one in recorded(snapshot))


def prove(store: Store, space: Space, encoder: Encoder, *, model: str, samples: int, seed: int = 0) -> Equivalence:
    """Return the proof that an encoder gives the vectors of a space; nothing is recorded.

    Parameters
    ----------
    store : Store
        The database that has the space.
    space : Space
        The one that is stored.
    encoder : Encoder
        Of another space, in the settings of this one, and not behind a cache.
    model : str
        Its name.
    samples : int, 1 <= samples
        Stored texts that are tried, at most: drawn at random from all collections of the space, a fifth of them the
        longest of many more.
    seed : int

    Raises
    ------
    SpaceMismatchError
        They differ in a field that no vector proves, or a text lies elsewhere. ``fields`` names what differs.
    InputError
        Both are the same space already, or there is too little to prove it by.
    """
    if encoder.space == space:
        raise InputError(
            f"{model or 'The encoder'} is in space {space.id} itself; nothing is to be proven.", where="model"
        )
    _require_alike(space, encoder.space)
    with store.snapshot() as snapshot:
        probes = snapshot.canary(space)
        texts = _stored(store, snapshot, space, samples, seed)
        is_empty = not any(lane.rows for lane in lanes_of(snapshot, space.id))
    _require_evidence(space, probes, texts, is_empty=is_empty)
    found = canary.cosines([*probes, *texts], encoder)
    worst, moved = float(found.min()), int((found < LEAST_COSINE).sum())
    differing = tuple(space.diff(encoder.space))
    if moved:
        raise SpaceMismatchError(
            f"{model or 'The encoder'} is not the encoder of space {space.id}: of {len(probes)} probe texts and "
            f"{len(texts)} stored ones {moved} lie elsewhere, the worst at a cosine of {worst:.4f} where {LEAST_COSINE} is "
            "asked for. Nothing was recorded. Carry the collection over with vicinal migrate.",
            fields=differing,
            expected=f">= {LEAST_COSINE}",
            got=round(worst, 6),
            where=space.id,
        )
    return Equivalence(
        space=space.id,
        other=encoder.space.id,
        model=model,
        worst=worst,
        least=LEAST_COSINE,
        probes=len(probes),
        texts=len(texts),
        asserted_at=history.now(),
        differing=differing,
    )


def record(transaction: Transaction, proof: Equivalence) -> None:
    """Keep a proof, in place of an older one of the same spaces.

    Raises
    ------
    InputError
        There are ``MOST`` already.
    """
    known = [one for one in recorded(transaction) if (one.space, one.other) != (proof.space, proof.other)]
    if len(known) >= MOST:
        raise InputError(f"There are {MOST} equivalences already; withdraw one.", expected=f"<= {MOST}", where="model")
    _put(transaction, [*known, proof])


def withdraw(transaction: Transaction, space: str, other: str) -> Equivalence:
    """Forget that two spaces are the same, and let collections load their own model again; return what was recorded.

    Raises
    ------
    NotFoundError
        No such equivalence is recorded.
    """
    known = recorded(transaction)
    gone = next((one for one in known if one.space == space and other in {one.other, one.model}), None)
    if gone is None:
        listed = ", ".join(f"{one.space} {one.model or one.other}" for one in known) or "none"
        raise NotFoundError(
            f"Spaces {space} and {other} are not recorded as the same. Recorded are: {listed}.", where=space
        )
    _put(transaction, [one for one in known if one is not gone])
    for lane in lanes_of(transaction, space):
        if transaction.setting(model_setting(lane)) == gone.model:
            transaction.remove_setting(model_setting(lane))
    return gone


def serve(transaction: Transaction, lanes: Iterable[Lane], model: str) -> None:
    """Let collections load another model than their own from now on."""
    for lane in lanes:
        transaction.put_setting(model_setting(lane), model)


def lanes_of(snapshot: Snapshot, space: str) -> list[Lane]:
    """Return the lanes of a space, by the names of their collections."""
    lanes = [snapshot.lane(name) for name in snapshot.collection_names()]
    return [lane for lane in lanes if lane.space.id == space]


def _put(transaction: Transaction, known: Sequence[Equivalence]) -> None:
    if known:
        transaction.put_setting(SETTING, json.dumps([asdict(one) for one in known], separators=(",", ":")))
    else:
        transaction.remove_setting(SETTING)


def _require_alike(space: Space, other: Space) -> None:
    """Refuse spaces that differ in what no vector of a text can prove."""
    unproven = {name: pair for name, pair in space.diff(other).items() if name not in BRIDGED}
    if unproven:
        told = "; ".join(
            f"{name}: {mine!r:.60} here, {theirs!r:.60} there" for name, (mine, theirs) in unproven.items()
        )
        raise SpaceMismatchError(
            f"Space {space.id} and space {other.id} cannot be the same: they differ in {told}. "
            "Only what made the vectors may differ, not how they are used.",
            fields=tuple(unproven),
            expected=space.id,
            got=other.id,
            where=space.id,
        )


def _require_evidence(space: Space, probes: Sequence[Probe], texts: Sequence[Probe], *, is_empty: bool) -> None:
    """Refuse to prove anything by nothing: no texts, vectors that are all zero, or probes alone where vectors are stored."""
    if not any(one.vector.any() for one in [*probes, *texts]):
        raise InputError(
            f"Space {space.id} has neither a canary nor a stored text with a vector other than zero, so nothing can prove "
            "another encoder the same.",
            where=space.id,
        )
    if not is_empty and not any(one.vector.any() for one in texts):
        raise InputError(
            f"Space {space.id} has vectors, but no text of theirs is stored as it was encoded, so only {len(probes)} short probe "
            "texts could be compared: that is too little to prove another encoder the same. Make a new collection with it.",
            where=space.id,
        )


def _stored(store: Store, snapshot: Snapshot, space: Space, samples: int, seed: int) -> list[Probe]:
    """Return stored texts with their vectors, drawn from all collections of a space, the longest of many among them."""
    chance = np.random.default_rng(seed)
    lanes = [lane for lane in lanes_of(snapshot, space.id) if lane.rows and not has_context(lane.chunker)]
    found: list[Probe] = []
    for lane in lanes:
        wanted = -(-samples // len(lanes))
        rows = rows_of(store.view(snapshot, lane).alive)
        rows = np.sort(chance.permutation(rows)[: wanted * POOL])
        texts = ((row, text_of(chunk)) for row, chunk in in_turn(snapshot, lane, rows))
        filled = {row: len(text) for row, text in texts if text.strip()}
        by_length = sorted(filled, key=lambda row: -filled[row])
        longest = by_length[: round(wanted * LONGEST_SHARE)]
        rest = sorted(set(filled) - set(longest))
        chosen = sorted([*longest, *chance.permutation(rest)[: wanted - len(longest)].tolist()])
        at = np.array(chosen, dtype=np.int64)
        told = [text_of(chunk) for _, chunk in in_turn(snapshot, lane, at)]
        for text, vector in zip(told, snapshot.vectors_at(lane, at), strict=True):
            found.append(Probe(role="document", text=text, runtime="", vector=np.array(vector)))
    return found[:samples]
