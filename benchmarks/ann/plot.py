"""Draw recall against time from the newest lines of the contests: docs/images/<benchmark>-<set>.svg.

python benchmarks/ann/plot.py [--lines FILE.json ...] [--out DIR]

Needs matplotlib, which no other part of the project needs: run it with an interpreter that has it. A line may also be
what ``run.py --dry`` printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter

ROOT = Path(__file__).resolve().parents[2]
LEAST_RECALL, LEAST_MISS = 0.8, 5e-4
TICKS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
MARKS = "osv^Dp*hX<>"


def newest(name: str) -> list[dict[str, Any]]:
    """Return the last line for each set of one benchmark."""
    path = ROOT / "benchmarks" / "results" / f"{name}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return list({line["parameters"]["set"]: line for line in lines}.values())


def frontier(points: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return (misses, ms) of the points that no other beats."""
    kept: list[tuple[float, float]] = []
    for one in sorted(points, key=lambda point: (point["p50_ms"], -point["recall"])):
        if not kept or 1 - one["recall"] < kept[-1][0]:
            kept.append((1 - one["recall"], one["p50_ms"]))
    return [(max(miss, LEAST_MISS), ms) for miss, ms in kept if miss <= 1 - LEAST_RECALL]


def draw(line: dict[str, Any], path: Path) -> None:
    """Draw one line: the misses fall to the right, so that lower and further right is better."""
    parameters = line["parameters"]
    figure, axes = plt.subplots(figsize=(7.5, 5), layout="constrained")
    contestants = line.get("contestants") or line["peers"]
    for place, (name, one) in enumerate(contestants.items()):
        found = frontier(one["points"])
        ours = name.startswith("vicinal")
        if found:
            style = {"linewidth": 2.5 if ours else 1.2, "markersize": 6 if ours else 4, "zorder": 3 if ours else 2}
            axes.plot(*zip(*found, strict=True), label=name, marker=MARKS[place % len(MARKS)], **style)
    axes.set(xscale="log", yscale="log", xlabel=f"recall@{parameters['k']}", ylabel="p50 of one query, ms")
    axes.set_xlim(1 - LEAST_RECALL, LEAST_MISS * 0.9)
    axes.xaxis.set_major_locator(FixedLocator([1 - tick for tick in TICKS]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda miss, _: f"{1 - miss:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.set_title(
        f"{parameters['rows']:,} × {parameters['dim']}, {parameters['set']}, one core ({line['machine']['cpu']})",
        fontsize=9,
    )
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(path.name)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "vicinal"
    given.out.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(path.read_text()) for path in given.lines] or [*newest("ann"), *newest("store_end_to_end")]
    for line in lines:
        name = line.get("benchmark") or ("ann" if "contestants" in line else "store_end_to_end")
        draw({"machine": {"cpu": "dry run"}, **line}, given.out / f"{name}-{line['parameters']['set']}.svg")


if __name__ == "__main__":
    main()
