"""The tables of docs/concepts/chunks.md, from the newest line of each contestant in ``benchmarks/results``.

Run it as ``python benchmarks/chunking/table.py``; it prints them. A gain whose interval leaves out zero is bold.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS

RESULTS = Path(__file__).resolve().parents[1] / "results" / "chunking.jsonl"
HEADS = {
    "chunking_eval": ("recall", ("recall", "precision", "iou", "whole")),
    "covidqa_part": ("hit_at_5", ("hit_at_1", "hit_at_5", "hit_at_10", "reciprocal_rank_at_10", "ndcg_at_10")),
}
"""What the gain is of, and which measures stand in a table, by set."""
NAMES = {
    "recall": "recall",
    "precision": "precision",
    "iou": "IoU",
    "whole": "whole",
    "hit_at_1": "in the best 1",
    "hit_at_5": "5",
    "hit_at_10": "10",
    "reciprocal_rank_at_10": "MRR@10",
    "ndcg_at_10": "nDCG@10",
}

GAINS = {"recall": "recall", "hit_at_5": "in the best 5"}
FINE = {"precision", "iou"}
ORDER = list(CONTESTANTS)

Line = dict[str, Any]


def newest() -> dict[tuple[str, int, int, str], dict[str, Line]]:
    """Return the last line of each contestant by set, documents, questions and mode."""
    found: dict[tuple[str, int, int, str], dict[str, Line]] = defaultdict(dict)
    for text in RESULTS.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        told = line["parameters"]
        if "mode" in told:
            key = told["dataset"], told["documents"], told["questions"], told["mode"]
            found[key][line["contestant"]] = line
    return found


def gain(line: Line, measure: str) -> str:
    """Return the gain over the default with the ends of its interval."""
    if "gain_over_default" not in line:
        return "–"
    mean, low, high = line["gain_over_default"][measure]
    text = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def table(dataset: str, mode: str, lines: dict[str, Line]) -> str:
    """Return the table of one set and mode; what indexing costs stands with the first mode alone."""
    main, measures = HEADS[dataset]
    costs = mode == "dense"
    head = [f"{mode.capitalize()}, chunks of", *(NAMES[one] for one in measures), f"{GAINS[main]} against the default"]
    head += ["chunks", "texts encoded", "tokens encoded", "characters"] if costs else []
    rows = []
    for name in sorted(lines, key=ORDER.index):
        line = lines[name]
        cells = [f"`{name}`", *(f"{line[one]:.{2 if one in FINE else 1}f}" for one in measures), gain(line, main)]
        if costs:
            tokens = f"{line['tokens_encoded'] / 1000:.0f}k"
            cells += [f"{line['chunks']:,}", f"{line['encodings']:,}", tokens, f"{line['characters_at_5']:,}"]
        rows.append(cells)
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))


def main() -> None:
    """Print all tables."""
    for (dataset, documents, questions, mode), lines in newest().items():
        print(f"{dataset}, {documents} documents, {questions} questions, {mode}:\n\n{table(dataset, mode, lines)}\n")


if __name__ == "__main__":
    main()
