"""What changed on a primary since a commit, written to a replica within one transaction.

Deletions come before records, so that an id that was deleted and written again stays; a collection that was
dropped is dropped first, so that one made again under its name begins empty. Where a migration was cut over or rolled
back, the lanes change places between the deletions before it and those behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vicinal.errors import CorruptStoreError, ReplicaError
from vicinal.lifecycle.bridge.keeping import BRIDGE
from vicinal.lifecycle.equivalence import SETTING
from vicinal.space import Vectors
from vicinal.store import SWAPPED, Lane, Probe, Snapshot, Transaction, beside
from vicinal.types import Progress

RECORDS_AT_ONCE = 2000
"""Records, with their vectors, that are in memory at one time."""


@dataclass(slots=True)
class Carried:
    """How much was written: records, and deleted ids and collections."""

    records: int = 0
    deleted: int = 0


def carry(origin: Snapshot, transaction: Transaction, *, since: int, progress: Progress | None = None) -> Carried:
    """Bring a replica from one commit of its primary to another.

    Parameters
    ----------
    origin : Snapshot
        The primary, as of the commit to be reached.
    transaction : Transaction
        Of the replica, which stands at ``since``.
    since : int
        A commit of the primary; 0 for a replica that is empty.
    progress : callable, optional
        Called with (records written, records of the primary).

    Raises
    ------
    ReplicaError
        The two do not add up afterwards: the replica did not stand at ``since``. The transaction must not commit.
    """
    carried = Carried()
    for alias in transaction.aliases():  # what it stands for may be dropped, and a collection may take its name
        transaction.drop_alias(alias)
    _carry_deletions(origin, transaction, since, carried)
    for name in set(transaction.collection_names()) - set(origin.collection_names()):
        raise disagreement(name)
    lanes = [origin.lane(name) for name in origin.collection_names()]
    total = sum(lane.records for lane in lanes)
    for lane in lanes:
        target = _same_lane(lane, transaction)
        _carry_identity(origin, transaction, lane)
        for change in origin.changes(lane, since, at_once=RECORDS_AT_ONCE):
            if change.in_place:
                transaction.relabel(target, change.records)
            else:
                target = transaction.put(
                    target, change.records, Vectors(change.vectors, lane.space), replace_existing=True
                )
            carried.records += len(change.records)
            if progress is not None:
                progress(carried.records, total)
        _require_same(lane, transaction.lane(lane.name))
    _carry_settings(origin, transaction, lanes)
    for alias, target_name in origin.aliases().items():
        transaction.put_alias(alias, target_name)
    return carried


def _carry_deletions(origin: Snapshot, transaction: Transaction, since: int, carried: Carried) -> None:
    """Delete what was deleted since, and exchange what changed places, in the order of the commits."""
    if not transaction.collection_names():
        return
    pending: dict[str, list[str]] = defaultdict(list)
    for deletion in origin.deletions_since(since):
        name = deletion.collection
        if name == SWAPPED:
            for one in (deletion.id, beside(deletion.id)):
                _delete(transaction, one, pending.pop(one, []), carried)
            transaction.exchange(deletion.id)
        elif name not in transaction.collection_names():
            continue
        elif deletion.id:
            pending[name].append(deletion.id)
            if len(pending[name]) >= RECORDS_AT_ONCE:
                _delete(transaction, name, pending.pop(name), carried)
        else:
            pending.pop(name, None)
            transaction.drop_collection(name)
            carried.deleted += 1
    for name, ids in pending.items():
        _delete(transaction, name, ids, carried)


def _delete(transaction: Transaction, name: str, ids: Sequence[str], carried: Carried) -> None:
    if ids:
        carried.deleted += transaction.delete(transaction.lane(name), ids)


def _same_lane(lane: Lane, transaction: Transaction) -> Lane:
    """Return the replica's lane for one of the primary's, made where it is missing.

    Raises
    ------
    ReplicaError
        There is one of another space or chunker under that name.
    """
    if lane.name not in transaction.collection_names():
        return transaction.create_collection(lane.name, model=lane.model, space=lane.space, chunker=lane.chunker)
    found = transaction.lane(lane.name)
    if (found.space.id, found.chunker, found.model) != (lane.space.id, lane.chunker, lane.model):
        raise disagreement(lane.name)
    return found


def _carry_identity(origin: Snapshot, transaction: Transaction, lane: Lane) -> None:
    """Bring what tells whether a model is the right one: the canary of a space, and its projection."""
    probes = origin.canary(lane.space)
    if [_plain(probe) for probe in probes] != [_plain(probe) for probe in transaction.canary(lane.space)]:
        transaction.put_canary(lane.space, probes)
    if lane.space.projection:
        with suppress(CorruptStoreError):  # an encoder of the user's own may keep it to itself: then neither has it
            transaction.put_projection(lane.space.projection, origin.projection(lane.space.projection))


def _carry_settings(origin: Snapshot, transaction: Transaction, lanes: Sequence[Lane]) -> None:
    """Bring what is kept of each collection, and which spaces are the same: recall, sources, what was measured, a migration.

    Each database keeps it under its own numbers of the collections. Its past is each database's own.
    """
    numbers = {str(lane.collection): transaction.lane(lane.name).collection for lane in lanes}
    for lane in lanes:
        here = f"collection {numbers[str(lane.collection)]} "
        told = {}
        for name, value in origin.settings_of(lane.collection).items():
            word, _, other = name.partition(" ")
            if word != BRIDGE:
                told[here + name] = value
            elif other in numbers:
                told[f"{here}{BRIDGE} {numbers[other]}"] = value
        known = {here + name: value for name, value in transaction.settings_of(numbers[str(lane.collection)]).items()}
        _bring(transaction, told, known)
    shared = {SETTING: origin.setting(SETTING)}, {SETTING: transaction.setting(SETTING)}
    told, known = ({name: value for name, value in one.items() if value is not None} for one in shared)
    _bring(transaction, told, known)


def _bring(transaction: Transaction, told: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Let settings be as they are told; those that are so already are not written again."""
    for name in known.keys() - told.keys():
        transaction.remove_setting(name)
    for name, value in told.items():
        if known.get(name) != value:
            transaction.put_setting(name, value)


def _plain(probe: Probe) -> tuple[str, str, str, bytes]:
    return probe.role, probe.text, probe.runtime, probe.vector.tobytes()


def _require_same(lane: Lane, copy: Lane) -> None:
    """Refuse a replica whose sums are not the primary's."""
    if _sums(lane) != _sums(copy):
        raise disagreement(lane.name)


def _sums(lane: Lane) -> tuple[int, int, int, int]:
    return lane.records, lane.rows, lane.cut_records, lane.cut_chunks


def disagreement(name: str) -> ReplicaError:
    """Return the error of a replica that is not what its primary was."""
    return ReplicaError(
        f"Collection {name!r} of the replica is not what the primary's was at that commit: one of them was set back "
        "or written to. Nothing was changed; resync copies the primary anew.",
        where=name,
    )
