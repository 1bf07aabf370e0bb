"""BERT in NumPy, a line for each formula: slow, obvious, and the oracle of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vicinal.models.families.bert import Bert
from vicinal.types import Floats

Array = NDArray[np.float64]


def tokens(network: Bert, weights: Mapping[str, Floats], ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
    """Return the token vectors of a batch, computed in float64 without any trick.

    Parameters
    ----------
    network : Bert
        The sizes.
    weights : mapping of str to float32 array
        By the names that the checkpoint uses.
    ids, mask : int64 arrays of shape (B, T)
        The mask is 1 where a token is and 0 where padding is.

    Returns
    -------
    float32 array of shape (B, T, D)
    """
    w = {name.removeprefix(network.prefix): array.astype(np.float64) for name, array in weights.items()}
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]] + w["embeddings.token_type_embeddings.weight"][0]
    x = _normalize(x, w, "embeddings.LayerNorm", network.epsilon)
    for layer in range(network.layers):
        x = _layer(x, w, f"encoder.layer.{layer}", mask, network)
    return x.astype(np.float32)


def _layer(x: Array, w: Mapping[str, Array], name: str, mask: NDArray[np.int64], network: Bert) -> Array:
    mixed = _linear(
        _attention(x, w, f"{name}.attention.self", mask, network.heads), w, f"{name}.attention.output.dense"
    )
    x = _normalize(x + mixed, w, f"{name}.attention.output.LayerNorm", network.epsilon)
    inner = _activate(_linear(x, w, f"{name}.intermediate.dense"), network.activation)
    return _normalize(x + _linear(inner, w, f"{name}.output.dense"), w, f"{name}.output.LayerNorm", network.epsilon)


def _attention(x: Array, w: Mapping[str, Array], name: str, mask: NDArray[np.int64], heads: int) -> Array:
    q, k, v = (_split(_linear(x, w, f"{name}.{part}"), heads) for part in ("query", "key", "value"))
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    scores = np.where(mask[:, None, None, :] == 1, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray((weights @ v).swapaxes(1, 2).reshape(x.shape))


def _split(x: Array, heads: int) -> Array:
    """(B, T, D) → (B, H, T, D / H)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def _linear(x: Array, w: Mapping[str, Array], name: str) -> Array:
    return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])


def _normalize(x: Array, w: Mapping[str, Array], name: str, epsilon: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"])


def _activate(x: Array, activation: str) -> Array:
    if activation == "relu":
        return np.maximum(x, 0)
    if activation == "gelu_tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))))
