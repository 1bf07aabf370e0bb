"""Gone: which records a source does not have any more, and of which nobody knows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vicinal.lifecycle.sync.sources import Sources, covers, fixed_origin, remembered
from vicinal.store import Store
from vicinal.types import Skipped

SUSPICIOUS = ("binary", "database")
"""Reasons for which what was stored before is kept: a half-written file can look so."""


def gone_from(
    store: Store,
    collection: str,
    sources: Sources,
    origin: str,
    *,
    seen: Collection[str],
    skipped: Iterable[Skipped],
    as_of: int,
) -> list[str]:
    """Return the ids of the records that came from one of the sources of a run and that it no longer has.

    Not among them are those from a place that could not be read, for nobody knows; those that somebody wrote after
    ``as_of``, the commit before the sources were looked at; and those of files that are there and that another source
    gives, one that the collection remembers and that was not looked at.
    """
    unreadable = [one.source for one in skipped if one.failed or one.reason in SUSPICIOUS]
    named = set(unreadable)
    looked_at = set(sources.origins())
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        others = [one for one in remembered(snapshot, lane) if one not in looked_at]
        stored = [
            (line.id, line.origin, line.source)
            for line in snapshot.placed_from(lane, origin)
            if line.id not in seen and line.written <= as_of
        ]
    return [
        record_id
        for record_id, came_from, source in stored
        if not (
            _is_hidden(came_from, unreadable)
            or record_id in named
            or source in named
            or _is_anothers(came_from, others, sources.base)
        )
    ]


def torn(
    store: Store, collection: str, origin: str, *, skipped: Sequence[Skipped], seen: Collection[str]
) -> dict[int, Skipped]:
    """Return by its place in ``skipped`` what looks torn and gave records that are kept: those are holes."""
    found = {one.source: place for place, one in enumerate(skipped) if one.reason in SUSPICIOUS and not one.failed}
    if not found:
        return {}
    with store.snapshot() as snapshot:
        lines = snapshot.placed_from(snapshot.lane(collection), origin)
        kept = {
            one for line in lines if line.id not in seen for one in (line.source, line.origin, *_above(line.origin))
        }
    return {
        number: replace(skipped[number], failed=True, detail=f"{skipped[number].detail}; what it gave before is kept")
        for place, number in found.items()
        if place in kept
    }


def _above(origin: str) -> list[str]:
    """Return the folders above a file."""
    return [str(one) for one in PurePosixPath(origin).parents]


def _is_hidden(origin: str, unreadable: Sequence[str]) -> bool:
    """Return whether a place could not be read now: it, a folder above it, or a row inside of it."""
    if "." in unreadable and not origin.startswith("/"):
        return True  # the base itself could not be listed
    return any(
        origin == place or origin.startswith(place.rstrip("/") + "/") or place.startswith((origin + "#", origin + ":"))
        for place in unreadable
    )


def _is_anothers(origin: str, others: Sequence[str], base: Path) -> bool:
    """Return whether a file is there and lies in a source that was not looked at."""
    return (
        fixed_origin(origin) is None
        and any(covers(one, origin) for one in others)
        and os.path.lexists(os.path.join(base, origin))  # noqa: PTH118 - an origin may be absolute, and no path at all
    )
