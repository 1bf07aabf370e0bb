"""SciFact through the whole pipeline: index one chunk per abstract, search every test claim, nDCG@10.

python benchmarks/retrieval/run.py [--overflow cut] [--modes dense,lexical,hybrid]

nDCG@10 with linear gain, log2 discount, ties by the hits' own order (Järvelin, Kekäläinen 2002, as trec_eval computes it);
the mean is over queries that have a judged document.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
import vicinal

K = 10


def qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return query id → document id → grade."""
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][document] = int(grade)
    return grades


def ndcg_at_k(ids: list[str], grades: dict[str, int], k: int) -> float:
    """Return DCG of the first k ids over that of the best order."""
    gains = [grades.get(one, 0) for one in ids[:k]]
    best = sorted(grades.values(), reverse=True)[:k]
    dcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
    ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(best))
    return dcg / ideal if ideal else 0.0


def asked(
    collection: vicinal.Collection, queries: dict[str, str], judged: dict[str, dict[str, int]], mode: str
) -> tuple[list[float], list[float]]:
    """Return the nDCG of each judged query, and how long it took in ms."""
    scores, took_ms = [], []
    for query, grades in judged.items():
        hits = collection.search(queries[query], k=K * 10, mode=mode)
        took_ms.append(hits.took_ms)
        ids = list(dict.fromkeys(hit.id.rpartition("#")[2] for hit in hits))
        scores.append(ndcg_at_k(ids, grades, K))
    return scores, took_ms


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--overflow", default="cut", choices=["cut", "chunk"], help="cut as the reference did, or chunk as Vicinal does"
    )
    parser.add_argument("--modes", default="dense,lexical,hybrid")
    chosen = parser.parse_args()
    data = record.DATA / "scifact"
    judged = qrels(data / "qrels/test.tsv")
    queries = {one["_id"]: one["text"] for one in map(json.loads, (data / "queries.jsonl").read_text().splitlines())}
    with tempfile.TemporaryDirectory() as folder, vicinal.open(Path(folder) / "scifact.vicinal") as db:
        collection = db.collection("scifact", overflow=chosen.overflow)
        begun = time.perf_counter()
        report = collection.sync(data / "corpus.jsonl")
        indexed_s = time.perf_counter() - begun
        collection.compact()
        found = {mode: asked(collection, queries, judged, mode) for mode in chosen.modes.split(",")}
        about = collection.info()
    scores, took_ms = found.get("dense") or next(iter(found.values()))
    record.write(
        "retrieval",
        parameters={
            "dataset": "scifact",
            "digest": record.digest(data / "corpus.jsonl"),
            "overflow": chosen.overflow,
            "k": K,
        },
        space=about["space"]["id"],
        records=about["records"],
        chunks=about["chunks"],
        cut_records=report.cut_records,
        queries=len(scores),
        ndcg_at_10=round(statistics.fmean(scores), 5),
        ndcg_at_10_by_mode={mode: round(statistics.fmean(one), 5) for mode, (one, _) in found.items()},
        search_ms_by_mode={mode: round(statistics.median(one), 2) for mode, (_, one) in found.items()},
        index_s=round(indexed_s, 2),
        search_ms={
            "median": round(statistics.median(took_ms), 2),
            "p95": round(statistics.quantiles(took_ms, n=20)[-1], 2),
        },
    )


if __name__ == "__main__":
    main()
