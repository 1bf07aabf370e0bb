"""Records against the ledger, their spans and their vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vicinal.lifecycle.ingest import digest_of_text
from vicinal.lifecycle.verify.finding import Findings
from vicinal.store import Change, Lane, NewRecord, Snapshot
from vicinal.types import Document, Floats

FORMS = ("text", "markdown", "rst", "python", "code")
"""The form is part of the digest and is not kept beside the text: one of them must fit."""
LENGTH_OFF = 1e-3
"""How far the length of a normalised vector may be from 1, in float32; a vector without any length means nothing known."""


def check_records(snapshot: Snapshot, lane: Lane, findings: Findings, step: Callable[[int], None]) -> None:
    """Compare each record with its digest, its spans and its vectors. Cost: one pass over texts and vectors."""
    done = 0
    for change in snapshot.changes(lane, 0):
        _check_part(change, lane, findings)
        done += len(change.records)
        step(done)


def _check_part(change: Change, lane: Lane, findings: Findings) -> None:
    bad = _bad_rows(change.vectors, normalized=lane.space.normalized)
    first = 0
    for record in change.records:
        rows = range(first, first + len(record.spans))
        first = rows.stop
        _check_text(record, lane, findings)
        told = next((bad[row] for row in rows if row in bad), "")
        if told:
            findings.add("vector", record.id, told)


def _bad_rows(vectors: Floats, *, normalized: bool) -> dict[int, str]:
    """Return what is wrong with the vectors of a part, by row; float32 (N, D)."""
    finite = np.isfinite(vectors).all(axis=1)
    bad = {int(row): "it holds NaN or infinity" for row in np.flatnonzero(~finite)}
    if normalized:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite was told of above
            lengths = np.linalg.norm(vectors, axis=1)
        off = finite & (np.abs(lengths - 1) > LENGTH_OFF) & (lengths > 0)
        bad |= {int(row): f"its length is {lengths[row]:.4f}, not 1" for row in np.flatnonzero(off)}
    return bad


def _check_text(record: NewRecord, lane: Lane, findings: Findings) -> None:
    if form_told_of(record.text, record.text_digest) is None:
        findings.add("text", record.id, "its text is not the one that was stored under this digest")
    end = len(record.text)
    if any(not 0 <= start <= stop <= end for start, stop in record.spans):
        findings.add("span", record.id, "a span lies outside of its text")
    if record.origin and record.chunker != lane.chunker:
        findings.add("stale", record.id, f"it was cut up by {record.chunker}, and the collection is by {lane.chunker}")


def form_told_of(text: str, text_digest: str) -> str | None:
    """Return the form in which a text has a digest, None where it has it in none."""
    return next((form for form in FORMS if digest_of_text(Document(id="", text=text, form=form)) == text_digest), None)
