"""What some models do to the pooled vector: a dense layer with its activation, a layer normalization.

Both are one small product for each text, so they run in NumPy, in float32, behind whatever ran the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicinal.errors import ModelLoadError
from vicinal.models import CONFIG, WEIGHTS, read_arrays, read_json
from vicinal.types import Floats

EPSILON = 1e-5
"""Of the layer normalization, as its authors' library has it; no file says it."""
_GELU = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(x: Floats) -> Floats:
    return np.asarray(0.5 * x * (1 + _GELU(x / math.sqrt(2))), dtype=np.float32)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float32)  # no overflow, unlike 1 / (1 + exp(-x))


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "Identity": np.asarray,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, np.float32(0)),
    "GELU": _gelu,
    "Sigmoid": _sigmoid,
    "SiLU": lambda x: np.asarray(x * _sigmoid(x), dtype=np.float32),
}
"""By the last part of the name in the settings, ``torch.nn.modules.activation.Tanh``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """f(x W' + b): ``weight`` float32 (dim, D), ``bias`` float32 (dim,)."""

    weight: Floats
    bias: Floats
    activation: str

    @property
    def architecture(self) -> str:
        """One line that says everything of it but its weights."""
        return f"dense in={self.weight.shape[1]} out={self.weight.shape[0]} activation={self.activation.lower()}"

    @property
    def dim(self) -> int:
        """D of what it gives."""
        return int(self.weight.shape[0])

    def __call__(self, vectors: Floats) -> Floats:
        """Return (N, dim) for (N, D)."""
        return ACTIVATIONS[self.activation](vectors @ self.weight.T + self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNorm:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over the components of each vector."""

    weight: Floats
    bias: Floats

    @property
    def architecture(self) -> str:
        """One line that says everything of it but its weights."""
        return f"layer_norm dim={self.dim} epsilon={EPSILON!r}"

    @property
    def dim(self) -> int:
        """D of what it gives."""
        return len(self.weight)

    def __call__(self, vectors: Floats) -> Floats:
        """Return (N, D) for (N, D)."""
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(centred / spread * self.weight + self.bias, dtype=np.float32)


Head = Dense | LayerNorm


def load_heads(folder: Path, told: Sequence[str], dim: int) -> tuple[Head, ...]:
    """Return the modules behind the pooling, each checked to fit the one before it.

    Parameters
    ----------
    folder : Path
        The model's folder.
    told : sequence of str
        ``kind:path`` of each, as the pin names them.
    dim : int
        D of the pooled vectors.

    Raises
    ------
    ModelLoadError
        A file is missing or damaged, has weights of another shape, or asks for an activation that is not known.
    """
    heads: list[Head] = []
    for one in told:
        kind, _, path = one.partition(":")
        head = _dense(folder / path, dim) if kind == "dense" else _layer_norm(folder / path, dim)
        heads.append(head)
        dim = head.dim
    return tuple(heads)


def _dense(folder: Path, dim: int) -> Dense:
    settings = read_json(folder / CONFIG)
    activation = str(settings.get("activation_function")).rpartition(".")[2]
    if activation not in ACTIVATIONS:
        raise ModelLoadError(
            f"{folder / CONFIG} asks for the activation {activation}; supported are {', '.join(ACTIVATIONS)}.",
            expected=", ".join(ACTIVATIONS),
            got=activation,
            where=str(folder / CONFIG),
        )
    out = settings.get("out_features")
    weights = _weights(folder, {"linear.weight": (out, dim)}, {"linear.bias": (out,)})
    bias = weights.get("linear.bias", np.zeros(len(weights["linear.weight"]), dtype=np.float32))
    return Dense(weight=weights["linear.weight"], bias=bias, activation=activation)


def _layer_norm(folder: Path, dim: int) -> LayerNorm:
    weights = _weights(folder, {"norm.weight": (dim,), "norm.bias": (dim,)}, {})
    return LayerNorm(weight=weights["norm.weight"], bias=weights["norm.bias"])


def _weights(
    folder: Path, needed: dict[str, tuple[object, ...]], allowed: dict[str, tuple[object, ...]]
) -> dict[str, Floats]:
    """Return the arrays of a module by name, as float32, in the shapes they must have."""
    path = folder / WEIGHTS
    found = read_arrays(path)
    for name, shape in {**needed, **allowed}.items():
        if name not in found and name in allowed:
            continue
        got = found[name].shape if name in found else None
        if got != shape:
            raise ModelLoadError(
                f"{name!r} in {path} must have the shape {shape}, got {got}. The settings are of another model.",
                expected=shape,
                got=got,
                where=str(path),
            )
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in found.items()}
