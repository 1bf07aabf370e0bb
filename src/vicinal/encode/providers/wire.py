"""What is said over the wire, without any input or output: a provider's requests, its answers, and what is no vector."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Role: TypeAlias = Literal["query", "document"]
Doubles: TypeAlias = NDArray[np.float64]
MOST_TOKENS = 10**12
"""No request has so many: a larger count of tokens is none."""
MOST_DIM = 65_536
"""No model gives so many dimensions; an answer with more is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one request may hold: texts, and tokens over all of them."""

    texts: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered. The names of the headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """That no answer came, or none that was kept: ``timeout``, ``connect``, ``certificate``, ``cut`` or ``size``.

    Plain data and no exception of a library: those carry the request, and with it the key.
    """

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a provider documents of a model: its dimension, its window in tokens, the dimensions one may ask for."""

    dim: int
    max_tokens: int
    dims: Container[int] = ()


class Wire(Protocol):
    """How one provider is spoken to."""

    @property
    def name(self) -> str:
        """One word, a part of the space."""
        ...

    @property
    def path(self) -> str:
        """What follows the base URL."""
        ...

    @property
    def input_types(self) -> str:
        """The provider's own words for query and document, ``""`` where it knows no roles."""
        ...

    @property
    def refuses_long(self) -> bool:
        """Whether a text beyond the window is sure to be refused, not cut."""
        ...

    def facts(self, model: str) -> Facts | None:
        """Return what is documented of a model, None if it is not known here."""
        ...

    def limits(self, model: str) -> Limits:
        """Return the most that a request for a model may hold."""
        ...

    def body(self, model: str, texts: Sequence[str], role: Role, dim: int | None) -> dict[str, Any]:
        """Return a request as JSON; ``dim`` is None for the model's own dimension."""
        ...

    def found(self, payload: Mapping[str, Any], count: int) -> Sequence[object]:
        """Return what an answer holds for each of the texts, in their order; WrongAnswerError if that cannot be."""
        ...

    def tokens(self, payload: Mapping[str, Any]) -> int | None:
        """Return how many tokens an answer says were used, None if it does not say."""
        ...


class WrongAnswerError(ValueError):
    """An answer of a server is not what the interface promises. Never leaves this package."""


def by_index(items: object, count: int) -> list[object]:
    """Return the vectors of ``{"index": …, "embedding": …}`` objects in the order of their index.

    Raises
    ------
    WrongAnswerError
        The list is none, has another length, or its indices are not 0 to count - 1, each once.
    """
    listed = counted(items, count)
    placed: dict[int, object] = {}
    for item in listed:
        held: Mapping[str, object] = item if isinstance(item, dict) else {}
        index = held.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count or index in placed:
            raise WrongAnswerError("its vectors do not say which text each belongs to")
        placed[index] = held.get("embedding")
    return [placed[index] for index in range(count)]


def counted(items: object, count: int) -> Sequence[object]:
    """Return a list of so many elements; WrongAnswerError if it is none."""
    if not isinstance(items, list):
        raise WrongAnswerError("it holds no list of vectors")
    if len(items) != count:
        raise WrongAnswerError(f"it holds {len(items)} vectors for {count} texts")
    return items


def whole(value: object) -> int | None:
    """Return a number of tokens, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)


def rows(found: Sequence[object], dim: int | None) -> Doubles:
    """Return the vectors of an answer at unit length.

    Parameters
    ----------
    found : sequence
        One for each text: a list of numbers, or base64 of little-endian float32.
    dim : int, optional
        What each must have; None: whatever the first has.

    Returns
    -------
    float64 array of shape (N, D)

    Raises
    ------
    WrongAnswerError
        One is no vector, has another dimension, is zero, or holds what float32 cannot.
    """
    listed = [_one(item) for item in found]
    expected = dim if dim is not None else len(listed[0])
    for vector in listed:
        if len(vector) != expected or not 0 < len(vector) <= MOST_DIM:
            raise WrongAnswerError(f"a vector has {len(vector)} dimensions, not {expected}")
    array = np.array(listed, dtype=np.float64).reshape(len(listed), expected)
    largest = np.abs(array).max(axis=1, keepdims=True)
    if not (largest <= np.finfo(np.float32).max).all():  # false for NaN too
        raise WrongAnswerError("a vector holds NaN, infinity, or what float32 cannot")
    if not largest.all():
        raise WrongAnswerError("a vector is zero")
    scaled = array / largest  # before it is squared, so that neither tiny nor huge components are lost
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))


def _one(item: object) -> Doubles:
    """Return one vector (D,), in whichever of the two forms it came."""
    if isinstance(item, str):
        return _decoded(item)
    if not isinstance(item, list):
        raise WrongAnswerError("a vector is neither a list of numbers nor base64")
    try:
        array = np.asarray(item)
        if array.ndim != 1 or array.dtype.kind not in "fiu":
            raise WrongAnswerError("a vector is no list of numbers")
        return array.astype(np.float64)
    except (ValueError, OverflowError) as error:
        raise WrongAnswerError("a vector is no list of numbers") from error


def _decoded(text: str) -> Doubles:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WrongAnswerError("a vector is no base64") from error
    if len(content) % 4:
        raise WrongAnswerError(f"a vector of {len(content)} bytes is no float32")
    return np.frombuffer(content, dtype="<f4").astype(np.float64)
