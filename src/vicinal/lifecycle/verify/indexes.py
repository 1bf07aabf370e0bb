"""What is derived of the store against the store: the index of vectors, and the keyword index where one is in use."""

from __future__ import annotations

import warnings

import numpy as np

from vicinal.errors import DamagedIndexWarning, MissingExtraError, StoreError, VicinalError
from vicinal.index import FunnelIndex
from vicinal.lifecycle.derived import Derived, derived_of
from vicinal.lifecycle.project import gathered
from vicinal.lifecycle.verify.finding import Findings
from vicinal.store import Lane, LaneView, Snapshot, Store, rows_of

SAMPLED = 256
"""Living rows whose codes are made anew and compared."""
NAMED = 20
"""Rows that are named one by one."""


def check_indexes(store: Store, collection: str, findings: Findings) -> None:
    """Compare the index of vectors and the keyword index with the rows of the store. Nothing is built for it."""
    with store.snapshot() as snapshot, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DamagedIndexWarning)
        lane = snapshot.lane(collection)
        view = store.view(snapshot, lane)
        derived = derived_of(store, lane)
        _check_vectors(derived.index(snapshot, lane, view), lane, view, findings)
        if derived.keeps_words:
            _check_words(derived, snapshot, lane, view, findings)
    for one in said:
        if issubclass(one.category, DamagedIndexWarning):
            findings.add("index", collection, str(one.message))


def _check_vectors(index: FunnelIndex, lane: Lane, view: LaneView, findings: Findings) -> None:
    rows = sum(len(vectors) for _, vectors in view.parts)
    if index.row_count > view.next_row:
        findings.add("index", lane.name, f"it tells of row {index.row_count - 1}, and {view.next_row} were given out")
        return
    if (known := index.info()["rows"]) != rows:
        findings.add("index", lane.name, f"it has {known} rows, and the store {rows}")
        return
    living = rows_of(view.alive)
    if not len(living) or findings.counts["vector"]:
        return
    chosen = living[np.linspace(0, len(living) - 1, min(len(living), SAMPLED)).astype(np.int64)]
    wrong = index.disagreeing(chosen, gathered(view, chosen))
    if len(wrong):
        findings.add("index", lane.name, f"of {len(chosen)} rows {len(wrong)} have codes that are not of their vectors")


def _check_words(derived: Derived, snapshot: Snapshot, lane: Lane, view: LaneView, findings: Findings) -> None:
    try:
        words = derived.words(snapshot, lane, view)
        rows = words.rows()
    except MissingExtraError:
        return
    except (StoreError, VicinalError) as error:
        findings.add("words", lane.name, error.message)
        return
    living = rows_of(view.alive)
    missing = np.setdiff1d(living, rows)
    beyond = rows[rows >= max(view.next_row, words.end)]
    twice = len(rows) - len(np.unique(rows))
    for told, what in ((missing, "has no postings"), (beyond, "has postings, and was never given out")):
        for row in told[:NAMED].tolist():
            findings.add("words", lane.name, f"row {row} {what}")
        if len(told) > NAMED:
            findings.add("words", lane.name, f"and {len(told) - NAMED} more rows: {what}")
    if twice:
        findings.add("words", lane.name, f"{twice} rows stand in it more than once")
