"""One contestant of run.py, in a process of its own: orders come in by line, answers go out as JSON.

python worker.py KIND CORES ROWS.npy QUERIES.npy FOLDER

``build`` builds and keeps the index, unless one of the same library and settings is kept; ``open`` opens it and answers
once and tells the parameters; ``chill`` opens it anew with nothing of it in memory; ``search`` answers the queries one by one, or all at once, and stores the rows and
the nanoseconds. This file must not need more than NumPy and the contestant's own library.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import contest

NAME, CORES, ROWS, QUERIES, FOLDER = sys.argv[1:]
contest.on_cores(CORES)

import contestants  # noqa: E402 - NumPy reads the number of threads when it is loaded
import numpy as np  # noqa: E402 - the same


def build(kind: contestants.Kind) -> dict[str, Any]:
    """Build, or tell what was told when it was built."""
    note = kind.folder / "built.json"
    about = contestants.about(kind)
    if kind.kept and note.exists() and json.loads(note.read_text())["about"] == about:
        return json.loads(note.read_text())["said"] | {"kept": True}
    shutil.rmtree(kind.folder)
    kind.folder.mkdir()
    wall, cpu = time.perf_counter(), time.process_time()
    kind.build()
    said = {
        "build_s": round(time.perf_counter() - wall, 2),
        "build_cpu_s": round(time.process_time() - cpu, 2),
        "build_peak_mb": round(contest.peak_mb()),
        "bytes": contest.folder_bytes(kind.folder),
    }
    note.write_text(json.dumps({"about": about, "said": said}))
    return said


def opened(kind: contestants.Kind, queries: np.ndarray) -> dict[str, Any]:
    """Open and answer once."""
    before = contest.resident_mb()
    begun = time.perf_counter()
    kind.open()
    kind.searcher(10, None, **kind.grid[0])(kind.ready(queries[:1]))
    open_s = time.perf_counter() - begun
    after = contest.resident_mb()
    return {"open_s": round(open_s, 4), "own_mb": round(after["own"] - before["own"], 1)}


def chill(kind: contestants.Kind) -> dict[str, Any]:
    """Let go of the index, have the system forget its files and those of the rows, and open it again."""
    kind.shut()
    gc.collect()
    for path in (Path(ROWS), *kind.folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    kind.rows = np.load(ROWS, mmap_mode="r")
    kind.open()
    return {}


def search(kind: contestants.Kind, queries: np.ndarray, order: dict[str, Any]) -> dict[str, Any]:
    """Answer and store what was answered; only the searching is timed."""
    mask = np.load(order["mask"]) if order.get("mask") else None
    chosen = queries[: order["queries"]]
    find = kind.searcher(order["k"], mask, **order["parameters"])
    if order.get("batch"):
        ready = kind.ready(chosen)
        begun = time.perf_counter_ns()
        found = find(ready)
        taken = [time.perf_counter_ns() - begun]
        answers = [kind.answered(found)]
    else:
        each = [kind.ready(chosen[place : place + 1]) for place in range(len(chosen))]
        for one in each[: order.get("warm", 0)]:
            find(one)
        taken, results = [], []
        for one in each:
            begun = time.perf_counter_ns()
            found = find(one)
            taken.append(time.perf_counter_ns() - begun)
            results.append(found)
        answers = [kind.answered(found) for found in results]
    np.savez(order["to"], rows=_padded(answers, order["k"]), ns=np.array(taken))
    return {}


def _padded(answers: list[np.ndarray], k: int) -> np.ndarray:
    """Return answers one below the other, -1 in unused places."""
    rows = np.full((sum(map(len, answers)), k), -1, dtype=np.int64)
    place = 0
    for answer in answers:
        rows[place : place + len(answer), : answer.shape[1]] = answer[:, :k]
        place += len(answer)
    return rows


def main() -> None:
    """Obey."""
    line = contest.Line()
    folder = Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    kind = contestants.KINDS[NAME](np.load(ROWS, mmap_mode="r"), folder)
    queries = np.load(QUERIES)
    for module in kind.modules:
        importlib.import_module(module)
    line.answer(name=NAME, filters=kind.filters, batches=kind.batches)
    for order in line.orders():
        try:
            if order["do"] == "build":
                line.answer(**build(kind), versions=kind.versions())
            elif order["do"] == "open":
                line.answer(**opened(kind, queries), grid=kind.grid)
            elif order["do"] == "chill":
                line.answer(**chill(kind))
            else:
                line.answer(**search(kind, queries, order))
        except Exception as error:  # noqa: BLE001 - the harness is told, and goes on without this one
            line.answer(error=f"{type(error).__name__}: {error}"[:2000])


if __name__ == "__main__":
    main()
