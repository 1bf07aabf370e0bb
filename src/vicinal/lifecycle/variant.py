"""The records of a collection in another form: another model, chunker, dimension or precision, in a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vicinal.chunk import Chunker
from vicinal.encode import apply, name_of, project, projections_of, quantize
from vicinal.errors import RangeError
from vicinal.lifecycle import canary
from vicinal.lifecycle.ingest import WHOLE, cut_up, prepare
from vicinal.lifecycle.project import batches_of_records, fit, gathered, sampled
from vicinal.read.formats import format_of
from vicinal.space import Encoder, Space, Vectors
from vicinal.store import Lane, NewRecord, Snapshot, Store
from vicinal.types import Document, Floats, Progress, Record

BITS = {"float32": 32.0, "float16": 16.0, "int8": 8.0, "4bit": 4.0, "1bit": 1.0}
"""Bits of a component."""
LARGEST_4BIT = 7
SCALE_BYTES = 4
"""What a vector of int8 or 4-bit numbers takes beside them."""

Part = tuple[list[NewRecord], Vectors]


def reencoded(
    source: Store,
    name: str,
    target: Store,
    made: str,
    *,
    encoder: Encoder,
    chunker: Chunker | None,
    progress: Progress | None = None,
) -> None:
    """Write the records of a collection cut by a chunker and encoded by an encoder, as a new collection.

    Parameters
    ----------
    source : Store
        That of the collection ``name``.
    target : Store
        In which the collection ``made`` is created.
    encoder : Encoder
    chunker : Chunker, optional
        None: each record is one chunk.
    progress : callable, optional
        Called with (records done, records).

    Notes
    -----
    What a record's text is (Markdown, Python) is not stored with it, and told by the suffix of its source.
    Cost: one encoding of each chunk that the encoder's cache does not have.
    """
    with source.snapshot() as snapshot:
        lane = snapshot.lane(name)
        said = WHOLE if chunker is None else chunker.id

        def parts() -> Iterator[Part]:
            for records in _records(snapshot, lane):
                documents = [_document(record) for record in records]
                chunks = cut_up(documents, encoder, chunker)
                found = prepare(
                    documents, chunks, encoder=encoder, chunker=said, origins=[""] * len(documents), progress=None
                )
                yield list(found.records), found.vectors

        _write(target, made, parts(), encoder=encoder, chunker=said, total=lane.records, progress=progress)


def projected(
    source: Store, name: str, target: Store, made: str, *, encoder: Encoder, dim: int, progress: Progress | None = None
) -> Encoder:
    """Write a collection's records with their vectors on its own first principal directions; return the encoder.

    Raises
    ------
    RangeError
        ``dim`` is beyond the space's, or there are too few vectors to fit it on.
    """
    if dim > encoder.space.dim:
        raise RangeError(
            f"dim must be 1 to {encoder.space.dim} for {name_of(encoder) or 'this encoder'}, got {dim}.",
            expected=f"1 to {encoder.space.dim}",
            got=dim,
            where="dim",
        )
    projection = fit(source, name, dim=dim, kind="pca", seed=0)
    behind = project(encoder, projection)
    _changed(source, name, target, made, lambda vectors: apply(projection, vectors), behind, progress)
    return behind


def rounded(
    source: Store,
    name: str,
    target: Store,
    made: str,
    *,
    encoder: Encoder,
    precision: str,
    progress: Progress | None = None,
) -> None:
    """Write a collection's records with the vectors that a precision leaves of theirs."""
    with source.snapshot() as snapshot:
        view = source.view(snapshot, snapshot.lane(name))
        centre = sampled(view).mean(axis=0)

    def kept(vectors: Vectors) -> Vectors:
        return Vectors(_in_space(as_kept(vectors, precision, centre), vectors.space), vectors.space)

    _changed(source, name, target, made, kept, encoder, progress)


def as_kept(vectors: Vectors, precision: str, centre: Floats) -> Floats:
    """Return vectors as they are after they were kept in a precision.

    Parameters
    ----------
    vectors : Vectors, float32 of shape (N, D)
    precision : str
        ``int8`` and ``1bit`` as ``quantize`` has them; ``4bit``: whole numbers to ±7 and one scale a vector;
        ``float16``; ``float32``.
    centre : float32 array of shape (D,)
        What is subtracted before signs are taken: the mean of the stored vectors.

    Notes
    -----
    Scores with them are those of such a storage without rescoring, whatever kernel works them out.
    """
    array = np.asarray(vectors)
    if precision == "float16":
        return array.astype(np.float16).astype(np.float32)
    if precision == "int8":
        return quantize(vectors, "int8").decode()
    if precision == "1bit":
        return quantize(vectors, "bit", centre=centre).decode()
    if precision == "4bit":
        scale = np.abs(array).max(axis=1, keepdims=True, initial=0) / LARGEST_4BIT
        return np.asarray(np.rint(array / np.where(scale > 0, scale, 1)) * scale, dtype=np.float32)
    return array


def _in_space(vectors: Floats, space: Space) -> Floats:
    """Return vectors of length 1 where the space has no others: rounding shortens each by another share."""
    if not space.normalized:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def bytes_of_vector(dim: int, precision: str) -> float:
    """Return what a vector takes in a precision."""
    scaled = precision in {"int8", "4bit", "1bit"}
    return dim * BITS[precision] / 8 + SCALE_BYTES * scaled


def _changed(
    source: Store,
    name: str,
    target: Store,
    made: str,
    change: Callable[[Vectors], Vectors],
    encoder: Encoder,
    progress: Progress | None,
) -> None:
    """Write a collection's records with the same chunks and changed vectors."""
    with source.snapshot() as snapshot:
        lane = snapshot.lane(name)
        view = source.view(snapshot, lane)
        ids = list(snapshot.ids(lane))
        parts = (
            (records, change(Vectors(gathered(view, rows), lane.space)))
            for _, records, rows in batches_of_records(snapshot, lane, ids)
        )
        _write(target, made, parts, encoder=encoder, chunker=lane.chunker, total=len(ids), progress=progress)


def _write(
    store: Store,
    made: str,
    parts: Iterator[Part],
    *,
    encoder: Encoder,
    chunker: str,
    total: int,
    progress: Progress | None,
) -> None:
    """Make a collection of parts, each in a commit."""
    space: Space = encoder.space
    probes = canary.settle(store, encoder, collection=made)
    with store.write() as transaction:
        transaction.create_collection(made, model=name_of(encoder), space=space, chunker=chunker)
        transaction.put_canary(space, probes)
        for projection in projections_of(encoder):
            transaction.put_projection(projection.digest, projection.to_bytes())
    done = 0
    for records, vectors in parts:
        with store.write() as transaction:
            transaction.put(transaction.lane(made), records, vectors, replace_existing=False)
        done += len(records)
        if progress is not None:
            progress(done, total)


def _records(snapshot: Snapshot, lane: Lane) -> Iterator[list[Record]]:
    """Go through the records of a lane, some hundred at a time."""
    ids = list(snapshot.ids(lane))
    for start in range(0, len(ids), 500):
        yield [one.record for one in snapshot.chunks_of(lane, ids[start : start + 500]).values()]


def _document(record: Record) -> Document:
    known = format_of(record.source) if record.source else None
    form = "text" if known is None else known.form
    return Document(id=record.id, text=record.text, source=record.source, form=form, fields=record.fields)
