"""Where sentences end, by rules that hold for most European and East Asian prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

STOP = re.compile(r"""[\n.!?…。！？｡](?:(?<!\n)[.!?…。！？｡"'”’»)\]*_`」』）】》]+)?""")
"""One class of characters first: that is what the regex engine can look for quickly."""
WIDE = "。！？｡"
"""Stops that need no space behind them."""
NEW_LINE = re.compile(r"[ \t]*(?:[-*+•–][ \t]|\(?[0-9]{1,3}[.)][ \t]|[A-Za-z][.)][ \t]|#|>|\||```|~~~|\r?\n)")
HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
SPACE = re.compile(r"\s*")
FOLLOWING = re.compile(r"\s+(\S?)")
"""White space, and the first character behind it."""
WORD_CHARS = 24
"""How far back the word before a full stop is looked for."""
LOOK_BACK_CHARS = 16
"""How far before a place the end of the sentence is looked for after which another begins there."""
ABBREVIATION = re.compile(
    r"approx|bzw|ca|cf|dept|dr|eds?|esp|et|gen|gov|hon|inc|jr|ltd?|messrs|mlle|mme|mr|mrs|ms|prof|resp|rev|sen|sgt"
    r"|sr|st|univ|usw|vgl|viz|vs"
)
"""Words, in lower case, after whose full stop a sentence goes on."""
BEFORE_NUMBER = re.compile(
    r"art|ch|chap|eqs?|figs?|nos?|nr|op|par|pp?|pt|secs?|tab|vols?|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
"""Words after whose full stop a sentence goes on with a number."""


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of (start, end)
        Half-open spans in code points, ascending, without white space at their ends.
        Together they hold every character that is not white space. A text of white space gives none.

    Notes
    -----
    A sentence ends at ``.``, ``!``, ``?`` or ``…`` before white space, unless the next letter is small
    or the stop belongs to an abbreviation, an initial or the number of a list item; at an ideographic
    stop; at a blank line; after a heading; and before the next item of a list.
    """
    spans, at = [], 0
    for end in (*sentence_ends(text, 0, len(text)), len(text)):
        piece = text[at:end]
        body = piece.strip()
        if body:
            start = at + len(piece) - len(piece.lstrip())
            spans.append((start, start + len(body)))
        at = end
    return spans


def sentence_ends(text: str, low: int, high: int) -> Iterator[int]:
    """Give the places in (low, high] after which a new sentence begins, ascending."""
    for found in STOP.finditer(text, low, high):
        at, end = found.span()
        if _ends(text, at, end):
            yield end


def last_sentence_end(text: str, low: int, high: int) -> int:
    """Return the last place in (low, high] after which a new sentence begins, or 0."""
    for found in reversed([*STOP.finditer(text, low, high)]):
        at, end = found.span()
        if _ends(text, at, end):
            return end
    return 0


def sentence_start(text: str, low: int, high: int) -> int | None:
    """Return where the first sentence begins within [low, high), or None; white space does not begin one."""
    for end in sentence_ends(text, max(low - LOOK_BACK_CHARS, 0), high):
        space = SPACE.match(text, end)
        place = space.end() if space else end
        if place >= low:
            return place if place < high else None
    return None


def _ends(text: str, at: int, end: int) -> bool:
    """Return whether the stop or line feed at ``at``, with what closes behind it until ``end``, ends a sentence."""
    stop = text[at]
    if stop == "\n":
        return _line_ends(text, at)
    if stop in WIDE:
        return True
    following = FOLLOWING.match(text, end)
    if following is None or following[1].islower():
        return False
    return not (stop == "." and _goes_on(text, at, following[1]))


def _line_ends(text: str, at: int) -> bool:
    """Return whether a line feed ends a sentence: before a blank line or an item, or after a heading."""
    if NEW_LINE.match(text, at + 1):
        return True
    return bool(HEADING.match(text, text.rfind("\n", 0, at) + 1, at))


def _goes_on(text: str, at: int, following: str) -> bool:
    """Return whether the full stop at ``at`` belongs to an abbreviation, an initial or an item's number."""
    before = text[max(0, at - WORD_CHARS) : at]
    words = before.split()
    if not words or before[-1].isspace():
        return False
    word = words[-1].lstrip("([\"'“‘*_")
    if word.isdigit():
        return len(word) == at or before[: -len(word)].rstrip(" \t").endswith("\n")
    if following.isdigit() and BEFORE_NUMBER.fullmatch(word.lower()):
        return True
    if len(word) == 1:
        return word.isupper() and word != "I"
    initials = "." in word and all(len(part) == 1 and part.isalpha() for part in word.split("."))
    return initials or bool(ABBREVIATION.fullmatch(word.lower()))
