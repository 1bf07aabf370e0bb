"""All that a sync writes, each function one commit: whole records, so that an interruption anywhere leaves a true ledger."""

from __future__ import annotations

from collections.abc import Sequence

from vicinal.lifecycle.forms import Makers, form_of, write
from vicinal.lifecycle.ingest import new_record
from vicinal.lifecycle.sync.aside import keep
from vicinal.lifecycle.sync.encoding import Pending
from vicinal.lifecycle.sync.reuse import Carried, Held, carried_beside, carry, form_at
from vicinal.lifecycle.sync.sources import Sources, forget, is_remembered, remember
from vicinal.lifecycle.sync.stale import Made
from vicinal.store import Form, LedgerEntry, Store


def put(store: Store, collection: str, pending: Sequence[Pending], form: Form, makers: Makers) -> Form:
    """Write records that were encoded, in place of those of the same ids; return them in the form that was written.

    While a collection is migrated, and where it was cut over meanwhile, they are made ready for the other lane as well.
    """
    documents, origins = [one.document for one in pending], [one.origin for one in pending]
    return write(
        store,
        collection,
        lambda making, _: form_of(documents, origins, making),
        makers,
        replace_existing=True,
        first=form,
    )


def put_carried(
    store: Store, collection: str, pending: Sequence[tuple[Pending, Held]], number: int, made: Made
) -> tuple[list[Carried], list[Pending]]:
    """Write documents with the vectors of equal texts; return those written, and those that must be encoded.

    ``number`` is the lane's whose rows are known. The lane beside, where there is one, gets its own vectors of the same
    texts; where it has none it loses what it has under these ids, and the migration fills that.
    """
    with store.write() as transaction:
        lane = transaction.lane(collection)
        if lane.number != number:
            return [], [one for one, _ in pending]
        carried, left = carry(transaction, lane, pending, made)
        twin = transaction.twin(lane)
        beside = {} if twin is None else carried_beside(transaction, twin, carried)
        both = [one for one in carried if one.record.id in beside]
        alone = [one for one in carried if one.record.id not in beside]
        forms = [form_at(transaction, lane, part) for part in (both, alone)]
        others = [] if twin is None else [form_at(transaction, twin, [beside[one.record.id] for one in both])]
        for form, other in zip(forms, (others, []), strict=True):
            if form.records:
                transaction.put(lane, form.records, form.vectors, replace_existing=True, others=other)
    return carried, left


def relabel(store: Store, collection: str, changed: Sequence[tuple[Pending, LedgerEntry]]) -> None:
    """Write fields, source and origin anew beside vectors that still hold."""
    with store.write() as transaction:
        lane = transaction.lane(collection)
        now = transaction.ledger(lane, [one.document.id for one, _ in changed])
        same = [  # what another process wrote meanwhile, the next run compares again
            new_record(one.document, (), chunker=entry.chunker, origin=one.origin)
            for one, entry in changed
            if now.get(one.document.id) == entry
        ]
        transaction.relabel(lane, same)


def delete(store: Store, collection: str, ids: Sequence[str]) -> int:
    """Delete records; return how many there were."""
    with store.write() as transaction:
        return transaction.delete(transaction.lane(collection), ids)


def forget_sources(store: Store, collection: str, origins: Sequence[str]) -> int:
    """Delete the records that only some sources gave, and forget these; return how many records there were."""
    with store.write() as transaction:
        lane = transaction.lane(collection)
        removed = transaction.delete(lane, forget(transaction, lane, origins))
    keep(store, collection, [], origins)
    return removed


def note_sources(store: Store, collection: str, sources: Sources) -> None:
    """Keep which sources the collection is made of, where it does not know them yet."""
    with store.snapshot() as snapshot:
        if is_remembered(snapshot, snapshot.lane(collection), sources):
            return
    with store.write() as transaction:
        remember(transaction, transaction.lane(collection), sources)
