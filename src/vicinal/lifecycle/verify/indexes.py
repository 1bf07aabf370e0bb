"""What is derived of the store against the store: the index of vectors, and the keyword index where one is in use."""

from __future__ import annotations

import warnings

import numpy as np

from vicinal.errors import DamagedIndexWarning, MissingExtraError, StoreError, VicinalError
from vicinal.index import FunnelIndex
from vicinal.lifecycle.derived import Derived, derived_of
from vicinal.lifecycle.project import gathered
from vicinal.lifecycle.verify.finding import Findings
from vicinal.space import Vectors
from vicinal.store import Lane, LaneView, Snapshot, Store, rows_of
from vicinal.types import Rows

SAMPLED = 256
"""Living vectors that the index is asked for; each must find itself, or one that is as near."""
NEAR = 1e-3
"""Half of the squared distance at which the row that is found may lie, by what the store has of it."""
MOST_MISSED = 0.05
"""The share of the sample that an approximate index may miss before something else must be wrong: with it, or with the
space, of which an index that is built anew tells the same."""
MOST_REBUILT = 2_000_000
"""Rows of which an index is built anew to tell: some 20 seconds."""
LESS = 0.5
"""The share of what an index misses that one built anew may miss, for the first to be at fault."""
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
    if not len(living) or lane.space.metric == "dot" or findings.counts["vector"]:
        return  # where a longer vector is nearer to all, none need find itself
    chosen = living[np.linspace(0, len(living) - 1, min(len(living), SAMPLED)).astype(np.int64)]
    missed = _missed(index, chosen, lane, view)
    if missed <= max(1, MOST_MISSED * len(chosen)):
        return
    if rows <= MOST_REBUILT:
        anew = FunnelIndex.build(view.parts, lane.space).with_calibration(index.calibration)  # asked as widely
        if _missed(anew, chosen, lane, view) > LESS * missed:
            return  # vectors that crowd: codes of one bit cannot tell them apart
    findings.add("index", lane.name, f"of {len(chosen)} vectors {missed} do not find themselves")


def _missed(index: FunnelIndex, chosen: Rows, lane: Lane, view: LaneView) -> int:
    """Return how many of some living rows the index finds neither themselves for nor one that is as near."""
    asked = gathered(view, chosen)
    found = index.search(Vectors(asked, lane.space), k=1, mask=view.alive)
    best = gathered(view, np.where(found.counts > 0, found.rows[:, 0], chosen))
    off = np.linalg.norm(asked - best, axis=1) ** 2 / 2  # of unit vectors: what the cosine lacks to 1
    return int(((found.counts == 0) | (off > NEAR)).sum())


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
