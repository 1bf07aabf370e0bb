"""The chunker: a target, an overlap, and the promise that nothing is longer than the target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.chunk.context import contexts, with_context
from vicinal.chunk.cut import Sizes, cut
from vicinal.chunk.outline import Outline, outline
from vicinal.errors import RangeError, UnknownNameError
from vicinal.types import Chunk, Document, TokenSpans

VERSION = 2
"""Raised with every change of where chunks are cut: the ledger then cuts and encodes again."""
VERSIONS = (1, VERSION)
"""Those that can still be cut: a collection keeps the one that it was made with."""
PART_CHARS = 1 << 16
"""A longer text is tokenized in parts: a tokenizer takes hundreds of bytes a token while it works."""
BATCH_CHARS = 1 << 21
"""How many characters are given to the tokenizer in one call."""
LEAST_TARGET = 8
WINDOW, WINDOW_TARGET, WINDOW_OVERLAP = 256, 250, 150
"""What a window of 256 tokens holds, measured on two sets (docs/concepts/chunks.md); others in proportion."""
MOST_TARGET = 400
"""Longer chunks find less: a vector holds one thought (Chroma's report on chunking, 2024)."""
JOINT_TOKENS = 2
"""What the empty line between a context and the text can take, where a tokenizer keeps it."""
PROSE = frozenset({"text", "markdown", "rst"})

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunker:
    """Cut documents along their structure into chunks of at most ``target`` tokens.

    Headings, paragraphs, fences and functions are kept whole where they fit, and small neighbours are packed
    together, never across a heading as strong as the one they stand under. What is larger than the target is
    split after a sentence, a line, a word or a token. In prose a chunk begins with the last sentences of the one
    before, as long as both are of one section; in code, only where a piece had to be split.

    Parameters
    ----------
    target : int, 8 <= target
        The most tokens that are encoded for a chunk, its context included, special tokens and prompt left out.
    overlap : int, 0 <= overlap <= 2/3 of what is left for text, 1/2 of it for version 1
        The most tokens that a chunk repeats from the one before: whole sentences, where one begins in them.
    version : {1, 2}
        The rules. 1 repeats words, and only where a piece had to be split: what collections have that were made
        before there was a 2.
    context : int, 0 <= context
        How many tokens of the target are kept for title and headings, which ``encoded`` puts before the text.

    Raises
    ------
    DtypeError
        One of them is no whole number.
    RangeError
        One of them is out of its range, or the context leaves fewer than 8 tokens for text.
    """

    target: int = WINDOW_TARGET
    overlap: int = WINDOW_OVERLAP
    version: int = VERSION
    context: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        target = whole_number(self.target, "target", low=LEAST_TARGET)
        whole_number(self.version, "version", low=VERSIONS[0], high=VERSIONS[-1])
        context = whole_number(self.context, "context", low=0, high=max(target - LEAST_TARGET - JOINT_TOKENS, 0))
        if context and self.version == 1:
            raise RangeError("Version 1 has no context; take version 2.", expected=0, got=context, where="context")
        most = self.text_target // 2 if self.version == 1 else self.text_target * 2 // 3
        whole_number(self.overlap, "overlap", low=0, high=most)

    @property
    def text_target(self) -> int:
        """The most tokens of a chunk's text: the target without what is kept for the context."""
        return self.target - (self.context + JOINT_TOKENS if self.context else 0)

    @classmethod
    def for_window(cls, max_tokens: int, *, reserved: int = 2) -> Chunker:
        """Return the chunker for a model: 250 with overlap 150 for 256 tokens, others in proportion, at most 400.

        Parameters
        ----------
        max_tokens : int, 1 <= max_tokens
            The model's window, special tokens included.
        reserved : int, 0 <= reserved
            How many tokens of it the special ones and the prompt take.

        Raises
        ------
        RangeError
            The window leaves fewer than 8 tokens for text.
        """
        window = whole_number(max_tokens, "max_tokens", low=1)
        room = window - whole_number(reserved, "reserved", low=0)
        if room < LEAST_TARGET:
            raise RangeError(
                f"A window of {window} tokens with {reserved} reserved leaves {max(room, 0)} for text; "
                f"at least {LEAST_TARGET} are needed, so take a model with a longer window or a shorter prompt.",
                expected=f">= {LEAST_TARGET + reserved}",
                got=window,
                where="max_tokens",
            )
        target = max(LEAST_TARGET, min(window * WINDOW_TARGET // WINDOW, room, MOST_TARGET))
        return cls(target=target, overlap=min(WINDOW_OVERLAP, target * WINDOW_OVERLAP // WINDOW_TARGET))

    @property
    def id(self) -> str:
        """What the ledger keeps: another id cuts otherwise."""
        context = f"-c{self.context}" if self.context else ""
        return f"structure-{self.target}-{self.overlap}{context}-v{self.version}"

    @classmethod
    def from_id(cls, chunker_id: str) -> Chunker:
        """Return the chunker that has an id.

        Raises
        ------
        UnknownNameError
            The id is of another version or none at all: what it cut would not be cut so again.
        """
        found = re.fullmatch(r"structure-([0-9]{1,9})-([0-9]{1,9})(?:-c([0-9]{1,9}))?-v([12])", chunker_id)
        if found is None:
            raise UnknownNameError(
                f"The chunker {chunker_id!r} is none of this version; make a new collection from the sources.",
                expected=f"structure-…-…-v{VERSION}",
                got=chunker_id,
                where="chunker",
            )
        target, overlap, context, version = (int(part or 0) for part in found.groups())
        return cls(target=target, overlap=overlap, context=context, version=version)

    def split(self, document: Document, token_spans: TokenSpans) -> list[Chunk]:
        """Return the chunks of one document, in order; none for a document of white space.

        See ``split_all``, which is faster for many.
        """
        return self.split_all([document], token_spans)[0]

    def split_all(self, documents: Sequence[Document], token_spans: TokenSpans) -> list[list[Chunk]]:
        """Return the chunks of each document.

        Parameters
        ----------
        documents : sequence of Document
            Their texts are tokenized together. Not modified.
        token_spans : TokenSpans
            The encoder's own tokenizer.

        Returns
        -------
        list of list of Chunk
            In order of ``start``. ``chunk.text == document.text[chunk.start:chunk.end]``. Every character that is
            not white space is in at least one. Each holds at most ``text_target`` tokens when tokenized on its own
            (a single code point is never divided, whatever the tokenizer makes of it).
        """
        return self.split_along(documents, (outline(one.text, one.form) for one in documents), token_spans)

    def split_along(
        self, documents: Sequence[Document], outlines: Iterable[Outline], token_spans: TokenSpans
    ) -> list[list[Chunk]]:
        """Return the chunks of each document, cut along outlines of the caller's making.

        Parameters
        ----------
        documents : sequence of Document
            Not modified.
        outlines : iterable of Outline
            For each document where it may be cut.
        token_spans : TokenSpans
            The encoder's own tokenizer.

        Returns
        -------
        list of list of Chunk
            As of ``split_all``.
        """
        texts = [document.text for document in documents]
        sizes = Sizes(target=self.text_target, overlap=self.overlap, version=self.version)
        first = [
            cut(document.text, found, starts, sizes, prose=document.form in PROSE)
            for document, found, starts in zip(documents, outlines, _token_starts(texts, token_spans), strict=True)
        ]
        fitted = _fitted(texts, first, token_spans, sizes)
        return [_chunks(text, spans) for text, spans in zip(texts, fitted, strict=True)]

    def encoded(
        self, documents: Sequence[Document], chunks: Sequence[Sequence[Chunk]], token_spans: TokenSpans
    ) -> list[list[str]]:
        """Return for each chunk what is to be encoded: its text, and before it the context where there is one.

        Parameters
        ----------
        documents : sequence of Document
            Not modified.
        chunks : sequence of sequences of Chunk
            What ``split_all`` gave for them.
        token_spans : TokenSpans
            The encoder's own tokenizer.

        Returns
        -------
        list of list of str
            Each of at most ``target`` tokens. What is stored and counted by spans stays the chunk's own text.
        """
        if not self.context:
            return [[one.text for one in part] for part in chunks]
        found = contexts(documents, chunks, self.context, token_spans)
        return [
            [with_context(context, one.text) for context, one in zip(above, part, strict=True)]
            for above, part in zip(found, chunks, strict=True)
        ]


def _chunks(text: str, spans: list[Span]) -> list[Chunk]:
    """Return the chunks of the spans of one text."""
    return [Chunk(text=text[start:end], start=start, end=end) for start, end in spans]


def _fitted(texts: list[str], spans: list[list[Span]], token_spans: TokenSpans, sizes: Sizes) -> list[list[Span]]:
    """Return the spans with those divided again whose text alone has more tokens than the target.

    A tokenizer may make more tokens of a part than it made of it within the whole, so each is counted again.
    """
    good: list[list[Span]] = [[] for _ in texts]
    pending = [(number, span) for number, found in enumerate(spans) for span in found]
    while pending:
        pieces = [texts[number][start:end] for number, (start, end) in pending]
        following: list[tuple[int, Span]] = []
        for (number, span), piece, starts in zip(pending, pieces, _token_starts(pieces, token_spans), strict=True):
            if len(starts) <= sizes.target or len(piece) == 1:
                good[number].append(span)
            else:
                following += [(number, part) for part in _divided(piece, span[0], starts, sizes)]
        pending = following
    return [sorted(found) for found in good]


def _divided(piece: str, shift: int, starts: NDArray[np.int64], sizes: Sizes) -> list[Span]:
    """Return at least two shorter spans that hold a piece, in the coordinates of its document."""
    parts = cut(piece, Outline(), starts, sizes, prose=True)
    if len(parts) == 1:
        middle = len(piece) // 2
        parts = [(0, middle), (middle, len(piece))]
    return [(start + shift, end + shift) for start, end in parts]


def _token_starts(texts: Sequence[str], token_spans: TokenSpans) -> Iterator[NDArray[np.int64]]:
    """Give for each text where its tokens begin, ascending; long texts are tokenized in parts."""
    waiting: list[tuple[int, str]] = []
    shapes: list[int] = []
    chars = 0
    for text in texts:
        parts = _parts(text)
        shapes.append(len(parts))
        waiting += parts
        chars += len(text)
        if chars >= BATCH_CHARS:
            yield from _starts_of(waiting, shapes, token_spans)
            waiting, shapes, chars = [], [], 0
    if shapes:
        yield from _starts_of(waiting, shapes, token_spans)


def _parts(text: str) -> list[tuple[int, str]]:
    """Return (place, part) of a text, divided at white space where there is some."""
    if len(text) <= PART_CHARS:
        return [(0, text)]
    places = [0]
    while len(text) - places[-1] > PART_CHARS:
        low, high = places[-1], places[-1] + PART_CHARS
        space = max(text.rfind(" ", low, high), text.rfind("\n", low, high))
        places.append(space if space > low else high)
    return [(low, text[low:high]) for low, high in pairwise([*places, len(text)])]


def _starts_of(parts: list[tuple[int, str]], shapes: list[int], token_spans: TokenSpans) -> Iterator[NDArray[np.int64]]:
    """Give the token starts of each text from those of its parts."""
    spans = iter(token_spans([part for _, part in parts]))
    places = iter(place for place, _ in parts)
    for shape in shapes:
        found = [next(spans)[:, 0] + next(places) for _ in range(shape)]
        yield np.maximum.accumulate(np.concatenate(found).astype(np.int64)) if sum(map(len, found)) else EMPTY


EMPTY = np.zeros(0, dtype=np.int64)
