"""A collection in fewer dimensions: its vectors multiplied with a projection, its model not called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vicinal.encode import Projection, apply, fit_common, fit_pca, random_rotation
from vicinal.errors import RangeError
from vicinal.lifecycle import canary
from vicinal.space import Encoder, Space, Vectors
from vicinal.store import Lane, LaneView, NewRecord, Snapshot, Store, rows_of
from vicinal.types import Floats, Progress, Rows

FITTED_ROWS = 50_000
"""A projection is fitted on at most so many vectors, evenly spread: more change it by less than the last digit."""
RECORDS_AT_ONCE = 500


def projection_of(snapshot: Snapshot, space: Space) -> Projection | None:
    """Return the projection that a space names, as the database keeps it; None for a space without one."""
    return Projection.from_bytes(snapshot.projection(space.projection)) if space.projection else None


def fit(store: Store, collection: str, *, dim: int, kind: str, seed: int) -> Projection:
    """Return a projection of a collection's space: fitted on its own vectors, or drawn at random.

    Raises
    ------
    RangeError
        ``dim`` is beyond the space's, or there are too few vectors to fit it on.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        if kind == "rotation":
            return random_rotation(lane.space, dim, seed)
        view = store.view(snapshot, lane)
        rows = rows_of(view.alive)
        needed = 1 if kind == "common" else dim
        if len(rows) <= needed:
            raise RangeError(
                f"Collection {collection!r} has {len(rows)} vectors; fitting {needed} directions needs more than that. "
                "Ask for fewer dimensions, or for a random rotation, which needs none.",
                expected=f"> {needed}",
                got=len(rows),
                where="dim",
            )
        vectors = Vectors(sampled(view), lane.space)
        return _fit_common(vectors, dim) if kind == "common" else fit_pca(vectors, dim)


def _fit_common(vectors: Vectors, dim: int) -> Projection:
    """Return the projection without the common direction; it keeps all dimensions."""
    if dim != vectors.dim:
        raise RangeError(
            f"Taking out what is common keeps all {vectors.dim} dimensions, and {dim} were asked for. Leave dim out.",
            expected=vectors.dim,
            got=dim,
            where="dim",
        )
    return fit_common(vectors, centred=False)


def project_collection(
    store: Store, source: str, target: str, projection: Projection, *, encoder: Encoder, progress: Progress | None
) -> Space:
    """Write a new collection that holds another's records with projected vectors, in one commit; return its space.

    Parameters
    ----------
    store : Store
        Of both.
    source, target : str
        The collection that is there, and the name of the new one.
    projection : Projection
        From the source's space.
    encoder : Encoder
        The source's, behind the projection: it makes the canary of the new space.
    progress : callable, optional
        Called with (records done, records).

    Raises
    ------
    AlreadyExistsError
        There is a collection of the target's name.
    CanaryMismatchError
        The projected space is known here, and the encoder does not keep to its canary.
    """
    probes = canary.settle(store, encoder, collection=target)  # before the write: a provider may be slow to answer
    with store.write() as transaction:
        lane = transaction.lane(source)
        view = store.view(transaction, lane)
        made = transaction.create_collection(target, model=lane.model, space=encoder.space, chunker=lane.chunker)
        transaction.put_projection(projection.digest, projection.to_bytes())
        transaction.put_canary(encoder.space, probes)
        ids = list(transaction.ids(lane))
        for start, records, rows in batches_of_records(transaction, lane, ids):
            vectors = apply(projection, Vectors(gathered(view, rows), lane.space))
            made = transaction.put(made, records, vectors, replace_existing=False)
            if progress is not None:
                progress(start + len(records), len(ids))
    return made.space


def batches_of_records(
    snapshot: Snapshot, lane: Lane, ids: Sequence[str]
) -> Iterator[tuple[int, list[NewRecord], list[int]]]:
    """Go through the records of a lane as they would be written again, with the rows of their chunks."""
    for start in range(0, len(ids), RECORDS_AT_ONCE):
        part = ids[start : start + RECORDS_AT_ONCE]
        stored, entries = snapshot.chunks_of(lane, part), snapshot.ledger(lane, part)
        records: list[NewRecord] = []
        rows: list[int] = []
        for record_id in part:
            found = stored[record_id]
            record, entry = found.record, entries[record_id]
            rows += found.rows
            records.append(
                NewRecord(
                    id=record.id,
                    text=record.text,
                    source=record.source,
                    fields=record.fields,
                    spans=record.spans,
                    chunker=entry.chunker,
                    origin=entry.origin,
                    text_digest=entry.text_digest,
                    fields_digest=entry.fields_digest,
                    cut_chunks=entry.cut_chunks,
                )
            )
        yield start, records, rows


def sampled(view: LaneView) -> Floats:
    """Return at most ``FITTED_ROWS`` living vectors, evenly spread: float32 (N, D)."""
    rows = rows_of(view.alive)
    return gathered(view, rows[np.linspace(0, len(rows) - 1, min(len(rows), FITTED_ROWS)).astype(np.int64)])


def gathered(view: LaneView, rows: Sequence[int] | Rows) -> Floats:
    """Return the vectors at rows, copied out of the mapped parts: float32 (N, D)."""
    wanted = np.asarray(rows, dtype=np.int64)
    dim = view.parts[0][1].shape[1] if view.parts else 0
    found = np.empty((len(wanted), dim), dtype=np.float32)
    for first, part in view.parts:
        here = (wanted >= first) & (wanted < first + len(part))
        found[here] = part[wanted[here] - first]
    return found
