"""Calls that must type-check: what a user writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import vicinal
from vicinal.index import ExactIndex
from vicinal.kernels import top_k
from vicinal.space import Encoder, Space, Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Hit, Hits, Neighbors, Progress, Record


def encoders_fit() -> Encoder:
    """Return an encoder where the protocol is asked for."""
    return ToyEncoder()


class OwnEncoder:
    """An encoder of a user, which inherits from nothing."""

    def __init__(self, space: Space) -> None:
        self._space = space

    @property
    def space(self) -> Space:
        """Its space."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """Its window."""
        return self._space.max_tokens

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return zeros."""
        if progress is not None:
            progress(len(texts), len(texts))
        return Vectors(np.zeros((len(texts), self._space.dim), np.float32), self._space)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return zeros."""
        return self.encode_queries(texts, progress=progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return zeros."""
        return np.zeros(len(texts), np.int64)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return no spans."""
        return [np.zeros((0, 2), np.int64) for _ in texts]


def own_encoders_fit(space: Space) -> Encoder:
    """Return a user's own encoder where the protocol is asked for."""
    return OwnEncoder(space)


def vectors_carry_their_space(left: Vectors, right: Vectors) -> None:
    """Check the types of what is done with vectors."""
    assert_type(left.space, Space)
    assert_type(left.shape, tuple[int, int])
    assert_type(left @ right, NDArray[np.float32])
    assert_type(left.similarity(right), NDArray[np.float32])
    assert_type(Vectors.concatenate([left, right]), Vectors)
    assert_type(left.space.id, str)


def indexes_give_neighbors(vectors: Vectors, mask: NDArray[np.bool_]) -> None:
    """Check the types of a search below the facade."""
    index = ExactIndex([(0, np.asarray(vectors))], vectors.space)
    assert_type(index.search(vectors, k=3), Neighbors)
    assert_type(index.search(vectors, k=3, mask=mask).rows, NDArray[np.int64])
    rows, scores, counts = top_k(np.asarray(vectors), np.asarray(vectors), k=1)
    assert_type(rows, NDArray[np.int64])
    assert_type(scores, NDArray[np.float32])
    assert_type(counts, NDArray[np.int64])


def the_facade_reads_as_documented() -> None:
    """Check the types of the first ten lines of the documents."""
    encoder = vicinal.load("minilm")
    assert_type(encoder.encode_documents(["a", "b"]), Vectors)
    with vicinal.open("notes.vicinal") as db:
        notes = db.collection("notes", model="minilm")
        notes.add([{"id": "a", "text": "b", "year": 2020}])
        hits = notes.search("stop the bill", k=5, where={"year": {"$gte": 2020}})
        assert_type(hits, Hits)
        assert_type(hits[0], Hit)
        assert_type(hits[:2], tuple[Hit, ...])
        assert_type(hits[0].score, float)
        assert_type(notes.get("a"), Record)
        assert_type(db.collection("more", model=ToyEncoder()), vicinal.Collection)
        check = notes.check_canary()
        assert_type(check.same, bool)
        drift = notes.drift(reference={"year": 2020}, current="since:3", level=0.01, windows=2)
        assert_type(drift.alarm, bool)
        assert_type(drift.shifts[0].detectable_share, float | None)
        assert_type(db.assert_same("notes", "minilm").worst, float)
