"""The store alone: durable ingest of ready vectors, opening, the first snapshot, bytes for each record.

python benchmarks/store/run.py [--vectors 100000] [--dim 384] [--commit 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from vicinal.space import Space, Vectors
from vicinal.store import NewRecord, Store


def new_records(start: int, stop: int) -> list[NewRecord]:
    """Return records with a text of 200 characters and two fields."""
    return [
        NewRecord(
            id=f"record-{number}",
            text=f"record {number} ".ljust(200, "x"),
            fields={"number": number, "lang": "en"},
            spans=((0, 200),),
            chunker="whole",
            text_digest=f"{number:032x}",
            fields_digest=f"{number:032x}",
        )
        for number in range(start, stop)
    ]


def ingest(folder: Path, rows: np.ndarray, space: Space, per_commit: int) -> dict[str, float]:
    """Write everything; return seconds for the durable writes and for the close that seals."""
    store = Store.open(folder)
    with store.write() as transaction:
        transaction.create_collection("main", model="", space=space, chunker="whole")
    writing = 0.0
    for start in range(0, len(rows), per_commit):
        stop = min(start + per_commit, len(rows))
        records, vectors = new_records(start, stop), Vectors(rows[start:stop], space)
        begun = time.perf_counter()
        with store.write() as transaction:
            transaction.put(transaction.lane("main"), records, vectors, replace_existing=False)
        writing += time.perf_counter() - begun
    begun = time.perf_counter()
    store.close()
    return {"ingest_s": writing, "close_s": time.perf_counter() - begun}


def opening(folder: Path) -> dict[str, float]:
    """Return milliseconds to open, and to have every row mapped and the living ones known."""
    begun = time.perf_counter()
    store = Store.open(folder)
    opened = time.perf_counter()
    with store.snapshot() as snapshot:
        store.view(snapshot, snapshot.lane("main"))
    viewed = time.perf_counter()
    store.close()
    return {"open_ms": (opened - begun) * 1e3, "view_ms": (viewed - opened) * 1e3}


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--commit", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    space = Space(
        weights="w",
        architecture="a",
        tokenizer="t",
        pooling="mean",
        max_tokens=256,
        overflow="cut",
        full_dim=chosen.dim,
        dim=chosen.dim,
    )
    rows = np.random.default_rng(0).standard_normal((chosen.vectors, chosen.dim), dtype=np.float32)
    rounds: list[dict[str, float]] = []
    for _ in range(chosen.rounds):
        folder = Path(tempfile.mkdtemp()) / "db"
        figures = ingest(folder, rows, space, chosen.commit)
        figures |= opening(folder)
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        rounds.append(
            {
                **figures,
                "vectors_per_s": chosen.vectors / figures["ingest_s"],
                "bytes_per_record": disk / chosen.vectors,
            }
        )
        shutil.rmtree(folder.parent)
    middle = {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}
    spread = {
        name: [round(min(one[name] for one in rounds), 3), round(max(one[name] for one in rounds), 3)]
        for name in rounds[0]
    }
    record.write("store", versions=("numpy",), parameters=vars(chosen), median=middle, spread=spread)


if __name__ == "__main__":
    main()
