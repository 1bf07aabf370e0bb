"""Hybrid search through a collection of a million passages: its time, filters included, and codes that stand in one passage.

python benchmarks/hybrid/run.py --data FOLDER [--passages 1000000] [--keep FOLDER]

FOLDER is what ``ann/vectors.py`` makes: ``lines.txt``, ``queries.txt`` and a static ``model``. Each line is a passage; 200
of them get a code (an identifier, a number, an address) that no other has. Asked are held-out lines of ``queries.txt``,
cut to eight words, and the codes: alone, and inside a sentence. One thread (VICINAL_THREADS=1). A question's time holds
its encoding by the static model; that of a network comes on top.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("VICINAL_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lexical"))

import run as lexical

import record
import vicinal

BATCH = 20_000
QUESTIONS = 300
QUESTION_WORDS = 8
SHARES = (0.5, 0.1, 0.01, 0.001)
FORMS = ("{}", "what does {} mean", "where is {} described in the manual")


def records(data: Path, count: int, codes: dict[int, str]) -> Iterator[dict[str, Any]]:
    """Go through the passages, those with a code with it at their end."""
    with (data / "lines.txt").open(encoding="utf-8") as file:
        for row, line in enumerate(itertools.islice(file, count)):
            text = line.rstrip("\n")
            yield {"id": f"{row}", "text": f"{text} {codes[row]}" if row in codes else text, "place": row % 1000}


def build(collection: vicinal.Collection, data: Path, count: int, codes: dict[int, str]) -> dict[str, float]:
    """Fill a collection and have its indexes built; return the seconds."""
    begun = time.perf_counter()
    every = records(data, count, codes)
    while batch := list(itertools.islice(every, BATCH)):
        collection.add(batch, vectors=collection.encoder.encode_documents([one["text"] for one in batch]))
    filled = time.perf_counter()
    collection.compact()
    return {"fill_s": round(filled - begun, 1), "index_s": round(time.perf_counter() - filled, 1)}


def times(ask: Callable[[str], Any], questions: list[str]) -> dict[str, float]:
    """Return median and 95th percentile of a question's time in ms, in two rounds after a few to warm up."""
    for question in questions[:20]:
        ask(question)
    took = []
    for question in questions * 2:
        begun = time.perf_counter()
        ask(question)
        took.append((time.perf_counter() - begun) * 1000)
    return {"p50_ms": round(statistics.median(took), 3), "p95_ms": round(statistics.quantiles(took, n=20)[-1], 3)}


def measured(collection: vicinal.Collection, questions: list[str], codes: dict[int, str]) -> dict[str, Any]:
    """Return all figures."""
    figures: dict[str, Any] = {"encode": times(lambda text: collection.encoder.encode_queries([text]), questions)}
    for mode in ("dense", "lexical", "hybrid"):
        figures[mode] = times(lambda text, mode=mode: collection.search(text, mode=mode), questions)
    for share in SHARES:
        where = {"place": {"$lt": round(1000 * share)}}
        ask = lambda text, where=where: collection.search(text, where=where)  # noqa: E731
        figures[f"hybrid, filter {share:g}"] = times(ask, questions)
    figures["hybrid, per_record 1"] = times(lambda text: collection.search(text, per_record=1), questions)
    figures["codes"] = len(codes)
    figures["codes_first"] = {
        form: sum(collection.search(form.format(code), k=1)[0].id == f"{row}" for row, code in codes.items())
        for form in FORMS
    }
    return figures


def main() -> None:
    """Measure and write a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where the collection stays, and is taken from if it is there")
    given = parser.parse_args()
    chance = random.Random(0)  # noqa: S311 - which passages get a code
    named = lexical.planted(chance)
    codes = dict(zip(chance.sample(range(given.passages), len(named)), named, strict=True))
    lines = (given.data / "queries.txt").read_text(encoding="utf-8").splitlines()
    questions = [" ".join(line.split()[:QUESTION_WORDS]) for line in lines[:QUESTIONS]]
    with tempfile.TemporaryDirectory() as scratch, vicinal.open(given.keep or Path(scratch) / "db") as db:
        is_kept = "passages" in db.collections()
        collection = db.collection("passages", model=str(given.data / "model"))
        built = {} if is_kept else build(collection, given.data, given.passages, codes)
        figures = measured(collection, questions, codes)
        rows = len(collection)
    record.write("hybrid", parameters={"passages": given.passages}, records=rows, **built, **figures)


if __name__ == "__main__":
    main()
