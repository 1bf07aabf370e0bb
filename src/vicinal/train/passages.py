"""Files and folders → passages to learn from: cut up as a collection would cut them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vicinal.chunk import Chunker
from vicinal.read import read
from vicinal.space import Encoder
from vicinal.types import Document, Skipped


def passages(sources: Sequence[str | Path], encoder: Encoder) -> Iterator[str]:
    """Return the passages of all documents of some sources, one after another; what cannot be read is left out.

    Parameters
    ----------
    sources : sequence of str or Path
        Files and folders, ``-``, ``pydoc:``, as ``Collection.sync`` takes them.
    encoder : Encoder
        Whose window a passage must fit.

    Raises
    ------
    NotFoundError
        A source does not exist; none is read.
    """
    streams = [read(source) for source in sources]
    chunker = Chunker.for_window(encoder.max_tokens, reserved=int(encoder.count_tokens([""])[0]))
    chunker = replace(chunker, overlap=0)  # what is learned from should come once
    return _cut_up(streams, chunker, encoder)


def _cut_up(streams: Sequence[Iterator[Document | Skipped]], chunker: Chunker, encoder: Encoder) -> Iterator[str]:
    for stream in streams:
        for one in stream:
            if isinstance(one, Document):
                (chunks,) = chunker.split_all([one], encoder.token_spans)
                yield from (chunk.text for chunk in chunks)
