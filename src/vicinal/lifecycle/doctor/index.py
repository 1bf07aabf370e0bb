"""Whether the indexes answer as they should: recall measured, what they lack, what is dead, what of their files is damaged."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from vicinal.errors import DamagedIndexWarning, RecallWarning
from vicinal.index import FunnelIndex
from vicinal.index.calibration import Measurement
from vicinal.lexical import LexicalIndex
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.store import Lane, LaneView, Snapshot, Store

NEIGHBORS = 10
COMPACT = "vicinal compact builds it anew and measures it."
ADVICE = {
    "grown": "The collection has outgrown its index; vicinal compact builds it anew.",
    "tail": "Many rows came after the index was built; vicinal compact builds it anew.",
    "dead": "Many rows are dead; vicinal compact gives their room back.",
    "uncalibrated": "The index was never measured; vicinal compact measures it.",
}
"""What to do about each reason that an index gives for being out of date."""
LEAST_DEAD = 100
DEAD = Limits(notice=0.25, alarm=0.5, source="compaction pays from 0.25")
DAMAGED = Limits(alarm=0.0)
WAITING = Limits(notice=0.25)
BEHIND = Limits(notice=0.05, alarm=0.25, source="the keyword index is built anew from 0.25")
LEAST_BEHIND = 500


@dataclass(frozen=True, slots=True)
class Served:
    """The indexes of a lane as they are published, what of their files is damaged, and the one that answers now."""

    index: FunnelIndex
    has_vectors: bool
    vectors: FunnelIndex | None
    has_words: bool
    words: LexicalIndex | None
    damaged: tuple[str, ...]


def served(store: Store, snapshot: Snapshot, lane: Lane, view: LaneView) -> Served:
    """Return the indexes of a lane, damaged ones told by name and left aside."""
    derived = derived_of(store, lane)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        has_vectors, vectors, has_words, words = derived.saved(snapshot, lane, view)
        index = derived.index(snapshot, lane, view)
    told = [str(one.message) for one in caught if issubclass(one.category, DamagedIndexWarning)]
    return Served(index, has_vectors, vectors, has_words, words, tuple(dict.fromkeys(told)))


def measured_recall(store: Store, name: str, *, asked: float, samples: int) -> Measurement:
    """Return the recall of a collection's searches when they are asked for one, against exact ones."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        view = store.view(snapshot, lane)
        index = derived_of(store, lane).index(snapshot, lane, view)
    return index.measure(view.alive, recall=asked, k=NEIGHBORS, queries=samples)


def check_files(found: Served) -> list[Check]:
    """Return whether the published indexes are sound."""
    count = len(found.damaged)
    return [
        judged(
            "index files",
            "index",
            count,
            DAMAGED,
            unit="files",
            told=" ".join(found.damaged) if count else "The files of the indexes are sound.",
            advice="Searches are exact and slow until it is there again: " + COMPACT,
        )
    ]


def check_recall(found: Served, view: LaneView, *, asked: float, samples: int) -> Check:
    """Return the recall of searches at what is asked for, against exact ones.

    Warns
    -----
    RecallWarning
        Even the upper end of the interval lies below.
    """
    measured = found.index.measure(view.alive, recall=asked, k=NEIGHBORS, queries=samples)
    told = f"Of the true {NEIGHBORS} nearest {measured.recall:.4f} are found, and {asked:g} was asked for."
    if measured.high < asked:
        warnings.warn(f"{told} Run vicinal compact to build and measure the index anew.", RecallWarning, stacklevel=5)
    return Check(
        name="recall",
        family="index",
        state="alarm" if measured.high < asked else "ok",
        value=measured.recall,
        unit=f"recall@{NEIGHBORS}",
        limit=f"alarm < {asked:g}",
        source="what was asked for, beyond what the sampling explains",
        told=f"{told} {measured.queries} questions bound it by {measured.low:.4f} and {measured.high:.4f}, each right nine times of ten.",
        advice="" if measured.high >= asked else f"Searches find less than was asked for: {COMPACT}",
        details={
            "asked": asked,
            "recall": measured.recall,
            "low": measured.low,
            "high": measured.high,
            "k": NEIGHBORS,
            "samples": measured.queries,
        },
    )


def check_index(found: Served, snapshot: Snapshot, lane: Lane) -> list[Check]:
    """Return what the index lacks, and what of its rows is dead."""
    index, why = found.index, found.index.stale(lane.rows)
    waiting = index.waiting_rows / lane.rows if lane.rows and index.coded_rows else 0.0
    dead = snapshot.counts(lane)["dead_rows"]
    stored = lane.rows + dead
    share = dead / stored if stored >= LEAST_DEAD else 0.0
    told = f"The index has all it needs: {index.coded_rows} rows coded, {index.waiting_rows} searched exactly."
    if why and index.coded_rows and not found.has_vectors:
        told = f"No index was saved yet, so that each process codes {index.coded_rows} rows for itself."
    elif why:
        told = ADVICE[why]
    stale = Check(
        name="index age",
        family="index",
        state="notice" if why else "ok",
        value=waiting,
        unit="share not coded",
        limit="notice when the index says so",
        source="docs/concepts/index.md",
        told=told,
        advice=ADVICE[why] if why else "",
        details={"why": why, **index.info()},
    )
    return [
        stale,
        judged(
            "dead rows",
            "index",
            share,
            DEAD,
            told=f"{dead} of {stored} stored rows are dead.",
            advice="vicinal compact gives their room back.",
        ),
    ]


def check_words(found: Served, lane: Lane, view: LaneView) -> Check:
    """Return what the published keyword index lacks."""
    name = "keyword index"
    if not found.has_words:
        return skipped(name, "index", "There is none: it is made when the collection is first searched by words.")
    if found.words is None:
        return judged(
            name,
            "index",
            1.0,
            BEHIND,
            unit="share missing",
            told="The keyword index cannot be used: it is damaged, or of another history of this database.",
            advice="Each process makes it again for itself until it is there: " + COMPACT,
        )
    behind = max(0, view.next_row - found.words.end)
    share = behind / max(1, lane.rows) if behind > LEAST_BEHIND else 0.0
    return judged(
        name,
        "index",
        min(1.0, share),
        BEHIND,
        unit="share missing",
        told=f"{behind} rows came after the keyword index was saved; each process reads them again.",
        advice="vicinal compact saves it anew.",
        details={"behind": behind, "why": found.words.stale(lane.rows)},
    )
