"""Static models: short texts a second, Vicinal beside Model2Vec's own encoder and beside MiniLM, in one run.

python benchmarks/static/run.py [--reference PYTHON] [--texts 100000] [--rounds 5] [--cores 0,1] [--threads 2] [--dry]

The table is random, 30,522 tokens of MiniLM's tokenizer by 256 numbers, as large as potion-base-8M: speed does not
depend on its numbers, and the cosine of the two encoders is told beside it. Texts are ten words in a row of SciFact's
abstracts where the data is, else of the documentation of Python. Each contestant is a process on the same cores, with
the same threads; they take turns, in the other order every other round. The first pass, in which Vicinal learns the
words, is told apart. Without ``--reference``, an interpreter that has model2vec, the rest is measured alone. MiniLM
encodes a hundredth of the texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contest import Contestant, told, turns

TOKENS, DIM = 30_522, 256
WORDS = 10
MINILM_SHARE = 100
SEED = 0


def texts_of(count: int) -> tuple[str, list[str]]:
    """Return the name of the source and so many texts of ten words."""
    import record  # noqa: PLC0415 - a contestant's interpreter need not have it

    path = record.DATA / "scifact" / "corpus.jsonl"
    if path.is_file():
        name = f"scifact {record.digest(path)}"
        long = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        from pydoc_data.topics import topics  # noqa: PLC0415 - large, and seldom needed

        name, long = "pydoc topics", list(topics.values())
    words = " ".join(long).split()
    found = [" ".join(words[start : start + WORDS]) for start in range(0, len(words) - WORDS, WORDS)]
    order = np.random.default_rng(SEED).permutation(len(found))
    return name, [found[order[number % len(found)]] for number in range(count)]


def write_folder(folder: Path) -> Path:
    """Write a random table with MiniLM's tokenizer in Model2Vec's layout."""
    from vicinal import models  # noqa: PLC0415 - as above

    folder.mkdir()
    shutil.copyfile(models.find(models.get("minilm")).folder / "tokenizer.json", folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    rows = np.random.default_rng(SEED).standard_normal((TOKENS, DIM), dtype=np.float32)
    header = {"embeddings": {"dtype": "F32", "shape": [TOKENS, DIM], "data_offsets": [0, rows.nbytes]}}
    said = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(said).to_bytes(8, "little") + said + rows.tobytes())
    return folder


def contestant(kind: str, folder: str, threads: int) -> Callable[[list[str]], Any]:
    """Return what encodes."""
    if kind == "model2vec":
        from model2vec import StaticModel  # noqa: PLC0415 - only one contestant is loaded

        model = StaticModel.from_pretrained(folder, max_length=None)
        return lambda texts: model.encode(texts, use_multiprocessing=threads > 1)
    from vicinal import encode  # noqa: PLC0415 - only one contestant is loaded

    encoder = encode.load("minilm" if kind == "minilm" else folder, threads=threads)
    return encoder.encode_queries


def work(kind: str, folder: str, texts_path: str, cores: str, threads: int) -> None:
    """Obey the orders of the parent: ``run`` encodes all texts, ``save PATH`` keeps the vectors of the first thousand."""
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    texts: list[str] = json.loads(Path(texts_path).read_text())
    begun = time.perf_counter()
    encode = contestant(kind, folder, threads)
    encode(texts[:1])
    print(json.dumps({"load_s": time.perf_counter() - begun}), flush=True)
    for order in map(str.split, sys.stdin):
        wall, cpu = time.perf_counter(), time.process_time()
        if order[0] == "save":
            np.save(order[1], np.asarray(encode(texts[:1000]), dtype=np.float32))
        else:
            encode(texts if kind != "minilm" else texts[: len(texts) // MINILM_SHARE])
        print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}), flush=True)


class Racer(Contestant):
    """An encoder in a process of its own."""

    def __init__(self, kind: str, python: str, given: argparse.Namespace, place: Path) -> None:
        self.texts = given.texts // (MINILM_SHARE if kind == "minilm" else 1)
        paths = [str(place / "model"), str(place / "texts.json")]
        environment = {
            **os.environ,
            "RAYON_NUM_THREADS": str(given.threads),
            "OMP_NUM_THREADS": str(given.threads),
            "OPENBLAS_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "true" if given.threads > 1 else "false",
        }
        words = [python, __file__, "--worker", kind, *paths, given.cores, str(given.threads)]
        super().__init__(kind, words, environment)

    def figures(self) -> dict[str, Any]:
        """Return texts a second, the first pass apart."""
        speeds = [self.texts / one["wall_s"] for one in self.rounds[1:]]
        by_processor = [self.texts / one["cpu_s"] for one in self.rounds[1:]]
        return {
            "load_s": round(self.about["load_s"], 3),
            "first_pass": round(self.texts / self.rounds[0]["wall_s"]),
            "texts_per_s": {name: round(value) for name, value in told(speeds).items()},
            "texts_per_cpu_s": round(statistics.median(by_processor)),
        }  # fmt: skip


def compared(racers: list[Racer], place: Path) -> dict[str, Any]:
    """Return how many times as fast Vicinal is, round by round, and the least cosine to Model2Vec's vectors."""
    ours, *others = racers
    said: dict[str, Any] = {}
    for other in others:
        pairs = zip(ours.rounds[1:], other.rounds[1:], strict=True)
        ratios = [theirs["wall_s"] / other.texts / (mine["wall_s"] / ours.texts) for mine, theirs in pairs]
        said[f"times_{other.name}"] = told(ratios, 1)
        if other.name == "model2vec":
            for one in (ours, other):
                one.order(f"save {place / one.name}.npy")
            mine, theirs = (np.load(place / f"{one.name}.npy") for one in (ours, other))
            said["least_cosine"] = float((mine * theirs).sum(axis=1).min())
    return said


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", help="an interpreter that has model2vec")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="keep no result")
    given = parser.parse_args()
    import record  # noqa: PLC0415 - a contestant's interpreter need not have it

    source, texts = texts_of(given.texts)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_folder(place / "model")
        (place / "texts.json").write_text(json.dumps(texts))
        pythons = {"vicinal": sys.executable, "minilm": sys.executable}
        if given.reference:
            pythons["model2vec"] = given.reference
        racers = [Racer(kind, python, given, place) for kind, python in pythons.items()]
        for one in turns(racers, given.rounds + 1):
            one.rounds.append(one.order("run"))
        said = {**{one.name: one.figures() for one in racers}, **compared(racers, place)}
        for one in racers:
            one.close()
    parameters = {
        "source": source, "digest": hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12], "texts": len(texts),
        "different": len(set(texts)), "table": [TOKENS, DIM], "rounds": given.rounds, "cores": given.cores,
        "threads": given.threads, "seed": SEED,
    }  # fmt: skip
    line = {"parameters": parameters, "load_average": [round(one, 2) for one in os.getloadavg()], **said}
    if given.dry:
        print(json.dumps(line, indent=1))
    else:
        record.write("static", versions=("numpy", "tokenizers"), **line)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:6], int(sys.argv[6]))
    else:
        main()
