"""Kinds of transformer networks: what ``config.json`` says, checked, and the operations written from it.

Each kind has its file: ``read`` takes the settings and gives a frozen description, ``shapes`` says what its weights
are, ``write`` gives its graph, and ``plain`` has the same network in NumPy. What kinds share is in ``blocks``, ``settings`` and ``weights``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

from vicinal.errors import ModelLoadError
from vicinal.models.families import bert, decoder, modernbert, nomic, weights
from vicinal.models.safetensors import Tensor

__all__ = ["KNOWN", "Description", "describe", "write"]

FAMILIES: dict[str, ModuleType] = {
    **dict.fromkeys(bert.KINDS, bert),
    nomic.MODEL_TYPE: nomic,
    modernbert.MODEL_TYPE: modernbert,
    decoder.MODEL_TYPE: decoder,
}
KNOWN = frozenset(FAMILIES)
"""The values of ``model_type`` that a network can be made of."""


class Description(Protocol):
    """What is known of a network before it is built. Its ``repr`` determines the graph."""

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights; a part of the space."""
        ...

    @property
    def dim(self) -> int:
        """D of a token vector."""
        ...

    @property
    def positions(self) -> int:
        """The longest window in tokens, special ones included, that the network has positions for."""
        ...


def describe(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Description:
    """Return the network that the settings describe, each weight checked to be there in its shape.

    Parameters
    ----------
    config : mapping
        What ``config.json`` holds.
    tensors : mapping of str to Tensor
        The header of the weights file.

    Raises
    ------
    ModelLoadError
        The kind of network is unknown, the settings ask for what is not written here, or the weights do not fit.
    """
    family = _family(config)
    found: Description = family.read(config, tensors)
    weights.require(tensors, family.shapes(found))
    return found


def write(description: Description, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the network as an ONNX model whose weights stay in their file.

    Parameters
    ----------
    description : Description
        As ``describe`` gives it.
    tensors : mapping of str to Tensor
        The header of the weights file.
    weights_file : str
        The name of that file, beside the model or in the folder given to the runtime.

    Returns
    -------
    bytes
        A model with the inputs ``ids`` and ``mask``, int64 (B, T), and the output ``tokens``, float32 (B, T, D).
        Rows of padding hold finite numbers without meaning.
    """
    written: bytes = _module(description).write(description, tensors, weights_file)
    return written


def _module(description: Description) -> ModuleType:
    """Return the file that a description comes from."""
    kinds = {bert.Bert: bert, nomic.Nomic: nomic, modernbert.ModernBert: modernbert, decoder.Decoder: decoder}
    return kinds[type(description)]


def _family(config: Mapping[str, Any]) -> ModuleType:
    """Return the file of the kind that the settings name."""
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind]
    listed = ", ".join(sorted(KNOWN))
    why = (
        "It needs code from the model's repository (trust_remote_code), and code out of a model is never run. "
        if config.get("auto_map")
        else ""
    )
    raise ModelLoadError(
        f"This network cannot be built: model_type in config.json is {kind!r}. {why}Supported are {listed}; "
        "any other network can be given as an ONNX model.",
        expected=listed,
        got=kind,
        where="model_type",
    )
