"""The mark of a model that was found to be another one, for everybody who has a collection open that it serves.

Whoever finds it, by a check or by loading a model, writes the mark. Whoever has proven an encoder before proves it again
before the next use, in whatever process and collection; vectors that were made elsewhere are refused while it stands.
It is that of the weights: a projection of a space, or fewer of its dimensions, moves with it.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from vicinal.errors import LockedError, NoSpaceLeftError, ReadOnlyError, ReplicaError, corrupt
from vicinal.space import Space
from vicinal.store import Snapshot, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The last time that an encoder of some weights was found to be another one.

    Parameters
    ----------
    token : str
        Tells this time from every other.
    checked_at : str
        ISO 8601, in UTC.
    worst : float
        The lowest cosine of a probe.
    stands : bool
        False once a later check found the encoder to be the same again.
    """

    token: str
    checked_at: str
    worst: float
    stands: bool


def setting_of(space: Space) -> str:
    """Return the name of the setting that holds the mark of a space's weights."""
    return f"mismatch {hashlib.sha256(space.weights.encode()).hexdigest()[:32]}"


def of(snapshot: Snapshot, space: Space) -> Mismatch | None:
    """Return the mark of a space, None where no mismatch was ever found.

    Raises
    ------
    CorruptStoreError
        It cannot be read.
    """
    text = snapshot.setting(setting_of(space))
    if text is None:
        return None
    try:
        return Mismatch(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise corrupt("vicinal.sqlite", "the mark of a space cannot be read") from error


def put(store: Store, space: Space, *, checked_at: str, worst: float) -> None:
    """Mark the weights of a space; a database that cannot be written now is left as it is."""
    _keep(store, space, Mismatch(token=uuid4().hex, checked_at=checked_at, worst=round(worst, 7), stands=True))


def lift(store: Store, space: Space) -> None:
    """Let the mark of a space, if it has one, stand no more: a check found its encoder to be the same."""
    with store.snapshot() as snapshot:
        known = of(snapshot, space)
    if known is not None and known.stands:
        _keep(store, space, replace(known, stands=False))


def _keep(store: Store, space: Space, found: Mismatch) -> None:
    if store.read_only:
        return
    with suppress(ReadOnlyError, ReplicaError, LockedError, NoSpaceLeftError), store.write() as transaction:
        transaction.put_setting(setting_of(space), json.dumps(asdict(found), separators=(",", ":")))
