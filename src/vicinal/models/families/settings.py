"""What ``config.json`` says of a network, read with care: each setting in its range, each refusal with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vicinal.errors import ModelLoadError

MAX_SIZE = 1 << 24
"""No axis of a real network is longer; a larger number is damage."""
MAX_LAYERS = 1 << 10
"""No real network is deeper."""
MAX_THETA = 1e12
ACTIVATIONS = {
    "gelu": "gelu",
    "relu": "relu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
"""The hub's names of activations → ours."""

Config = Mapping[str, Any]


def require(config: Config, required: Mapping[str, tuple[object, ...]]) -> None:
    """Refuse settings that say something else than what is allowed; what is left out, or null, is as it should be.

    Raises
    ------
    ModelLoadError
        A setting has another value.
    """
    for name, allowed in required.items():
        value = config.get(name)
        if value is not None and not any(type(value) is type(one) and value == one for one in allowed):
            raise refused(name, " or ".join(repr(one) for one in allowed) or "left out", value)


def size(config: Config, name: str, *, low: int = 1, high: int = MAX_SIZE, default: int | None = None) -> int:
    """Return a whole number within [low, high].

    Raises
    ------
    ModelLoadError
        It is none, or it is missing and has no default.
    """
    value = config.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise refused(name, f"a whole number from {low} to {high}", value)
    return value


def number(config: Config, name: str, default: float, *, low: float, high: float) -> float:
    """Return a number within [low, high).

    Raises
    ------
    ModelLoadError
        It is none.
    """
    value = config.get(name, default)
    if type(value) not in {int, float} or not low <= value < high:
        raise refused(name, f"a number from {low:g} to {high:g}", value)
    return float(value)


def epsilon(config: Config, name: str, default: float) -> float:
    """Return what is added to a variance before its root is taken."""
    return number(config, name, default, low=0.0, high=1.0)


def flag(config: Config, name: str, *, default: bool) -> bool:
    """Return a boolean.

    Raises
    ------
    ModelLoadError
        It is none.
    """
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise refused(name, "true or false", value)
    return value


def activation(config: Config, name: str, default: str, *, allowed: Mapping[str, str] = ACTIVATIONS) -> str:
    """Return our name of an activation.

    Raises
    ------
    ModelLoadError
        It is unknown.
    """
    value = config.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        raise refused(name, ", ".join(allowed), value)
    return allowed[value]


def head_size(config: Config, hidden: int, heads: int, name: str = "num_attention_heads", *, even: bool = False) -> int:
    """Return d, the size of a head: ``head_dim`` where it is told, else an equal part of the hidden size.

    Raises
    ------
    ModelLoadError
        The hidden size cannot be divided so, or d is odd and a rotation needs pairs.
    """
    told = config.get("head_dim")
    if told is None and hidden % heads:
        raise refused(name, f"a divisor of {hidden}", heads)
    found = hidden // heads if told is None else size(config, "head_dim")
    if even and found % 2:
        raise refused("head_dim", "even, for rotary positions", found)
    return found


def rope(config: Config, section: str = "") -> Mapping[str, Any]:
    """Return what is told of rotary positions under the two names that the hub knows, empty without.

    Parameters
    ----------
    config : mapping
        The settings.
    section : str
        The kind of layers that is meant, where kinds have rotations of their own.

    Raises
    ------
    ModelLoadError
        It is no object.
    """
    name = "rope_parameters" if config.get("rope_parameters") is not None else "rope_scaling"
    told = config.get(name)
    if isinstance(told, Mapping) and section and section in told:
        told = told[section]
    if told is not None and not isinstance(told, Mapping):
        raise refused(name, "an object", told)
    return told or {}


def theta(told: Mapping[str, Any], default: float, *, scaled: tuple[str, ...] = ()) -> float:
    """Return the base of the angles out of what is told of rotary positions.

    Parameters
    ----------
    told : mapping
        As ``rope`` gives it.
    default : float
        The base where none is told here.
    scaled : tuple of str
        The kinds of scaling that the caller knows, beside none.

    Raises
    ------
    ModelLoadError
        The angles are scaled in a way that is not known here, or the base is no number above 1.
    """
    kind = told.get("rope_type", told.get("type", "default"))
    if kind not in ("default", *scaled):
        raise refused("rope_type", " or ".join(("default", *scaled)), kind)
    if told.get("partial_rotary_factor", 1.0) != 1.0:
        raise refused("partial_rotary_factor", 1.0, told["partial_rotary_factor"])
    return number(told, "rope_theta", default, low=1.0, high=MAX_THETA)


def refused(name: str, expected: object, got: object) -> ModelLoadError:
    """Return the error of a setting that the networks here do not have."""
    return ModelLoadError(
        f"This network cannot be built: {name} in config.json must be {expected}, got {got!r}.",
        expected=expected,
        got=got,
        where=name,
    )
