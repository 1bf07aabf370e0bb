"""An evaluation on a disk: the run, a table of queries, and the report.

::

    folder/
      run.trec         what was found, in TREC's six columns
      per_query.tsv    query_id, query, a column a metric
      report.json      means with intervals, times, what failed, the environment
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._files import disk_errors, write_atomically
from vicinal.evaluate.judgements.judged import Judged
from vicinal.evaluate.judgements.runs import write_run
from vicinal.evaluate.metrics import Scores
from vicinal.evaluate.ranking import Run

RUN, PER_QUERY, REPORT = "run.trec", "per_query.tsv", "report.json"


def write_evaluation(folder: Path, *, run: Run, scores: Scores, judged: Judged, report: Mapping[str, Any]) -> Path:
    """Write the three files; the report comes last, so that where it is the others are."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_run(run, folder / RUN)
    write_atomically(folder / PER_QUERY, per_query(scores, judged).encode())
    write_atomically(folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False).encode() + b"\n")
    return folder


def per_query(scores: Scores, judged: Judged) -> str:
    """Return a line a query with its values, all digits of them, under a header; white space of a query is one blank."""
    lines = ["\t".join(("query_id", "query", *scores.metrics))]
    for query, values in zip(scores.query_ids, scores.values.tolist(), strict=True):
        text = " ".join(judged.queries[query].split())
        lines.append("\t".join((query, text, *map(repr, values))))
    return "\n".join(lines) + "\n"


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON holds
    """Return what a searcher says of itself as JSON knows it: NumPy's numbers as numbers, anything else as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Sequence | set | frozenset | np.ndarray) and not isinstance(value, str | bytes):
        return [plain(one) for one in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
