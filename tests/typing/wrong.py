"""Calls that must not type-check: each such line ends with the code of the error that is expected of it."""

from __future__ import annotations

import numpy as np

from vicinal.errors import SpaceMismatchError
from vicinal.index import ExactIndex
from vicinal.kernels import top_k
from vicinal.space import Encoder, Space, Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Hit, Neighbors


def a_space_is_whole_and_frozen(space: Space) -> None:
    """Refuse half a space, and a changed one."""
    Space(weights="w")  # expect: call-arg
    space.pooling = "cls"  # expect: misc


def vectors_need_a_space(vectors: Vectors) -> None:
    """Refuse vectors without a space, or with a name for one."""
    Vectors(np.zeros((1, 2)))  # expect: call-arg
    Vectors(np.zeros((1, 2)), "all-MiniLM-L6-v2")  # expect: arg-type
    vectors.similarity(np.zeros((1, 2)))  # expect: arg-type


def encoding_has_a_role(encoder: Encoder) -> None:
    """Refuse an encoding without a role, and a bare string's place taken by a number."""
    encoder.encode(["a"])  # expect: attr-defined
    encoder.encode_queries(3)  # expect: arg-type
    ToyEncoder().embed(["a"])  # expect: attr-defined


def searches_are_named(index: ExactIndex, vectors: Vectors) -> None:
    """Refuse bare arrays, positional numbers, and words of other libraries."""
    index.search(np.zeros((1, 2), np.float32), k=1)  # expect: arg-type
    index.search(vectors, 1)  # expect: call-arg
    index.search(vectors, top_k=1)  # expect: call-arg
    index.search(vectors, k="1")  # expect: arg-type
    top_k([[1.0]], np.zeros((1, 2), np.float32), k=1)  # expect: arg-type


def results_are_frozen(neighbors: Neighbors, hit: Hit) -> None:
    """Refuse a changed result."""
    neighbors.rows = neighbors.counts  # expect: misc
    hit.score = 1.0  # expect: misc
    _ = hit.content  # expect: attr-defined


def errors_are_called_right() -> None:
    """Refuse an error without a sentence."""
    SpaceMismatchError()  # expect: call-arg
