"""Where the subject changes: cuts between neighbouring sentences whose vectors are far apart.

Kamradt 2023, "5 levels of text splitting", level 4: the distance of each sentence to the next, and a cut wherever it
is beyond a percentile of all of them. Differs: what is then longer than the target is split by structure as ever,
and headings stay cuts. Qu, Tu, Bao 2024 (arXiv 2410.13070) find no gain that is worth the cost; nor do we.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from vicinal.chunk.chunker import Chunker
from vicinal.chunk.outline import Outline, outline
from vicinal.chunk.sentence import sentences
from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.types import Chunk, Document, Rows, TokenSpans

PERCENTILE = 95.0
"""Kamradt's: one cut in twenty sentences."""
BREAK = 1
"""The rank of a cut where the subject changes: as strong as a heading, so that no chunk holds both sides."""

Encode: TypeAlias = Callable[[Sequence[str]], ArrayLike]
"""Texts to vectors, one row each: the ``encode_documents`` of an encoder."""


def breakpoints(vectors: ArrayLike, *, percentile: float = PERCENTILE) -> Rows:
    """Return the sentences with which another subject begins.

    Parameters
    ----------
    vectors : float array of shape (S, D)
        Of the sentences of one text, in order. Not modified. A row of zeros is as far from others as can be.
    percentile : float, 0 <= percentile <= 100
        A cut comes where the distance is larger than this percentile of all of them (linear interpolation).

    Returns
    -------
    int64 array
        Row numbers from 1, ascending: row i is farther from row i - 1 than the threshold, by 1 - cosine.
        Fewer than three sentences have none, nor do distances that are all the same.

    Raises
    ------
    ShapeError
        ``vectors`` is not 2-d.
    NonFiniteError
        A vector holds NaN or infinity.
    RangeError
        ``percentile`` is out of its range.
    """
    if not 0 <= percentile <= 100:  # noqa: PLR2004 - percent
        raise RangeError(
            f"percentile must be 0 to 100, got {percentile}.", expected="0 to 100", got=percentile, where="percentile"
        )
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2:  # noqa: PLR2004 - a row a sentence
        raise ShapeError(f"vectors must be 2-d, got {rows.ndim}-d.", expected="(S, D)", got=rows.shape, where="vectors")
    if not np.isfinite(rows).all():
        raise NonFiniteError("vectors hold NaN or infinity; the encoder failed.", where="vectors")
    if len(rows) <= 2:  # noqa: PLR2004 - one distance is its own percentile
        return np.zeros(0, dtype=np.int64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    distances = 1.0 - np.einsum("ij,ij->i", units[1:], units[:-1])
    return np.flatnonzero(distances > np.percentile(distances, percentile)).astype(np.int64) + 1


def semantic_chunks(
    documents: Sequence[Document],
    token_spans: TokenSpans,
    encode: Encode,
    *,
    chunker: Chunker,
    percentile: float = PERCENTILE,
) -> list[list[Chunk]]:
    """Return the chunks of each document, cut where the subject changes and wherever the chunker must.

    Parameters
    ----------
    documents : sequence of Document
        Each is encoded sentence by sentence, one call for each document. Not modified.
    token_spans : TokenSpans
        The encoder's own tokenizer.
    encode : callable
        Texts to vectors (N, D): ``encoder.encode_documents``.
    chunker : Chunker
        What no chunk may be longer than, and how longer ones are split.
    percentile : float, 0 <= percentile <= 100
        See ``breakpoints``.

    Returns
    -------
    list of list of Chunk
        With all that ``Chunker.split_all`` promises.

    Notes
    -----
    Cost: every sentence is encoded once more than without, about as dear as encoding the chunks.
    What is cut depends on a model, so no collection can name it as its chunker: add such chunks with their vectors.
    """
    return chunker.split_along(documents, [_outline(one, encode, percentile) for one in documents], token_spans)


def _outline(document: Document, encode: Encode, percentile: float) -> Outline:
    """Return the outline of a document with the changes of subject in it."""
    text, spans = document.text, sentences(document.text)
    found = outline(text, document.form)
    if not spans:
        return found
    changes = breakpoints(encode([text[start:end] for start, end in spans]), percentile=percentile)
    if not len(changes):
        return found
    breaks = [(0, BREAK), *((spans[row][0], BREAK) for row in changes.tolist())]
    marks = [*zip(found.places, found.ranks, strict=True), *breaks]
    merged = Outline(fences=found.fences)
    for place, rank in sorted(marks):
        merged.mark(place, rank)
    return merged
