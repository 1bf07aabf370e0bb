"""The paired randomisation test: how often two names for one system would differ as much as two systems do.

Letters: Q queries, S systems that are compared with the same baseline, B draws.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vicinal._arrays import whole_number
from vicinal.errors import NonFiniteError, ShapeError
from vicinal.evaluate.metrics.column import Doubles, column

DRAWS = 10_000
MAX_DRAWS = 10_000_000
BLOCK = 1 << 21
"""How many signs are drawn at once: 16 MiB as float64."""
EDGE = 1e-10
"""What a sum of gains may be off, as a share of the sum of their sizes: a draw that is nearer than this is as large."""


def randomization_test(baseline: ArrayLike, other: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Return how often two systems that do not differ would be this far apart: the p-value.

    Parameters
    ----------
    baseline, other : float arrays of shape (Q,)
        A metric of two systems for the same queries, in the same order.
    draws : int, 1 <= draws <= 10,000,000
        How often names are exchanged.
    seed : int, 0 <= seed
        Of the draws.

    Returns
    -------
    float
        In (0, 1]. Small where chance is a poor explanation; it says nothing of how large the difference is.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such.

    Notes
    -----
    If the systems do not differ, it is chance which of a query's two values bears which name, so each difference may
    as well have the other sign. The p-value is the share of signs that give a mean at least as far from 0, to either
    side. Queries without a difference change nothing.
    Where there are no more than ``draws`` ways to give signs (13 queries that differ, for 10,000), all are counted and
    the p-value is exact, and it is no less than ``2 / 2**Q``. Else signs are drawn, and ``p = (1 + b) / (1 + B)`` for b
    draws of B: the values as they came are one of the ways, so p is never 0, and the test keeps its level (Phipson,
    Smyth 2010).
    Cost: 1,000 queries and 10,000 draws take some 40 ms; memory: 32 MiB.

    References
    ----------
    Smucker, Allan, Carterette 2007, "A comparison of statistical significance tests for information retrieval
    evaluation". Phipson, Smyth 2010, "Permutation p-values should never be zero".
    """
    gains = differences(baseline, other)
    return float(randomization_tests(gains[:, np.newaxis], draws=draws, seed=seed)[0])


def randomization_tests(gains: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Doubles:
    """Return a p-value for each column of gains over a baseline.

    Parameters
    ----------
    gains : float array of shape (Q, S), 1 <= Q
        For each query the differences of several systems to one baseline.
    draws, seed : int
        As ``randomization_test``. All columns get the same signs.

    Returns
    -------
    float64 array of shape (S,)
        Not corrected for their number; see ``holm``.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The gains are no such.
    """
    drawn = whole_number(draws, "draws", low=1, high=MAX_DRAWS)
    chance = np.random.default_rng(whole_number(seed, "seed", low=0))
    table = _table(gains)
    table = table[table.any(axis=1)]
    least = np.abs(table.sum(axis=0)) - EDGE * np.abs(table).sum(axis=0)
    every = len(table) < drawn.bit_length() and 2 ** len(table) <= drawn
    as_far = np.zeros(table.shape[1], dtype=np.int64)
    for bits in _every(len(table)) if every else _drawn(table.shape, drawn, chance):
        as_far += (np.abs(bits @ (2 * table) - table.sum(axis=0)) >= least).sum(axis=0)
    return np.asarray(as_far / 2 ** len(table) if every else (as_far + 1) / (drawn + 1))


def differences(baseline: ArrayLike, other: ArrayLike) -> Doubles:
    """Return what each query gains: float64 (Q,).

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The columns are no such, or differ in length.
    """
    before = column(baseline, "baseline")
    return column(other, "other", length=len(before)) - before


def _table(gains: ArrayLike) -> Doubles:
    table = np.asarray(gains, dtype=np.float64)
    if table.ndim != 2 or not len(table):  # noqa: PLR2004 - a table
        raise ShapeError(
            f"gains must have the shape (Q, S) with a query, got {table.shape}.",
            expected="(Q, S)",
            got=table.shape,
            where="gains",
        )
    if not np.isfinite(table).all():
        raise NonFiniteError("gains holds NaN or infinity.", expected="finite", where="gains")
    return table


def _every(queries: int) -> Iterator[NDArray[np.float64]]:
    """Yield all ways to give signs, as bits: one block (2**Q, Q)."""
    numbers = np.arange(2**queries)[:, np.newaxis]
    yield ((numbers >> np.arange(queries)) & 1).astype(np.float64)


def _drawn(shape: tuple[int, ...], draws: int, chance: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield drawn signs for gains of a shape (Q, S), as bits, in blocks (B, Q)."""
    queries, most = shape[0], max(32, BLOCK // max(shape) // 32 * 32)  # whole words, so that blocks do not count
    for start in range(0, draws, most):
        count = min(most, draws - start) * queries
        octets = np.frombuffer(chance.bytes(-(-count // 8)), dtype=np.uint8)
        yield np.unpackbits(octets, count=count).reshape(-1, queries).astype(np.float64)
