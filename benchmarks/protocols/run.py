"""A model under the benchmark protocols of the field, by this program's own runner: no download, no other harness.

python benchmarks/protocols/run.py [--model minilm] [--sets banking77,clinc150,scifact,xquad] [--threads 2]

BANKING77: MTEB's classification (10 runs of 8 texts a label, logistic regression), accuracy on the test part.
CLINC150: accuracy of the label that most of the 5 nearest training texts have (and of 1 and 10), in-scope test part.
SciFact and XQuAD in English: nDCG@10 of the 1000 nearest by exact cosine, texts cut at the model's window as others do.
Encodings are cached, so ``took_s`` is that of a first run only once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
import vicinal
from vicinal import encode
from vicinal.evaluate.protocols import ProtocolScore, benchmark, classification, nearest_labels

NEIGHBORS = (1, 5, 10)


def banking77(encoder: vicinal.Encoder) -> dict[str, Any]:
    """Return the figures of MTEB's classification; nearest labels of the whole training part beside it."""
    folder = record.DATA / "banking77"
    few = benchmark("classification", encoder, folder)
    return {**told(few), "of_5_nearest": round(benchmark("nearest_labels", encoder, folder, k=5).main, 4)}


def clinc150(encoder: vicinal.Encoder) -> dict[str, Any]:
    """Return the accuracy of the nearest labels, and of MTEB's classification beside it."""
    parts = json.loads((record.DATA / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    columns = [list(column) for part in ("train", "test") for column in zip(*parts[part], strict=True)]
    found = {f"of_{k}_nearest": nearest_labels(encoder, *columns, k=k) for k in NEIGHBORS}
    few = classification(encoder, *columns)
    return {
        **{name: round(score.main, 4) for name, score in found.items()},
        "few_labels_accuracy": round(few.main, 4),
        "data_digest": few.environment["data_digest"],
    }


def scifact(encoder: vicinal.Encoder) -> dict[str, Any]:
    """Return the figures of retrieval."""
    return told(benchmark("retrieval", encoder, record.DATA / "scifact"))


def xquad(encoder: vicinal.Encoder) -> dict[str, Any]:
    """Return the figures of retrieval."""
    return told(benchmark("retrieval", encoder, record.DATA / "xquad" / "en"))


def told(score: ProtocolScore) -> dict[str, Any]:
    """Return what a line keeps of a score."""
    environment = score.environment
    kept = {name: environment[name] for name in ("data_digest", "cut_texts", "queries") if name in environment}
    return {"main": score.metric, **{name: round(value, 4) for name, value in score.metrics.items()}, **kept}


SETS = {"banking77": banking77, "clinc150": clinc150, "scifact": scifact, "xquad": xquad}


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="keep no result")
    given = parser.parse_args()
    encoder = encode.cached(encode.load(given.model, overflow="cut", threads=given.threads))
    found: dict[str, Any] = {}
    for name in given.sets.split(","):
        begun = time.perf_counter()
        found[name] = {**SETS[name](encoder), "took_s": round(time.perf_counter() - begun, 1)}
        print(name, json.dumps(found[name]), flush=True)
    parameters = {"model": given.model, "sets": given.sets, "overflow": "cut"}
    if not given.dry:
        versions = ("numpy", "onnxruntime", "tokenizers", "scikit-learn")
        record.write("protocols", versions=versions, parameters=parameters, space=encoder.space.id, **found)


if __name__ == "__main__":
    main()
