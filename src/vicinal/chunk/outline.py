"""Where a text is best cut: its headings and blocks, found by one scan for each form of text.

The scans run over the text with a line feed put before it, so that every line begins with one and
the index of that line feed is the place of the line in the original.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vicinal.chunk import python

DEEPEST = 6
"""Ranks 1 to 6 are headings."""
BLOCK = 7
"""Between two paragraphs, fences, statements: what stands between two blocks is whole."""
PARAGRAPH = 8
"""A blank line within a block: in a fence, a function, an indented part."""

BLANK = re.compile(r"\n[^\S\n]*(?=\n)")
SPACE = re.compile(r"\s*")
MARKDOWN = re.compile(
    r"\n(?:(?P<blank>[^\S\n]*(?=\n))"
    r"|[ \t]*(?P<fence>`{3,}|~{3,})"
    r"| {0,3}(?P<heading>\#{1,6})(?=\s|\Z)"
    r"| {0,3}(?P<underline>=+|-{2,})[ \t\r]*(?=\n|\Z))"
)
FRONT_MATTER = re.compile(r"\n---[ \t\r]*\n.*?\n(?:---|\.\.\.)[ \t\r]*(?=\n|\Z)", re.DOTALL)
RST = re.compile(
    r"\n(?:(?P<blank>[^\S\n]*(?=\n))"
    r"|(?P<underline>(?P<mark>[!-/:-@\[-`{-~])(?P=mark){2,})[ \t\r]*(?=\n|\Z))"
)
NO_TITLE = ("#", ">", "|", "-", "*", "+", "`", "~", "=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The places where a text may be cut, ascending, in code points, and how strong each is.

    A rank is 1 to 6 for a heading of that depth, ``BLOCK``, or ``PARAGRAPH``; smaller is stronger.
    A place is where the next piece begins. ``fences`` are those of them where a fence does, which is kept whole.
    """

    places: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    fences: set[int] = field(default_factory=set)

    def mark(self, place: int, rank: int) -> None:
        """Add a place; at one that is there already, the stronger rank stays."""
        if not self.places or place > self.places[-1]:
            self.places.append(place)
            self.ranks.append(rank)
        elif place == self.places[-1]:
            self.ranks[-1] = min(self.ranks[-1], rank)


def outline(text: str, form: str) -> Outline:
    """Return where a text of this form may be cut; an unknown form is read as plain text."""
    found = Outline()
    SCANS.get(form, _scan_text)("\n" + text, found)
    return found


def _scan_text(text: str, found: Outline) -> None:
    """Mark the paragraphs of plain text."""
    for place in _after_blanks(text, 0, len(text)):
        found.mark(place, BLOCK)


def _scan_code(text: str, found: Outline) -> None:
    """Mark what blank lines divide: a line that is not indented begins a block."""
    at = 0
    while blank := BLANK.search(text, at):
        at = _mark_after_blank(text, blank.start(), found)


def _scan_markdown(text: str, found: Outline) -> None:
    """Mark headings, fences and paragraphs."""
    front = FRONT_MATTER.match(text)
    at = front.end() if front else 0
    while seen := MARKDOWN.search(text, at):
        at = MARKDOWN_STEPS[str(seen.lastgroup)](text, seen, found)


def _markdown_blank(text: str, seen: re.Match[str], found: Outline) -> int:
    return _mark_after_blank(text, seen.start(), found)


def _markdown_heading(text: str, seen: re.Match[str], found: Outline) -> int:
    found.mark(seen.start(), len(seen["heading"]))
    return _after_heading(text, seen.end())


def _markdown_underline(text: str, seen: re.Match[str], found: Outline) -> int:
    """Mark the line above a row of ``=`` or ``-`` as a heading, unless it cannot be a title."""
    above = text.rfind("\n", 0, seen.start())
    title = text[above + 1 : seen.start()].strip()
    if not title or title.startswith(NO_TITLE):
        return seen.end()
    found.mark(above, 1 if seen["underline"][0] == "=" else 2)
    return _after_heading(text, seen.end())


def _markdown_fence(text: str, seen: re.Match[str], found: Outline) -> int:
    """Mark a fence as one block; the blank lines within are weaker. An open fence ends with the text."""
    mark = seen["fence"]
    line_end = _line_end(text, seen.end())
    if mark[0] == "`" and "`" in text[seen.end() : line_end]:
        return line_end  # a code span in a line, not a fence
    closing = re.compile(rf"\n[ \t]*{mark}{mark[0]}*[ \t\r]*(?=\n|\Z)").search(text, seen.end())
    inner_end = closing.start() if closing else len(text)
    found.mark(seen.start(), BLOCK)
    found.fences.add(seen.start())
    for place in _after_blanks(text, seen.end(), inner_end):
        found.mark(place, PARAGRAPH)
    end = closing.end() if closing else len(text)
    if end < len(text):
        found.mark(end, BLOCK)
    return end


def _scan_rst(text: str, found: Outline) -> None:
    """Mark section titles and paragraphs; the depth of a title is the order in which its style first came."""
    styles: list[tuple[str, bool]] = []
    at = 0
    while seen := RST.search(text, at):
        if seen["underline"] is None:
            at = _mark_after_blank(text, seen.start(), found)
            continue
        at = seen.end()
        title = _rst_title(text, seen)
        if title:
            place, overlined = title
            style = (seen["mark"], overlined)
            if style not in styles:
                styles.append(style)
            found.mark(place, min(styles.index(style) + 1, DEEPEST))
            at = _after_heading(text, seen.end())


def _rst_title(text: str, seen: re.Match[str]) -> tuple[int, bool] | None:
    """Return where the title above an underline begins and whether it has an overline too."""
    above = text.rfind("\n", 0, seen.start())
    title = text[above + 1 : seen.start()].rstrip()
    if not title or len(title) > len(seen["underline"]) or title[0] == title[-1] == seen["mark"]:
        return None
    over = text.rfind("\n", 0, max(above, 0))
    overlined = above > 0 and text[over + 1 : above].rstrip() == seen["underline"]
    if title[0].isspace() and not overlined:
        return None
    return (over if overlined else above), overlined


def _after_blanks(text: str, low: int, high: int) -> Iterator[int]:
    """Give the places of the lines that follow blank ones within [low, high), the blank ones taken together."""
    at = low
    while (blank := BLANK.search(text, at, high)) and (at := _next_line(text, blank.start())) < high:
        yield at


def _mark_after_blank(text: str, at: int, found: Outline) -> int:
    """Mark the line after blank ones; return its place. An indented line goes on with its block."""
    place = _next_line(text, at)
    indented = text[place + 1 : place + 2].isspace()
    found.mark(place, PARAGRAPH if indented else BLOCK)
    return place


def _after_heading(text: str, at: int) -> int:
    """Return the place of what a heading stands over: no cut comes between the two."""
    return _next_line(text, _line_end(text, at))


def _next_line(text: str, at: int) -> int:
    """Return the line feed before the next line that is not blank, ``at`` being one, else the text's end."""
    space = SPACE.match(text, at)
    end = space.end() if space else at
    return max(text.rfind("\n", at, end), at) if end < len(text) else end


def _line_end(text: str, at: int) -> int:
    """Return the next line feed, or the text's end."""
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _scan_python(text: str, found: Outline) -> None:
    """Mark classes, functions and methods as headings, and the blank lines in them as weaker."""
    heads = python.definitions(text[1:])
    if heads and heads[0][0] > 0:
        found.mark(0, 1)  # so that imports and the first function are not packed together
    blanks = [(place, PARAGRAPH) for place in _after_blanks(text, 0, len(text))]
    for place, rank in sorted(heads + blanks):
        found.mark(place, rank)


SCANS: dict[str, Callable[[str, Outline], None]] = {
    "text": _scan_text,
    "markdown": _scan_markdown,
    "rst": _scan_rst,
    "python": _scan_python,
    "code": _scan_code,
}
MARKDOWN_STEPS: dict[str, Callable[[str, re.Match[str], Outline], int]] = {
    "blank": _markdown_blank,
    "heading": _markdown_heading,
    "underline": _markdown_underline,
    "fence": _markdown_fence,
}
