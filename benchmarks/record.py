"""What every benchmark writes: one JSON line with the machine, the commit, the versions, the parameters and the figures."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("VICINAL_DATA", ROOT.parent / "shared" / "data"))


def machine() -> dict[str, Any]:
    """Return what the figures depend on, and an id under which lines may be compared."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    flags = next((line for line in _cpuinfo() if line.startswith("flags")), "")
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "sha_ni") if f" {flag}" in flags]
    said = {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "flags": wide,
        "python": platform.python_version(),
        "system": platform.system(),
    }
    return {"id": hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8], **said}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def commit() -> str:
    """Return the commit, with a plus if the tree differs from it."""
    run = lambda *words: subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()  # noqa: E731
    return run("git", "rev-parse", "--short", "HEAD") + (
        "+" if run("git", "status", "--porcelain", "--", "src") else ""
    )


def digest(path: Path) -> str:
    """Return the first 12 digits of the SHA-256 of a data file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def write(name: str, *, versions: tuple[str, ...] = ("numpy", "onnxruntime", "tokenizers"), **figures: Any) -> None:
    """Append a line to ``results/<name>.jsonl`` and print it."""
    line = {
        "benchmark": name,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {package: importlib.metadata.version(package) for package in versions},
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(json.dumps(figures, ensure_ascii=False, indent=1))
