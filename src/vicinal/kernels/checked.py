"""Checks of the arrays that reach a native loop: a wrong one is an error with a name, never a wrong read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import DtypeError, ShapeError
from vicinal.types import Floats, Mask

MATRIX_AXES = 2


def checked_matrix(array: object, name: str) -> Floats:
    """Return the array if it is a contiguous float32 matrix.

    Raises
    ------
    DtypeError, ShapeError
        It is not.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        raise _wrong_type(array, name, "float32")
    return _checked_axes(array, name)


def _checked_axes(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the array if it is contiguous and has two axes."""
    if array.ndim != MATRIX_AXES or not array.flags.c_contiguous:
        raise ShapeError(
            f"{name} must be a contiguous matrix, got the shape {array.shape} and the strides {array.strides}.",
            expected="(N, D), contiguous",
            got=array.shape,
            where=name,
        )
    return array


def checked_rows(array: object, name: str) -> NDArray[Any]:
    """Return the array if it is a contiguous matrix of float32, float16, or uint16 that holds bfloat16.

    Raises
    ------
    DtypeError, ShapeError
        It is not.
    """
    if isinstance(array, np.ndarray) and array.dtype in (np.float16, np.uint16):
        return _checked_axes(array, name)
    return checked_matrix(array, name)


def checked_mask(mask: object, count: int) -> Mask:
    """Return the mask, contiguous, if it has one boolean for each of ``count`` rows.

    Raises
    ------
    DtypeError, ShapeError
        It has not.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise _wrong_type(mask, "mask", "bool")
    if mask.shape != (count,):
        raise ShapeError(
            f"mask must have the shape ({count},), got {mask.shape}.", expected=(count,), got=mask.shape, where="mask"
        )
    return np.ascontiguousarray(mask)


def checked_type(array: object, name: str, *kinds: type[np.generic]) -> NDArray[Any]:
    """Return the array if it has one of the types.

    Raises
    ------
    DtypeError
        It has not.
    """
    if not isinstance(array, np.ndarray) or array.dtype not in kinds:
        raise _wrong_type(array, name, " or ".join(np.dtype(kind).name for kind in kinds))
    return array


def checked_line(array: object, kind: type[np.generic], name: str) -> NDArray[Any]:
    """Return the array if it is contiguous, has one axis and the type.

    Raises
    ------
    DtypeError, ShapeError
        It is not.
    """
    line = checked_type(array, name, kind)
    if line.ndim != 1 or not line.flags.c_contiguous:
        raise ShapeError(
            f"{name} must have one axis and no gaps, got the shape {line.shape} and the strides {line.strides}.",
            expected="one axis, contiguous",
            got=line.shape,
            where=name,
        )
    return line


def _wrong_type(value: object, name: str, expected: str) -> DtypeError:
    """Return the error of an argument that is no array, or one of another type."""
    got = str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
    return DtypeError(f"{name} must be a {expected} array, got {got}.", expected=expected, got=got, where=name)
