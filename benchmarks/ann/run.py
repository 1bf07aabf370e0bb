"""Search alone: this program's index and its collection beside FAISS, usearch and hnswlib, at equal recall, in one run.

python benchmarks/ann/run.py --data DIR [--set static-20k] [--contestants NAME,NAME] [--envs DIR] [--work DIR]
    [--rounds 3] [--queries 500] [--k 10] [--core 1] [--filters 0.5,0.1,0.01,0.001] [--cold] [--dry]

DIR is what vectors.py made. Each contestant is a process on the same core, on the interpreter ``ENVS/<first part of its
name>/bin/python`` where there is one. It builds its index once; ``--work`` keeps indexes for the next run, with the time
that they took. Then all take turns: in each round each contestant answers all queries, one at a time, for each of its
parameters. What a contestant answers is scored here, from the rows themselves; recall is the share of answers that are
as near as the k-th true neighbour. p50 and p99 are over the queries of a round, and their median over the rounds is
told. ``at_recall`` is p50 at a recall, interpolated between two parameters of one contestant.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure

import contest
import record
from contest import Contestant

WORKER = Path(__file__).with_name("worker.py")
NAMES = (
    "vicinal", "vicinal-index", "vicinal-exact", "faiss-flat", "faiss-rabitq", "faiss-ivf", "faiss-ivfpq",
    "faiss-hnsw", "hnswlib", "usearch",
)  # fmt: skip
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
FILTER_RECALL = 0.99
SHARES = 10_000
SEED = 0
WARM = 20
SLOW_MS = 5.0
"""A point that is slower has fewer queries: as many as the quick ones have time for, at least ``LEAST_QUERIES``."""
LEAST_QUERIES = 100
MANY_ROWS = 100_000


class Data:
    """The rows, the queries, and what is truly nearest."""

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.rows_path = given.data / f"{given.set}.f32.npy"
        self.queries_path = given.data / f"{given.set.rsplit('-', 1)[0]}-queries.f32.npy"
        self.rows = np.load(self.rows_path, mmap_mode="r")
        self.queries = np.load(self.queries_path)[: given.queries]
        kept = np.load(given.data / f"{given.set}-truth.npz")["scores"][: given.queries]
        self.truth = (
            kept[:, : given.k] if given.k <= kept.shape[1] else measure.nearest(self.rows, self.queries, given.k)[1]
        )
        self.shares = np.random.default_rng(SEED).permutation(len(self.rows)) * SHARES // len(self.rows)
        np.save(work / "shares.npy", self.shares)


class Entrant:
    """A contestant, and its points: one for each of its parameters."""

    def __init__(self, name: str, given: argparse.Namespace, data: Data, work: Path) -> None:
        python = given.envs / name.split("-", maxsplit=1)[0] / "bin" / "python" if given.envs else Path("-")
        words = [str(python) if python.exists() else sys.executable, str(WORKER), name, given.core]
        words += [str(data.rows_path), str(data.queries_path), str(work / name)]
        self.name, self._given, self._data, self._work = name, given, data, work
        self.contestant = Contestant(name, words)
        self.figures = self.contestant.ask("build")
        opened = self.contestant.ask("open")
        self.grid = opened.pop("grid")
        self.figures |= opened
        self.points: list[dict[str, Any]] = [{"parameters": one, "rounds": []} for one in self.grid]
        self.filtered: dict[float, list[dict[str, Any]]] = {}
        self.cold: list[dict[str, Any]] = []

    def run(
        self, point: dict[str, Any], truth: np.ndarray, mask: np.ndarray | None = None, *, warm: int = WARM
    ) -> None:
        """Answer all queries with one choice of parameters, once."""
        to, count = self._work / f"{self.name}.npz", self._queries(point, filtered=mask is not None)
        path = self._work / "mask.npy"
        if mask is not None:
            np.save(path, mask)
        order = {"parameters": point["parameters"], "k": self._given.k, "queries": count, "to": str(to), "warm": warm}
        self.contestant.ask("search", **order, mask=None if mask is None else str(path))
        found = np.load(to)
        scores = measure.scores_of(self._data.rows, self._data.queries[:count], found["rows"], mask)
        ms = found["ns"] / 1e6
        point["rounds"].append(
            {
                "recall": measure.recall(truth[:count], scores),
                "p50_ms": float(np.median(ms)),
                "p99_ms": float(np.percentile(ms, 99)),
                "mean_ms": float(ms.mean()),
            }
        )

    def batch(self, point: dict[str, Any]) -> None:
        """Answer all queries at once, with the same parameters."""
        to = self._work / f"{self.name}.npz"
        order = {
            "parameters": point["parameters"],
            "k": self._given.k,
            "queries": len(self._data.queries),
            "to": str(to),
        }
        self.contestant.ask("search", **order, batch=True)
        point.setdefault("batches", []).append(len(self._data.queries) / (np.load(to)["ns"].sum() / 1e9))

    def run_cold(self, truth: np.ndarray) -> None:
        """Answer all queries with each choice of parameters, its files forgotten by the system before."""
        self.cold = [{"parameters": parameters, "rounds": []} for parameters in self.grid]
        for point in self.cold:
            self.contestant.ask("chill")
            self.run(point, truth, warm=0)

    def _queries(self, point: dict[str, Any], *, filtered: bool) -> int:
        """Return how many queries a point is asked: fewer where it is known to be slow, or its first round was."""
        count = len(self._data.queries)
        exhaustive = self.name in {"faiss-flat", "vicinal-exact"} and len(self._data.rows) >= MANY_ROWS
        if not point["rounds"]:
            return min(count, LEAST_QUERIES) if exhaustive or (filtered and self.name == "hnswlib") else count
        slower = point["rounds"][0]["p50_ms"] / SLOW_MS
        return count if slower <= 1 else min(count, max(LEAST_QUERIES, int(count / slower)))

    def summary(self) -> dict[str, Any]:
        """Return the figures of one contestant."""
        said = {**self.figures, "points": [summed(one) for one in self.points]}
        if self.filtered:
            said["filtered"] = {str(share): [summed(one) for one in points] for share, points in self.filtered.items()}
        if self.cold:
            said["cold"] = [summed(one) for one in self.cold]
        return said


def summed(point: dict[str, Any]) -> dict[str, Any]:
    """Return the medians over the rounds of one point, and the spread of its p50."""
    rounds = point["rounds"]
    said: dict[str, Any] = {"parameters": point["parameters"]}
    said |= {name: round(statistics.median(one[name] for one in rounds), 4) for name in rounds[0]}
    said["recall"] = round(min(one["recall"] for one in rounds), 4)
    said["p50_spread_ms"] = [round(pick(one["p50_ms"] for one in rounds), 4) for pick in (min, max)]
    said["queries_per_s"] = round(1000 / said.pop("mean_ms"), 1)
    if "batches" in point:
        said["batched_per_s"] = round(statistics.median(point["batches"]), 1)
    return said


def race(entrants: list[Entrant], data: Data, rounds: int) -> None:
    """Let the contestants take turns."""
    for number in range(rounds):
        for one in entrants if number % 2 == 0 else entrants[::-1]:
            for point in one.points:
                one.run(point, data.truth)
                if one.contestant.about["batches"]:
                    one.batch(point)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)


def race_filtered(entrants: list[Entrant], data: Data, shares: list[float], given: argparse.Namespace) -> None:
    """Let the contestants that can filter take turns, at each selectivity; one round less than without filters."""
    able = [one for one in entrants if one.contestant.about["filters"]]
    for share in shares:
        mask = data.shares < max(1, round(share * SHARES))
        _, truth = measure.nearest(data.rows, data.queries, given.k, mask)
        for one in able:
            one.filtered[share] = [{"parameters": parameters, "rounds": []} for parameters in one.grid]
        for number in range(max(1, given.rounds - 1)):
            for one in able if number % 2 == 0 else able[::-1]:
                for point in one.filtered[share]:
                    one.run(point, truth, mask)
        print(f"filter of {share:.2%}", file=sys.stderr, flush=True)


def compared(said: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return p50 of each contestant at each recall, and at which filters keep the recall how fast."""
    reached = {
        str(wanted): {name: rounded(measure.at_recall(one["points"], wanted)) for name, one in said.items()}
        for wanted in RECALLS
    }
    shares = sorted({share for one in said.values() for share in one.get("filtered", {})}, key=float, reverse=True)
    filtered = {
        share: {
            name: rounded(measure.at_recall(one["filtered"][share], FILTER_RECALL))
            for name, one in said.items()
            if share in one.get("filtered", {})
        }
        for share in shares
    }
    return {"p50_ms_at_recall": reached, f"filtered_p50_ms_at_recall_{FILTER_RECALL}": filtered}


def rounded(value: float | None) -> float | None:
    """Return a figure short enough to read."""
    return None if value is None else round(value, 4)


def entrants_of(given: argparse.Namespace, data: Data, work: Path) -> tuple[list[Entrant], dict[str, str]]:
    """Return the contestants that could be started, and why others could not."""
    entrants, missing = [], {}
    for name in given.contestants.split(","):
        try:
            entrants.append(Entrant(name, given, data, work))
        except RuntimeError as error:
            missing[name] = str(error)[:300]
        print(f"{name}: {missing.get(name) or entrants[-1].figures}", file=sys.stderr, flush=True)
    return entrants, missing


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(**contest.parser_about(__doc__ or ""))
    parser.add_argument("--data", type=Path, default=os.environ.get("VICINAL_VECTORS"))
    parser.add_argument("--set", default="static-20k")
    parser.add_argument("--contestants", default=",".join(NAMES))
    parser.add_argument("--envs", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--core", default="1")
    parser.add_argument("--filters", default="", help="shares of the rows, such as 0.5,0.1,0.01,0.001")
    parser.add_argument("--cold", action="store_true", help="this program also with nothing of its files in memory")
    parser.add_argument("--dry", action="store_true", help="print, write no line")
    given = parser.parse_args()
    if given.data is None or not (Path(given.data) / f"{given.set}.f32.npy").exists():
        print("There are no vectors: make them with benchmarks/ann/vectors.py and name their folder with --data.")
        return
    given.data = Path(given.data)
    with tempfile.TemporaryDirectory() as place:
        work = (given.work or Path(place)) / given.set
        work.mkdir(parents=True, exist_ok=True)
        data = Data(given, work)
        entrants, missing = entrants_of(given, data, work)
        race(entrants, data, given.rounds)
        race_filtered(entrants, data, [float(one) for one in given.filters.split(",") if one], given)
        for one in entrants:
            if given.cold and one.name.startswith("vicinal"):
                one.run_cold(data.truth)
        said = {one.name: one.summary() for one in entrants}
        for one in entrants:
            one.contestant.close()
    parameters = {
        "set": given.set, "rows": len(data.rows), "dim": data.rows.shape[1], "k": given.k, "queries": len(data.queries),
        "rounds": given.rounds, "core": given.core,
    }  # fmt: skip
    line = {"parameters": parameters, "digest": record.digest(data.queries_path), **compared(said)}
    line |= {"load_average": [round(one, 2) for one in os.getloadavg()], "missing": missing, "contestants": said}
    if given.dry:
        print(json.dumps(line, indent=1))
    else:
        record.write("ann", versions=("numpy",), **line)


if __name__ == "__main__":
    main()
