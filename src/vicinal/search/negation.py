"""A question moved: the mean of examples, and what is left of it without the directions of what is not wanted."""

from __future__ import annotations

import numpy as np

from vicinal.errors import RangeError, ShapeError
from vicinal.types import Floats

LEAST_LENGTH = 1e-3
"""What must be left of a question of length 1: less is noise of its last digits."""
MOST_NEGATIVES = 64
"""Directions that may be taken out of a question."""


def centroid(vectors: Floats) -> Floats:
    """Return the mean of examples, each at length 1: the question that is nearest to all of them by cosine.

    Parameters
    ----------
    vectors : float32 array of shape (N, D), 1 <= N

    Returns
    -------
    float32 array of shape (1, D)
        Of length 1, or 0 where the examples cancel out.

    Raises
    ------
    ShapeError
        There is no example.

    References
    ----------
    Rocchio 1971, "Relevance feedback in information retrieval", with the relevant ones only.
    """
    if vectors.ndim != 2 or not len(vectors):  # noqa: PLR2004 - a matrix
        raise ShapeError(f"A centroid needs vectors of shape (N, D), got {vectors.shape}.", got=vectors.shape)
    return _unit(_units(vectors).mean(axis=0, keepdims=True)).astype(np.float32)


def without(query: Floats, negatives: Floats) -> Floats:
    """Return a question without what it has in common with what is not wanted.

    Parameters
    ----------
    query : float32 array of shape (1, D)
    negatives : float32 array of shape (N, D), N <= 64
        What is not wanted. N may be 0.

    Returns
    -------
    float32 array of shape (1, D)
        Of length 1, orthogonal to each negative: a stored vector gets nothing for its part along them.

    Raises
    ------
    RangeError
        There are too many negatives, or nothing is left of the question.

    Notes
    -----
    No weight has to be chosen, and several negatives are one subspace: the question keeps what none of them has.
    Cosines with the result are smaller than with the question, so thresholds of before do not hold.

    References
    ----------
    Widdows 2003, "Orthogonal negation in vector spaces for modelling word-meanings and document retrieval", equation 2
    and theorem 1 (several: their span).
    """
    if len(negatives) > MOST_NEGATIVES:
        raise RangeError(
            f"At most {MOST_NEGATIVES} examples can be unlike, got {len(negatives)}.",
            expected=f"<= {MOST_NEGATIVES}",
            got=len(negatives),
            where="unlike",
        )
    unit = _unit(np.asarray(query, dtype=np.float64))
    if len(negatives):
        _, sizes, directions = np.linalg.svd(_units(negatives), full_matrices=False)
        basis = directions[sizes > LEAST_LENGTH * max(1.0, float(sizes[0]))]
        unit = unit - (unit @ basis.T) @ basis
    length = float(np.linalg.norm(unit))
    if length < LEAST_LENGTH:
        raise RangeError(
            "Nothing is left of what is wanted: it lies wholly within what is not. Name other examples.", where="unlike"
        )
    return np.asarray(unit / length, dtype=np.float32)


def _units(vectors: Floats) -> np.ndarray:
    return _unit(np.asarray(vectors, dtype=np.float64))


def _unit(matrix: np.ndarray) -> np.ndarray:
    """Return rows at length 1, those of zeros as they are."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1.0))
