"""Every way of cutting beside the others: how much of the answers its nearest chunks hold, and what it costs.

Run it as ``python benchmarks/chunking/run.py [--set NAME] [--only NAME,NAME] [--modes dense,hybrid] [--documents N]
[--cache FOLDER] [--dry]``. ``contestants.py`` says who takes part, ``judge.py`` what is counted.

``dense`` compares the question's vector with all chunks. ``hybrid`` asks a collection of this program with its
defaults, in which every chunk is a record. The model is MiniLM, so a window holds 254 tokens of text. Each line tells
the means with their bootstrap intervals over questions, and what the contestant gains over the default chunker in the
same mode, question by question; hybrid lines also what they gain over dense.

Encoding is the cost: about 100,000 tokens a minute on one core, a contestant encodes 0.3 to 1.3 million of a set.
Vectors are kept in ``--cache``, so that a second run encodes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from contestants import CONTESTANTS, DEFAULT, Cut
from judge import MEASURES, NEAREST, RANKED, TASKS, Place, Table, Task, judged
from numpy.typing import NDArray

import record
import vicinal
from vicinal.encode.cache import EncodingCache, cached
from vicinal.evaluate.significance import bootstrap_interval, paired
from vicinal.space import Vectors

CACHE_BYTES = 1 << 30
BLOCK_TEXTS = 512
"""Texts that are encoded between two writes to the cache."""
DEEP = RANKED * 8
"""Chunks that are looked at for ten places: several may have the same parent."""
Rows = NDArray[np.float32]


class Collected:
    """One contestant's chunks of one set, encoded, and what they cost."""

    def __init__(self, name: str, task: Task, encoder: Any) -> None:
        begun = time.perf_counter()
        made = CONTESTANTS[name](task.documents, encoder)
        self.split_s = time.perf_counter() - begun
        self.task = task
        self.chunks = [one.text for part in made.chunks for one in part]
        self.places = places_of(task, made)
        texts = [one for part in made.texts for one in part] if made.texts else self.chunks
        self.rows = made.vectors if made.vectors is not None else encoded(encoder, texts)
        self.tokens = encoder.count_tokens(texts)
        self.beyond = int((self.tokens > encoder.max_tokens).sum())
        self.encodings = [*(made.windows or texts), *made.beside]
        self.encoded_tokens = int(encoder.count_tokens(self.encodings).sum())

    def figures(self) -> dict[str, Any]:
        """Return what was made and what it cost."""
        return {
            "chunks": len(self.chunks),
            "encodings": len(self.encodings),
            "tokens_encoded": self.encoded_tokens,
            "tokens_mean": round(float(self.tokens.mean()), 1),
            "beyond_the_window": self.beyond,
            "split_s": round(self.split_s, 2),
        }


def places_of(task: Task, made: Cut) -> list[Place]:
    """Return what is handed out for each chunk."""
    spans = made.parents or [[(one.start, one.end) for one in part] for part in made.chunks]
    return [(one.id, *span) for one, part in zip(task.documents, spans, strict=True) for span in part]


def encoded(encoder: Any, texts: list[str]) -> Rows:
    """Return the vectors of chunks, the cache written every few hundred."""
    parts = [texts[start : start + BLOCK_TEXTS] for start in range(0, len(texts), BLOCK_TEXTS)]
    return np.concatenate([np.asarray(encoder.encode_documents(part)) for part in parts])


def dense(made: Collected, encoder: Any) -> list[list[int]]:
    """Return for each question the numbers of its nearest chunks by cosine, all compared."""
    asked = np.asarray(encoder.encode_queries([one.text for one in made.task.questions]))
    return np.argsort(-(asked @ made.rows.T), axis=1, kind="stable")[:, :DEEP].tolist()


def hybrid(made: Collected, encoder: Any) -> list[list[int]]:
    """Return the same as a collection finds them by meaning and by words, with its own defaults."""
    with tempfile.TemporaryDirectory() as folder, vicinal.open(Path(folder) / "chunks.vicinal") as db:
        collection = db.collection("chunks")
        records = [{"id": str(number), "text": text} for number, text in enumerate(made.chunks)]
        collection.add(records, vectors=Vectors(made.rows, encoder.space))
        collection.compact()
        asked = {one.text for one in made.task.questions}
        found = {text: [int(hit.id) for hit in collection.search(text, k=DEEP, mode="hybrid")] for text in asked}
    return [found[one.text] for one in made.task.questions]


MODES = {"dense": dense, "hybrid": hybrid}


def measured(made: Collected, order: list[list[int]]) -> Table:
    """Return every measure of every question."""
    found = [list(dict.fromkeys(made.places[number] for number in row))[:RANKED] for row in order]
    return judged(made.task, found, made.places)


def summary(table: Table) -> dict[str, Any]:
    """Return the means in percent with their intervals, and the characters that are handed out."""
    names = MEASURES[:-1]
    return {
        **{name: round(100 * float(table[name].mean()), 2) for name in names},
        "recall_deviation": round(100 * float(table["recall"].std()), 1),
        "characters_at_5": round(float(table["characters"].mean())),
        "intervals": {name: [round(100 * end, 2) for end in bootstrap_interval(table[name])] for name in names},
    }


def gains(baseline: Table, other: Table) -> dict[str, list[float]]:
    """Return for each measure the gain over a baseline and the ends of its interval, in points of percent."""
    found = {name: paired(baseline[name], other[name]) for name in MEASURES[:-1]}
    return {name: [round(100 * end, 2) for end in (one.gain, one.low, one.high)] for name, one in found.items()}


def part_of(task: Task, chosen: str) -> Task:
    """Return the set with some documents alone, and their questions.

    A number takes the documents that are asked most for their length, so that few are encoded for many questions.
    """
    asked = Counter(one.document for one in task.questions)
    by_length = sorted(task.documents, key=lambda one: (-asked[one.id] / len(one.text), one.id))
    ids = {one.id for one in by_length[: int(chosen)]} if chosen.isdigit() else set(chosen.split(","))
    kept = [one for one in task.documents if one.id in ids]
    return replace(task, documents=kept, questions=[one for one in task.questions if one.document in ids])


def compared(task: Task, names: list[str], modes: list[str], encoder: Any, *, dry: bool) -> None:
    """Measure each contestant beside the default, and write a line for each mode."""
    baselines: dict[str, Table] = {}
    for name in [DEFAULT, *(one for one in names if one != DEFAULT)]:
        made = Collected(name, task, encoder)
        tables = {mode: measured(made, MODES[mode](made, encoder)) for mode in modes}
        baselines = baselines or tables
        if name not in names:
            continue
        for mode, table in tables.items():
            figures = {"contestant": name, **made.figures(), **summary(table)}
            if name != DEFAULT:
                figures["gain_over_default"] = gains(baselines[mode], table)
            if mode != "dense" and "dense" in tables:
                figures["gain_over_dense"] = gains(tables["dense"], table)
            written(task, mode, encoder.space.id, figures, dry=dry)


def written(task: Task, mode: str, space: str, figures: dict[str, Any], *, dry: bool) -> None:
    """Write a line, or print it."""
    parameters = {
        "dataset": task.name,
        "digest": task.digest,
        "documents": len(task.documents),
        "questions": len(task.questions),
        "k": NEAREST,
        "mode": mode,
    }
    if dry:
        print(json.dumps({**parameters, **figures}))
    else:
        record.write("chunking", parameters=parameters, space=space, **figures)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=sorted(TASKS), default="chunking_eval")
    parser.add_argument("--only", default="", help="names of contestants with commas between; all without")
    parser.add_argument("--modes", default="dense", help="dense, hybrid, or both with a comma between")
    parser.add_argument("--documents", default="", help="only so many, or these ids with commas between; see part_of")
    parser.add_argument("--cache", type=Path, help="where vectors are kept for the next run")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    with ExitStack() as open_ones:
        encoder: Any = vicinal.load("minilm")
        if chosen.cache:
            chosen.cache.mkdir(parents=True, exist_ok=True)
            cache = EncodingCache(chosen.cache / "encodings.sqlite", limit_bytes=CACHE_BYTES)
            encoder = cached(encoder, open_ones.enter_context(cache))
        task = TASKS[chosen.set]()
        task = part_of(task, chosen.documents) if chosen.documents else task
        names = chosen.only.split(",") if chosen.only else list(CONTESTANTS)
        compared(task, names, chosen.modes.split(","), encoder, dry=chosen.dry)


if __name__ == "__main__":
    main()
