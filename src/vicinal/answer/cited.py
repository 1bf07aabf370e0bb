"""What an answer cites: which sources, which that there are not, and which sentences cite none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vicinal.chunk import sentences

CITATION = re.compile(r"\[\s*(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\s*\](?!\()", re.ASCII)
"""[1], [1, 2]; not the text of a link such as [1](https://…)."""
LEADING = re.compile(rf"\s*(?:{CITATION.pattern}[\s.,;]*)+")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
"""Code, in which brackets mean something else."""
WORD = re.compile(r"\w{2,}|[^\W\d_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A number that a text cites, and the half-open span of the brackets that it stands in."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """The citations of a text.

    ``known`` cite one of the sources, ``unknown`` none that there is; both in order. ``uncited`` are the spans of the
    sentences without a known citation.
    """

    known: tuple[Citation, ...]
    unknown: tuple[Citation, ...]
    uncited: tuple[tuple[int, int], ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The sources that are cited, each once, ascending."""
        return tuple(sorted({one.number for one in self.known}))


def citations_of(text: str, count: int) -> Cited:
    """Return what a text cites of the sources 1 to ``count``.

    Parameters
    ----------
    text : str
        Any text. What stands in code (backquotes) cites nothing.
    count : int, 0 <= count
        How many sources there are.

    Notes
    -----
    Citations at the beginning of a sentence, as in "It rains. [1] It pours. [2]", belong to the sentence before as
    well as to their own. A line without a word, and a heading, need none. That a citation exists says nothing of
    whether the source says what the sentence does.
    """
    plain = CODE.sub(lambda found: " " * len(found[0]), text)
    found = [
        Citation(number=int(number), start=match.start(), end=match.end())
        for match in CITATION.finditer(plain)
        for number in re.split(r"\s*[,;]\s*", match[1])
    ]
    known = tuple(one for one in found if 1 <= one.number <= count)
    return Cited(
        known=known,
        unknown=tuple(one for one in found if one not in known),
        uncited=tuple(_uncited(plain, known)),
    )


def _uncited(plain: str, known: tuple[Citation, ...]) -> list[tuple[int, int]]:
    """Return the spans of the sentences without a citation."""
    spans = sentences(plain)
    missing = []
    for place, (start, end) in enumerate(spans):
        if not _states(plain[start:end]):
            continue
        reach = end
        if place + 1 < len(spans):  # citations that lead the next sentence, in the same paragraph
            leading = LEADING.match(plain, end)
            if leading and "\n\n" not in plain[end : leading.end()]:
                reach = leading.end()
        if not any(start <= one.start < reach for one in known):
            missing.append((start, end))
    return missing


def _states(sentence: str) -> bool:
    """Return whether a sentence says anything beside its citations: a heading does not."""
    return not sentence.startswith("#") and WORD.search(CITATION.sub(" ", sentence)) is not None
