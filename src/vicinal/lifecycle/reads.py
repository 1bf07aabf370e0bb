"""Which records are read most: a bounded count of hits, kept in the process and saved with its writes now and then.

It is a hint for the order of a backfill and nothing else. Processes that only read save nothing; what they know is lost.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable

from vicinal.store import Snapshot, Store, Transaction

MOST_COUNTED = 4096
"""Records that are counted; where there are more, all counts are halved and the least are forgotten."""
MOST_SAVED = 1000
SAVED_EVERY_S = 60.0


class Reads:
    """The counts of one collection in this process. Safe for many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: dict[str, float] = {}
        self._fresh = False
        self._saved_at = time.monotonic()

    def note(self, ids: Iterable[str]) -> None:
        """Count hits. Cost: about a microsecond for ten."""
        counts = self._counts
        with self._guard:
            for one in ids:
                counts[one] = counts.get(one, 0.0) + 1.0
            self._fresh = True
            if len(counts) > MOST_COUNTED:
                self._counts = {one: count / 2 for one, count in counts.items() if count > 1}

    def counts(self) -> dict[str, float]:
        """Return what was counted here."""
        with self._guard:
            return dict(self._counts)

    def save(self, transaction: Transaction, name: str, *, due: bool = True) -> None:
        """Add what was counted to what is saved, in a commit that is made anyway; with ``due`` once a minute at most."""
        if not self._fresh or (due and time.monotonic() < self._saved_at + SAVED_EVERY_S):
            return
        with self._guard:
            counts, self._counts, self._fresh, self._saved_at = self._counts, {}, False, time.monotonic()
        known = saved(transaction, name)
        for one, count in counts.items():
            known[one] = known.get(one, 0.0) + count
        best = sorted(known.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_SAVED]
        transaction.put_setting(_setting(transaction, name), json.dumps(dict(best), separators=(",", ":")))


def reads_of(store: Store, name: str) -> Reads:
    """Return the counts of a collection, the same for all who have it open with a store."""
    found = store.kept.get(f"reads of {name}") or store.kept.setdefault(f"reads of {name}", Reads())
    assert isinstance(found, Reads)  # noqa: S101 - nobody else keeps anything under this name
    return found


def saved(snapshot: Snapshot, name: str) -> dict[str, float]:
    """Return the counts that are saved; none where they cannot be read: they are a hint."""
    text = snapshot.setting(_setting(snapshot, name))
    try:
        said = json.loads(text or "{}")
        return {str(one): float(count) for one, count in said.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def most_read(store: Store, name: str) -> list[str]:
    """Return the ids that were hit most, best first, by what is saved and what was counted here."""
    with store.snapshot() as snapshot:
        known = saved(snapshot, name)
    for one, count in reads_of(store, name).counts().items():
        known[one] = known.get(one, 0.0) + count
    return sorted(known, key=lambda one: (-known[one], one))


def _setting(snapshot: Snapshot, name: str) -> str:
    return f"collection {snapshot.lane(name).collection} reads"
