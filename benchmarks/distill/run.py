"""A static model distilled from MiniLM: its making, its quality and its speed beside its teacher's.

python benchmarks/distill/run.py [--dim 256 …] [--words 0 …] [--threads 2] [--untrained]

Learnt from: the texts of SciFact's corpus and of BANKING77's training part. No question, judgement, label or test text.
Measured on SciFact (300 test claims, nDCG@10, linear gain), BANKING77 (MTEB's protocol: 10 runs of 8 texts a label, logistic
regression, accuracy on the test part; needs scikit-learn), and XQuAD in English, of which nothing was learnt (nDCG@10).
Each pair of ``--dim`` and ``--words`` is a line; the teacher is asked once about the texts, and the first line's time holds that.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib.util
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
import vicinal
from vicinal.train import distill

K = 10
RUNS, PER_LABEL, SEED = 10, 8, 42


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def table_of(path: Path) -> tuple[list[str], list[str]]:
    """Return texts and labels of BANKING77."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def documents_of(folder: Path) -> dict[str, str]:
    """Return the texts of a corpus by id, each title before its text, as MTEB joins them."""
    return {one["_id"]: f"{one.get('title', '')} {one['text']}".strip() for one in lines_of(folder / "corpus.jsonl")}


def ndcg(encoder: vicinal.Encoder, folder: Path) -> float:
    """Return the mean nDCG@10 over the judged questions of a data set in BEIR's layout, by an exact search."""
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][document] = int(grade)
    documents = documents_of(folder)
    queries = {one["_id"]: one["text"] for one in lines_of(folder / "queries.jsonl") if one["_id"] in grades}
    ids = list(documents)
    scores = encoder.encode_queries(list(queries.values())) @ encoder.encode_documents(list(documents.values()))
    found = []
    for query, row in zip(queries, np.asarray(scores), strict=True):
        gains = [grades[query].get(ids[place], 0) for place in np.argsort(-row, kind="stable")[:K]]
        found.append(_dcg(gains) / _dcg(sorted(grades[query].values(), reverse=True)[:K]))
    return statistics.fmean(found)


def _dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def few_labels(encoder: vicinal.Encoder, folder: Path) -> float | None:
    """Return the mean accuracy of MTEB's protocol; None without scikit-learn."""
    if importlib.util.find_spec("sklearn") is None:
        return None
    linear_model = importlib.import_module("sklearn.linear_model")
    (texts, labels), (others, truth) = table_of(folder / "train.csv"), table_of(folder / "test.csv")
    known, asked = (np.asarray(encoder.encode_documents(part)) for part in (texts, others))
    order, found = list(range(len(texts))), []
    for _ in range(RUNS):
        np.random.RandomState(SEED).shuffle(order)
        taken: dict[str, list[int]] = defaultdict(list)
        for row in order:
            if len(taken[labels[row]]) < PER_LABEL:
                taken[labels[row]].append(row)
        rows = [row for row in order if row in set(taken[labels[row]])]
        model = linear_model.LogisticRegression(random_state=SEED, max_iter=100)
        model.fit(known[rows], [labels[row] for row in rows])
        found.append(float((model.predict(asked) == np.array(truth)).mean()))
    return statistics.fmean(found)


def quality(encoder: vicinal.Encoder) -> dict[str, float | None]:
    """Return the figures of an encoder on the three sets."""
    banking = few_labels(encoder, record.DATA / "banking77")
    return {
        "scifact_ndcg_at_10": round(ndcg(encoder, record.DATA / "scifact"), 4),
        "banking77_accuracy": None if banking is None else round(banking, 4),
        "xquad_en_ndcg_at_10": round(ndcg(encoder, record.DATA / "xquad" / "en"), 4),
    }


def texts_per_s(name: str, texts: list[str]) -> float:
    """Return the median throughput of three rounds on one thread, each with an encoder that has met none of the texts."""
    rates = []
    for _ in range(3):
        encoder = vicinal.load(name, threads=1)
        encoder.encode_queries(["warm", "up"])
        begun = time.perf_counter()
        encoder.encode_queries(texts)
        rates.append(len(texts) / (time.perf_counter() - begun))
    return statistics.median(rates)


def speeds(student: str) -> dict[str, Any]:
    """Return both throughputs, in turns, on short and on long texts; the teacher has fewer of them, the first ones."""
    asked = table_of(record.DATA / "banking77" / "test.csv")[0]
    long = list(documents_of(record.DATA / "scifact").values())
    found: dict[str, Any] = {}
    for name, texts, fewer in (("questions", asked, 512), ("abstracts", long, 64)):
        slow, fast = texts_per_s("minilm", texts[:fewer]), texts_per_s(student, texts)
        found[name] = {"teacher": round(slow), "student": round(fast), "ratio": round(fast / slow, 1)}
    return found


def corpus() -> list[str]:
    """Return what is learnt from."""
    return [
        *documents_of(record.DATA / "scifact").values(),
        *table_of(record.DATA / "banking77" / "train.csv")[0],
    ]


def main() -> None:
    """Make, measure and write a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, nargs="+", default=[256])
    parser.add_argument("--words", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--untrained", action="store_true", help="also the model without a corpus")
    chosen = parser.parse_args()
    teacher = vicinal.load("minilm", threads=chosen.threads)
    begun = time.perf_counter()
    reference = quality(teacher)
    asked_s = time.perf_counter() - begun
    plans: list[tuple[int, int, bool]] = [(*pair, True) for pair in itertools.product(chosen.dim, chosen.words)]
    plans += [(chosen.dim[0], 0, False)] if chosen.untrained else []
    with tempfile.TemporaryDirectory() as place:
        for number, (dim, words, trained) in enumerate(plans):
            folder = Path(place) / f"student-{number}"
            report = distill(
                teacher,
                folder,
                corpus=corpus() if trained else None,
                dim=dim,
                words=words,
                work=Path(place) / "work",
            )
            student = vicinal.load(str(folder), threads=1)
            reached = quality(student)
            record.write(
                "distill",
                parameters={
                    "teacher": "minilm",
                    "digest": record.digest(record.DATA / "scifact" / "corpus.jsonl"),
                    "dim": dim,
                    "words": words,
                    "corpus": trained,
                    "teacher_threads": chosen.threads,
                    "asked_before": number > 0,
                },
                report={name: value for name, value in dataclasses.asdict(report).items() if name != "folder"},
                teacher=reference,
                teacher_quality_s=round(asked_s, 1),
                student=reached,
                kept={
                    name: round(value / reference[name], 4)  # type: ignore[operator]  # both are there or neither
                    for name, value in reached.items()
                    if value is not None
                },
                texts_per_s_one_thread=speeds(str(folder)),
            )


if __name__ == "__main__":
    main()
