"""The whole database beside its peers, end to end: durable ingest, open, query, filter, delete, bytes, memory, recall.

python benchmarks/store/run.py --data DIR [--set static-20k] [--peers NAME,NAME] [--envs DIR] [--work DIR] [--rounds 1]
    [--queries 200] [--batch 1000] [--one 200] [--cores 1] [--filters 0.5,0.1,0.01,0.001] [--dry]

DIR is what ``benchmarks/ann/vectors.py`` made. Each peer runs on ``ENVS/<name>/bin/python``, on the same processors, in
processes of its own: one that stores, a new one that opens and answers once, and goes on to answer. A round has all of
them, one after the other, in the other order every other round. Records come in batches, their vectors ready.

``ingest_per_s`` counts the writes and whatever the documentation builds afterwards, so that what is compared can be searched
at the recall that stands beside it; ``add_per_s`` the writes alone; ``one_per_s`` records added one by one to the full
collection. ``first_answer_s`` begins before the library is loaded, in a new process. Recall is computed here, from the
rows: an answer counts if it is as near as the k-th true neighbour. ``at_recall`` is p50 at a recall, interpolated between
two parameters of one peer. After the deletion none of the deleted may be found.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ann"))

import measure

import contest
import record
from contest import Contestant

WORKER = Path(__file__).with_name("worker.py")
NAMES = ("vicinal", "chroma", "lancedb", "qdrantedge", "milvus", "sqlitevec", "pgvector")
RECALLS = (0.9, 0.95, 0.98, 0.99)
FILTER_RECALL = 0.95
K = 10
SHARES = 10_000
DELETED = 0.05
"""The share of the records that is deleted at the end."""
SEED = 0


class Data:
    """The rows, the fields, the queries, and what is truly nearest."""

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.rows_path = given.data / f"{given.set}.f32.npy"
        self.queries_path = given.data / f"{given.set.rsplit('-', 1)[0]}-queries.f32.npy"
        self.shares_path = work / "shares.npy"
        self.rows = np.load(self.rows_path, mmap_mode="r")
        self.one = min(given.one, len(self.rows) // 10)
        self.count = len(self.rows) - self.one
        self.queries = np.load(self.queries_path)[: given.queries]
        self.shares = np.random.default_rng(SEED).permutation(len(self.rows)) * SHARES // len(self.rows)
        np.save(self.shares_path, self.shares)
        self._truths: dict[Any, np.ndarray] = {}
        order = np.random.default_rng(SEED).permutation(len(self.rows))
        self.deleted = np.sort(order[: int(DELETED * len(self.rows))])

    def truth(self, below: int | None, *, after_deletion: bool = False) -> np.ndarray:
        """Return the scores of the true neighbours among the records that the filter lets through."""
        known = below, after_deletion
        if known not in self._truths:
            mask = self.mask(below)
            if after_deletion:
                mask[self.deleted] = False
            self._truths[known] = measure.nearest(self.rows, self.queries, K, mask)[1]
        return self._truths[known]

    def mask(self, below: int | None) -> np.ndarray:
        """Return which records a filter lets through."""
        return np.ones(len(self.rows), dtype=bool) if below is None else self.shares < below


class Entrant:
    """A peer, and what each round said of it."""

    def __init__(self, name: str, given: argparse.Namespace, data: Data, work: Path) -> None:
        python = given.envs / name / "bin" / "python" if given.envs else Path("-")
        if name != "vicinal" and not python.exists():
            raise RuntimeError(f"no environment: {python}")
        self.name, self._given, self._data, self._work = name, given, data, work
        self._words = [str(python) if python.exists() else sys.executable, str(WORKER), name, given.cores]
        self._words += [str(data.rows_path), str(data.shares_path), str(data.queries_path), str(work / name)]
        self.rounds: list[dict[str, Any]] = []
        self.points: list[dict[str, Any]] = []
        self.filtered: dict[str, list[dict[str, Any]]] = {}
        self.about: dict[str, Any] = {}

    def run(self) -> None:
        """Do everything once."""
        said = self._stored()
        said |= self._asked(last=len(self.rounds) + 1 == self._given.rounds)
        self.rounds.append(said)

    def _stored(self) -> dict[str, Any]:
        """Store everything in a process of its own."""
        data, worker = self._data, Contestant(self.name, self._words)
        self.about = worker.ask("about")
        said = worker.ask("ingest", count=data.count, batch=self._given.batch)
        said |= worker.ask("finish")
        said |= worker.ask("one", first=data.count, count=data.one)
        said |= worker.ask("close")
        worker.close()
        return {
            "ingest_per_s": data.count / (said["add_s"] + said["finish_s"]),
            "add_per_s": data.count / said["add_s"],
            "finish_s": said["finish_s"],
            "slowest_batch_s": said["slowest_batch_s"],
            "one_per_s": data.one / said["one_s"],
            "bytes_per_record": said["bytes"] / len(data.rows),
            "ingest_peak_mb": said["peak_mb"],
        }

    def _asked(self, *, last: bool) -> dict[str, Any]:
        """Open in a new process, ask, delete, ask again. Filters are asked in the last round only."""
        worker = Contestant(self.name, self._words)
        first = worker.ask("first", k=K)
        for place, parameters in enumerate(self.about["grid"]):
            if len(self.points) <= place:
                self.points.append({"parameters": parameters, "rounds": []})
            self.points[place]["rounds"].append(self._searched(worker, parameters, None))
        for share in (float(one) for one in self._given.filters.split(",") if last and one):
            below = max(1, round(share * SHARES))
            self.filtered[str(share)] = [
                {"parameters": parameters, "rounds": [self._searched(worker, parameters, below)]}
                for parameters in self.about["grid"]
            ]
        deleted = worker.ask("delete", numbers=self._data.deleted.tolist())
        after = self._searched(worker, self.about["grid"][-1], None, after_deletion=True)
        memory = worker.ask("close")
        worker.close()
        return {
            "first_answer_s": first["open_s"] + first["answer_s"],
            "open_peak_mb": first["peak_mb"],
            "deleted_per_s": len(self._data.deleted) / deleted["delete_s"],
            "recall_after_deletion": after["recall"],
            "deleted_found": after["deleted_found"],
            "bytes_per_record_at_the_end": memory["bytes"] / len(self._data.rows),
        }

    def _searched(
        self, worker: Contestant, parameters: dict[str, Any], below: int | None, *, after_deletion: bool = False
    ) -> dict[str, float]:
        """Ask all queries, and measure the answers."""
        data, to = self._data, self._work / f"{self.name}.npz"
        worker.ask("search", k=K, queries=len(data.queries), below=below, parameters=parameters, to=str(to))
        found = np.load(to)
        mask = data.mask(below)
        if after_deletion:
            mask[data.deleted] = False
        scores = measure.scores_of(data.rows, data.queries, found["rows"], mask)
        ms = found["ns"] / 1e6
        said = {
            "recall": measure.recall(data.truth(below, after_deletion=after_deletion), scores),
            "p50_ms": float(np.median(ms)),
            "p99_ms": float(np.percentile(ms, 99)),
        }
        return said | {"deleted_found": int(np.isin(found["rows"], data.deleted).sum())} if after_deletion else said

    def summary(self) -> dict[str, Any]:
        """Return the medians over the rounds, and each parameter's recall and time."""
        said = {name: contest.told([one[name] for one in self.rounds]) for name in self.rounds[0]}
        points = {"points": [summed(one) for one in self.points]}
        points |= {"filtered": {share: [summed(one) for one in them] for share, them in self.filtered.items()}}
        return {"versions": self.about["versions"], "durable": self.about["durable"], **said, **points}


def summed(point: dict[str, Any]) -> dict[str, Any]:
    """Return the medians over the rounds of one choice of parameters."""
    rounds = point["rounds"]
    said = {name: round(statistics.median(one[name] for one in rounds), 4) for name in rounds[0]}
    return {"parameters": point["parameters"], **said}


def race(names: list[str], given: argparse.Namespace, data: Data, work: Path) -> tuple[list[Entrant], dict[str, str]]:
    """Let the peers take turns; return those that came to the end, and why others did not."""
    entrants, missing = [], {}
    for name in names:
        try:
            entrants.append(Entrant(name, given, data, work))
        except RuntimeError as error:
            missing[name] = str(error)
    for number in range(given.rounds):
        for one in list(entrants) if number % 2 == 0 else entrants[::-1]:
            begun = time.perf_counter()
            try:
                one.run()
            except RuntimeError as error:
                missing[one.name] = str(error)[:500]
                entrants.remove(one)
            state = missing.get(one.name) or one.rounds[-1]
            print(f"{one.name}, {time.perf_counter() - begun:.0f} s: {state}", file=sys.stderr, flush=True)
    return entrants, missing


def compared(said: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return p50 of each at each recall, with each filter at one recall, and how many times as fast ours stores."""
    reached = {str(wanted): {name: _at(one["points"], wanted) for name, one in said.items()} for wanted in RECALLS}
    shares = sorted({share for one in said.values() for share in one["filtered"]}, key=float, reverse=True)
    filtered = {
        share: {name: _at(one["filtered"][share], FILTER_RECALL) for name, one in said.items()} for share in shares
    }
    times = {
        name: round(said["vicinal"]["ingest_per_s"]["median"] / one["ingest_per_s"]["median"], 1)
        for name, one in said.items()
        if "vicinal" in said and name != "vicinal"
    }
    return {
        "p50_ms_at_recall": reached,
        f"filtered_p50_ms_at_recall_{FILTER_RECALL}": filtered,
        "times_ingest_of": times,
    }


def _at(points: list[dict[str, Any]], wanted: float) -> float | None:
    """Return p50 at a recall, short enough to read."""
    found = measure.at_recall(points, wanted)
    return None if found is None else round(found, 4)


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(**contest.parser_about(__doc__ or ""))
    parser.add_argument("--data", type=Path, default=os.environ.get("VICINAL_VECTORS"))
    parser.add_argument("--set", default="static-20k")
    parser.add_argument("--peers", default=",".join(NAMES))
    parser.add_argument("--envs", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--one", type=int, default=200)
    parser.add_argument("--cores", default="1")
    parser.add_argument("--filters", default="0.5,0.1,0.01,0.001", help="shares of the records")
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
        entrants, missing = race(given.peers.split(","), given, data, work)
        said = {one.name: one.summary() for one in entrants}
    parameters = {
        "set": given.set, "rows": len(data.rows), "dim": data.rows.shape[1], "k": K, "queries": len(data.queries),
        "batch": given.batch, "rounds": given.rounds, "cores": given.cores,
    }  # fmt: skip
    line = {"parameters": parameters, "digest": record.digest(data.queries_path), **compared(said)}
    line |= {"load_average": [round(one, 2) for one in os.getloadavg()], "missing": missing, "peers": said}
    if given.dry:
        print(json.dumps(line, indent=1))
    else:
        record.write("store_end_to_end", versions=("numpy",), **line)


if __name__ == "__main__":
    main()
