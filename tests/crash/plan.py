"""Random work on a store, the same in the program that is killed and in the one that knows what must be there."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from store_worlds import put, records, vectors
from vicinal.store import Store, rows

State = dict[str, tuple[str, dict[str, Any], bytes]]
"""Id → text, fields, and the bytes of the vectors."""


def steps(seed: int, count: int) -> list[tuple[str, list[int], int]]:
    """Return (kind, names, spans) of some writes: the first of them make the collection and fill it."""
    chance = random.Random(seed)
    planned: list[tuple[str, list[int], int]] = [("put", list(range(20)), 2)]
    while len(planned) < count:
        kind = chance.choices(["put", "delete", "fields", "compact"], [6, 3, 2, 1])[0]
        names = chance.sample(range(60), chance.randint(1, 25))
        planned.append((kind, sorted(names), chance.randint(1, 3)))
    return planned


def states(seed: int, count: int) -> list[State]:
    """Return what is stored before the first write and behind each."""
    now: State = {}
    every = [now]
    for version, (kind, names, spans) in enumerate(steps(seed, count)):
        now = dict(now)
        if kind == "put":
            made = np.asarray(vectors(len(names) * spans, version))
            for place, one in enumerate(records(names, spans=spans, version=version)):
                raw = made[place * spans : (place + 1) * spans].tobytes()
                now[one.id] = (one.text, dict(one.fields), raw)
        elif kind == "delete":
            for name in names:
                now.pop(f"r{name}", None)
        elif kind == "fields":
            for record_id in {f"r{name}" for name in names} & now.keys():
                text, fields, raw = now[record_id]
                now[record_id] = (text, {**fields, "set": version}, raw)
        every.append(now)
    return every


def do(store: Store, version: int, kind: str, names: list[int], spans: int) -> None:
    """Do one step."""
    if kind == "put":
        new = records(names, spans=spans, version=version)
        put(store, new, version)
    elif kind == "compact":
        store.compact("main", sparse=0.1)
    else:
        ids = [f"r{name}" for name in names]
        with store.write() as transaction:
            lane = transaction.lane("main")
            if kind == "delete":
                transaction.delete(lane, ids)
            else:
                transaction.set_fields(lane, {record_id: {"set": version} for record_id in ids})


def bound(seed: int) -> None:
    """Let this process sync as a seed wants: the files of all commits, of the larger ones, or hardly any."""
    rows.SMALL_BYTES, rows.PENDING_BYTES = ((1 << 15, 1 << 20), (800, 2000), (1 << 15, 1000), (0, 0))[seed % 4]


def work(root: Path, seed: int, count: int, *, start: int = 0, close: bool = True) -> None:
    """Do all steps from one on, and note behind each that it was acknowledged."""
    store = Store.open(root / "db")
    with (root / "acknowledged").open("ab", buffering=0) as told:
        for version, (kind, names, spans) in enumerate(steps(seed, count)):
            if version >= start:
                do(store, version, kind, names, spans)
                told.write(b".")
    if close:
        store.close()


def stored(folder: Path) -> State:
    """Return what is stored, everything checked."""
    store = Store.open(folder)
    try:
        store.check()
        with store.snapshot() as snapshot:
            if "main" not in snapshot.collection_names():
                return {}
            lane = snapshot.lane("main")
            found = snapshot.chunks_of(lane, list(snapshot.ids(lane)))
            return {
                record_id: (
                    one.record.text,
                    dict(one.record.fields),
                    snapshot.vectors_at(lane, np.array(one.rows, dtype=np.int64)).tobytes(),
                )
                for record_id, one in found.items()
            }
    finally:
        store.close()


if __name__ == "__main__":
    bound(int(sys.argv[2]))
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
