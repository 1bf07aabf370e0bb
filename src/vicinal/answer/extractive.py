"""The best sentences of a context with their sources: an answer without a model that writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal._arrays import whole_number
from vicinal.answer.context import Context, Source
from vicinal.chunk import sentences
from vicinal.space import Encoder
from vicinal.types import Floats

MOST_SENTENCES = 200
"""Sentences that are encoded, by the rank of their sources: some milliseconds each."""
MOST_CHARS = 2000
"""A longer sentence is a table or a list and is shown to here."""
LEAST_WORDS = 4
"""A sentence with fewer words is a heading or a scrap, taken only where there is nothing else."""
SAME = 0.95
"""The cosine from which two sentences say the same."""
WORD = re.compile(r"\w+")
MARKUP = re.compile(r"\s*(?:#|```|~~~|\||>>>|\$ |<)")
"""How headings, code, tables and tags begin."""
OWN = re.compile(r"\[([\s\d,;–-]*\d[\s\d,;–-]*)\]")
"""What looks like a citation in a sentence that was written before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """A sentence of a source: its number, its span in the record, its line, and its similarity to the question."""

    number: int
    start: int
    end: int
    line: int
    score: float
    text: str


def extract(question: str, context: Context, *, encoder: Encoder, most: int = 3) -> list[Extract]:
    """Return the sentences that are nearest to a question, nearest first.

    Parameters
    ----------
    question : str
        Encoded as a query; the sentences as documents.
    context : Context
        Its first 200 sentences are looked at.
    encoder : Encoder
        Of any space.
    most : int, 1 <= most
        How many. One that says the same as a better one (cosine 0.95) is left out, so there may be fewer.

    Notes
    -----
    Equal ones come in the order of the context. Headings, code, tables and scraps of fewer than four words come only
    where there is nothing else.
    """
    most = whole_number(most, "most", low=1)
    found = [one for source in context.sources for one in _sentences(source)]
    full = [one for one in found if not _is_scrap(one.text)]
    chosen = (full or found)[:MOST_SENTENCES]
    if not chosen:
        return []
    vectors = encoder.encode_documents([one.text for one in chosen])
    scores = vectors.similarity(encoder.encode_queries([question]))[:, 0]
    places = _different(np.asarray(vectors), np.argsort(-scores, kind="stable").tolist(), most)
    return [
        Extract(
            number=chosen[place].number,
            start=chosen[place].start,
            end=chosen[place].end,
            line=chosen[place].line,
            score=float(scores[place]),
            text=chosen[place].text,
        )
        for place in places
    ]


def written(extracts: Sequence[Extract]) -> str:
    """Return extracts as a text, one a line, each with its citation.

    Numbers in brackets that a sentence has of its own are put into parentheses: they cite what its author cited.
    """
    plain = (OWN.sub(r"(\1)", " ".join(one.text.split())) for one in extracts)
    return "\n".join(f"{text} [{one.number}]" for text, one in zip(plain, extracts, strict=True))


def _sentences(source: Source) -> list[Extract]:
    """Return the sentences of a source, none scored yet."""
    return [
        Extract(
            number=source.number,
            start=source.start + start,
            end=source.start + min(end, start + MOST_CHARS),
            line=source.line + source.text.count("\n", 0, start),
            score=0.0,
            text=source.text[start : min(end, start + MOST_CHARS)],
        )
        for start, end in sentences(source.text)
    ]


def _is_scrap(sentence: str) -> bool:
    """Return whether a sentence is a heading, code, a table, or too short to say anything; Chinese has few spaces."""
    if MARKUP.match(sentence):
        return True
    is_long = len(WORD.findall(sentence)) >= LEAST_WORDS or (not sentence.isascii() and len(sentence) > 4 * LEAST_WORDS)
    return not is_long


def _different(vectors: Floats, order: Sequence[int], most: int) -> list[int]:
    """Return the first places that say different things."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    chosen: list[int] = []
    for place in order:
        if len(chosen) == most:
            break
        if not chosen or float((units[chosen] @ units[place]).max()) < SAME:
            chosen.append(place)
    return chosen
