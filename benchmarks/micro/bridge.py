"""A bridge between two spaces: the time to fit it, and to carry a question over.

Run it as ``python benchmarks/micro/bridge.py [--rounds R] [--dry]``. What a bridge keeps of a model's quality is
``tests/congruence/test_bridge_scifact.py``.

Random unit vectors of 384 to 256 and 768 to 768 dimensions; 4,000 and 20,000 pairs. The median of the rounds, and for a
question the median and the spread of 2,000.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
from vicinal.lifecycle.bridge import fit
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder

SHAPES = ((4_000, 384, 256), (20_000, 384, 256), (20_000, 768, 768))
QUESTIONS = 2_000


def vectors(count: int, dim: int, name: str) -> Vectors:
    """Return random unit vectors of a space of their own."""
    rows = np.random.default_rng(dim).standard_normal((count, dim)).astype(np.float32)
    space = replace(ToyEncoder().space, weights=name, full_dim=dim, dim=dim)
    return Vectors(rows / np.linalg.norm(rows, axis=1, keepdims=True), space)


def measured(pairs: int, new_dim: int, old_dim: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of a fit, and the microseconds of a question."""
    new, old = vectors(pairs, new_dim, "new"), vectors(pairs, old_dim, "old")
    fits = []
    for _ in range(rounds):
        begun = time.perf_counter()
        fitted = fit(new, old)
        fits.append(time.perf_counter() - begun)
    query = np.asarray(new)[:1]
    questions = []
    for _ in range(QUESTIONS):
        begun = time.perf_counter()
        fitted.carried(query)
        questions.append((time.perf_counter() - begun) * 1e6)
    low, middle, high = statistics.quantiles(questions, n=4)
    return {
        "pairs": pairs,
        "new_dim": new_dim,
        "old_dim": old_dim,
        "fit_s": round(statistics.median(fits), 3),
        "question_us": round(middle, 1),
        "spread": [round(low, 1), round(high, 1)],
    }


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    figures: dict[str, Any] = {"rounds": chosen.rounds, "bridge": [measured(*one, chosen.rounds) for one in SHAPES]}
    if chosen.dry:
        print(json.dumps(figures, indent=1))
    else:
        record.write("bridge", versions=("numpy",), **figures)


if __name__ == "__main__":
    main()
