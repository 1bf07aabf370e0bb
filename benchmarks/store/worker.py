"""One database of run.py, in a process of its own: orders come in by line, answers go out as JSON.

python worker.py NAME CORES ROWS.npy SHARES.npy QUERIES.npy FOLDER

``ingest`` makes a collection and stores records in batches, ``finish`` builds what the documentation builds then, ``one``
stores records one by one, ``first`` opens and answers once, ``search`` answers queries and stores what was found,
``delete`` removes records, ``close`` ends it. This file must not need more than NumPy and the peer's own library.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import contest

NAME, CORES, ROWS, SHARES, QUERIES, FOLDER = sys.argv[1:]
contest.on_cores(CORES, len(CORES.split(",")))

import numpy as np  # noqa: E402 - it reads the number of threads when it is loaded
import peers  # noqa: E402 - the same


class Work:
    """A peer and what is given to it."""

    def __init__(self) -> None:
        self.folder = Path(FOLDER)
        self.peer = peers.PEERS[NAME](self.folder)
        self.rows = np.load(ROWS, mmap_mode="r")
        self.shares = np.load(SHARES)
        self.queries = np.load(QUERIES)

    def ingest(self, *, count: int, batch: int) -> dict[str, Any]:
        """Store records in batches; the batches are in memory before the clock runs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.peer.create()
        taken = [self._stored(start, min(start + batch, count)) for start in range(0, count, batch)]
        return {"add_s": sum(taken), "slowest_batch_s": max(taken), **self._memory()}

    def one(self, *, first: int, count: int) -> dict[str, Any]:
        """Store records one by one."""
        taken = [self._stored(number, number + 1) for number in range(first, first + count)]
        return {"one_s": sum(taken)}

    def _stored(self, start: int, stop: int) -> float:
        """Store some records and return the seconds."""
        vectors = np.ascontiguousarray(self.rows[start:stop])
        numbers, shares = list(range(start, stop)), self.shares[start:stop].tolist()
        begun = time.perf_counter()
        self.peer.add(numbers, vectors, shares)
        return time.perf_counter() - begun

    def finish(self) -> dict[str, Any]:
        """Build the index."""
        begun = time.perf_counter()
        self.peer.finish()
        return {"finish_s": time.perf_counter() - begun, **self._memory()}

    def first(self, *, k: int) -> dict[str, Any]:
        """Load the library, open what is there, and answer once."""
        begun = time.perf_counter()
        self.peer.open()
        opened = time.perf_counter()
        found = self.peer.searcher(k, None, **self.peer.grid[0])(self.queries[0])
        done = time.perf_counter()
        count = len(self.peer.answered(found))
        return {"open_s": opened - begun, "answer_s": done - opened, "found": count, **self._memory()}

    def search(self, *, k: int, queries: int, below: int | None, parameters: dict[str, Any], to: str) -> dict[str, Any]:
        """Answer queries one by one."""
        find = self.peer.searcher(k, below, **parameters)
        for query in self.queries[:5]:
            find(query)
        taken, results = [], []
        for query in self.queries[:queries]:
            begun = time.perf_counter_ns()
            found = find(query)
            taken.append(time.perf_counter_ns() - begun)
            results.append(found)
        rows = np.full((len(results), k), -1, dtype=np.int64)
        for place, found in enumerate(results):
            numbers = self.peer.answered(found)[:k]
            rows[place, : len(numbers)] = numbers
        np.savez(to, rows=rows, ns=np.array(taken))
        return {}

    def delete(self, *, numbers: list[int]) -> dict[str, Any]:
        """Remove records in one call."""
        begun = time.perf_counter()
        self.peer.delete(numbers)
        return {"delete_s": time.perf_counter() - begun}

    def about(self) -> dict[str, Any]:
        """Tell the versions and the parameters."""
        return {"versions": self.peer.versions(), "grid": self.peer.grid, "durable": self.peer.durable}

    def close(self) -> dict[str, Any]:
        """Close, and tell the bytes on disk."""
        begun = time.perf_counter()
        self.peer.close()
        return {"close_s": time.perf_counter() - begun, "bytes": contest.folder_bytes(self.folder)}

    def _memory(self) -> dict[str, float]:
        """Return the most memory of this process and, added up, of those that work for it."""
        others = [Path(f"/proc/{number}/status") for number in self.peer.other_processes()]
        lines = [line.split() for path in others if path.exists() for line in path.read_text().splitlines()]
        return {"peak_mb": contest.peak_mb() + sum(int(line[1]) for line in lines if line[:1] == ["VmHWM:"]) / 1024}


def main() -> None:
    """Obey."""
    line = contest.Line()
    work = Work()
    line.answer(name=NAME)
    for order in line.orders():
        do = order.pop("do")
        try:
            line.answer(**getattr(work, do)(**order))
        except Exception as error:  # noqa: BLE001 - the harness is told, and goes on without this one
            line.answer(error=json.dumps(f"{type(error).__name__}: {error}")[:2000])


if __name__ == "__main__":
    main()
