"""Small databases for the store's tests: random vectors of a small space, texts that tell who they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vicinal.space import Space, Vectors
from vicinal.store import NewRecord, Store, rows_of

SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=16, overflow="chunk", full_dim=8, dim=8
)


def records(names: range | list[int], *, spans: int = 2, version: int = 0) -> list[NewRecord]:
    """Return records r0, r1, … with a text that says id and version."""
    return [
        NewRecord(
            id=f"r{name}",
            text=f"record {name} in version {version}",
            source=f"file{name % 7}.txt",
            fields={"number": name, "even": name % 2 == 0},
            spans=tuple((place, place + 5) for place in range(spans)),
            chunker="c",
            origin=f"file{name % 7}.txt",
            text_digest=f"{name}-{version}",
            fields_digest="f",
        )
        for name in names
    ]


def vectors(count: int, seed: int = 0) -> Vectors:
    """Return random unit vectors (count, 8)."""
    rows = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return Vectors(rows / np.linalg.norm(rows, axis=1, keepdims=True), SPACE)


def put(store: Store, new: list[NewRecord], seed: int = 0, *, replace_existing: bool = True) -> None:
    """Write records in one commit; the collection is made when it is missing."""
    with store.write() as transaction:
        if "main" not in transaction.collection_names():
            transaction.create_collection("main", model="m", space=SPACE, chunker="c")
        made = vectors(sum(len(one.spans) for one in new), seed)
        transaction.put(transaction.lane("main"), new, made, replace_existing=replace_existing)


def make(folder: Path, count: int = 300) -> None:
    """Write a database with some commits, replaced and deleted records, and close it."""
    store = Store.open(folder)
    put(store, records(range(count)), 1)
    put(store, records(range(0, count, 10), spans=3, version=1), 2)
    with store.write() as transaction:
        transaction.delete(transaction.lane("main"), [f"r{name}" for name in range(0, count, 25)])
    store.close()


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return id → (text, bytes of its vectors), read through a new store and checked in full."""
    store = Store.open(folder)
    try:
        store.check()
        with store.snapshot() as snapshot:
            if "main" not in snapshot.collection_names():
                return {}
            lane = snapshot.lane("main")
            view = store.view(snapshot, lane)
            matrix = np.concatenate([rows for _, rows in view.parts]) if view.parts else np.empty((0, 8), np.float32)
            place = np.concatenate([np.arange(first, first + len(rows)) for first, rows in view.parts] or [[]])
            at = {int(row): number for number, row in enumerate(place)}
            chunks = snapshot.chunks_at(lane, rows_of(view.alive).tolist())
            found: dict[str, tuple[str, bytes]] = {}
            for row, chunk in sorted(chunks.items()):
                record = chunk.record
                before = found.get(record.id, (record.text, b""))[1]
                found[record.id] = (record.text, before + matrix[at[row]].tobytes())
            return found
    finally:
        store.close()
