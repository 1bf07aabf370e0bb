"""Documents made ready for one commit: cut into chunks, encoded, and described for the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vicinal._json import prepared
from vicinal.chunk import Chunker
from vicinal.errors import DtypeError, RangeError
from vicinal.read.formats import format_of
from vicinal.space import Encoder, Vectors
from vicinal.store import LedgerEntry, NewRecord
from vicinal.types import Chunk, Document, Progress, Record

WHOLE = "whole"
"""The chunker id of a lane in which each document is one chunk, and the encoder's overflow rule decides."""

WINDOW = "window"
"""The name of the chunker that fits a model's window."""

FIELDS = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
"""How the fields of a record stand in what is digested of them: the same whatever their order."""
_encode = prepared(FIELDS)

FORMS = ("text", "markdown", "python", "rst", "code")
"""How a text can be built."""

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


def document_of(record: Record, entry: LedgerEntry) -> Document:
    """Return a record as the document that it was made of: the digest says how the text was built."""
    plain = Document(id=record.id, text=record.text, source=record.source, fields=record.fields)
    known = format_of(record.source) if record.source else None
    for form in (*([] if known is None else [known.form]), *FORMS):
        built = replace(plain, form=form)
        if digest_of_text(built) == entry.text_digest:
            return built
    return plain if known is None else replace(plain, form=known.form)


def digest_of_fields(document: Document) -> str:
    """Return the digest of what is stored beside the text: source and fields."""
    fields = document.fields
    return _digest(_encode([document.source, fields if type(fields) is dict else dict(fields)]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def cut_up(documents: Sequence[Document], encoder: Encoder, chunker: Chunker | None) -> list[list[Chunk]]:
    """Return the chunks of each document; one that is the whole text where there is no chunker."""
    if chunker is None:
        return [[Chunk(text=document.text, start=0, end=len(document.text))] for document in documents]
    return chunker.split_all(documents, encoder.token_spans)


def chunker_for(encoder: Encoder, wanted: Chunker | str | None = None) -> Chunker:
    """Return the chunker that is wanted; without one, or for ``window``, the one that fits the window.

    Raises
    ------
    RangeError
        Its chunks do not fit the window beside special tokens and prompt.
    UnknownNameError
        No chunker has that id.
    """
    reserved = int(encoder.count_tokens([""])[0])
    if wanted is None or wanted == WINDOW:
        return Chunker.for_window(encoder.max_tokens, reserved=reserved)
    chunker = Chunker.from_id(chunker_id_of(wanted))
    room = encoder.max_tokens - reserved
    if chunker.target > room:
        raise RangeError(
            f"Chunks of {chunker.target} tokens do not fit the model's window, which has room for {room}.",
            expected=f"<= {room}",
            got=chunker.target,
            where="chunker",
        )
    return chunker


def chunker_id_of(wanted: Chunker | str) -> str:
    """Return the id of a chunker, or the id itself.

    Raises
    ------
    DtypeError
        It is neither.
    """
    if isinstance(wanted, Chunker):
        return wanted.id
    if not isinstance(wanted, str):
        raise DtypeError(
            f"chunker must be a Chunker or its id, got {type(wanted).__name__}.",
            expected="Chunker or str",
            got=type(wanted).__name__,
            where="chunker",
        )
    return wanted


def chunker_of(chunker_id: str) -> Chunker | None:
    """Return the chunker of an id of a lane, or None where each document is one chunk."""
    return None if chunker_id == WHOLE else Chunker.from_id(chunker_id)


def to_encode(
    documents: Sequence[Document], chunks: Sequence[Sequence[Chunk]], encoder: Encoder, chunker_id: str
) -> list[str]:
    """Return what is encoded for each chunk: its text, below the headings that it stands under if its chunker says so.

    Of fields nothing is taken: they may change without a text being encoded anew.
    """
    chunker = chunker_of(chunker_id)
    if chunker is None or not chunker.context:
        return [chunk.text for part in chunks for chunk in part]
    plain = [replace(document, fields={}) for document in documents]
    return [text for part in chunker.encoded(plain, chunks, encoder.token_spans) for text in part]


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
    vectors = encoder.encode_documents(to_encode(documents, chunks, encoder, chunker), progress=progress)
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
