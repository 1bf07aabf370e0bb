"""All that a sync writes, each function one commit: whole records, so that an interruption anywhere leaves a true ledger."""

from __future__ import annotations

from collections.abc import Sequence

from vicinal.lifecycle.ingest import Prepared, new_record
from vicinal.lifecycle.sync.aside import keep
from vicinal.lifecycle.sync.encoding import Pending
from vicinal.lifecycle.sync.reuse import Carried, Held, carry
from vicinal.lifecycle.sync.sources import Sources, forget, is_remembered, remember
from vicinal.lifecycle.sync.stale import Made
from vicinal.store import LedgerEntry, Store


def put(store: Store, collection: str, prepared: Prepared) -> None:
    """Write records that were encoded, in place of those of the same ids."""
    with store.write() as transaction:
        transaction.put(transaction.lane(collection), prepared.records, prepared.vectors, replace_existing=True)


def put_carried(
    store: Store, collection: str, pending: Sequence[tuple[Pending, Held]], made: Made
) -> tuple[list[Carried], list[Pending]]:
    """Write documents with the vectors of equal texts; return those written, and those that must be encoded."""
    with store.write() as transaction:
        lane = transaction.lane(collection)
        carried, vectors, left = carry(transaction, lane, pending, made)
        if carried:
            transaction.put(lane, [one.record for one in carried], vectors, replace_existing=True)
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
