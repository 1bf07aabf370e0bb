"""One number for everything that a database answers from, whatever its rows, files and commits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from vicinal.errors import CorruptStoreError
from vicinal.lifecycle.question import recall_setting
from vicinal.store import Lane, NewRecord, Snapshot

DIGEST_BYTES = 32
RECORDS_AT_ONCE = 2000


def digest(snapshot: Snapshot) -> str:
    """Return the digest of a database as of one commit: equal when two hold the same, in any order.

    It is the sum, modulo 2^256, of the BLAKE2b-256 of each alias, collection (with the recall that it keeps), record (text,
    source, fields, spans, ledger and vectors), canary and projection. Numbers of rows, records and commits, and derived files, are not in it.

    Parameters
    ----------
    snapshot : Snapshot
        Of either.

    Returns
    -------
    str
        64 hexadecimal digits.

    Notes
    -----
    Cost: one pass over records and vectors, some 20,000 records a second on one core. Memory: 2,000 records.
    """
    total = sum(_number(b"alias", _packed(list(pair))) for pair in snapshot.aliases().items())
    for name in snapshot.collection_names():
        lane = snapshot.lane(name)
        head = _packed([name, lane.model, lane.space.canonical(), lane.chunker])
        kept_recall = snapshot.setting(recall_setting(lane.collection)) or ""
        total += _number(b"collection", head, kept_recall.encode())
        total += sum(_number(b"canary", head, part) for part in _identity(snapshot, lane))
        total += sum(_number(b"record", head, *parts) for parts in _records(snapshot, lane))
    return f"{total % (1 << 8 * DIGEST_BYTES):064x}"


def _identity(snapshot: Snapshot, lane: Lane) -> Iterator[bytes]:
    """Go through what belongs to a space: its probes in order, and its projection."""
    for place, probe in enumerate(snapshot.canary(lane.space)):
        yield _packed([place, probe.role, probe.text, probe.runtime, probe.vector.tobytes().hex()])
    if lane.space.projection:
        with suppress(CorruptStoreError):  # an encoder of the user's own may keep it to itself
            yield snapshot.projection(lane.space.projection)


def _records(snapshot: Snapshot, lane: Lane) -> Iterator[tuple[bytes, bytes]]:
    """Go through all records of a lane, each with the bytes of its vectors."""
    for change in snapshot.changes(lane, 0, at_once=RECORDS_AT_ONCE):
        rows = np.ascontiguousarray(change.vectors, dtype="<f4")
        first = 0
        for record in change.records:
            last = first + len(record.spans)
            yield _told(record), rows[first:last].tobytes()
            first = last


def _told(record: NewRecord) -> bytes:
    return _packed(
        [
            record.id,
            record.text,
            record.source,
            dict(record.fields),
            record.spans,
            record.chunker,
            record.origin,
            record.text_digest,
            record.fields_digest,
            record.cut_chunks,
        ]
    )


def _packed(value: Any) -> bytes:  # noqa: ANN401 - plain data
    """Return plain data as bytes that are equal exactly when it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _number(*parts: bytes) -> int:
    """Return the digest of parts as a whole number; their lengths are in it, so that none runs into the next."""
    one = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        one.update(len(part).to_bytes(8, "little"))
        one.update(part)
    return int.from_bytes(one.digest(), "little")
