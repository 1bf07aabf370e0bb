"""Documents that were set aside: which, why, and how often they were tried.

They are kept in the database as a setting of the collection, so that whoever opens it sees its holes; the ledger does not
have them, or has them as they were, and so each run tries them again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from vicinal.store import Lane, Snapshot, Store

MOST_ASIDE = 1_000
"""Documents whose errors are kept; more of them are only counted."""
MOST_CHARS = 300
MOST_NAME_CHARS = 4096
"""Characters of a name, such as that of a path."""
MORE = "more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A document that could not be stored.

    ``source`` is the id of the document, or the place that could not be read; ``origin`` is the source of the run it came
    from. ``reason`` is a word such as ``encode`` or ``unreadable``, ``detail`` says more, without the text.
    ``since`` and ``last`` are in seconds since 1970, ``tries`` counts the runs that failed.
    """

    source: str
    origin: str
    reason: str
    detail: str
    tries: int = 1
    since: int = 0
    last: int = 0


def setting_of(lane: Lane) -> str:
    """Return the name of the setting that keeps them."""
    return f"collection {lane.collection} aside"


def asides(snapshot: Snapshot, lane: Lane) -> tuple[list[Aside], int]:
    """Return what is set aside, in the order in which it was found, and how many more there are."""
    said = json.loads(snapshot.setting(setting_of(lane)) or "{}")
    names = {field.name for field in fields(Aside)}
    listed = [Aside(**{name: told[name] for name in told if name in names}) for told in said.get("aside", [])]
    return listed, int(said.get(MORE, 0))


def keep(store: Store, collection: str, found: Sequence[Aside], origins: Iterable[str]) -> None:
    """Keep what a run over some origins set aside, in place of what such runs did before; write only what changed."""
    looked_at = set(origins)
    with store.snapshot() as snapshot:
        before, more = asides(snapshot, snapshot.lane(collection))
    if not found and not more and not any(one.origin in looked_at for one in before):
        return
    with store.write() as transaction:
        lane = transaction.lane(collection)
        before, _ = asides(transaction, lane)  # as of now: another run may have set others aside
        known = {(one.origin, one.source): one for one in before}
        others = [one for one in before if one.origin not in looked_at]
        now = int(time.time())
        tried = list(
            {(one.origin, one.source): _tried_again(one, known, now) for one in map(_storable, found)}.values()
        )
        listed = [*others, *tried]
        said = {"aside": [asdict(one) for one in listed[:MOST_ASIDE]], MORE: max(0, len(listed) - MOST_ASIDE)}
        if listed:
            transaction.put_setting(setting_of(lane), json.dumps(said, ensure_ascii=False))
        else:
            transaction.remove_setting(setting_of(lane))


def _storable(one: Aside) -> Aside:
    """Return what is set aside with names and words of bounded length that UTF-8 can hold."""
    source, detail = (
        text[:most].encode("utf-8", "backslashreplace").decode()
        for text, most in ((one.source, MOST_NAME_CHARS), (one.detail, MOST_CHARS))
    )
    return replace(one, source=source, detail=detail)


def _tried_again(one: Aside, known: Mapping[tuple[str, str], Aside], now: int) -> Aside:
    old = known.get((one.origin, one.source))
    return replace(
        one,
        tries=1 if old is None else old.tries + 1,
        since=now if old is None else old.since,
        last=now,
    )
