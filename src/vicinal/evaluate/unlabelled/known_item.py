"""Questions made of documents: each asks for the one document that it was made of.

They need nobody's judgement, and say less than judgements do: how well a search finds what somebody knows to be there,
with words that stand in it. Real users ask with other words. A search by words is at home here, so these numbers
compare two settings of one kind of search better than words with vectors. The name says which kind it is, and whether
what was asked still stands in the documents.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from vicinal._arrays import one_of, whole_number
from vicinal.chunk import sentences
from vicinal.errors import InputError
from vicinal.evaluate.judgements.judged import Judged
from vicinal.types import Document

Span: TypeAlias = tuple[int, int]

KINDS = ("title", "heading", "sentence", "keywords")
TELLING_WORDS = 8
"""Words of a document with the highest tf-idf."""
KEPT_WORDS = 5
"""Of them, drawn by chance, so that the question is no copy of the document's own choice."""
LEAST_CHARS, MOST_CHARS = 3, 300
"""Shorter ones ask for nothing, longer ones are no question."""
LOOKED_CHARS = 20_000
"""How much of a document is looked at, from its beginning."""
MOST_ITEMS = 10_000
WORD = re.compile(r"[^\W_][\w'’-]{1,39}")
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$|^([^\s#=*~^\-][^\n]*)\n(?:={3,}|-{3,}|~{3,})[ \t]*$", re.MULTILINE)
MARKED = frozenset({"markdown", "rst", "html"})
"""Forms and formats in which headings are marked; the text of a web page is stored as Markdown."""
TITLE_FIELD, FORMAT_FIELD = "title", "format"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItems:
    """Questions made of documents, and what each was made of.

    Parameters
    ----------
    judged : Judged
        A query a document, whose one relevant document it is. Its name says of which kind the queries are.
    kind : str
        One of ``KINDS``.
    held_out : mapping of str to (int, int)
        Document id → the span of its text that became the query. Empty for ``keywords``, for a title that is a field,
        and where nothing was to be held out.
    """

    judged: Judged
    kind: str
    held_out: Mapping[str, Span]

    def without(self, document: Document) -> Document:
        """Return a document without what was held out of it, to be stored for this evaluation; others as they are."""
        span = self.held_out.get(document.id)
        if span is None:
            return document
        return replace(document, text=document.text[: span[0]] + document.text[span[1] :])


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Made:
    """A query made of a document; ``chance`` orders, so that the highest are given up first."""

    chance: bytes
    id: str
    text: str
    span: Span | None


def known_items(
    documents: Iterable[Document],
    *,
    queries: int = 200,
    kind: str = "sentence",
    hold_out: bool = False,
    seed: int = 0,
) -> KnownItems:
    """Return questions made of documents.

    Parameters
    ----------
    documents : iterable of Document
        Gone through once. Their order counts for nothing; ids must be distinct.
    queries : int, 1 <= queries <= 10,000
        How many; fewer come back where fewer documents have what is asked for.
    kind : {"title", "heading", "sentence", "keywords"}
        ``title``: the field ``title``, or the first heading of the text. ``heading``: one of its other headings.
        ``sentence``: its first sentence. ``keywords``: five of the eight words with the highest tf-idf, in the order in
        which they come.
    hold_out : bool
        Whether the documents will be searched without what became the query: see ``KnownItems.without``. With
        ``keywords`` there is nothing to hold out.
    seed : int, 0 <= seed
        What fixes which documents, headings and words are taken.

    Returns
    -------
    KnownItems
        Queries that several of all documents would give (the same title) are left out: they ask for no one document.

    Raises
    ------
    InputError
        No document has what is asked for, or ``hold_out`` was asked for with ``keywords``.
    UnknownNameError, RangeError
        There is no such kind; a number is out of range.

    Notes
    -----
    Memory: 16 bytes a document, the words of all for ``keywords``, and the texts of the queries that are kept.
    Which documents are taken is decided by a digest of the seed and the id, so a document that is added changes at most
    one of them.

    References
    ----------
    Azzopardi, de Rijke, Balog 2007, "Building simulated queries for known-item topics"; here the words are those of
    highest tf-idf, and not drawn from a model of the document.
    """
    wanted = whole_number(queries, "queries", low=1, high=MOST_ITEMS)
    kind, seed = one_of(kind, "kind", KINDS), whole_number(seed, "seed", low=0)
    if hold_out and kind == "keywords":
        raise InputError("Keywords stand all over a document, so nothing can be held out of it.", where="hold_out")
    made = _keywords(documents, wanted, seed) if kind == "keywords" else _parts(documents, wanted, kind, seed)
    if not made:
        raise InputError(f"No document has a {kind} to ask with, or all have the same; try another kind.", where="kind")
    spans = {one.id: one.span for one in made if one.span is not None and hold_out}
    told = _told(kind, hold_out=hold_out)
    ids = {one.id: f"known-{one.chance.hex()[:16]}" for one in made}
    judged = Judged.of(
        {ids[one.id]: one.text for one in made},
        {ids[one.id]: {one.id: 1} for one in made},
        name=f"known items: {len(made)} by {told}, seed {seed}",
    )
    return KnownItems(judged=judged, kind=kind, held_out=spans)


def _told(kind: str, *, hold_out: bool) -> str:
    named = {
        "title": "their title",
        "heading": "a heading",
        "sentence": "their first sentence",
        "keywords": "five telling words",
    }
    place = "held out of the documents" if hold_out else "still in the documents"
    return f"{named[kind]} ({place})"


def _parts(documents: Iterable[Document], wanted: int, kind: str, seed: int) -> list[_Made]:
    """Return queries that are a part of their document, those that come twice left out."""
    find = FINDERS[kind]
    seen: Counter[bytes] = Counter()
    kept = _Kept(4 * wanted + 64)  # some of them will turn out to be of several documents
    for document in documents:
        chance = _chance(seed, document.id)
        found = find(document, chance)
        text = "" if found is None else " ".join(found[0].split())
        if found is not None and LEAST_CHARS <= len(text) <= MOST_CHARS:
            seen[_folded(text)] += 1
            kept.add(_Made(chance=chance, id=document.id, text=text, span=found[1]))
    return [one for one in kept.ordered() if seen[_folded(one.text)] == 1][:wanted]


def _keywords(documents: Iterable[Document], wanted: int, seed: int) -> list[_Made]:
    """Return queries of telling words."""
    holding: Counter[str] = Counter()
    count = 0
    kept = _Kept(2 * wanted + 64)
    for document in documents:
        words = _words(document)
        holding.update(set(words))
        count += 1
        if len(set(words)) >= KEPT_WORDS:
            kept.add(_Made(chance=_chance(seed, document.id), id=document.id, text=" ".join(words), span=None))
    made = [replace(one, text=_telling(one, holding, count)) for one in kept.ordered()]
    shared = Counter(_folded(one.text) for one in made)
    return [one for one in made if shared[_folded(one.text)] == 1][:wanted]


def _telling(one: _Made, holding: Mapping[str, int], count: int) -> str:
    """Return some of the words with the highest tf-idf of a document, drawn by chance, in the order of the text."""
    words = one.text.split(" ")
    weights = {word: often * math.log((1 + count) / holding[word]) for word, often in Counter(words).items()}
    telling = sorted(weights, key=lambda word: (-weights[word], word))[:TELLING_WORDS]
    drawn = set(sorted(telling, key=lambda word: hashlib.sha256(one.chance + word.encode()).digest())[:KEPT_WORDS])
    return " ".join(word for word in dict.fromkeys(words) if word in drawn)


def _words(document: Document) -> list[str]:
    """Return the words of a document in lower case, marks at their ends left out."""
    found = (word.rstrip("'’-") for word in WORD.findall(document.text[:LOOKED_CHARS].lower()))
    return [word for word in found if len(word) >= LEAST_CHARS]


class _Kept:
    """The queries with the lowest chances, in bounded room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, int, _Made]] = []
        self._count = 0

    def add(self, made: _Made) -> None:
        """Keep a query, and give up the one with the highest chance where there are too many."""
        self._count += 1
        one = (-int.from_bytes(made.chance, "big"), self._count, made)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, one)
        else:
            heapq.heappushpop(self._heap, one)

    def ordered(self) -> list[_Made]:
        """Return what is kept, the lowest chance first."""
        return sorted(made for _, _, made in self._heap)


def _chance(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _folded(text: str) -> bytes:
    folded = " ".join(text.casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


Found: TypeAlias = tuple[str, Span | None] | None
"""A text and its span with all that belongs to it, such as the marks of a heading; None for no span of the text."""


def _title(document: Document, _: bytes) -> Found:
    told = document.fields.get(TITLE_FIELD)
    if isinstance(told, str) and told.strip():
        at = document.text.find(told, 0, LOOKED_CHARS)
        return told, None if at < 0 else (at, at + len(told))
    return next(iter(_headings(document)), None)


def _heading(document: Document, chance: bytes) -> Found:
    found = _headings(document)[1:]
    return found[int.from_bytes(chance[:4], "big") % len(found)] if found else None


def _headings(document: Document) -> list[tuple[str, Span]]:
    told = document.fields.get(FORMAT_FIELD)  # all that a stored record says of its form
    if document.form not in MARKED and (not isinstance(told, str) or told not in MARKED):
        return []
    found = HEADING.finditer(document.text[:LOOKED_CHARS])
    return [(match[1] or match[2], match.span()) for match in found]


def _sentence(document: Document, _: bytes) -> Found:
    text = document.text[:LOOKED_CHARS]
    marks = [span for _, span in _headings(document)]
    for start, end in sentences(text):
        if not any(start < last and first < end for first, last in marks):
            rest = document.text[:start] + document.text[end:]
            return (text[start:end], (start, end)) if rest.strip() else None
    return None


FINDERS: dict[str, Callable[[Document, bytes], Found]] = {"title": _title, "heading": _heading, "sentence": _sentence}
