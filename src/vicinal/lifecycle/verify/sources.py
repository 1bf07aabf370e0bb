"""Records against their sources: documents without a record, and records without a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vicinal.lifecycle.sync.aside import Aside, asides
from vicinal.lifecycle.sync.encoding import Pending
from vicinal.lifecycle.sync.gone import gone_from, torn
from vicinal.lifecycle.sync.run import LOOKED_UP_AT_ONCE, PENDING_CHARS, current_fields
from vicinal.lifecycle.sync.sources import STREAM, Found, Sources, covers, fixed_origin
from vicinal.lifecycle.sync.stale import Made, differs
from vicinal.lifecycle.verify.finding import Findings
from vicinal.store import Store
from vicinal.types import Skipped, Unmodified

TOLD = {
    "new": ("missing", "the source has it, the collection has not"),
    "stale": ("stale", "its text, chunker or space is another now"),
    "relabelled": ("stale", "its fields or its source are others now"),
}


@dataclass(slots=True)
class Compared:
    """What was compared: documents read, records whose source cannot be read again, and orphans of no known source."""

    documents: int = 0
    unchecked: int = 0
    sampled: int = 0
    homeless: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)


def check_sources(
    store: Store, collection: str, sources: Sources, made: Made, findings: Findings, step: Callable[[int], None]
) -> Compared:
    """Compare all documents of the sources with the ledger, and all records with the sources. Cost: reading them."""
    compared = Compared()
    with store.snapshot() as snapshot:
        as_of = snapshot.sequence
        aside = {one.source: one for one in asides(snapshot, snapshot.lane(collection))[0]}
    for origin, stream in sources.streams(lambda one: current_fields(store, collection, one, made)):
        for group in _in_groups(stream, fixed_origin(origin), compared):
            _compare(store, collection, group, made, findings, aside)
            step(compared.documents)
    for origin in sources.origins():
        for place, one in torn(store, collection, origin, skipped=compared.skipped, seen=compared.seen).items():
            compared.skipped[place] = one
    holes = [one for one in compared.skipped if one.failed]
    for one in holes:
        findings.add("unreadable", one.source, f"{one.reason}. {one.detail}".rstrip(". "))
    told = {one.source for one in holes} | compared.seen
    for kept in aside.values():
        if kept.source not in told:
            findings.add("aside", kept.source, _said(kept))
    _check_gone(store, collection, sources, compared, findings, as_of)
    return compared


def _in_groups(stream: Found, fixed: str | None, compared: Compared) -> Iterator[list[Pending]]:
    """Give the documents in groups of what may be in memory at once, each id once; note what was skipped."""
    group: list[Pending] = []
    chars = 0
    for one in stream:
        if isinstance(one, Skipped):
            compared.skipped.append(one)
            continue
        if one.id in compared.seen:
            continue
        compared.seen.add(one.id)
        compared.documents += 1
        if isinstance(one, Unmodified):
            continue
        group.append(Pending(document=one, origin=one.source if fixed is None else fixed))
        chars += len(one.text)
        if len(group) >= LOOKED_UP_AT_ONCE or chars >= PENDING_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def _compare(
    store: Store,
    collection: str,
    group: Sequence[Pending],
    made: Made,
    findings: Findings,
    aside: dict[str, Aside],
) -> None:
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        entries = snapshot.ledger(lane, [one.document.id for one in group])
    for one in group:
        what = differs(entries.get(one.document.id), one.document, one.origin, made)
        if what == "same":
            continue
        kind, detail = TOLD[what]
        known = aside.get(one.document.id)
        if known is not None and what != "relabelled":
            kind, detail = "aside", _said(known)
        findings.add(kind, one.document.id, detail)


def _said(one: Aside) -> str:
    return f"{one.reason}, tried {one.tries} times: {one.detail}"


def _check_gone(
    store: Store, collection: str, sources: Sources, compared: Compared, findings: Findings, as_of: int
) -> None:
    """Find the records whose source no longer has them, and count those whose source nobody can ask."""
    known = [origin for origin in sources.origins() if origin != STREAM]
    for origin in known:
        for record_id in gone_from(
            store, collection, sources, origin, seen=compared.seen, skipped=compared.skipped, as_of=as_of
        ):
            findings.add("orphan", record_id, f"{origin} has it no longer")
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        others = {
            origin: count
            for origin, count in snapshot.origins(lane).items()
            if not any(covers(one, origin) for one in known)
        }
        for origin, count in others.items():
            if fixed_origin(origin) is not None or _exists(sources.base, origin):
                compared.unchecked += count
                continue
            for line in snapshot.placed_from(lane, origin):
                if line.origin == origin:
                    findings.add("orphan", line.id, f"{origin} is not there any more")
                    compared.homeless.append(line.id)


def _exists(base: Path, origin: str) -> bool:
    """Return whether a file is there; one that cannot be looked for counts as there."""
    try:
        return (base / origin).exists()
    except (OSError, ValueError):
        return True
