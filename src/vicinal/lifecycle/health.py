"""How well a collection answers: its recall measured against exact search, and what should be done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from vicinal.errors import RecallWarning
from vicinal.lifecycle.derived import derived_of
from vicinal.store import Store
from vicinal.types import Progress

NEIGHBORS = 10
ADVICE = {
    "grown": "The collection has outgrown its index; vicinal compact builds it anew.",
    "tail": "Many rows came after the index was built; vicinal compact builds it anew.",
    "dead": "Many rows are dead; vicinal compact gives their room back.",
    "uncalibrated": "The index was never measured; vicinal compact measures it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was measured. ``low`` and ``high`` hold the true recall 95 times in a hundred; ``findings`` say what to do."""

    asked: float
    recall: float
    low: float
    high: float
    k: int
    samples: int
    findings: tuple[str, ...]


def examine(store: Store, name: str, *, asked: float, samples: int, progress: Progress | None = None) -> Health:
    """Measure the recall of a collection's searches at what is asked for.

    Warns
    -----
    RecallWarning
        Even the upper end of the interval lies below.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        view = store.view(snapshot, lane)
        index = derived_of(store, lane).index(snapshot, lane, view)
    if progress is not None:
        progress(0, 1)
    found = index.measure(view.alive, recall=asked, k=NEIGHBORS, queries=samples)
    if progress is not None:
        progress(1, 1)
    findings = [ADVICE[why]] if (why := index.stale(lane.rows)) else []
    if found.high < asked:
        told = f"Of the true {NEIGHBORS} nearest {found.recall:.4f} are found, and {asked:g} was asked for."
        warnings.warn(f"{told} Run vicinal compact to build and measure the index anew.", RecallWarning, stacklevel=3)
        findings.append(told)
    return Health(
        asked=asked,
        recall=found.recall,
        low=found.low,
        high=found.high,
        k=NEIGHBORS,
        samples=found.queries,
        findings=tuple(findings),
    )
