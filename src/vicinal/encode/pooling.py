"""Token vectors → one vector, and its unit length, in float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import EncodeError
from vicinal.types import Floats

POOLINGS = ("mean", "cls", "last", "weighted_mean", "max")


def pool(tokens: Floats, mask: NDArray[np.int64], pooling: str) -> Floats:
    """Return one vector for each row of token vectors.

    Parameters
    ----------
    tokens : float32 array of shape (B, T, D)
        Rows of padding may hold anything finite.
    mask : int64 array of shape (B, T)
        1 where a token is; each row has at least one, and the first token is one.
    pooling : {"mean", "cls", "last", "weighted_mean", "max"}
        The mean over the tokens, the first of them, the last, the mean with the weights 1, 2, 3 … by place
        (Muennighoff 2022, SGPT, equation 2), or the largest of each component.

    Returns
    -------
    float32 array of shape (B, D)
    """
    if pooling == "cls":
        return np.ascontiguousarray(tokens[:, 0])
    if pooling == "last":
        return np.ascontiguousarray(tokens[np.arange(len(tokens)), mask.sum(axis=1) - 1])
    if pooling == "max":
        return np.asarray(np.where(mask[:, :, None] == 1, tokens, -np.inf).max(axis=1), dtype=np.float32)
    weights = mask.astype(np.float32)
    if pooling == "weighted_mean":
        weights *= np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights[:, None, :] @ tokens)[:, 0]


def directed(vectors: Floats, rows: NDArray[np.int64], *, normalized: bool) -> Floats:
    """Return the vectors at unit length where the space asks for it, else as they are; errors as in ``unit``."""
    scaled = unit(vectors, rows)
    return scaled if normalized else vectors


def unit(vectors: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return the vectors at unit length.

    Parameters
    ----------
    vectors : float32 array of shape (B, D)
        What a network gave.
    rows : int64 array of shape (B,)
        Which text each belongs to, for the message.

    Raises
    ------
    EncodeError
        A vector is zero or holds NaN or infinity: it has no direction.
    """
    with np.errstate(over="ignore"):  # a length beyond float32 is infinite and is refused below
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    sound = np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)
    if not sound.all():
        row = int(rows[np.argmin(sound)])
        raise EncodeError(
            f"The network gave no vector for text {row}: its length is {norms[np.argmin(sound), 0]}. "
            "Verify the model's files; report the text if they are sound.",
            expected="a finite vector that is not zero",
            got=float(norms[np.argmin(sound), 0]),
            where=row,
        )
    return np.asarray(vectors / norms, dtype=np.float32)
