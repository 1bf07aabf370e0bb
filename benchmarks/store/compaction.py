"""Readers beside a compaction: the times of searches in one process, quiet and while another rewrites sparse files.

python benchmarks/store/compaction.py [--records 100000] [--dim 384] [--dry]

Half of the records are deleted before; the reader asks one ready vector after the other, the same ones in both parts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
import vicinal
from vicinal.encode import FunctionEncoder
from vicinal.space import Vectors

BATCH = 10_000
QUIET_S = 5.0


def encoder_of(dim: int) -> FunctionEncoder:
    """Return an encoder that only gives the space; the vectors are ready."""
    return FunctionEncoder(lambda texts: np.ones((len(texts), dim), np.float32), name="ready", version="1", dim=dim)


def unit(count: int, dim: int, seed: int) -> np.ndarray:
    """Return unit vectors about a thousand centers."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((1000, dim), dtype=np.float32)
    rows = centers[random.integers(0, 1000, count)] + 0.5 * random.standard_normal((count, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def prepare(folder: Path, count: int, dim: int) -> None:
    """Write the records, index them, and delete every second one."""
    encoder = encoder_of(dim)
    with vicinal.open(folder) as db:
        made = db.collection("main", model=encoder)
        for start in range(0, count, BATCH):
            rows = unit(min(BATCH, count - start), dim, start)
            made.add(
                [{"id": f"r{start + place}", "text": "", "half": place % 2} for place in range(len(rows))],
                vectors=Vectors(rows, encoder.space),
            )
        made.compact()
        made.delete(where={"half": 1})


def compact(folder: Path, dim: int) -> None:
    """Compact, in a process of its own."""
    with vicinal.open(folder) as db:
        db.collection("main", model=encoder_of(dim)).compact()


def searches(collection: vicinal.Collection, queries: list[Vectors], until: object) -> list[float]:
    """Return the milliseconds of searches, one after the other, while ``until`` says so."""
    took = []
    while until():  # type: ignore[operator]
        begun = time.perf_counter()
        collection.search(queries[len(took) % len(queries)])
        took.append((time.perf_counter() - begun) * 1e3)
    return took


def told(took: list[float]) -> dict[str, float]:
    """Return what a list of times is told by."""
    cuts = statistics.quantiles(took, n=100)
    return {"searches": len(took), "p50_ms": round(cuts[49], 3), "p99_ms": round(cuts[98], 3)}


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--dry", action="store_true", help="print, write no line")
    given = parser.parse_args()
    os.environ["VICINAL_MAINTENANCE"] = "0"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "db"
        prepare(folder, given.records, given.dim)
        encoder = encoder_of(given.dim)
        queries = [Vectors(one[None], encoder.space) for one in unit(500, given.dim, 7)]
        with vicinal.open(folder, read_only=True) as db:
            collection = db.collection("main", model=encoder)
            searches(collection, queries, iter([True] * 200 + [False]).__next__)
            end = time.perf_counter() + QUIET_S
            quiet = told(searches(collection, queries, lambda: time.perf_counter() < end))
            process = multiprocessing.get_context("spawn").Process(target=compact, args=(folder, given.dim))
            process.start()
            beside = told(searches(collection, queries, process.is_alive))
            process.join()
    line = {"quiet": quiet, "beside": beside, "p99_ratio": round(beside["p99_ms"] / quiet["p99_ms"], 2)}
    if given.dry:
        print(json.dumps(line, indent=1))
    else:
        record.write("compaction", versions=("numpy",), parameters={"records": given.records, "dim": given.dim}, **line)


if __name__ == "__main__":
    main()
