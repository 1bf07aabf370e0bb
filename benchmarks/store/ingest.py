"""Durable ingest through the store in batches and one by one, beside what the disk does with the bare vectors.

python benchmarks/store/ingest.py [--vectors 100000] [--dim 384] [--batches 1000,10000,1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
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

MOST_COMMITS = 3000
"""Batches of one are timed over so many commits."""


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


def ingest(rows: np.ndarray, space: Space, batch: int) -> dict[str, float]:
    """Return records a second by the wall and by the processor's time, and the middle commit in milliseconds."""
    folder = Path(tempfile.mkdtemp())
    count = min(len(rows), batch * MOST_COMMITS)
    store = Store.open(folder / "db")
    with store.write() as transaction:
        transaction.create_collection("main", model="", space=space, chunker="whole")
    walls, processor_s = [], 0.0
    for start in range(0, count, batch):
        stop = min(start + batch, count)
        records, vectors = new_records(start, stop), Vectors(rows[start:stop], space)
        begun, before = time.perf_counter(), time.process_time()
        with store.write() as transaction:
            transaction.put(transaction.lane("main"), records, vectors, replace_existing=False)
        walls.append(time.perf_counter() - begun)
        processor_s += time.process_time() - before
    store.close()
    shutil.rmtree(folder)
    return {
        "per_s": count / sum(walls),
        "per_processor_s": count / processor_s,
        "commit_ms": statistics.median(walls) * 1e3,
    }


def bare(rows: np.ndarray, batch: int) -> float:
    """Return vectors a second when only the vectors are written and synced, batch by batch."""
    count = min(len(rows), batch * MOST_COMMITS)
    with tempfile.NamedTemporaryFile() as file:
        begun = time.perf_counter()
        for start in range(0, count, batch):
            os.pwrite(file.fileno(), rows[start : start + batch].data, start * rows.strides[0])
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - begun)


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--batches", default="1000,10000,1")
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
    figures: dict[str, dict[str, float]] = {}
    for batch in [int(one) for one in chosen.batches.split(",")]:
        rounds = [{**ingest(rows, space, batch), "bare_per_s": bare(rows, batch)} for _ in range(chosen.rounds)]
        figures[str(batch)] = {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}
    record.write("store_ingest", versions=("numpy",), parameters=vars(chosen), by_batch=figures)


if __name__ == "__main__":
    main()
