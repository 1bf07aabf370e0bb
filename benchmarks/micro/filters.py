"""Filters over columns: what they cost to build, to keep, to open and to ask, by how many values a field has.

Run it as ``python benchmarks/micro/filters.py [--rows N] [--rounds R]``. One core. Fields of 2, 100, 10,000 and N
distinct values, a text, a list; each asked for about 50, 10, 1 and 0.1 % of the rows. Nothing is remembered between
rounds; answers are compared with the values themselves. The result is one JSON line in
``benchmarks/results/filters.jsonl``; ``--dry`` prints only.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from vicinal import kernels
from vicinal.search import Columns, compile_filter

SHARES = (0.5, 0.1, 0.01, 0.001)
WORDS = 4096
"""Words of the texts; the w-th is in about a share 1 / (w + 2) of them."""
TAGS = 200


def values(rows: int, seed: int) -> dict[str, list[Any]]:
    """Return the fields' values, each a list of ``rows``."""
    random = np.random.default_rng(seed)
    vocabulary = [f"word{number:04}" for number in range(WORDS)]
    drawn = np.minimum(random.pareto(1.0, (rows, 8)).astype(np.int64), WORDS - 1)
    tags = np.minimum(random.pareto(0.7, (rows, 3)).astype(np.int64), TAGS - 1)
    return {
        "two": (random.random(rows) < SHARES[1]).tolist(),
        "hundred": [f"class {number:02}" for number in random.integers(0, 100, rows).tolist()],
        "ten_thousand": random.integers(0, 10_000, rows).tolist(),
        "number": random.permutation(rows).tolist(),
        "moment": (random.permutation(rows) / 7 + 1.6e9).tolist(),
        "name": [f"file-{number:08x}" for number in (random.permutation(rows) * 2654435761 % 2**32).tolist()],
        "text": [f"{place} {' '.join([vocabulary[word] for word in row])}" for place, row in enumerate(drawn.tolist())],
        "tags": [[f"tag{tag}" for tag in row] for row in tags.tolist()],
    }


def questions(fields: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """Return filters by what they ask and how many rows they should let through."""
    rows = len(fields["number"])
    found: dict[str, dict[str, Any]] = {
        "two $eq 10%": {"two": True},
        "two $ne 90%": {"two": {"$ne": True}},
        "hundred $eq 1%": {"hundred": "class 42"},
        "hundred $in 10%": {"hundred": {"$in": [f"class {number:02}" for number in range(3, 100, 10)]}},
        "hundred $gte 50%": {"hundred": {"$gte": "class 50"}},
        "ten_thousand $eq 0.01%": {"ten_thousand": 4321},
        "ten_thousand $in 1% (100 values)": {"ten_thousand": {"$in": list(range(0, 10_000, 100))}},
        "number $eq one row": {"number": rows // 3},
        "name $eq one row": {"name": fields["name"][rows // 3]},
        "name $in 1,000 rows": {"name": {"$in": fields["name"][:1000]}},
        "name $prefix 0.4%": {"name": {"$prefix": "file-a3"}},
        "name $contains": {"name": {"$contains": "ab12"}},
        "text $match one word": {"text": {"$match": "WORD0008"}},
        "text $match two words": {"text": {"$match": "word0040 word0003"}},
        "tags $contains often": {"tags": {"$contains": "tag1"}},
        "tags $contains rare": {"tags": {"$contains": "tag150"}},
        "number and hundred and not two": {"number": {"$lt": rows // 2}, "hundred": "class 07", "two": {"$ne": True}},
    }
    for share in SHARES:
        for name in ("ten_thousand", "number"):
            low = 10_000 if name == "ten_thousand" else rows
            found[f"{name} range {share:.1%}"] = {name: {"$gte": int(low * 0.3), "$lt": int(low * (0.3 + share))}}
        found[f"moment $lt {share:.1%}"] = {"moment": {"$lt": 1.6e9 + rows * share / 7}}
        ascending = sorted(fields["name"])
        found[f"name range {share:.1%}"] = {"name": {"$gte": ascending[0], "$lt": ascending[int(rows * share)]}}
    return found


def feed(fields: dict[str, list[Any]], names: list[str]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Give the records as the store does."""
    for row, one in enumerate(zip(*(fields[name] for name in names), strict=True)):
        yield row, 1, dict(zip(names, one, strict=True))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor's seconds of a call, so that nobody else's work is counted, and what it gave."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def built(fields: dict[str, list[Any]]) -> tuple[dict[str, Any], Columns]:
    """Return what each field costs to build, and the columns of all."""
    rows = len(fields["number"])
    told: dict[str, Any] = {}
    empty, _ = timed(lambda: sum(1 for _ in feed(fields, ["number"])))
    for name in fields:
        gc.collect()
        seconds, columns = timed(lambda name=name: Columns.empty().advanced(rows, feed(fields, [name])))
        told[name] = {"build_s": seconds - empty, "bytes_per_row": columns.byte_count / rows}
        print(f"{name:<14} build {seconds - empty:6.2f} s   {columns.byte_count / rows:6.1f} bytes a row")
    seconds, columns = timed(lambda: Columns.empty(cache_bytes=0).advanced(rows, feed(fields, list(fields))))
    told["all"] = {"build_s": seconds, "bytes_per_row": columns.byte_count / rows}
    print(f"{'all':<14} build {seconds:6.2f} s   {columns.byte_count / rows:6.1f} bytes a row")
    return told, columns


def followed(columns: Columns, fields: dict[str, list[Any]]) -> dict[str, float]:
    """Return the milliseconds of following a commit: of one record, of a thousand, of one changed in the first page."""
    one = {name: found[0] for name, found in fields.items()}
    told: dict[str, list[float]] = {"one_appended": [], "thousand_appended": [], "one_changed": []}
    for number in range(20):
        row = columns.next_row
        single = [(row, 1, {**one, "number": -row, "name": f"n{row}"})]
        seconds, columns = timed(partial(columns.advanced, row + 1, single))
        told["one_appended"].append(seconds)
        many = [
            (row + 1 + place, 1, {**one, "number": -row - 1 - place, "name": f"{row + place}"}) for place in range(1000)
        ]
        seconds, columns = timed(partial(columns.advanced, row + 1001, many))
        told["thousand_appended"].append(seconds)
        changed = [(number * 7, 1, {**one, "two": None})]
        seconds, columns = timed(partial(columns.advanced, row + 1001, (), changed))
        told["one_changed"].append(seconds)
    return {name: statistics.median(found) * 1e3 for name, found in told.items()}


def opened(columns: Columns) -> tuple[dict[str, float], Columns]:
    """Return what saving and opening cost, and the columns mapped from the file."""
    with tempfile.TemporaryDirectory() as folder:
        save_s, _ = timed(lambda: columns.save(Path(folder), {}))
        opens = [timed(lambda: Columns.open(Path(folder), lambda _: True, cache_bytes=0)) for _ in range(5)]
        file_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    told = {"save_s": save_s, "open_ms": statistics.median(one for one, _ in opens) * 1e3, "file_bytes": file_bytes}
    mapped = opens[-1][1]
    if mapped is None:
        raise SystemExit("the columns that were saved were not opened")
    return told, mapped


def right(where: dict[str, Any], rows: Any, fields: dict[str, list[Any]]) -> bool:
    """Return whether a sample of the rows is answered as the values say, by the meaning of each operator."""
    from vicinal.search.filter import MATCHES  # noqa: PLC0415 - the oracle, beside the clock

    for row in range(0, len(rows), 997):
        held = True
        for name, condition in where.items():
            tests = condition if isinstance(condition, dict) else {"$eq": condition}
            held &= all(MATCHES[operator](fields[name][row], operand) for operator, operand in tests.items())
        if held != bool(rows[row]):
            return False
    return True


def asked(columns: Columns, fields: dict[str, list[Any]], rounds: int) -> dict[str, Any]:
    """Return for each question its milliseconds, its share of the rows, and whether it was answered rightly."""
    told = {}
    for name, where in questions(fields).items():
        condition = compile_filter(where)
        first, bits = timed(lambda condition=condition: condition.bits(columns))
        times = [timed(lambda condition=condition: condition.bits(columns))[0] for _ in range(rounds)]
        compile_us = statistics.median(timed(lambda where=where: compile_filter(where))[0] for _ in range(5)) * 1e6
        told[name] = {
            "first_ms": first * 1e3,
            "median_ms": statistics.median(times) * 1e3,
            "low_ms": min(times) * 1e3,
            "compile_us": compile_us,
            "share": kernels.count_bits(bits) / columns.next_row,
            "right": right(where, columns.mask(bits), fields),
        }
        print(
            f"{name:<34} {told[name]['median_ms']:8.3f} ms (low {told[name]['low_ms']:.3f}, first {first * 1e3:.2f})"
            f"  {told[name]['share']:8.3%}  {'right' if told[name]['right'] else 'WRONG'}"
        )
    return told


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="keep no result")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    fields = values(given.rows, given.seed)
    gc.collect()
    gc.freeze()  # the values are the benchmark's own: a collection of garbage is not to go through them
    costs, columns = built(fields)
    disk, mapped = opened(columns)
    print(f"save {disk['save_s']:.2f} s, open {disk['open_ms']:.2f} ms, {disk['file_bytes'] / 1e6:.0f} MB")
    answers = asked(mapped, fields, given.rounds)
    following = followed(mapped, fields)
    print("following a commit, ms:", {name: round(one, 3) for name, one in following.items()})
    if not given.dry:
        record.write(
            "filters",
            versions=("numpy",),
            parameters={"rows": given.rows, "rounds": given.rounds, "seed": given.seed},
            kernels=kernels.implementation(),
            build=costs,
            disk=disk,
            questions=answers,
            following_ms=following,
        )


if __name__ == "__main__":
    main()
