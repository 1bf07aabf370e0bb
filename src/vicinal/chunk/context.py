"""What a chunk stands under: the document's title and the headings above it, to be encoded before its text.

A chunk from the middle of a page does not say what the page is about. Its context is put before it for the
encoder alone: what is stored, cited and counted by spans stays the text as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from vicinal._arrays import whole_number
from vicinal.chunk.outline import BLOCK, outline
from vicinal.types import Chunk, Document, TokenSpans

BETWEEN = " > "
"""Between the title and the headings of a path."""
JOINT = "\n\n"
"""Between a context and the text of its chunk: what every tokenizer takes for an end."""
TITLE_CHARS = 200
"""No more of a line is a title."""
TITLE = re.compile(r"\s*(?:[^\w\s]+[ \t\r]*\n)?[#\s]*(?P<title>[^\n]*)")
"""The first line of a heading, after an overline or the marks of its depth."""
DEFINITION = re.compile(r"^[ \t]*(?P<title>(?:async[ \t]+)?(?:def|class)[ \t]+\w+)", re.MULTILINE)
NOT_DEFINED = re.compile(r"^[ \t]*[^\s#@)]", re.MULTILINE)
SPACE = re.compile(r"\s*")


def contexts(
    documents: Sequence[Document], chunks: Sequence[Sequence[Chunk]], most: int, token_spans: TokenSpans
) -> list[list[str]]:
    """Return for each chunk the path of titles that it stands under, ``""`` for none.

    Parameters
    ----------
    documents : sequence of Document
        A field ``title`` that is a string is the first part of a path; the headings of the text are the others.
    chunks : sequence of sequences of Chunk
        Those of each document.
    most : int, 0 <= most
        The most tokens of a path. Outer headings are left out first, the title last; a part that is longer
        alone is cut.
    token_spans : TokenSpans
        The encoder's own tokenizer.

    Returns
    -------
    list of list of str
        Parts are joined by ``" > "``. A heading that begins the chunk itself is not repeated.

    Raises
    ------
    DtypeError
        ``most`` is no whole number.
    RangeError
        ``most`` is negative.

    Notes
    -----
    Cost: one scan of each text, and the tokens of each path that occurs, once.
    """
    most = whole_number(most, "most", low=0)
    paths = [_paths(document, part) for document, part in zip(documents, chunks, strict=True)]
    fitted = _fitted(sorted({path for part in paths for path in part}), most, token_spans)
    return [[fitted[path] for path in part] for part in paths]


def with_context(context: str, text: str) -> str:
    """Return what is encoded for a chunk: its context, an empty line, its text; the text alone without a context."""
    return f"{context}{JOINT}{text}" if context else text


def _paths(document: Document, chunks: Sequence[Chunk]) -> list[tuple[str, ...]]:
    """Return the path above each chunk of one document, the title first."""
    named = document.fields.get("title")
    title = " ".join(named.split())[:TITLE_CHARS] if isinstance(named, str) else ""
    places, above, within = _headings(document)
    found = []
    for chunk in chunks:
        number = bisect_left(places, chunk.start)
        begins = number < len(places) and places[number] == chunk.start  # then its heading is part of its text
        path = above[number] if begins else within[number]
        told = not title or title in path[:1] or document.text.startswith(title, chunk.start)
        found.append(path if told else (title, *path))
    return found


def _headings(document: Document) -> tuple[list[int], list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return where headings stand, the path above each, and the path before the first and within each."""
    text, found = document.text, outline(document.text, document.form)
    open_ones: list[tuple[int, str]] = []
    places: list[int] = []
    above: list[tuple[str, ...]] = []
    within: list[tuple[str, ...]] = [()]
    for place, rank in zip(found.places, found.ranks, strict=True):
        if rank >= BLOCK:
            continue
        space = SPACE.match(text, place)
        places.append(space.end() if space else place)
        open_ones = [one for one in open_ones if one[0] < rank]
        above.append(tuple(title for _, title in open_ones if title))
        open_ones.append((rank, _title(text, place, document.form)))
        within.append(tuple(title for _, title in open_ones if title))
    return places, above, within


def _title(text: str, place: int, form: str) -> str:
    """Return the words of the heading at a place; of code what is defined there, or nothing."""
    if form == "python":
        defined, other = DEFINITION.search(text, place), NOT_DEFINED.search(text, place)
        return defined["title"] if defined and other and defined.start() <= other.start() else ""
    found = TITLE.match(text, place, place + 2 * TITLE_CHARS)
    return " ".join(found["title"].rstrip("# \t\r=").split())[:TITLE_CHARS] if found else ""


def _fitted(paths: Sequence[tuple[str, ...]], most: int, token_spans: TokenSpans) -> dict[tuple[str, ...], str]:
    """Return each path as the text that has at most ``most`` tokens."""
    fitted: dict[tuple[str, ...], str] = {(): ""}
    pending = [(path, path) for path in paths if path]
    while pending:
        texts = [BETWEEN.join(left) for _, left in pending]
        following = []
        for (path, left), text, spans in zip(pending, texts, token_spans(texts), strict=True):
            if len(spans) <= most:
                fitted[path] = text
            elif len(left) > 1:
                following.append((path, (left[0], *left[2:])))
            elif most and (shorter := text[: int(spans[most, 0])].rstrip()):
                following.append((path, (shorter if len(shorter) < len(text) else text[:-1],)))
            else:
                fitted[path] = ""
        pending = following
    return fitted
