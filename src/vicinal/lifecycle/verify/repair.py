"""Mend what was found: from the source where there is one, else from the stored text; derived things are made again."""

from __future__ import annotations

from collections.abc import Sequence

from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.forms import Makers, form_of
from vicinal.lifecycle.sync import commit
from vicinal.lifecycle.sync.encoding import Pending
from vicinal.lifecycle.sync.run import LOOKED_UP_AT_ONCE, sync
from vicinal.lifecycle.sync.sources import Sources
from vicinal.lifecycle.verify.finding import Findings
from vicinal.lifecycle.verify.records import form_told_of
from vicinal.store import Store
from vicinal.types import Document

FROM_TEXT = ("text", "span", "vector", "encoded")
"""What is mended by encoding the stored text again, where the source does not give the record anew."""
FROM_SOURCE = ("missing", "stale", "orphan", "aside", "unreadable", "text")
"""What a sync mends: also a text, since the source has the one that was meant."""


def mend(
    store: Store,
    collection: str,
    sources: Sources,
    findings: Findings,
    homeless: Sequence[str],
    *,
    makers: Makers,
) -> list[str]:
    """Mend what can be mended; return what was done, in words. Each step is a commit of its own or several."""
    done: list[str] = []
    spoilt = findings.about(*FROM_TEXT)
    if spoilt:
        done += _encode_again(store, collection, spoilt, makers)
    if homeless:
        removed = sum(
            commit.delete(store, collection, homeless[start : start + LOOKED_UP_AT_ONCE])
            for start in range(0, len(homeless), LOOKED_UP_AT_ONCE)
        )
        done.append(f"{removed} records deleted whose source is gone")
    if findings.about(*FROM_SOURCE) and sources.places:
        with store.snapshot() as snapshot:
            making = makers(snapshot.lane(collection))
        assert making is not None  # noqa: S101 - for the lane itself there is one, or an error
        report = sync(store, collection, sources, encoder=making.encoder, chunker=making.chunker, makers=makers)
        done.append(
            f"sources read again: {report.new} new, {report.changed} changed, {report.moved} moved, "
            f"{report.removed} removed, {report.chunks} passages encoded"
        )
    if findings.about("index", "words"):
        with store.snapshot() as snapshot:
            derived = derived_of(store, snapshot.lane(collection))
        derived.renew()
        done.append("indexes built anew")
    return done


def _encode_again(store: Store, collection: str, ids: Sequence[str], makers: Makers) -> list[str]:
    """Cut up and encode stored texts again; ids, sources, fields and origins stay."""
    count = 0
    for start in range(0, len(ids), LOOKED_UP_AT_ONCE):
        part = ids[start : start + LOOKED_UP_AT_ONCE]
        with store.snapshot() as snapshot:
            lane = snapshot.lane(collection)
            entries = snapshot.ledger(lane, part)
            records = [found.record for found in snapshot.chunks_of(lane, part).values()]
        pending = [
            Pending(
                document=Document(
                    id=one.id,
                    text=one.text,
                    source=one.source,
                    fields=one.fields,
                    form=form_told_of(one.text, entries[one.id].text_digest) or "text",
                ),
                origin=entries[one.id].origin,
            )
            for one in records
        ]
        making = makers(lane)
        assert making is not None  # noqa: S101 - for the lane itself there is one, or an error
        form = form_of([one.document for one in pending], [one.origin for one in pending], making)
        commit.put(store, collection, pending, form, makers)
        count += len(pending)
    return [f"{count} records encoded again from their texts"] if count else []
