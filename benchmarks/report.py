"""Write docs/benchmarks.md from the newest line of each benchmark and parameters in benchmarks/results.

python benchmarks/report.py

Most lines become a table of their figures. Contests at equal recall (``ann``, ``store_end_to_end``) become tables of
contestants, with the drawing that ``ann/plot.py`` made of them, where there is one. ``chunking`` writes a line for each
contestant; those of the same parameters are one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Benchmarks

Made from `benchmarks/results` by `python benchmarks/report.py`; `make bench` appends new lines.
Each is the median of some rounds on one machine, contestants side by side in one run.
Machines are shared and noisy: compare ratios, and lines of one machine only.
What each one measures stands at the top of its script.
"""
RIGHT = " ---: "
NEVER = "–"
"""What stands where a contestant never reaches a recall, or was not asked."""
Table = list[list[str]]


def newest() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the last line of each benchmark with each set of parameters; of a contest, with all its contestants."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            key = one["benchmark"], json.dumps(one.get("parameters"), sort_keys=True)
            if "contestant" in one:
                others = found.get(key, {}).get("contestants", {})
                one = {**one, "contestants": {**others, one["contestant"]: one}}
            found[key] = one
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


def plain(line: dict[str, Any]) -> list[str]:
    """Return a table of all figures."""
    known = {"benchmark", "at", "commit", "machine", "versions", "parameters"}
    return table([["figure", "value"], *map(list, rows({k: v for k, v in line.items() if k not in known}))])


def table(lines: Table, sign: str = " --- ") -> list[str]:
    """Return lines of cells as a table, the first as its head; ``sign`` says on which side all but the first cell stand."""
    signs = [" --- ", *([sign] * (len(lines[0]) - 1))]
    return [f"| {' | '.join(lines[0])} |", f"|{'|'.join(signs)}|", *(f"| {' | '.join(one)} |" for one in lines[1:]), ""]


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure with so many digits that count."""
    if value is None:
        return NEVER
    if value == 0 or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{float(f'{value:.{digits}g}'):g}"


def at_recalls(title: str, by_recall: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Return milliseconds by contestant and recall, and beneath each how many times as long as ours."""
    names = list(dict.fromkeys(name for them in by_recall.values() for name in them))
    head = [title, *by_recall]
    return table([head, *([name, *(number(them.get(name)) for them in by_recall.values())] for name in names)], RIGHT)


def times(by_recall: Mapping[str, Mapping[str, float | None]], ours: str) -> list[str]:
    """Return how many times as long as ours each takes."""
    names = [name for name in dict.fromkeys(name for them in by_recall.values() for name in them) if name != ours]

    def ratio(them: Mapping[str, float | None], name: str) -> float | None:
        mine, theirs = them.get(ours), them.get(name)
        return theirs / mine if mine and theirs else None

    lines = [[name, *(number(ratio(them, name), 2) for them in by_recall.values())] for name in names]
    return table([[f"times the time of {ours}", *by_recall], *lines], RIGHT)


def drawing(line: dict[str, Any]) -> list[str]:
    """Return the reference to the drawing of a line, if it was made."""
    name = f"{line['benchmark']}-{line['parameters']['set']}.svg"
    there = (ROOT / "docs" / "images" / name).exists()
    return [f"![Recall against time, {line['parameters']['set']}](images/{name})", ""] if there else []


def search_contest(line: dict[str, Any]) -> list[str]:
    """Return the tables of ``ann``: time at recall, filters, and what building costs."""
    reached = line["p50_ms_at_recall"]
    ours = next((name for name in ("vicinal", "vicinal-index") if name in line["contestants"]), "")
    said = [*drawing(line), *at_recalls("p50 in ms at recall", reached), *(times(reached, ours) if ours else [])]
    for name, filtered in line.items():
        if name.startswith("filtered_p50_ms") and filtered:
            recall = name.rsplit("_", 1)[1]
            said += at_recalls(f"p50 in ms at recall {recall}, share let through", filtered)
    cold = {name: one["cold"] for name, one in line["contestants"].items() if "cold" in one}
    for name, points in cold.items():
        lines = [
            [
                " ".join(map(str, one["parameters"].values())),
                str(one["recall"]),
                number(one["p50_ms"]),
                number(one["p99_ms"]),
            ]
            for one in points
        ]
        said += table([[f"{name}, files forgotten before", "recall", "p50 ms", "p99 ms"], *lines], RIGHT)
    head = ["", "build s", "MB on disk", "MB of its own", "open s", "best recall", "batched queries a second there"]
    lines = [head]
    for name, one in line["contestants"].items():
        best = max(one["points"], key=lambda point: point["recall"])
        sizes = (one["build_s"], one["bytes"] / 1e6, one["own_mb"], one["open_s"])
        lines.append([name, *map(number, sizes), f"{best['recall']:.4f}", number(best.get("batched_per_s"))])
    return [*said, *table(lines, RIGHT), *missing(line)]


def store_contest(line: dict[str, Any]) -> list[str]:
    """Return the tables of ``store_end_to_end``."""
    reached = line["p50_ms_at_recall"]
    names = {
        "ingest_per_s": "stored a second, index included", "add_per_s": "writes alone", "one_per_s": "one by one",
        "first_answer_s": "first answer s", "deleted_per_s": "deleted a second", "bytes_per_record": "bytes a record",
        "ingest_peak_mb": "peak MB", "deleted_found": "deleted but found",
    }  # fmt: skip
    peers = line["peers"]
    lines = [[name, *(number(one[key]["median"]) for key in names)] for name, one in peers.items()]
    said = [*drawing(line), *table([["", *names.values()], *lines], RIGHT)]
    said += [*at_recalls("p50 in ms at recall", reached), *(times(reached, "vicinal") if "vicinal" in peers else [])]
    for name, filtered in line.items():
        if name.startswith("filtered_p50_ms") and filtered:
            said += at_recalls(f"p50 in ms at recall {name.rsplit('_', 1)[1]}, share let through", filtered)
    durable = [
        [name, one["durable"], ", ".join(" ".join(pair) for pair in one["versions"].items())]
        for name, one in peers.items()
    ]
    return [*said, *table([["", "a write that returned is", "versions"], *durable]), *missing(line)]


def cutting_contest(line: dict[str, Any]) -> list[str]:
    """Return the table of ``chunking``: what was encoded, what was found, and the gain over the default chunker."""
    names = {
        "chunks": "chunks", "tokens_encoded": "tokens encoded", "recall": "recall", "precision": "precision",
        "iou": "IoU", "whole": "whole", "hit_at_1": "in the best 1", "hit_at_5": "5", "hit_at_10": "10",
        "reciprocal_rank_at_10": "MRR@10", "ndcg_at_10": "nDCG@10", "characters_at_5": "characters",
    }  # fmt: skip
    head = ["percent", *names.values(), "gain in recall", "gain in the best 5"]
    lines = [head]
    for name, one in line["contestants"].items():
        gains = one.get("gain_over_default", {})
        told = [_interval(gains.get(measure)) for measure in ("recall", "hit_at_5")]
        lines.append([name, *(number(one.get(key), 4) for key in names), *told])
    return table(lines, RIGHT)


def _interval(gain: list[float] | None) -> str:
    """Return a gain with the ends of its interval."""
    return f"{gain[0]:+.1f} ({gain[1]:+.1f} to {gain[2]:+.1f})" if gain else NEVER


def missing(line: dict[str, Any]) -> list[str]:
    """Return who did not come to the end."""
    return [f"Not run: {name} ({why.splitlines()[0]})." for name, why in line["missing"].items()] + [""]


SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "ann": search_contest,
    "chunking": cutting_contest,
    "store_end_to_end": store_contest,
}


def section(line: dict[str, Any]) -> str:
    """Return one measurement."""
    machine = line["machine"]
    parameters = ", ".join(f"{name} {value}" for name, value in rows(line.get("parameters") or {}))
    versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items())
    about = f"{line['at'][:10]}, commit {line['commit']}, {machine['cores']} × {machine['cpu']}, Python {machine['python']}, {versions}."
    body = SECTIONS.get(line["benchmark"], plain)(line)
    return "\n".join([f"## {line['benchmark']}", "", f"Parameters: {parameters}.", about, "", *body]).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    parts = [section(line) for _, line in sorted(newest().items())]
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join([HEAD, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
