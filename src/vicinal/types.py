"""Plain, frozen data that the stages hand to one another, and the protocols they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

FieldValue: TypeAlias = str | int | float | bool | list[str] | list[int] | list[float] | None
Fields: TypeAlias = Mapping[str, FieldValue]
Where: TypeAlias = Mapping[str, Any]
Overflow: TypeAlias = Literal["chunk", "error", "cut"]
Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total); total may grow while work is found."""

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Bits: TypeAlias = NDArray[np.uint64]
"""A set of rows, one bit each: row r is bit r % 64 of word r // 64; bits behind the last row are 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What the user gave: one text with an id, where it came from, and its fields.

    ``form`` tells the chunker how the text is built: ``text``, ``markdown``, ``rst``, ``python``, ``code``.
    ``source`` is the place that a person can open (a path, a module), ``""`` for text given directly.
    """

    id: str
    text: str
    source: str = ""
    form: str = "text"
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a document: ``text == document.text[start:end]``, in Unicode code points."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A source that gave no document: which, why (one word of ``reason``), and the details.

    ``failed`` says whether a person should act: an unreadable file is a hole, a binary file is not.
    """

    source: str
    reason: str
    detail: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmodified:
    """A document whose source says that it is what it was when it was stored; it was not read again."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where documents come from, and how they are read there.

    Parameters
    ----------
    place : str
        A file or a folder; ``-`` for standard input, ``pydoc:``; ``sqlite:PATH``; ``postgresql://…``; a web page by
        ``http://`` or ``https://``; ``sitemap:URL`` for the pages that a sitemap lists.
    text_field, id_field : str, optional
        The column of tables that holds the text, the id.
    table, query : str, optional
        Of a database: the table that is read, or the query whose rows are; one of the two.
    include, exclude : tuple of str
        Of a folder: patterns as in ``.gitignore``, relative to it. With ``include`` only what matches one is read.
    private : bool
        Of the web: whether machines of a private network may be asked though only their name says so.
    other_sites : bool
        Of the web: whether pages of other hosts are followed, by redirects and from sitemaps.
    most_pages : int, 1 <= most_pages
        Of a sitemap: how many pages are read at most; more is a hole.
    """

    place: str
    text_field: str | None = None
    id_field: str | None = None
    table: str | None = None
    query: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    private: bool = False
    other_sites: bool = False
    most_pages: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a collection stores under an id: the text, its source, its fields and its chunks' spans."""

    id: str
    text: str
    source: str
    fields: Fields
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a collection: its sequence, and how many records were added, removed and changed by it.

    ``changed`` counts those that were replaced under their ids and those whose fields changed in place. ``time`` is in
    seconds since 1970; None for a commit from before a history was kept, of which ``added`` counts all that it wrote.
    """

    sequence: int
    time: float | None
    added: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How far back a collection can be told: as of every commit from ``first`` to ``last``.

    ``days`` is for how many days the past is kept, None where it is not. ``commits`` are those within that added, removed
    or changed records, ascending.
    """

    collection: str
    first: int
    last: int
    days: float | None
    commits: tuple[Commit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbors:
    """What an index returns.

    ``rows`` int64 (Q, K), ``scores`` float32 (Q, K), best first; ``counts`` int64 (Q,).
    Equal scores are ordered by ascending row. Unused places hold row -1 and score -inf.
    ``work`` int64 (Q,) counts the vectors that were compared at any level, where the index counts them;
    ``recall_estimate`` is the share of the true neighbours that is expected here, 1.0 for an exact index;
    ``complete`` is true where every vector was compared, so that none can be missing.
    """

    rows: Rows
    scores: Floats
    counts: Rows
    work: Rows | None = None
    recall_estimate: float = 1.0
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """What one side of a search said of a hit: its rank among its own, from 1, and its score (larger is better).

    ``side`` is ``dense`` for vectors, ``lexical`` for words.
    """

    side: Literal["dense", "lexical"]
    rank: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer: a chunk of a record. ``score`` is larger when nearer; the span is in code points.

    ``line`` is the first line of the chunk in its source, from 1.
    ``best`` is the span of the sentence that is nearest to the question, where it was asked for.
    ``ranks`` tell what each side of a search by words, or by both, said of it; empty for a search by vectors alone.
    """

    id: str
    score: float
    text: str
    source: str
    start: int
    end: int
    line: int
    fields: Fields
    best: tuple[int, int] | None = None
    ranks: tuple[Rank, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits(Sequence[Hit]):
    """The answers to one question, best first, and how they were found.

    ``complete`` is true when nothing nearer can have been missed.
    ``recall_estimate`` is 1.0 for an exact search. ``work`` counts the vectors that were compared.
    ``cursor`` says where the next page begins; None behind the last, and where no pages were asked for.
    """

    items: tuple[Hit, ...]
    complete: bool
    recall_estimate: float
    work: int
    space: str
    took_ms: float
    score_kind: str = "cosine"
    cursor: str | None = None

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        """Return one hit, or a tuple of them for a slice."""
        return self.items[index]

    def __len__(self) -> int:
        """Return how many hits there are: at most k."""
        return len(self.items)

    def __iter__(self) -> Iterator[Hit]:
        """Go through the hits, best first."""
        return iter(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncProgress:
    """How far a run is: chunks encoded of those known so far, and documents read."""

    read: int
    done_chunks: int
    known_chunks: int
    committed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a run did. ``complete`` is false if any source has a hole; then the run was no success.

    ``moved`` documents have another id than before and the same text; ``chunks`` were encoded, ``reused_chunks`` have
    the vectors of an equal text instead. ``aside`` documents could not be cut up or encoded, and are tried again.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    aside: int = 0
    chunks: int = 0
    reused_chunks: int = 0
    cut_records: int = 0
    empty: int = 0
    skipped: tuple[Skipped, ...] = field(default_factory=tuple)
    took_s: float = 0.0

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """What was skipped though it should not have been."""
        return tuple(one for one in self.skipped if one.failed)

    @property
    def complete(self) -> bool:
        """Whether everything that should be stored is."""
        return not self.failed


class TokenSpans(Protocol):
    """A tokenizer as the chunker needs it: where each token of a text begins and ends."""

    def __call__(self, texts: Sequence[str], /) -> list[NDArray[np.int64]]:
        """Return for each text an array (T, 2) of code-point spans, special tokens left out."""
        ...
