"""Stale: the one notion of what must be made anew."""

from __future__ import annotations

from dataclasses import dataclass

from vicinal.lifecycle.ingest import digest_of_fields, digest_of_text
from vicinal.store import LedgerEntry
from vicinal.types import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What vectors are made with now: the chunker's id and the space's."""

    chunker: str
    space: str


def is_stale(entry: LedgerEntry, text_digest: str, made: Made) -> bool:
    """Return whether the vectors of a record are not those of this text, this chunker and this space."""
    return entry.text_digest != text_digest or is_of_another_making(entry, made)


def is_of_another_making(entry: LedgerEntry, made: Made) -> bool:
    """Return whether a record was cut up or encoded otherwise than it would be now."""
    return entry.chunker != made.chunker or entry.space != made.space


def differs(entry: LedgerEntry | None, document: Document, origin: str, made: Made) -> str:
    """Return what a document is against the ledger: ``new``, ``stale``, ``relabelled``, or ``same``.

    A relabelled one has other fields, another source or another origin beside a text that still holds.
    """
    if entry is None:
        return "new"
    if is_stale(entry, digest_of_text(document), made):
        return "stale"
    if entry.fields_digest != digest_of_fields(document) or entry.origin != origin:
        return "relabelled"
    return "same"
