"""The inner loops: native where a compiler was at the installation, else their NumPy twins, with the same answers.

Step: 6 of 11, inside index.
Takes: float32 rows (N, D) and queries (Q, D), and a mask over the rows.
Gives: the numbers and scores of the k rows with the largest dot products.
Never: knows a space, a file, a text or an id.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from types import ModuleType
from typing import Literal

import numpy as np

from vicinal._arrays import whole_number
from vicinal.config import native_kernels
from vicinal.errors import FallbackWarning, ShapeError
from vicinal.kernels import exact
from vicinal.kernels.checked import checked_mask, checked_matrix
from vicinal.types import Floats, Mask, Rows

__all__ = ["implementation", "top_k"]


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


@functools.cache
def _say_fallback() -> None:
    """Warn once in a process."""
    warnings.warn(
        "The native kernels were not built, so NumPy searches, several times slower and with the same answers; "
        "install a C++ compiler and reinstall, or set VICINAL_KERNELS=numpy to choose this.",
        FallbackWarning,
        stacklevel=3,
    )
