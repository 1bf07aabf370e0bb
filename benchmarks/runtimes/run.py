"""The runtimes of networks side by side: all-MiniLM-L6-v2, the same batches, in one run on the same cores.

python benchmarks/runtimes/run.py [--runtimes onnxruntime,openvino] [--rounds 3] [--sentences 1000] [--cores 0] [--scaling] [--dry]

Each contestant is a process of its own; they take turns, in the other order every other round. Told are the median and
the spread over the rounds, and the ratio to onnxruntime within a round by processor time, which other programs on the
machine disturb least. ``cosine`` is against onnxruntime. ``--scaling`` adds each runtime with two threads on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from contest import Contestant, told, turns
from vicinal.models import runtimes

WORKER = Path(__file__).with_name("worker.py")
END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")
MIN_CHARS = 20
SEED = 0


def sentences(count: int) -> tuple[str, list[str]]:
    """Return the name of the source and so many different sentences: of SciFact, else of Python's documentation."""
    path = record.DATA / "scifact/corpus.jsonl"
    if path.is_file():
        name = f"scifact {record.digest(path)}"
        texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        from pydoc_data.topics import topics  # noqa: PLC0415 - large, and seldom needed

        name, texts = "pydoc topics", list(topics.values())
    found = list(dict.fromkeys(one for text in texts for one in END_OF_SENTENCE.split(text) if len(one) > MIN_CHARS))
    chosen = np.random.default_rng(SEED).choice(len(found), min(count, len(found)), replace=False)
    return name, [found[place] for place in chosen]


class Racer(Contestant):
    """A runtime in a process of its own; ``alone`` is whether it has one thread, as those that are compared have."""

    def __init__(self, runtime: str, cores: str, threads: int, texts: Path) -> None:
        self.alone = threads == 1
        name = runtime if self.alone else f"{runtime}, {threads} threads"
        super().__init__(name, [sys.executable, str(WORKER), runtime, cores, str(threads), str(texts)])


def race(entrants: list[Racer], rounds: int) -> None:
    """Let the contestants take turns."""
    for one in entrants:
        one.order("warm")
    for one in turns(entrants, rounds):
        one.rounds.append(one.order("run") | (one.order("one") if one.alone else {}))


def cosine(one: Racer, first: Racer, place: Path) -> dict[str, float]:
    """Return how near its vectors are to those of the first contestant."""
    arrays = []
    for number, each in enumerate((one, first)):
        each.order(f"save {place / str(number)}.npy")
        arrays.append(np.load(place / f"{number}.npy").astype(np.float64))
    ours, theirs = arrays
    found = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return {"min": round(float(found.min()), 7), "mean": round(float(found.mean()), 7)}


def figures(one: Racer, first: Racer, count: int, place: Path) -> dict[str, Any]:
    """Return what one contestant reached."""
    said = {
        "runtime": one.about["runtime"],
        "sentences_per_s": told([count / r["wall_s"] for r in one.rounds], 1),
        "cpu_s": told([r["cpu_s"] for r in one.rounds]),
        "peak_mb": round(max(r["peak_mb"] for r in one.rounds)),
        "load_s": round(one.about["load_s"], 3),
        "cosine": cosine(one, first, place),
    }
    pairs = list(zip(one.rounds, first.rounds, strict=True))
    said["throughput_ratio_by_wall"] = told([theirs["wall_s"] / ours["wall_s"] for ours, theirs in pairs])
    if one.alone:
        said["one_text_ms"] = told([r["ms"] for r in one.rounds], 2)
        said["throughput_ratio_by_cpu"] = told([theirs["cpu_s"] / ours["cpu_s"] for ours, theirs in pairs])
    return said


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    here = [status for status in runtimes.known() if status.available]
    names = [status.name for status in here] + ["openvino-bf16"] * any("bf16" in status.precisions for status in here)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtimes", default=",".join(names), help="which, the first is what others are compared with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--cores", default="0", help="the processor to pin to")
    parser.add_argument("--scaling", action="store_true", help="also with two threads on processors 0 and 1")
    parser.add_argument("--dry", action="store_true", help="print, write no line")
    return parser.parse_args()


def main() -> None:
    """Measure and write the line."""
    chosen = options()
    source, texts = sentences(chosen.sentences)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "texts.json").write_text(json.dumps(texts))
        kinds = [(chosen.cores, 1), *([("0,1", 2)] if chosen.scaling else [])]
        entrants = [
            Racer(runtime, cores, threads, place / "texts.json")
            for cores, threads in kinds
            for runtime in chosen.runtimes.split(",")
        ]
        race(entrants, chosen.rounds)
        said = {one.name: figures(one, entrants[0], len(texts), place) for one in entrants}
        for one in entrants:
            one.close()
    parameters = {
        "source": source,
        "sentences": len(texts),
        "tokens": entrants[0].about["tokens"],
        "rounds": chosen.rounds,
        "cores": chosen.cores,
        "scaling": chosen.scaling,
        "seed": SEED,
    }
    said = {"parameters": parameters, "load_average": [round(one, 2) for one in os.getloadavg()], **said}
    if chosen.dry:
        print(json.dumps(said, indent=1))
    else:
        record.write("runtimes", **said)


if __name__ == "__main__":
    main()
