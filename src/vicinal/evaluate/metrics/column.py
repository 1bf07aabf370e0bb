"""Columns of numbers and of labels as metrics and tests take them, each checked with the same messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError

Doubles: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Labels: TypeAlias = Sequence[str] | Sequence[int] | NDArray[Any]
"""A class or cluster for each of N things: strings or whole numbers."""


def column(values: ArrayLike, name: str, *, least: int = 1, length: int | None = None) -> Doubles:
    """Return finite numbers as float64 (N,).

    Raises
    ------
    ShapeError
        They are no column, or not ``length`` long.
    DtypeError, NonFiniteError
        They are no numbers; one is NaN or infinite.
    RangeError
        There are fewer than ``least``.
    """
    array = np.asarray(values)
    if array.ndim != 1 or length not in {None, len(array)}:
        expected = "(N,)" if length is None else f"({length},)"
        raise ShapeError(
            f"{name} must have the shape {expected}, got {array.shape}.", expected=expected, got=array.shape, where=name
        )
    if len(array) < least:
        raise RangeError(
            f"{name} must hold at least {least}, got {len(array)}.", expected=f">= {least}", got=len(array), where=name
        )
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"{name} must hold numbers, got {array.dtype}.", expected="float", got=array.dtype, where=name)
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise NonFiniteError(f"{name} holds NaN or infinity.", expected="finite", where=name)
    return numbers


def coded(first: Labels, second: Labels, *, names: tuple[str, str] = ("expected", "got")) -> tuple[Codes, Codes, int]:
    """Return two columns of labels as numbers 0 … C - 1, the same for the same label, and C.

    Raises
    ------
    ShapeError
        They are not equally long.
    DtypeError
        A label is neither a string nor a whole number.
    RangeError
        They are empty.
    """
    one, other = (_plain(labels, name) for labels, name in zip((first, second), names, strict=True))
    if len(one) != len(other):
        raise ShapeError(
            f"{names[0]} and {names[1]} must be equally long, got {len(one)} and {len(other)}.",
            expected=len(one),
            got=len(other),
            where=names[1],
        )
    if not one:
        raise RangeError(f"{names[0]} must hold at least 1 label, got 0.", expected=">= 1", got=0, where=names[0])
    numbers = {label: code for code, label in enumerate(dict.fromkeys([*one, *other]))}
    codes = (np.array([numbers[label] for label in labels], dtype=np.int64) for labels in (one, other))
    return next(codes), next(codes), len(numbers)


def _plain(labels: Labels, name: str) -> list[str | int]:
    """Return labels as a list of str or int."""
    if isinstance(labels, str | bytes):
        raise DtypeError(f"{name} must be a list of labels, got one {type(labels).__name__}.", where=name)
    listed: list[Any] = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    for kind in set(map(type, listed)):
        if not issubclass(kind, str | int | np.integer):
            raise DtypeError(
                f"{name} must hold strings or whole numbers, got {kind.__name__}.",
                expected="str or int",
                got=kind.__name__,
                where=name,
            )
    return listed
