"""Encoding sentences with all-MiniLM-L6-v2: Vicinal beside sentence-transformers, in one run on the same core.

python benchmarks/encode/run.py [--reference PYTHON] [--rounds 3] [--sentences 2000] [--cores 0] [--threads 1] [--dry]

Each contestant is a process pinned to the same core. They take turns, in the other order every other round; what is
compared is the ratio within a round, and what is told is the median and the spread over the rounds. Without a
``--reference`` interpreter that has sentence-transformers, Vicinal is measured alone. Sentences: of SciFact's
abstracts where the data is, else of the documentation of Python. ``first vector``: wall time of a new process.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from contest import Contestant, told, turns
from vicinal import models

WORKER = Path(__file__).with_name("worker.py")
END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")
MIN_CHARS = 20
SEED = 0
FIRST = {
    "vicinal": "import vicinal.encode as e; e.load('minilm', folder={folder!r}).encode_queries(['x'])",
    "reference": (
        "from sentence_transformers import SentenceTransformer; "
        "SentenceTransformer({folder!r}, device='cpu').encode(['x'])"
    ),
}
SETTINGS_OF_THE_REFERENCE = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
}
"""What the reference reads beside the pinned files; Vicinal has the same in its pin."""


def sentences(count: int, source: str) -> tuple[str, list[str]]:
    """Return the name of the source and so many different real sentences of it.

    ``scifact``: sentences of abstracts, about 37 tokens each; ``banking77``: what customers wrote, about 15.
    """
    path = record.DATA / {"scifact": "scifact/corpus.jsonl", "banking77": "banking77/test.csv"}[source]
    if not path.is_file():
        from pydoc_data.topics import topics  # noqa: PLC0415 - large, and seldom needed

        name, texts = "pydoc topics", list(topics.values())
    elif source == "scifact":
        name = f"scifact {record.digest(path)}"
        texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        name = f"banking77 {record.digest(path)}"
        with path.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
    found = dict.fromkeys(one for text in texts for one in END_OF_SENTENCE.split(text) if len(one) > MIN_CHARS)
    chosen = np.random.default_rng(SEED).choice(len(found), min(count, len(found)), replace=False)
    listed = list(found)
    return name, [listed[place] for place in chosen]


def contestant(kind: str, python: str, options: argparse.Namespace, texts: Path, folder: Path) -> Contestant:
    """Return a started worker."""
    words = [python, str(WORKER), kind, options.cores, str(options.threads), str(texts), str(folder)]
    return Contestant(kind, words)


def first_vector(python: str, kind: str, folder: Path, cores: str, rounds: int) -> dict[str, float]:
    """Return the wall seconds of a new process up to its first vector; one process before does not count."""
    command = ["taskset", "-c", cores, python, "-c", FIRST[kind].format(folder=str(folder))]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        taken.append(time.perf_counter() - begun)
    return told(taken[1:])


def race(contestants: list[Contestant], rounds: int) -> None:
    """Let the contestants take turns."""
    for one in contestants:
        one.order("warm")
    for one in turns(contestants, rounds):
        one.rounds.append(one.order("run"))


def cosines(contestants: list[Contestant], place: Path) -> dict[str, float]:
    """Return how near the vectors of both are to one another."""
    for one in contestants:
        one.order(f"save {place / one.name}.npy")
    ours, theirs = (np.load(place / f"{one.name}.npy").astype(np.float64) for one in contestants)
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return {"min": round(float(cosine.min()), 8), "mean": round(float(cosine.mean()), 8)}


def figures(one: Contestant, count: int, tokens: int) -> dict[str, Any]:
    """Return what one contestant reached, by wall time; processor time stands beside it."""
    return {
        "versions": one.about["versions"],
        "sentences_per_s": told([count / r["wall_s"] for r in one.rounds], 1),
        "tokens_per_s": told([tokens / r["wall_s"] for r in one.rounds], 0),
        "wall_s": told([r["wall_s"] for r in one.rounds]),
        "cpu_s": told([r["cpu_s"] for r in one.rounds]),
        "peak_mb": round(max(r["peak_mb"] for r in one.rounds)),
    }


def folder_for_both(place: Path) -> Path:
    """Return a folder in the hub's layout with links to the verified files, as both contestants read it."""
    found = models.find(models.get("minilm"))
    folder = place / "model"
    for name in found.pin.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(found.folder / name)
    for name, content in SETTINGS_OF_THE_REFERENCE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", help="an interpreter that has sentence-transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument(
        "--source", default="scifact", choices=["scifact", "banking77"], help="where the sentences are from"
    )
    parser.add_argument("--cores", default="0", help="the processors to pin to, such as 0 or 0,1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print, write no line")
    return parser.parse_args()


def main() -> None:
    """Measure and write the line."""
    chosen = options()
    source, texts = sentences(chosen.sentences, chosen.source)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = folder_for_both(place)
        (place / "texts.json").write_text(json.dumps(texts))
        pythons = {"vicinal": sys.executable} | ({"reference": chosen.reference} if chosen.reference else {})
        entrants = [contestant(kind, python, chosen, place / "texts.json", folder) for kind, python in pythons.items()]
        race(entrants, chosen.rounds)
        from vicinal import encode  # noqa: PLC0415 - loads the runtime, which the race should not share memory with

        tokens = int(encode.load("minilm").count_tokens(texts).clip(max=256).sum())
        said: dict[str, Any] = {one.name: figures(one, len(texts), tokens) for one in entrants}
        if chosen.reference:
            pairs = list(zip(*(one.rounds for one in entrants), strict=True))
            said["throughput_ratio"] = {
                clock: told([theirs[clock] / ours[clock] for ours, theirs in pairs]) for clock in ("wall_s", "cpu_s")
            }
            said["cosine"] = cosines(entrants, place)
        for one in entrants:
            one.close()
        source_folder = models.find(models.get("minilm")).folder
        places = {"vicinal": source_folder, "reference": folder}
        said["first_vector_s"] = {
            kind: first_vector(python, kind, places[kind], chosen.cores, 5) for kind, python in pythons.items()
        }
    parameters = {
        "source": source,
        "digest": hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12],
        "sentences": len(texts),
        "tokens": tokens,
        "rounds": chosen.rounds,
        "cores": chosen.cores,
        "threads": chosen.threads,
        "seed": SEED,
    }
    said = {"parameters": parameters, "load_average": [round(one, 2) for one in os.getloadavg()], **said}
    if chosen.dry:
        print(json.dumps(said, indent=1))
    else:
        record.write("encode", **said)


if __name__ == "__main__":
    main()
