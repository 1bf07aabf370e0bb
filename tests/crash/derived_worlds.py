"""A collection whose index and columns are saved, and what it must answer whatever becomes of their files."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np

import vicinal
from vicinal.encode import FunctionEncoder
from vicinal.errors import DamagedIndexWarning

DIM = 16
ROWS = 5000
"""Enough for codes."""


def encoder() -> FunctionEncoder:
    """Return an encoder that nobody asks: all vectors are given."""
    return FunctionEncoder(lambda texts: np.ones((len(texts), DIM), np.float32), name="test", version="1", dim=DIM)


def vectors(count: int, seed: int) -> vicinal.Vectors:
    """Return random vectors of its space."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return vicinal.Vectors(rows / np.linalg.norm(rows, axis=1, keepdims=True), encoder().space)


def make(folder: Path) -> None:
    """Write a collection, have its index and columns saved, and write a little more."""
    with vicinal.open(folder) as db:
        notes = db.collection("notes", model=encoder())
        said = [{"id": str(number), "text": f"note {number}", "group": number % 7} for number in range(ROWS)]
        notes.add(said, vectors=vectors(ROWS, 0))
        notes.compact()
        notes.add([{"id": "late", "text": "late", "group": 3}], vectors=vectors(1, 9))
        notes.delete(["0", "7"])


def derived_files(folder: Path) -> list[Path]:
    """Return the files of the index and the columns that hold anything."""
    return sorted(path for path in (folder / "index").rglob("*") if path.is_file() and path.stat().st_size)


def answers(folder: Path) -> list[list[tuple[str, float]]]:
    """Return the ids and scores that a reader gets: with and without a filter, approximate but with all it can ask for."""
    found = []
    with warnings.catch_warnings(), vicinal.open(folder, read_only=True) as db:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DamagedIndexWarning)
        notes = db.collection("notes", model=encoder())
        for seed in range(4):
            query = vectors(1, 100 + seed)
            for where in (None, {"group": 3}):
                hits = notes.search(query, k=5, where=where, recall=0.999)
                found.append([(hit.id, hit.score) for hit in hits])
    return found


def damaged(folder: Path, kinds: list, chance: random.Random) -> str:
    """Damage one derived file; return what was done."""
    path, kind = chance.choice(derived_files(folder)), chance.choice(kinds)
    kind(path, chance)
    return f"{kind.__name__} of {path.relative_to(folder)}"
