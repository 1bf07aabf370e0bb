"""The funnel's kernels: scan, whole queries, batches, masks, cells, encoders and bitmaps, beside a plain read of memory.

Run it as ``python benchmarks/micro/funnel.py [--vectors FILE.npy] [--queries FILE.npy] [--rows N] [--rounds R]``.
Without files it makes vectors that lie near few dimensions, as embeddings do. One core; rounds are interleaved; times are
those of the thread (other work on the machine disturbs them less); the median and the spread of each are told, and the
recall beside each. The result is one JSON line in ``benchmarks/results/funnel.jsonl``; ``--dry`` prints only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is loaded: everything here runs on one core

import numpy as np  # noqa: E402 - it reads the variables above when it is loaded

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record  # noqa: E402 - it is beside this folder
from vicinal import kernels  # noqa: E402 - it loads NumPy

K = 10
CANDIDATES = (100, 200, 500, 1000)
RESCORED = 32
CELL_ROWS = 500
SHARES = (0.5, 0.1, 0.01)


def made(rows: int, dim: int, seed: int) -> np.ndarray:
    """Return unit vectors near 60 dimensions whose sizes fall, about the shape of real embeddings."""
    random = np.random.default_rng(seed)
    basis = np.random.default_rng(1).standard_normal((60, dim)).astype(np.float32)
    basis *= (np.arange(1, 61, dtype=np.float32) ** -0.5)[:, None]
    found = random.standard_normal((rows, 60), dtype=np.float32) @ basis
    found += 0.15 * random.standard_normal((rows, dim), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def flat(rows: np.ndarray) -> kernels.Funnel:
    """Return a funnel over rows in order."""
    center = rows[:: max(1, len(rows) // 20_000)].mean(0)
    codes, factors = kernels.encode_codes(rows - center, np.zeros_like(center))
    run = kernels.Run(codes=codes, factors=factors, count=len(rows))
    int8 = [(0, *kernels.encode_int8(rows, center))]
    return kernels.Funnel(rows.shape[1], "dot", center, None, runs=[run], int8_parts=int8, float_parts=[(0, rows)])


def celled(rows: np.ndarray, plain: kernels.Funnel) -> kernels.Funnel:
    """Return a funnel over rows by cell; the cells' centers are rows, made better by two rounds of means."""
    centers = rows[:: max(1, len(rows) // max(1, len(rows) // CELL_ROWS))].copy()
    sample = rows[:: max(1, len(rows) // (50 * len(centers)))].copy()
    for _ in range(2):
        cell_of = kernels.assign(sample, centers, metric="dot")
        order = np.argsort(cell_of, kind="stable")
        cells, starts = np.unique(cell_of[order], return_index=True)
        centers[cells] = np.add.reduceat(sample[order], starts, axis=0)
        centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    cell_of = kernels.assign(rows, centers, metric="dot")
    sizes = np.bincount(cell_of, minlength=len(centers))
    offsets = np.concatenate([[0], np.cumsum(-(-sizes // 64) * 64)]).astype(np.int64)
    order = np.argsort(cell_of, kind="stable")
    positions = np.empty(len(rows), np.int64)
    positions[order] = offsets[cell_of[order]] + np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    numbers = np.full(offsets[-1], -1, np.int32)
    numbers[positions] = np.arange(len(rows))
    codes = kernels.empty_codes(int(offsets[-1]) // 64, rows.shape[1])
    factors = np.zeros(offsets[-1], np.float32)
    centers = centers - plain.center
    kernels.encode_codes_into(codes, factors, positions, rows - plain.center, centers, cell_of=cell_of)
    run = kernels.Run(
        codes=codes,
        factors=factors,
        count=int(offsets[-1]),
        rows=numbers,
        cell_offsets=offsets,
        centers=centers,
        cell_terms=np.full(len(centers), 0, np.float32),
    )
    parts: dict[str, Any] = {"int8_parts": plain.int8_parts, "float_parts": plain.float_parts}
    return kernels.Funnel(rows.shape[1], "dot", plain.center, None, runs=[run], **parts)


def recall(scores: np.ndarray, true: np.ndarray) -> float:
    """Return the share of answers that are no farther than the last true one."""
    return float(np.mean(scores >= true[:, -1:] - 1e-6))


class Bench:
    """What is measured, by name: a call for one query, how many queries it answers, and its recall."""

    def __init__(self, rows: np.ndarray, queries: np.ndarray) -> None:
        self.rows, self.queries = rows, queries
        self.calls: dict[str, tuple[Callable[[int], Any], int]] = {}
        self.quality: dict[str, float] = {}

    def add(self, name: str, funnel: kernels.Funnel, mask: np.ndarray | None = None, **knobs: Any) -> None:
        """Measure a search of single queries, and one of all queries at once."""
        held = None if mask is None else kernels.bits_of_mask(mask)
        true = kernels.top_k(self.rows, self.queries, k=K, mask=mask)[1]
        knobs |= {"k": K, "rescored": RESCORED, "mask": held}
        self.quality[name] = recall(funnel.search(self.queries, **knobs)[1], true)
        self.calls[name] = (lambda at: funnel.search(self.queries[at : at + 1], **knobs)), 1
        self.calls[name + "_batch"] = (lambda _: funnel.search(self.queries, **knobs)), len(self.queries)

    def times(self, rounds: int) -> dict[str, dict[str, float]]:
        """Return the milliseconds a query of each."""
        found: dict[str, list[float]] = {name: [] for name in self.calls}
        for number in range(rounds):
            for name, (call, answered) in self.calls.items():
                start = time.thread_time()
                call(number % len(self.queries))
                found[name].append((time.thread_time() - start) * 1e3 / answered)
        return {
            name: {"median_ms": statistics.median(each), "low_ms": min(each), "high_ms": max(each)}
            for name, each in found.items()
        }


def contestants(rows: np.ndarray, queries: np.ndarray) -> Bench:
    """Return everything that is measured."""
    bench, plain = Bench(rows, queries), flat(rows)
    words = plain.runs[0].codes.reshape(-1).view(np.int64)
    bench.calls["read_codes"] = (lambda _: np.bitwise_or.reduce(words)), 1
    for candidates in CANDIDATES:
        bench.add(f"flat_{candidates}", plain, candidates=candidates)
    random = np.random.default_rng(0)
    for share in SHARES:
        bench.add(f"flat_500_mask_{share:g}", plain, random.random(len(rows)) < share, candidates=500)
    cells = celled(rows, plain)
    many = len(cells.runs[0].centers) if cells.runs[0].centers is not None else 0
    for part in (32, 8, 4):
        bench.add(f"cells_1/{part}", cells, candidates=500, probes=many // part)
    return bench


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, help="a .npy file of float32 unit vectors")
    parser.add_argument("--queries", type=Path, help="a .npy file of float32 unit vectors")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dry", action="store_true", help="keep no result")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = (
        made(given.rows, given.dim, 0) if given.vectors is None else np.load(given.vectors, mmap_mode="r")[: given.rows]
    )
    rows = np.ascontiguousarray(rows)
    queries = (
        made(128, rows.shape[1], 7) if given.queries is None else np.ascontiguousarray(np.load(given.queries)[:128])
    )
    bench = contestants(rows, queries)
    times = bench.times(given.rounds)
    for name, one in times.items():
        said = f"recall {bench.quality[name]:.4f}" if name in bench.quality else ""
        print(f"{name:<24} {one['median_ms']:8.3f} ms a query ({one['low_ms']:.3f} to {one['high_ms']:.3f})  {said}")
    if given.dry:
        return
    native = kernels.native.module
    record.write(
        "funnel",
        versions=("numpy",),
        parameters={"rows": len(rows), "dim": rows.shape[1], "rounds": given.rounds, "k": K, "rescored": RESCORED},
        levels=native.funnel_levels() if native is not None else [],
        quality=bench.quality,
        milliseconds=times,
    )


if __name__ == "__main__":
    main()
