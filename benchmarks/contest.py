"""What contests have in common: contestants, each in a process of its own, that take turns and obey orders.

::

    harness ── one line, an order ──▶ worker
    harness ◀── one line of JSON ──── worker

A worker may run on another interpreter than the harness, with libraries that the project does not have. This file needs
the standard library only, so that a worker can import it too.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Contestant:
    """A worker process and what it measured.

    Parameters
    ----------
    name : str
        What it is called in messages and figures.
    words : sequence of str
        The command that starts the worker. Its first line of output is kept as ``about``.
    environment : mapping, optional
        Of the worker; else that of this process.
    """

    def __init__(self, name: str, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.rounds: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.about = self._answer()

    def order(self, words: str) -> dict[str, Any]:
        """Give an order and return the answer."""
        if self._process.stdin is None:
            raise RuntimeError("the worker has no input")
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return self._answer()

    def ask(self, do: str, **how: Any) -> dict[str, Any]:
        """Give an order that has parameters, and return the answer.

        Raises
        ------
        RuntimeError
            The worker could not; what it said is the message.
        """
        answer = self.order(json.dumps({"do": do, **how}))
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {do}: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the contestant {self.name} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def turns(contestants: Sequence[Contestant], rounds: int) -> Iterator[Contestant]:
    """Yield each contestant once a round, in the other order every other round."""
    for number in range(rounds):
        yield from contestants if number % 2 == 0 else contestants[::-1]


def told(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return the median and the spread."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def parser_about(text: str) -> dict[str, Any]:
    """Return what an argument parser needs to show a module's docstring as it is written."""
    import argparse  # noqa: PLC0415 - a worker does without it

    return {"description": text, "formatter_class": argparse.RawDescriptionHelpFormatter}


class Line:
    """The worker's end: orders come in, answers go out, and whatever a library prints goes to the error output."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def answer(self, **said: Any) -> None:
        """Send one line."""
        self._out.write(json.dumps(said) + "\n")
        self._out.flush()

    def orders(self) -> Iterator[dict[str, Any]]:
        """Yield the orders until the harness closes."""
        yield from map(json.loads, sys.stdin)


def on_cores(cores: str, threads: int = 1) -> None:
    """Stay on these processors (``0`` or ``0,1``) with so many threads; to be called before the libraries are loaded."""
    os.environ |= dict.fromkeys(THREAD_SETTINGS, str(threads))
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == 1 else "true"
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mb() -> dict[str, float]:
    """Return the memory that this process has now, in MB: all of it, and what is its own and not mapped from files."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(said[key].split()[0]) / 1024 for name, key in (("all", "VmRSS"), ("own", "RssAnon"))}


def folder_bytes(folder: Path) -> int:
    """Return the bytes on disk of the files in a folder."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
