"""Exact top-k: the native kernel, its NumPy twin, and NumPy's own product with a partial sort, side by side.

Run it as ``python benchmarks/micro/exact.py [--rows N] [--dim D] [--rounds R]``. One core; rounds are interleaved;
the median and the spread of each are told, beside the equality of the answers. The result is one JSON line in
``benchmarks/results/exact.jsonl``; ``--dry`` prints only.
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
SELECTIVITIES = (0.5, 0.2, 0.06, 0.01, 0.001)


def numpy_top_k(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the K best rows as one would write it in NumPy: sgemv or sgemm, then argpartition."""
    scores = queries @ rows.T if len(queries) > 1 else (rows @ queries[0])[None]
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def contestants(rows: np.ndarray, queries: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name."""
    words = rows.view(np.int64).ravel()
    found: dict[str, Callable[[], Any]] = {
        "read": lambda: np.bitwise_or.reduce(words),
        "numpy_q1": lambda: numpy_top_k(rows, queries[:1]),
        "numpy_q64": lambda: numpy_top_k(rows, queries),
        "twin_q1": lambda: kernels.exact.top_k(rows, queries[:1], None, K),
    }
    if kernels.implementation() == "native":
        found["native_q1"] = lambda: kernels.top_k(rows, queries[:1], k=K)
        found["native_q64"] = lambda: kernels.top_k(rows, queries, k=K)
        random = np.random.default_rng(1)
        for share in SELECTIVITIES:
            mask = random.random(len(rows)) < share
            found[f"native_q1_mask_{share:g}"] = lambda mask=mask: kernels.top_k(rows, queries[:1], k=K, mask=mask)
    return found


def measured(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds of each, median and spread over interleaved rounds, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median_s": statistics.median(each), "low_s": min(each), "high_s": max(each)}
        for name, each in seconds.items()
    }


def quality(rows: np.ndarray, queries: np.ndarray) -> dict[str, float]:
    """Return how the answers compare: to the twin in bits, to NumPy's in rows."""
    ours = kernels.top_k(rows, queries[:8], k=K)
    twin = kernels.exact.top_k(rows, queries[:8], None, K)
    theirs = numpy_top_k(rows, queries[:8])
    same = [len(set(a) & set(b)) / K for a, b in zip(ours[0].tolist(), theirs.tolist(), strict=True)]
    equal = all(a.tobytes() == b.tobytes() for a, b in zip(ours, twin, strict=True))
    return {"equal_to_twin_in_bits": float(equal), "rows_shared_with_numpy": statistics.mean(same)}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="keep no result")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    random = np.random.default_rng(given.seed)
    rows = random.standard_normal((given.rows, given.dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = random.standard_normal((64, given.dim), dtype=np.float32)
    times = measured(contestants(rows, queries), given.rounds)
    for name, one in times.items():
        print(f"{name:<24} {one['median_s'] * 1e3:9.2f} ms  ({one['low_s'] * 1e3:.2f} to {one['high_s'] * 1e3:.2f})")
    agreement = quality(rows, queries)
    if given.dry:
        print(agreement)
        return
    native = kernels._native  # noqa: SLF001 - which instruction set serves is no business of a user
    record.write(
        "exact",
        versions=("numpy",),
        parameters={"rows": given.rows, "dim": given.dim, "rounds": given.rounds, "seed": given.seed, "k": K},
        levels=native.levels() if native is not None else [],
        quality=agreement,
        seconds=times,
        gb_per_s={name: rows.nbytes / 1e9 / one["median_s"] for name, one in times.items() if "mask" not in name},
    )


if __name__ == "__main__":
    main()
