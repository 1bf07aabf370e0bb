"""The ways of cutting that are compared: each gives for some documents their chunks, and what is encoded for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.chunk import Chunker, late_vectors, parents, semantic_chunks, sentences
from vicinal.encode.tokens import token_vectors
from vicinal.types import Chunk, Document

Chunks = list[list[Chunk]]
CONTEXT_TOKENS = 32
PARENT_CHARS = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a contestant made of some documents: chunks, what is encoded, and what is handed out.

    ``texts`` are encoded in the place of the chunks' own, or ``vectors`` are there already. ``windows`` are what was
    encoded for those, ``beside`` what was encoded for the cutting alone. ``parents`` are handed out for the chunks.
    """

    chunks: Chunks
    texts: list[list[str]] | None = None
    vectors: NDArray[np.float32] | None = None
    windows: list[str] | None = None
    beside: tuple[str, ...] = ()
    parents: list[list[tuple[int, int]]] | None = None


Contestant = Callable[[list[Document], Any], Cut]


def structure(target: int, overlap: int, version: int) -> Contestant:
    """Return the program's own chunker."""
    chunker = Chunker(target=target, overlap=overlap, version=version)
    return lambda documents, encoder: Cut(chunks=chunker.split_all(documents, encoder.token_spans))


def windows(size: int, overlap: int) -> Contestant:
    """Return the plain twin: windows of ``size`` tokens, each ``size - overlap`` after the one before."""

    def cut(documents: list[Document], encoder: Any) -> Cut:
        found = []
        for document, spans in zip(documents, encoder.token_spans([one.text for one in documents]), strict=True):
            firsts = range(0, max(len(spans) - overlap, 1), size - overlap)
            ends = [(int(spans[first, 0]), int(spans[min(first + size, len(spans)) - 1, 1])) for first in firsts]
            found.append([Chunk(text=document.text[low:high], start=low, end=high) for low, high in ends])
        return Cut(chunks=found)

    return cut


def titled(target: int, overlap: int) -> Contestant:
    """Return the program's chunker with title and headings before each text, within the same budget."""
    chunker = Chunker(target=target, overlap=overlap, context=CONTEXT_TOKENS)

    def cut(documents: list[Document], encoder: Any) -> Cut:
        chunks = chunker.split_all(documents, encoder.token_spans)
        return Cut(chunks=chunks, texts=chunker.encoded(documents, chunks, encoder.token_spans))

    return cut


def with_parents(target: int, overlap: int) -> Contestant:
    """Return small chunks, found by themselves and handed out with what stands around them."""
    chunker = Chunker(target=target, overlap=overlap)

    def cut(documents: list[Document], encoder: Any) -> Cut:
        chunks = chunker.split_all(documents, encoder.token_spans)
        spans = [[(one.start, one.end) for one in part] for part in chunks]
        around = [
            parents(document, part, most_chars=PARENT_CHARS) for document, part in zip(documents, spans, strict=True)
        ]
        return Cut(chunks=chunks, parents=around)

    return cut


def semantic(target: int, percentile: float) -> Contestant:
    """Return cuts where the subject changes."""

    def cut(documents: list[Document], encoder: Any) -> Cut:
        chunker = Chunker(target=target, overlap=0)
        made = semantic_chunks(
            documents, encoder.token_spans, encoder.encode_documents, chunker=chunker, percentile=percentile
        )
        beside = tuple(one.text[low:high] for one in documents for low, high in sentences(one.text))
        return Cut(chunks=made, beside=beside)

    return cut


def within(target: int, window: int, *, late: bool) -> Contestant:
    """Return small chunks cut out of windows that hold several of them.

    Their vectors are means of the tokens of the window where ``late``, else those of each chunk alone.
    """

    def cut(documents: list[Document], encoder: Any) -> Cut:
        whole = Chunker(target=window, overlap=0).split_all(documents, encoder.token_spans)
        inside = Chunker(target=target, overlap=0)
        chunks: Chunks = []
        rows = []
        for document, part in zip(documents, whole, strict=True):
            texts = [one.text for one in part]
            pieces = inside.split_all([replace(document, text=one) for one in texts], encoder.token_spans)
            spans = [[(one.start, one.end) for one in piece] for piece in pieces]
            rows += [_late_rows(encoder, texts, spans)] if late else []
            shifted = [
                Chunk(text=one.text, start=one.start + around.start, end=one.end + around.start)
                for around, piece in zip(part, pieces, strict=True)
                for one in piece
            ]
            chunks.append(shifted)
        if not late:
            return Cut(chunks=chunks)
        return Cut(chunks=chunks, vectors=np.concatenate(rows), windows=[one.text for part in whole for one in part])

    return cut


def _late_rows(encoder: Any, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> NDArray[np.float32]:
    """Return the vectors of spans within some windows, from the encoder's cache where it has one and they are there."""
    cache, dim = getattr(encoder, "cache", None), encoder.space.dim
    keys = [
        hashlib.blake2b(f"late\0{encoder.space.id}\0{low}\0{high}\0{text}".encode(), digest_size=16).digest()
        for text, part in zip(texts, spans, strict=True)
        for low, high in part
    ]
    different = list(dict.fromkeys(keys))
    known = cache.get(different, dim) if cache is not None else None
    if known is None or not known.found.all():
        tokens = token_vectors(encoder, texts, role="document")
        rows = np.concatenate(
            [late_vectors(seen.vectors, seen.spans, part) for seen, part in zip(tokens, spans, strict=True)]
        )
        if cache is not None:
            kept = dict(zip(keys, rows, strict=True))
            cache.add(different, np.stack([kept[key] for key in different]), np.zeros(len(different), dtype=np.bool_))
        return rows
    where = {key: row for row, key in enumerate(different)}
    return known.vectors[[where[key] for key in keys]]


DEFAULT = "structure-250-150-v2"
CONTESTANTS: dict[str, Contestant] = {
    DEFAULT: structure(250, 150, 2),
    "structure-220-60-v1": structure(220, 60, 1),
    "windows-250-125": windows(250, 125),
    "windows-250-0": windows(250, 0),
    "structure-250-0-v2": structure(250, 0, 2),
    "titled-250-140-c32-v2": titled(250, 140),
    "semantic-250-p95": semantic(250, 95.0),
    "structure-100-0-v2": structure(100, 0, 2),
    "parents-100-0-v2": with_parents(100, 0),
    "structure-100-in-250-v2": within(100, 250, late=False),
    "late-100-in-250-v2": within(100, 250, late=True),
}
