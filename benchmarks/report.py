"""Write docs/benchmarks.md from the newest line of each benchmark and parameters in benchmarks/results.

python benchmarks/report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Benchmarks

Made from `benchmarks/results` by `python benchmarks/report.py`; `make bench` appends new lines.
Each is the median of some rounds on one machine, contestants side by side in one run.
Machines are shared and noisy: compare ratios, and lines of one machine only.
What each one measures stands at the top of its script.
"""


def newest() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the last line of each benchmark with each set of parameters."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            found[one["benchmark"], json.dumps(one.get("parameters"), sort_keys=True)] = one
    return found


def rows(figures: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return nested figures as (name, value)."""
    listed: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict) and set(value) == {"median", "min", "max"}:
            listed.append((f"{before}{name}", f"{value['median']} ({value['min']}–{value['max']})"))
        elif isinstance(value, dict):
            listed += rows(value, f"{before}{name}, ")
        else:
            listed.append((f"{before}{name}", str(value)))
    return listed


def section(line: dict[str, Any]) -> str:
    """Return one measurement as a table."""
    known = {"benchmark", "at", "commit", "machine", "versions", "parameters"}
    machine = line["machine"]
    parameters = ", ".join(f"{name} {value}" for name, value in rows(line.get("parameters") or {}))
    versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items())
    table = [f"| {name} | {value} |" for name, value in rows({k: v for k, v in line.items() if k not in known})]
    about = f"{line['at'][:10]}, commit {line['commit']}, {machine['cores']} × {machine['cpu']}, Python {machine['python']}, {versions}."
    return "\n".join(
        [
            f"## {line['benchmark']}",
            "",
            f"Parameters: {parameters}.",
            about,
            "",
            "| figure | value |",
            "| --- | --- |",
            *table,
            "",
        ]
    )


def main() -> None:
    """Write the page."""
    parts = [section(line) for _, line in sorted(newest().items())]
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join([HEAD, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
