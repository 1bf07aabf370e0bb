"""Remove snapshots that are no longer wanted, and the pieces that only they had."""

from __future__ import annotations

import time
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, LockedError, RangeError
from vicinal.lifecycle.snapshots import lease
from vicinal.lifecycle.snapshots.manifest import BLOCKS, name_of, read_manifest, sequences
from vicinal.lifecycle.snapshots.place import Place, open_place
from vicinal.lifecycle.snapshots.restore import snapshots

GRACE_S = lease.LEASE_S
"""Pieces younger than that stay, whoever wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, and what became free.

    ``postponed`` is true when a snapshot was under way: then the pieces stay until the next time.
    """

    sequences: tuple[int, ...]
    pieces: int
    freed_bytes: int
    postponed: bool


def prune(
    where: Place | str | Path,
    *,
    keep_last: int = 1,
    older_than_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Pruned:
    """Remove old snapshots, then the pieces that no snapshot has any more.

    Parameters
    ----------
    where : Place, str or Path
        See ``open_place``.
    keep_last : int, 1 <= keep_last
        The newest so many stay whatever their age.
    older_than_s : float, optional
        Of the others, only those go that were taken longer ago; all of them without it.
    grace_s : float, 0 <= grace_s
        Pieces that were written less long ago stay, and a snapshot that showed no life for so long counts as dead.
        Less than the default only where no snapshot can be under way.

    Returns
    -------
    Pruned
        Beside a snapshot under way, the manifests go and the pieces stay: ``postponed``.

    Raises
    ------
    DtypeError, RangeError
        A number is none, or out of its range.
    CorruptSnapshotError
        A manifest that stays is damaged: nobody knows which pieces it needs, so none is removed.
    """
    keep_last = whole_number(keep_last, "keep_last", low=1)
    for name, value in (("older_than_s", older_than_s), ("grace_s", grace_s)):
        if value is not None:
            require_seconds(value, name)
    place = open_place(where)
    gone = _unwanted(place, keep_last, older_than_s)
    for sequence in gone:
        place.delete(name_of(sequence))
    if gone:
        place.settle()
    try:
        with lease.held(place, "sweep", grace_s=grace_s) as work:
            pieces, freed_bytes = _sweep(place, work, grace_s)
    except LockedError:
        return Pruned(sequences=gone, pieces=0, freed_bytes=0, postponed=True)
    return Pruned(sequences=gone, pieces=pieces, freed_bytes=freed_bytes, postponed=False)


def require_seconds(value: float, name: str) -> None:
    """Refuse what is no number of seconds, at least 0.

    Raises
    ------
    DtypeError, RangeError
        It is none, or below 0.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise DtypeError(
            f"{name} must be a number of seconds, got {type(value).__name__}.",
            expected="float",
            got=type(value).__name__,
            where=name,
        )
    if not value >= 0:
        raise RangeError(f"{name} must be >= 0, got {value}.", expected=">= 0", got=value, where=name)


def _unwanted(place: Place, keep_last: int, older_than_s: float | None) -> tuple[int, ...]:
    """Return the commits whose snapshots go."""
    now = time.time()
    old = [one for one in snapshots(place)[:-keep_last] if one.sound]
    return tuple(one.sequence for one in old if older_than_s is None or now - one.taken_at > older_than_s)


def _sweep(place: Place, work: lease.Lease, grace_s: float) -> tuple[int, int]:
    """Remove the pieces that no manifest names; return how many, and their bytes."""
    manifests = [read_manifest(place, sequence) for sequence in sequences(place)]
    named = {f"{BLOCKS}/{p}" for one in manifests if one is not None for file in one.files for p in file.pieces}
    before = work.began_at - grace_s
    pieces = freed_bytes = 0
    for one in list(place.names(BLOCKS)):
        if one.name not in named and one.written_at <= before:
            work.renew()
            place.delete(one.name)
            pieces, freed_bytes = pieces + 1, freed_bytes + one.size_bytes
    place.clean(older_than_s=grace_s)
    lease.remove_old(place, work, grace_s=max(grace_s, lease.LEASE_S))
    return pieces, freed_bytes
