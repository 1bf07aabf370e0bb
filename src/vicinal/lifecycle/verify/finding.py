"""What a verification found, kept within bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = {
    "damaged": "A file or a table of the database does not match its checksum, or the tables do not agree.",
    "missing": "A source has a document that is not stored.",
    "stale": "A record is not what its source, the chunker or the space is now.",
    "orphan": "A record's source is gone.",
    "unreadable": "A source cannot be read, so that nobody knows.",
    "aside": "A document was set aside because it could not be read, cut up or encoded.",
    "text": "A record's text is not the one that the ledger tells of.",
    "span": "A record's chunks do not lie in its text.",
    "vector": "A vector is not finite, or has not the length that its space says.",
    "encoded": "A passage, encoded again by the collection's model, gets another vector than the stored one.",
    "index": "The index of vectors does not have what the store has.",
    "words": "The keyword index does not have what the store has.",
}
"""Every kind of finding, and what it means."""
MOST_KEPT = 1_000
"""Findings of one kind that are kept; more of them are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not agree: its kind, the id, source or file that it is about, and the details."""

    kind: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was compared and what was found.

    ``found`` counts the findings of each kind; ``findings`` has the first 1,000 of each. ``mended`` says what was done
    about them, and ``left`` what was still wrong after that; without a repair all is left.
    ``documents`` were read from sources, ``unchecked`` records came from what cannot be read again, ``sampled`` passages
    were encoded again.
    """

    records: int
    chunks: int
    documents: int
    unchecked: int
    sampled: int = 0
    found: Mapping[str, int]
    findings: tuple[Finding, ...]
    mended: tuple[str, ...] = ()
    left: tuple[Finding, ...] = ()
    took_s: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return not self.left


@dataclass(slots=True)
class Findings:
    """Collects findings."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[Finding] = field(default_factory=list)

    def add(self, kind: str, where: str, detail: str) -> None:
        """Add one."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_KEPT:
            self.kept.append(Finding(kind=kind, where=where, detail=detail))

    def about(self, *kinds: str) -> list[str]:
        """Return what the findings of some kinds are about, each once."""
        return list(dict.fromkeys(one.where for one in self.kept if one.kind in kinds))
