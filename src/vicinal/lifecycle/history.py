"""What was found before: bounded lists of plain data, kept in the database beside what they are about.

Under ``collection <number> <word>`` in the settings, so that a dropped collection takes its history with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from vicinal.errors import LockedError, NoSpaceLeftError, ReadOnlyError, ReplicaError, corrupt
from vicinal.store import Snapshot, Store

MOST_ENTRIES = 500
"""Of one list; the oldest go first."""

Entry = dict[str, Any]


def setting_of(collection: int, word: str) -> str:
    """Return the name of the setting that holds a list of a collection."""
    return f"collection {collection} {word}"


def entries(snapshot: Snapshot, collection: int, word: str, *, store: Store) -> list[Entry]:
    """Return what was kept, the oldest first.

    Raises
    ------
    CorruptStoreError
        It cannot be read.
    """
    text = snapshot.setting(setting_of(collection, word))
    if text is None:
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise corrupt(store.path, f"the history {word!r} cannot be read")
    return found


def keep(
    store: Store, collection: int, word: str, entry: Mapping[str, Any], *, in_place_of: Mapping[str, Any] | None = None
) -> bool:
    """Add an entry to a list, in one commit; return whether it was kept: a database for reading keeps nothing.

    Parameters
    ----------
    in_place_of : mapping, optional
        Entries that have all of these values go: the same was only measured once more.
    """
    if store.read_only:
        return False
    with suppress(ReadOnlyError, ReplicaError, LockedError, NoSpaceLeftError), store.write() as transaction:
        known = entries(transaction, collection, word, store=store)
        known = without(known, in_place_of or {})
        text = json.dumps([*known, dict(entry)][-MOST_ENTRIES:], ensure_ascii=False, separators=(",", ":"))
        transaction.put_setting(setting_of(collection, word), text)
        return True
    return False


def without(known: Sequence[Entry], values: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that have not all of some values; all of them where no value is named."""
    return [one for one in known if not values or any(one.get(name) != value for name, value in values.items())]


def now() -> str:
    """Return this moment as ISO 8601 has it, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
