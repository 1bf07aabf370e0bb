"""Documents become records with vectors; one that cannot is found among the others and set aside.

Whose fault a failure is, the encoder itself is asked: where it still encodes a plain text, the document is at fault, and
where it does not, the run ends with its error, since setting aside every document would be a lie.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vicinal.chunk import Chunker
from vicinal.errors import InputError, SpaceMismatchError, StoreError, VicinalError, VicinalWarning
from vicinal.lifecycle.ingest import cut_up, prepare
from vicinal.space import Encoder
from vicinal.store import Form
from vicinal.types import Chunk, Document, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A document that waits to be encoded, and the origin that the ledger gets."""

    document: Document
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A document that cannot be cut up or encoded. ``reason`` is ``chunk`` or ``encode``; ``detail`` never has its text."""

    pending: Pending
    reason: str
    detail: str


def cut_apart(
    pending: Sequence[Pending], encoder: Encoder, chunker: Chunker | None
) -> tuple[list[Pending], list[list[Chunk]], list[Poison]]:
    """Return the documents that can be cut up, their chunks, and those that cannot.

    Raises
    ------
    VicinalError
        The tokenizer itself does not work.
    """
    try:
        return list(pending), cut_up([one.document for one in pending], encoder, chunker), []
    except Exception as error:  # noqa: BLE001 - a document's own code or text; whose fault it is is asked below
        if len(pending) == 1:
            _require_fault_of_document(error, lambda: cut_up([_plain_document()], encoder, chunker))
            return [], [], [Poison(pending=pending[0], reason="chunk", detail=_told(error))]
    half = len(pending) // 2
    parts = [cut_apart(part, encoder, chunker) for part in (pending[:half], pending[half:])]
    return [*parts[0][0], *parts[1][0]], [*parts[0][1], *parts[1][1]], [*parts[0][2], *parts[1][2]]


def encode_apart(
    pending: Sequence[Pending],
    chunks: Sequence[Sequence[Chunk]],
    *,
    encoder: Encoder,
    chunker: str,
    progress: Progress,
) -> tuple[list[tuple[Sequence[Pending], Form]], list[Poison]]:
    """Return documents with their vectors, in as few parts as may be, and those that cannot be encoded.

    A batch that fails is halved until the document is found: about 2 log2(N) calls for one among N.

    Raises
    ------
    VicinalError
        The encoder fails for a plain text too: nothing is set aside.
    """
    documents = [one.document for one in pending]
    try:
        prepared = prepare(
            documents,
            chunks,
            encoder=encoder,
            chunker=chunker,
            origins=[one.origin for one in pending],
            progress=progress,
        )
    except Exception as error:  # noqa: BLE001 - the user's own encoder may raise anything
        _require_fault_of_document(error, lambda: encoder.encode_documents([_plain_text()]))
        if len(pending) == 1:
            return [], [Poison(pending=pending[0], reason="encode", detail=_told(error))]
    else:
        form = Form(records=prepared.records, vectors=prepared.vectors, chunker=chunker)
        return [(pending, form)], []
    half = len(pending) // 2
    found: list[tuple[Sequence[Pending], Form]] = []
    poison: list[Poison] = []
    for place in (slice(None, half), slice(half, None)):
        more = encode_apart(pending[place], chunks[place], encoder=encoder, chunker=chunker, progress=progress)
        found += more[0]
        poison += more[1]
    return found, poison


def _require_fault_of_document(error: Exception, plainly: Callable[[], object]) -> None:
    """Raise an error that is not a document's: of the disk, of the space, or of an encoder that is down."""
    if isinstance(error, StoreError | SpaceMismatchError | MemoryError):
        raise error
    if isinstance(error, InputError):
        return  # too long, or not a text that this model takes
    try:
        with warnings.catch_warnings():  # nobody cares what the model knows of this text
            warnings.simplefilter("ignore", VicinalWarning)
            plainly()
    except InputError:
        return
    except Exception:  # noqa: BLE001 - whatever it is, the first error tells what happened to the user's text
        raise error from None


def _plain_text() -> str:
    """Return a text that no cache has: else it would answer in place of a model that is down."""
    return f"plain words {secrets.token_hex(4)}"


def _plain_document() -> Document:
    return Document(id="plain", text=_plain_text())


def _told(error: Exception) -> str:
    """Return what an error says; of one that is not ours only its name, since its words may quote the text."""
    return error.message if isinstance(error, VicinalError) else type(error).__name__
