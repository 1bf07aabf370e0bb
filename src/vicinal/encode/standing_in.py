"""An encoder that stands in for another: its vectors bear the other's space, because both were proven to be the same.

The one place where a vector gets another space than that of the encoder that made it. Whoever makes one has proof:
see ``vicinal.lifecycle.equivalence``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal.space import Encoder, Space, Vectors, runtime_of
from vicinal.types import Progress


class StandIn:
    """An encoder whose vectors bear the space of another.

    Parameters
    ----------
    encoder : Encoder
        The one that is asked.
    space : Space
        The one that its vectors are said to be of; of the same dimension.
    name : str
        What loads an encoder of that space, "" for nothing.
    """

    def __init__(self, encoder: Encoder, space: Space, name: str = "") -> None:
        self.encoder = encoder
        self.name = name
        self._space = space

    @property
    def space(self) -> Space:
        """The space that it stands in."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in tokens."""
        return self.encoder.max_tokens

    @property
    def runtime(self) -> str:
        """What the one that is asked says of its runtime, if it says anything."""
        return runtime_of(self.encoder)

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of questions; errors as the other's."""
        return self._moved(self.encoder.encode_queries(texts, progress=progress))

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of documents; errors as the other's."""
        return self._moved(self.encoder.encode_documents(texts, progress=progress))

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens, as the other does."""
        return self.encoder.count_tokens(texts)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the (T, 2) spans of the tokens of each text, as the other does."""
        return self.encoder.token_spans(texts)

    def _moved(self, vectors: Vectors) -> Vectors:
        """Return vectors in the space that is stood in; those of a third one are refused."""
        self.encoder.space.require(vectors.space, what="what the encoder gave")
        return Vectors(np.asarray(vectors), self._space, cut_rows=vectors.cut_rows)


def stand_in(encoder: Encoder, space: Space, *, name: str = "") -> Encoder:
    """Return an encoder whose vectors bear a space; the encoder itself where it is in that space."""
    return encoder if encoder.space == space else StandIn(encoder, space, name)


def made_in(encoder: Encoder) -> Space:
    """Return the space in which an encoder's vectors are made, whatever space they are said to be of."""
    return made_in(encoder.encoder) if isinstance(encoder, StandIn) else encoder.space
