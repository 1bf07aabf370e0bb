"""Documents made ready for one commit: cut into chunks, encoded, and described for the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from vicinal.chunk import Chunker
from vicinal.space import Encoder, Vectors
from vicinal.store import NewRecord
from vicinal.types import Chunk, Document, Progress

WHOLE = "whole"
"""The chunker id of a lane in which each document is one chunk, and the encoder's overflow rule decides."""

FIELDS = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
"""How the fields of a record stand in what is digested of them: the same whatever their order."""

DIGEST_BYTES = 16
"""128 bits: two texts of one user never meet by chance, and nobody gains by making them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What one commit writes: records, and the vectors of their chunks in order."""

    records: tuple[NewRecord, ...]
    vectors: Vectors


def digest_of_text(document: Document) -> str:
    """Return the digest of what decides a document's chunks: its text and its form."""
    return _digest(f"{document.form}\0{document.text}")


def digest_of_fields(document: Document) -> str:
    """Return the digest of what is stored beside the text: source and fields."""
    return _digest(FIELDS.encode([document.source, dict(document.fields)]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def cut_up(documents: Sequence[Document], encoder: Encoder, chunker: Chunker | None) -> list[list[Chunk]]:
    """Return the chunks of each document; one that is the whole text where there is no chunker."""
    if chunker is None:
        return [[Chunk(text=document.text, start=0, end=len(document.text))] for document in documents]
    return chunker.split_all(documents, encoder.token_spans)


def chunker_for(encoder: Encoder) -> Chunker:
    """Return the chunker whose chunks fit the window beside special tokens and prompt."""
    return Chunker.for_window(encoder.max_tokens, reserved=int(encoder.count_tokens([""])[0]))


def new_record(
    document: Document, spans: tuple[tuple[int, int], ...], *, chunker: str, origin: str = "", cut_chunks: int = 0
) -> NewRecord:
    """Return a document as the store takes it."""
    return NewRecord(
        id=document.id,
        text=document.text,
        source=document.source,
        fields=document.fields,
        spans=spans,
        chunker=chunker,
        origin=origin,
        text_digest=digest_of_text(document),
        fields_digest=digest_of_fields(document),
        cut_chunks=cut_chunks,
    )


def prepare(
    documents: Sequence[Document],
    chunks: Sequence[Sequence[Chunk]],
    *,
    encoder: Encoder,
    chunker: str,
    origins: Sequence[str],
    progress: Progress | None = None,
) -> Prepared:
    """Return documents with the vectors of their chunks.

    Raises
    ------
    TooLongError
        A text is beyond the window, and the encoder's overflow rule is ``error``.
    EncodeError
        The model failed.
    """
    vectors = encoder.encode_documents([chunk.text for part in chunks for chunk in part], progress=progress)
    cut, first = set(vectors.cut_rows), 0
    records: list[NewRecord] = []
    for document, part, origin in zip(documents, chunks, origins, strict=True):
        rows = range(first, first + len(part))
        first = rows.stop
        spans = tuple((chunk.start, chunk.end) for chunk in part)
        records.append(
            new_record(document, spans, chunker=chunker, origin=origin, cut_chunks=sum(row in cut for row in rows))
        )
    return Prepared(records=tuple(records), vectors=vectors)
