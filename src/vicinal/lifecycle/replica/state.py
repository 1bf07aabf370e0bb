"""Where a replica stands in the history of its primary, kept in the same commit as what it holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vicinal.errors import CorruptStoreError, corrupt
from vicinal.store import Snapshot, Transaction
from vicinal.store.format import FOLLOWS

FOLLOWED = "followed"
"""The setting of a promoted replica: whom it has followed. Before that, ``FOLLOWS`` has all of its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whom a replica follows, and how far it is.

    Parameters
    ----------
    primary : str
        The primary's id in hexadecimal digits, "" before the first step.
    applied : int
        The commit of the primary that the replica equals, 0 before the first step.
    epoch : str
        The primary's setting of that name (see ``snapshots.EPOCH``), "" where it has none. The replica's own is another.
    promoted : bool
        Whether it is a primary itself by now.
    history : tuple of (str, int)
        The databases that it has followed, oldest first, each with the last commit that came from it.
    """

    primary: str = ""
    applied: int = 0
    epoch: str = ""
    promoted: bool = False
    history: tuple[tuple[str, int], ...] = ()

    def pack(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


def state_of(snapshot: Snapshot, folder: Path) -> State | None:
    """Return the state of a replica as of one commit, None for a database that never was one.

    Raises
    ------
    CorruptStoreError
        It cannot be read.
    """
    text = snapshot.setting(FOLLOWS) or snapshot.setting(FOLLOWED)
    if text is None:
        return None
    try:
        said = json.loads(text)
        history = tuple((str(primary), int(applied)) for primary, applied in said["history"])
        return State(
            primary=str(said["primary"]),
            applied=int(said["applied"]),
            epoch=str(said.get("epoch", "")),
            promoted=bool(said["promoted"]),
            history=history,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder) from error


def _unreadable(folder: Path) -> CorruptStoreError:
    return corrupt(folder, "what it says of its primary cannot be read")


def put_state(transaction: Transaction, state: State) -> None:
    """Write where a replica stands; a promoted one follows no more, and may be written to."""
    if state.promoted:
        transaction.remove_setting(FOLLOWS)
    transaction.put_setting(FOLLOWED if state.promoted else FOLLOWS, state.pack())
