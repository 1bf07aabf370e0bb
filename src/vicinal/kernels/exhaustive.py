"""Exhaustive search over float rows, and means of chosen rows: checked here, done by the native loops or NumPy.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of, whole_number
from vicinal.errors import RangeError, ShapeError
from vicinal.kernels import exact, native
from vicinal.kernels.checked import checked_line, checked_mask, checked_matrix, checked_rows
from vicinal.kernels.funnel import METRICS, Metric
from vicinal.types import Floats, Mask, Rows

Ids = NDArray[np.int32]
Halves = NDArray[np.float16] | NDArray[np.uint16]


def top_k(
    rows: Floats | Halves, queries: Floats, *, k: int, mask: Mask | None = None, metric: Metric = "dot"
) -> tuple[Rows, Floats, Rows]:
    """Return the rows with the k best scores for each query: the largest dot products, if nothing else is asked.

    Parameters
    ----------
    rows : float32 or float16 array, or uint16 array of the bits of bfloat16, of shape (N, D), contiguous
        N may be 0. May be read only and mapped from a file. Finite. 16 bits are widened, which loses nothing.
    queries : float32 array of shape (Q, D), contiguous
        Q may be 0. Finite.
    k : int, 1 <= k
        Places for each query; more than N are allowed and stay unused.
    mask : bool array of shape (N,), optional
        The rows that may be answers.
    metric : {"dot", "cosine", "l2"}
        <x, q>; <x, q> / (|x| |q|), 0 for a zero vector; -||x - q||^2.

    Returns
    -------
    rows : int64 array of shape (Q, k)
        Best first; equal scores by ascending row; -1 in unused places.
    scores : float32 array of shape (Q, k)
        By the metric, larger is nearer; -inf in unused places.
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
    UnknownNameError
        The metric is none of those.

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
    rows, queries = checked_rows(rows, "rows"), checked_matrix(queries, "queries")
    if rows.shape[1] != queries.shape[1]:
        raise ShapeError(
            f"queries must have {rows.shape[1]} components as the rows have, got {queries.shape[1]}.",
            expected=rows.shape[1],
            got=queries.shape[1],
            where="queries",
        )
    k = whole_number(k, "k", low=1)
    one_of(metric, "metric", METRICS)
    mask = None if mask is None else checked_mask(mask, len(rows))
    serving = native.serving()
    if serving is None:
        return exact.top_k(exact.widened(rows), queries, mask, k, metric)
    found = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    counts = np.zeros(len(queries), dtype=np.int64)
    serving.top_k(rows, queries, mask, found, scores, counts, "", metric)
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
    table, ids = checked_matrix(table, "table"), checked_line(ids, np.int32, "ids")
    offsets = checked_line(offsets, np.int64, "offsets")
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
    if weights is not None and len(checked_line(weights, np.float32, "weights")) != len(ids):
        raise ShapeError(
            f"weights must be one for each of {len(ids)} ids, got {len(weights)}.",
            expected=len(ids),
            got=len(weights),
            where="weights",
        )
    serving = native.serving()
    if serving is None:
        return exact.mean_rows(table, ids, offsets, weights)
    means = np.empty((len(offsets) - 1, table.shape[1]), dtype=np.float32)
    serving.mean_rows(table, ids, offsets, weights, means)
    return means
