"""The networks in NumPy, a line for each formula: slow, obvious, and the oracle of the graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vicinal.models.families import Description
from vicinal.models.families.bert import LAYOUTS, Bert
from vicinal.models.families.decoder import Decoder
from vicinal.models.families.modernbert import ModernBert
from vicinal.models.families.nomic import Nomic
from vicinal.types import Floats

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Weights = Mapping[str, Array]


def tokens(network: Description, weights: Mapping[str, Floats], ids: Ids, mask: Ids) -> Floats:
    """Return the token vectors of a batch, computed in float64 without any trick.

    Parameters
    ----------
    network : Description
        The sizes.
    weights : mapping of str to float32 array
        By the names that the checkpoint uses.
    ids, mask : int64 arrays of shape (B, T)
        The mask is 1 where a token is and 0 where padding is.

    Returns
    -------
    float32 array of shape (B, T, D)
    """
    assert isinstance(network, Bert | Nomic | ModernBert | Decoder)  # noqa: S101 - there are no others
    w = {name.removeprefix(network.prefix): array.astype(np.float64) for name, array in weights.items()}
    if isinstance(network, Bert):
        x = _bert(network, w, ids, mask)
    elif isinstance(network, Nomic):
        x = _nomic(network, w, ids, mask)
    elif isinstance(network, ModernBert):
        x = _modernbert(network, w, ids, mask)
    else:
        x = _decoder(network, w, ids, mask)
    return x.astype(np.float32)


def _bert(network: Bert, w: Weights, ids: Ids, mask: Ids) -> Array:
    names = LAYOUTS[network.kind]
    x = w["embeddings.word_embeddings.weight"][ids] + _bert_places(network, w, ids)
    if network.types:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = _layer_norm(x, w, "embeddings.LayerNorm", network.epsilon)
    bias = _bias(mask)
    if network.buckets:
        numbers = [[bucket(int(apart)) for apart in row] for row in _apart(ids.shape[1])]
        bias = bias + w["encoder.relative_attention_bias.weight"][np.array(numbers)].transpose(2, 0, 1)
    for layer in (names.layer.format(number) for number in range(network.layers)):
        q, k, v = (_split(_linear(x, w, layer + name), network.heads) for name in (names.query, names.key, names.value))
        mixed = _linear(_attend(q, k, v, bias), w, layer + names.mixed)
        x = _layer_norm(x + mixed, w, layer + names.mixed_norm, network.epsilon)
        inner = _activate(_linear(x, w, layer + names.inner), network.activation)
        x = _layer_norm(x + _linear(inner, w, layer + names.outer), w, layer + names.outer_norm, network.epsilon)
    return x


def _bert_places(network: Bert, w: Weights, ids: Ids) -> Array:
    table = w["embeddings.position_embeddings.weight"]
    if not network.first:
        return table[: ids.shape[1]]
    padding = network.first - 1
    counted = np.array([[(row[: place + 1] != padding).sum() for place in range(len(row))] for row in ids])
    return np.asarray(table[padding + np.where(ids == padding, 0, counted)])


def bucket(distance: int, buckets: int = 32, longest: int = 128) -> int:
    """Return MPNet's bucket of a distance, key less query, as the formula of T5 has it."""
    half, near = buckets // 2, buckets // 4
    after = half if distance > 0 else 0
    far = abs(distance)
    if far < near:
        return after + far
    place = near + math.log(far / near) / math.log(longest / near) * (half - near)
    return after + min(int(place + 1e-9), half - 1)  # the whole powers of √2 are whole


def _nomic(network: Nomic, w: Weights, ids: Ids, mask: Ids) -> Array:
    names = network.layout
    x = w["embeddings.word_embeddings.weight"][ids]
    if network.types:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = _layer_norm(x, w, names.words_norm, network.epsilon)
    thetas = np.full(len(ids), network.theta)
    if network.scaling is not None:
        growth = network.scaling * mask.sum(axis=1) / network.trained - (network.scaling - 1)
        thetas = thetas * np.maximum(growth, 1) ** (network.size / (network.size - 2))
    bias = _bias(mask)
    for layer in (names.layer.format(number) for number in range(network.layers)):
        if names.joined:
            parts = np.split(_linear(x, w, layer + names.joined), 3, axis=-1)
        else:
            parts = [_linear(x, w, layer + name) for name in (names.query, names.key, names.value)]
        q, k, v = (_split(part, network.heads) for part in parts)
        mixed = _attend(_rotate(q, thetas), _rotate(k, thetas), v, bias)
        x = _layer_norm(x + _linear(mixed, w, layer + names.mixed), w, layer + names.mixed_norm, network.epsilon)
        gate = _activate(_linear(x, w, layer + names.gate), network.activation)
        inner = _linear(x, w, layer + names.up) * gate
        x = _layer_norm(x + _linear(inner, w, layer + names.down), w, layer + names.outer_norm, network.epsilon)
    return x


def _modernbert(network: ModernBert, w: Weights, ids: Ids, mask: Ids) -> Array:
    x = _layer_norm(w["embeddings.tok_embeddings.weight"][ids], w, "embeddings.norm", network.epsilon)
    everywhere = _bias(mask)
    near = np.where(abs(_apart(ids.shape[1])) <= network.reach, everywhere, -np.inf)
    for number, full in enumerate(network.full):
        layer = f"layers.{number}."
        plain = _layer_norm(x, w, f"{layer}attn_norm", network.epsilon) if number else x
        q, k, v = (_split(part, network.heads) for part in np.split(_linear(plain, w, f"{layer}attn.Wqkv"), 3, axis=-1))
        thetas = np.full(len(ids), network.full_theta if full else network.local_theta)
        mixed = _attend(_rotate(q, thetas), _rotate(k, thetas), v, everywhere if full else near)
        x = x + _linear(mixed, w, f"{layer}attn.Wo")
        plain = _layer_norm(x, w, f"{layer}mlp_norm", network.epsilon)
        inner, gate = np.split(_linear(plain, w, f"{layer}mlp.Wi"), 2, axis=-1)
        x = x + _linear(_activate(inner, network.activation) * gate, w, f"{layer}mlp.Wo")
    return _layer_norm(x, w, "final_norm", network.epsilon)


def _decoder(network: Decoder, w: Weights, ids: Ids, mask: Ids) -> Array:
    x = w["embed_tokens.weight"][ids]
    bias = np.where(_apart(ids.shape[1]) <= 0, _bias(mask), -np.inf)
    thetas = np.full(len(ids), network.theta)
    for layer in (f"layers.{number}." for number in range(network.layers)):
        plain = _rms_norm(x, w, f"{layer}input_layernorm", network.epsilon)
        q = _split(_linear(plain, w, f"{layer}self_attn.q_proj"), network.heads)
        k, v = (_split(_linear(plain, w, f"{layer}self_attn.{name}_proj"), network.groups) for name in "kv")
        q = _rotate(_rms_norm(q, w, f"{layer}self_attn.q_norm", network.epsilon), thetas)
        k = _rotate(_rms_norm(k, w, f"{layer}self_attn.k_norm", network.epsilon), thetas)
        k, v = (np.repeat(part, network.heads // network.groups, axis=1) for part in (k, v))
        x = x + _linear(_attend(q, k, v, bias), w, f"{layer}self_attn.o_proj")
        plain = _rms_norm(x, w, f"{layer}post_attention_layernorm", network.epsilon)
        gate = _activate(_linear(plain, w, f"{layer}mlp.gate_proj"), network.activation)
        x = x + _linear(gate * _linear(plain, w, f"{layer}mlp.up_proj"), w, f"{layer}mlp.down_proj")
    return _rms_norm(x, w, "norm", network.epsilon)


def _bias(mask: Ids) -> Array:
    """0 where a token is, else minus infinity: (B, 1, T, T)."""
    tokens_there = np.where(mask == 1, 0.0, -np.inf)[:, None, None, :]
    return np.broadcast_to(tokens_there, (len(mask), 1, mask.shape[1], mask.shape[1])).copy()


def _apart(length: int) -> Ids:
    """Return the place of each key (column) less that of each query (row)."""
    return np.arange(length)[None, :] - np.arange(length)[:, None]


def _attend(q: Array, k: Array, v: Array, bias: Array) -> Array:
    """softmax(q kᵀ / √d + bias) v of (B, H, T, d), joined to (B, T, H * d)."""
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + bias
    highest = scores.max(axis=-1, keepdims=True)
    shares = np.exp(scores - np.where(np.isfinite(highest), highest, 0))  # a row of padding may see nothing at all
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    mixed = (shares @ v).swapaxes(1, 2)
    return np.asarray(mixed.reshape(*mixed.shape[:2], -1))


def _rotate(x: Array, thetas: Array) -> Array:
    """Turn each pair (x_i, x_{i + d/2}) of (B, H, T, d) by its place times theta ** (-2 i / d), theta by text."""
    half = x.shape[-1] // 2
    turns = thetas[:, None] ** (-np.arange(half) / half)
    angles = np.arange(x.shape[2])[None, None, :, None] * turns[:, None, None, :]
    first, second = x[..., :half], x[..., half:]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _split(x: Array, heads: int) -> Array:
    """(B, T, D) → (B, H, T, D / H)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def _linear(x: Array, w: Weights, name: str) -> Array:
    return np.asarray(x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0))


def _layer_norm(x: Array, w: Weights, name: str, epsilon: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(centred / spread * w[f"{name}.weight"] + w.get(f"{name}.bias", 0.0))


def _rms_norm(x: Array, w: Weights, name: str, epsilon: float) -> Array:
    return np.asarray(x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * w[f"{name}.weight"])


def _activate(x: Array, activation: str) -> Array:
    if activation == "relu":
        return np.maximum(x, 0)
    if activation == "silu":
        return np.asarray(x / (1 + np.exp(-x)))
    if activation == "gelu_tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))))
