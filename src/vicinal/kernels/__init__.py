"""The inner loops: native where a compiler was at the installation, else their NumPy twins, with the same answers.

Step: 6 of 11, inside index and encode.
Takes: float32 rows (N, D) with queries (Q, D) and a mask over the rows, or with the ids of rows.
Gives: the numbers and scores of the k rows with the largest dot products, or the means of the chosen rows.
Never: knows a space, a file, a text or a record.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.config import native_kernels
from vicinal.errors import DtypeError, FallbackWarning, RangeError, ShapeError
from vicinal.kernels import exact
from vicinal.kernels.checked import checked_mask, checked_matrix
from vicinal.types import Floats, Mask, Rows

__all__ = ["implementation", "mean_rows", "top_k"]

Ids = NDArray[np.int32]


def _imported() -> ModuleType | None:
    """Return the native module, or None where the package was built without a compiler."""
    try:
        return importlib.import_module("vicinal.kernels._native")
    except ImportError:
        return None


_native = _imported()


def implementation() -> Literal["native", "numpy"]:
    """Return which kernels serve: the native ones unless they were not built or the setting says ``numpy``."""
    return "native" if _native is not None and native_kernels() else "numpy"


def top_k(rows: Floats, queries: Floats, *, k: int, mask: Mask | None = None) -> tuple[Rows, Floats, Rows]:
    """Return the rows with the k largest dot products to each query.

    Parameters
    ----------
    rows : float32 array of shape (N, D), contiguous
        N may be 0. May be read only and mapped from a file. Finite.
    queries : float32 array of shape (Q, D), contiguous
        Q may be 0. Finite.
    k : int, 1 <= k
        Places for each query; more than N are allowed and stay unused.
    mask : bool array of shape (N,), optional
        The rows that may be answers.

    Returns
    -------
    rows : int64 array of shape (Q, k)
        Best first; equal scores by ascending row; -1 in unused places.
    scores : float32 array of shape (Q, k)
        The dot products, larger is nearer; -inf in unused places.
    counts : int64 array of shape (Q,)
        How many places are used.

    Raises
    ------
    DtypeError
        An array has another type, or k is no whole number.
    ShapeError
        An array has another shape or is not contiguous.
    RangeError
        k is below 1.

    Warns
    -----
    FallbackWarning
        Once in a process: the native kernels were not built.

    Notes
    -----
    The order of each sum is fixed (``exact.hpp``): every processor and both implementations give the same bits.
    A product or sum beyond the range of float32 is infinite; ``inf - inf`` counts as -inf.
    Threads: the interpreter's lock is released; arrays must not change during the call.
    Memory: 12 bytes a place beyond the arrays (native); 4 bytes a row more (NumPy).
    """
    rows, queries = checked_matrix(rows, "rows"), checked_matrix(queries, "queries")
    if rows.shape[1] != queries.shape[1]:
        raise ShapeError(
            f"queries must have {rows.shape[1]} components as the rows have, got {queries.shape[1]}.",
            expected=rows.shape[1],
            got=queries.shape[1],
            where="queries",
        )
    k = whole_number(k, "k", low=1)
    mask = None if mask is None else checked_mask(mask, len(rows))
    if _native is None or not native_kernels():
        if native_kernels():
            _say_fallback()
        return exact.top_k(rows, queries, mask, k)
    found = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    counts = np.zeros(len(queries), dtype=np.int64)
    _native.top_k(rows, queries, mask, found, scores, counts)
    return found, scores, counts


def mean_rows(table: Floats, ids: Ids, offsets: Rows, weights: Floats | None = None) -> Floats:
    """Return for each text the mean of the rows of a table that its ids name.

    Parameters
    ----------
    table : float32 array of shape (V, D), contiguous
        One row for each token. May be read only and mapped from a file.
    ids : int32 array of shape (T,), contiguous
        The rows of all texts, one text after the other.
    offsets : int64 array of shape (N + 1,), contiguous
        Text i has ``ids[offsets[i]:offsets[i + 1]]``; the first is 0 and the last is T.
    weights : float32 array of shape (T,), contiguous, optional
        What each row is multiplied with; 1 without it. The sum is divided by the number of ids, not of weights.

    Returns
    -------
    float32 array of shape (N, D)
        Zero for a text without ids.

    Raises
    ------
    DtypeError
        An array has another type.
    ShapeError
        An array has another shape or is not contiguous, or the offsets do not cut the ids into parts.
    RangeError
        An id is none of the table's rows.

    Warns
    -----
    FallbackWarning
        Once in a process: the native kernels were not built.

    Notes
    -----
    Products and sums are float64, in the order of the ids (``mean_rows.hpp``), and each mean is rounded once:
    every processor and both implementations give the same bits, and a text has them in any company.
    A mean beyond the range of float32 is infinite.
    Threads: the interpreter's lock is released; arrays must not change during the call.
    Memory: the answer (native); 8 KB a component more (NumPy).
    """
    table, ids = checked_matrix(table, "table"), _checked_line(ids, np.int32, "ids")
    offsets = _checked_line(offsets, np.int64, "offsets")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(ids) or bool((np.diff(offsets) < 0).any()):
        raise ShapeError(
            f"offsets must rise from 0 to the {len(ids)} ids.", expected=f"0 to {len(ids)}, rising", where="offsets"
        )
    if len(ids) and not 0 <= ids.min() <= ids.max() < len(table):
        raise RangeError(
            f"ids must be rows of a table of {len(table)}, got {ids.min()} to {ids.max()}.",
            expected=f"0 to {len(table) - 1}",
            got=f"{ids.min()} to {ids.max()}",
            where="ids",
        )
    if weights is not None and len(_checked_line(weights, np.float32, "weights")) != len(ids):
        raise ShapeError(
            f"weights must be one for each of {len(ids)} ids, got {len(weights)}.",
            expected=len(ids),
            got=len(weights),
            where="weights",
        )
    if _native is None or not native_kernels():
        if native_kernels():
            _say_fallback()
        return exact.mean_rows(table, ids, offsets, weights)
    means = np.empty((len(offsets) - 1, table.shape[1]), dtype=np.float32)
    _native.mean_rows(table, ids, offsets, weights, means)
    return means


def _checked_line(array: object, kind: type[np.generic], name: str) -> NDArray[Any]:
    """Return the array if it is contiguous, has one axis and the type."""
    if not isinstance(array, np.ndarray) or array.dtype != kind:
        got = str(array.dtype) if isinstance(array, np.ndarray) else type(array).__name__
        expected = np.dtype(kind).name
        raise DtypeError(f"{name} must be a {expected} array, got {got}.", expected=expected, got=got, where=name)
    if array.ndim != 1 or not array.flags.c_contiguous:
        raise ShapeError(
            f"{name} must have one axis and no gaps, got the shape {array.shape} and the strides {array.strides}.",
            expected="one axis, contiguous",
            got=array.shape,
            where=name,
        )
    return array


@functools.cache
def _say_fallback() -> None:
    """Warn once in a process."""
    warnings.warn(
        "The native kernels were not built, so NumPy does their work, several times slower and with the same answers; "
        "install a C++ compiler and reinstall, or set VICINAL_KERNELS=numpy to choose this.",
        FallbackWarning,
        stacklevel=3,
    )
