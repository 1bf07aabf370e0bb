"""On what machine, with which versions, and how fast: what a report says so that its numbers can be had again."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicinal.errors import InputError

CPU_FILE = Path("/proc/cpuinfo")
CPU_FILE_CHARS = 65_536
PACKAGES = ("vicinal", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a question took, in milliseconds: half of them at most ``p50_ms``, 95 of 100 at most ``p95_ms``.

    ``first_ms`` is the very first one, which finds nothing warm and is in none of the others.
    """

    p50_ms: float
    p95_ms: float
    mean_ms: float
    first_ms: float = 0.0


def latency_of(times_ms: Iterable[float], *, first_ms: float = 0.0) -> Latency:
    """Return the percentiles of times (linear between two), and their mean.

    Raises
    ------
    InputError
        There is none.
    """
    found = np.fromiter(times_ms, dtype=np.float64)
    if not len(found):
        raise InputError("A latency needs at least one time.", expected=">= 1", got=0, where="times_ms")
    p50, p95 = np.percentile(found, [50, 95]).tolist()
    return Latency(p50_ms=p50, p95_ms=p95, mean_ms=float(found.mean()), first_ms=first_ms)


def machine() -> dict[str, str | int]:
    """Return the processor's model, the cores that this process may use, the system, and the versions."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version_of(name) for name in PACKAGES},
    }


def version_of(package: str) -> str:
    """Return the version of an installed package, ``""`` without one; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """Return the name of the processor's model, as Linux tells it, else what Python knows."""
    try:
        with CPU_FILE.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(CPU_FILE_CHARS).splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
