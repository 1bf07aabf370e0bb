"""Encoders of two spaces that nobody could tell apart by shape, and collections that are carried from the one to the other.

Both have 8 dimensions: vectors of the one are comparable with those of the other in form, and nonsense in fact, so that a
search that mixes them gives scores that no plain model gives.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vicinal.space import Space, Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Progress

SALT = 12_582_917


class Hashed:
    """An encoder whose vectors are drawn from a digest of the text and of its name: unit length, 8 dimensions.

    ``calls`` counts texts; ``slow_s`` is what each costs.
    """

    def __init__(self, name: str = "one", *, slow_s: float = 0.0, refuses: Sequence[str] = ()) -> None:
        self._toy = ToyEncoder(max_tokens=64)
        self._name = name
        self._space = replace(self._toy.space, weights=f"hashed {name}")
        self.calls = 0
        self.slow_s = slow_s
        self.refuses = tuple(refuses)

    @property
    def space(self) -> Space:
        return self._space

    @property
    def max_tokens(self) -> int:
        return self._toy.max_tokens

    def _encode(self, texts: Sequence[str], progress: Progress | None) -> Vectors:
        self.calls += len(texts)
        if self.slow_s:
            time.sleep(self.slow_s * len(texts))
        for text in texts:
            if any(one in text for one in self.refuses):
                from vicinal.errors import EncodeError  # noqa: PLC0415 - rare

                raise EncodeError("the model refuses a text")
        array = np.stack([vector_of(self._name, text) for text in texts]) if texts else np.empty((0, 8), np.float32)
        if progress is not None and texts:
            progress(len(texts), len(texts))
        return Vectors(array, self._space)

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        return self._encode(texts, progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        return self._encode(texts, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return self._toy.count_tokens(texts)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return self._toy.token_spans(texts)


def vector_of(name: str, text: str) -> NDArray[np.float32]:
    """Return the vector that the encoder of a name gives a text."""
    seed = int.from_bytes(f"{name}\0{text}".encode()[:512], "little") % (2**61 - 1) ^ SALT * len(text)
    row = np.random.default_rng(abs(seed)).standard_normal(8).astype(np.float32)
    return row / np.linalg.norm(row)


def records(numbers: Sequence[int], version: int = 0) -> list[dict[str, object]]:
    """Return records whose texts tell who they are, and in which version."""
    return [
        {
            "id": f"r{number}",
            "text": f"The record of number {number} tells its name q{number}x in version {version}.",
            "number": number,
            "version": version,
        }
        for number in numbers
    ]
