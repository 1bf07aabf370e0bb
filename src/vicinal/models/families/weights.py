"""The weights of a checkpoint by the names that a family knows, each checked to be there in its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vicinal.errors import ModelLoadError
from vicinal.models.safetensors import Tensor

Shapes = Mapping[str, tuple[int, ...]]
OLD_ENDINGS = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
"""How checkpoints that came from TensorFlow name the same."""


def prefix_of(tensors: Mapping[str, Tensor], prefixes: Sequence[str], probe: str) -> str:
    """Return what stands before each weight's name, seen at one that every checkpoint has; ``""`` for nothing."""
    return next((prefix for prefix in prefixes if prefix + probe in tensors), "")


def find(tensors: Mapping[str, Tensor], name: str) -> Tensor | None:
    """Return the weights of a name, or of the name that older checkpoints give them."""
    if name in tensors:
        return tensors[name]
    return next(
        (
            tensors[name.removesuffix(new) + old]
            for new, old in OLD_ENDINGS.items()
            if name.endswith(new) and name.removesuffix(new) + old in tensors
        ),
        None,
    )


def require(tensors: Mapping[str, Tensor], shapes: Shapes) -> None:
    """Refuse a file that lacks a weight, or has one of another shape.

    Raises
    ------
    ModelLoadError
        With the name, the shape that the settings ask for, and the shape that came.
    """
    for name, shape in shapes.items():
        tensor = find(tensors, name)
        if tensor is None or tensor.shape != shape:
            got = None if tensor is None else tensor.shape
            came = "it is missing" if tensor is None else f"got {got}"
            raise ModelLoadError(
                f"The weights {name!r} must have the shape {shape}; {came}. The settings are of another model.",
                expected=shape,
                got=got,
                where=name,
            )
