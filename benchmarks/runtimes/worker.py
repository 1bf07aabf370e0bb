"""One contestant of run.py, in a process of its own: reads orders from standard input, answers with one JSON line each.

python worker.py RUNTIME CORES THREADS SENTENCES

``warm`` runs a part, ``run`` runs all batches and tells wall and processor seconds, ``one`` tells the milliseconds of
single texts, ``save PATH`` stores the vectors of the last run.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

runtime, cores, threads, sentences_path = sys.argv[1:]
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"  # before the libraries that read them are loaded
os.sched_setaffinity(0, {int(core) for core in cores.split(",")})

import numpy as np  # noqa: E402 - after the variables above

from vicinal import models  # noqa: E402 - as above
from vicinal.encode import batches  # noqa: E402 - as above
from vicinal.encode._tokenizers import TextTokenizer  # noqa: E402 - as above
from vicinal.encode.pooling import pool  # noqa: E402 - as above

QUERIES = 60


def answer(**said: Any) -> None:
    """Print one line."""
    print(json.dumps(said), flush=True)


class Contestant:
    """A network and its batches, as the encoder makes them."""

    def __init__(self) -> None:
        found = models.find(models.get("minilm"))
        tokenizer = TextTokenizer(found.folder / models.TOKENIZER)
        room = found.pin.max_tokens - tokenizer.special_count
        texts: list[str] = json.loads(Path(sentences_path).read_text())
        self.parts = [[*tokenizer.before, *ids[:room], *tokenizer.after] for ids in tokenizer.ids(texts)]
        begun = time.perf_counter()
        self.network = models.Network(found, threads=int(threads), runtime=runtime)
        self.load_s = time.perf_counter() - begun
        self.vectors = np.zeros((len(texts), self.network.dim), dtype=np.float32)
        self.batches = list(batches.plan([len(part) for part in self.parts]))

    def encode(self, rows: Any) -> None:
        """Write the vectors of some rows."""
        sizes = np.array([len(self.parts[row]) for row in rows])
        ids = np.zeros((len(rows), sizes.max()), dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : sizes[place]] = self.parts[row]
        mask = (np.arange(ids.shape[1]) < sizes[:, None]).astype(np.int64)
        self.vectors[rows] = pool(self.network(ids, mask), mask, "mean")

    def run(self) -> None:
        """Run all batches, as many at once as there are threads."""
        if int(threads) == 1:
            for rows in self.batches:
                self.encode(rows)
            return
        with ThreadPoolExecutor(int(threads)) as workers:
            list(workers.map(self.encode, self.batches))

    def one(self) -> float:
        """Return the median milliseconds of a text alone."""
        taken = []
        for row in range(QUERIES):
            begun = time.perf_counter()
            self.encode(np.array([row]))
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken) * 1000


def main() -> None:
    """Obey the orders."""
    entrant = Contestant()
    tokens = sum(map(len, entrant.parts))
    answer(runtime=entrant.network.runtime, load_s=entrant.load_s, tokens=tokens)
    for order in map(str.split, sys.stdin):
        if order[0] == "warm":
            for rows in entrant.batches[::7]:
                entrant.encode(rows)
            answer()
        elif order[0] == "run":
            wall, cpu = time.perf_counter(), time.process_time()
            entrant.run()
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            answer(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, peak_mb=peak_mb)
        elif order[0] == "one":
            answer(ms=entrant.one())
        elif order[0] == "save":
            np.save(order[1], entrant.vectors)
            answer()


if __name__ == "__main__":
    main()
