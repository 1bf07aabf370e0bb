"""One contestant of run.py, in a process of its own: reads orders from standard input, answers with one JSON line each.

python worker.py vicinal|reference CORE THREADS SENTENCES MODEL_FOLDER

``warm`` encodes a few sentences, ``run`` encodes all and tells wall and processor seconds, ``save PATH`` stores the
vectors of the last run. The reference is sentence-transformers as its documentation uses it, in float32.
This file must not need more than the contestant's own interpreter has.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

kind, cores, threads, sentences_path, folder = sys.argv[1:]
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = threads  # before the libraries that read them are loaded
os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == "1" else "true"
os.sched_setaffinity(0, {int(core) for core in cores.split(",")})


def vicinal_contestant() -> tuple[Callable[[list[str]], Any], dict[str, str]]:
    """Return what encodes, and the versions it is made of."""
    from vicinal import encode  # noqa: PLC0415 - only one contestant is loaded

    encoder = encode.load("minilm", overflow="cut", threads=int(threads), folder=folder)
    return encoder.encode_documents, {name: version(name) for name in ("onnxruntime", "tokenizers", "numpy")}


def reference_contestant() -> tuple[Callable[[list[str]], Any], dict[str, str]]:
    """Return what encodes, and the versions it is made of."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(int(threads))
    model = SentenceTransformer(folder, device="cpu")
    names = ("sentence-transformers", "torch", "transformers", "tokenizers", "numpy")
    return (lambda texts: model.encode(texts, show_progress_bar=False)), {name: version(name) for name in names}


def answer(**said: Any) -> None:
    """Print one line."""
    print(json.dumps(said), flush=True)


def main() -> None:
    """Obey the orders."""
    import numpy as np  # noqa: PLC0415 - after the variables above

    sentences: list[str] = json.loads(Path(sentences_path).read_text())
    encode, versions = vicinal_contestant() if kind == "vicinal" else reference_contestant()
    vectors: Any = None
    answer(versions=versions)
    for order in map(str.split, sys.stdin):
        if order[0] == "warm":
            encode(sentences[:200])
            answer()
        elif order[0] == "run":
            wall, cpu = time.perf_counter(), time.process_time()
            vectors = encode(sentences)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            answer(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, peak_mb=peak_mb)
        elif order[0] == "save":
            np.save(order[1], np.asarray(vectors, dtype=np.float32))
            answer()


if __name__ == "__main__":
    main()
