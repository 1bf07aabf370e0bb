"""Teacher vectors → a table of token vectors, whose weighted sums lie where the teacher puts the texts.

The vector of a text is the sum of the rows of its tokens, so that the best table is the solution of a linear system:

    minimise  Σ_i | r_i · Σ_t c_it · (s_t + δ_t) − y_i |²  +  λ · Σ_t | δ_t |²

c_it is how often text i holds token t, y_i what the teacher says of it (centred, of length 1, in D dimensions), s_t what
the teacher says of the token alone, weighted by its frequency, and r_i = 1 / (tokens of i)^0.7: a sum of n rows grows
faster than √n and slower than n. A token that no text holds keeps s_t, and a rare one stays near it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal.encode.shrink.length import unit_or_zero
from vicinal.train.bags import Bags
from vicinal.types import Floats

SIF_A = 1e-4
"""The constant a of a / (a + p), as Model2Vec has it. With 1e-3 a text of another subject is found worse: nDCG@10 of
XQuAD 0.867 against 0.902."""
RIDGE = 0.1
"""λ. From 0.3 to 0.003 the figures move by 0.02, up on the texts that it was fitted to, down on others."""
LENGTH_POWER = 0.7
STEPS = 8
"""Of conjugate gradients: from the fifth on, quality moves by no more than the chance of 300 questions."""
TINY = 1e-30


def sif_weights(shares: NDArray[np.float64]) -> Floats:
    """Return a / (a + p) of each share p of all tokens (Arora, Liang, Ma 2017, algorithm 1, line 2)."""
    return np.asarray(SIF_A / (SIF_A + shares), dtype=np.float32)


def zipf_shares(count: int) -> NDArray[np.float64]:
    """Return the shares of tokens that stand in the order of their frequency, by Zipf's law: p_r = 1 / (r · H)."""
    shares = 1 / np.arange(1, count + 1)
    return np.asarray(shares / shares.sum())


def axes(sets: Sequence[Floats], dim: int) -> Floats:
    """Return the ``dim`` directions in which sets of centred vectors (N, F) vary most, as columns (F, dim), the largest first.

    Each set counts alike, however many vectors it has. The sign is such that the largest component of each is positive.
    """
    width = sets[0].shape[1]
    spread = np.zeros((width, width))
    for centred in sets:
        own = np.asarray(centred.T @ centred, dtype=np.float64)
        spread += own / max(float(np.trace(own)), TINY)
    _, vectors = np.linalg.eigh(spread)
    found = vectors[:, ::-1][:, :dim]
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return np.asarray(found * signs, dtype=np.float32)


def untrained(tokens: Floats, dim: int) -> Floats:
    """Return the table without any text: token vectors, centred, in D dimensions, weighted by Zipf's law.

    Parameters
    ----------
    tokens : float32 array of shape (V, F)
        What the teacher says of each token, the frequent ones first; rows of zeros are not counted.

    References
    ----------
    Minish Lab 2024, Model2Vec: PCA of the output embeddings, then SIF by rank.
    """
    known = tokens.any(axis=1)
    centred = _centred(tokens)
    shares = np.zeros(len(tokens))
    shares[known] = zipf_shares(int(known.sum()))
    return np.asarray(centred @ axes([centred], dim) * sif_weights(shares)[:, None])


def fitted(
    bags: Bags, vectors: Floats, tokens: Floats, dim: int, *, told: Callable[[int], None] | None = None
) -> Floats:
    """Return the table that is fitted to the teacher's vectors of texts.

    Parameters
    ----------
    bags : Bags
        The counts (N, V) of the texts.
    vectors : float32 array of shape (N, F)
        The teacher's vectors of the same texts.
    tokens : float32 array of shape (V, F)
        The teacher's vectors of the tokens alone; rows of zeros for tokens that mean nothing.
    dim : int, 1 <= dim <= F
    told : callable, optional
        Called with 1 after each of ``STEPS`` steps.

    Returns
    -------
    float32 array of shape (V, dim)
    """
    targets = unit_or_zero(vectors - vectors.mean(axis=0))
    known = tokens.any(axis=1)
    alone = _centred(tokens)
    directions = axes([targets, alone], dim)
    counts = bags.column_sums()
    start = alone @ directions * sif_weights(counts / max(counts.sum(), 1))[:, None]
    scaled = bags.scaled(np.maximum(bags.row_sums(), 1) ** -LENGTH_POWER)
    found = solved(scaled, targets @ directions, start, told=told)
    found[~known & (counts == 0)] = 0
    return found


def solved(bags: Bags, targets: Floats, start: Floats, *, told: Callable[[int], None] | None = None) -> Floats:
    """Return the table (V, D) whose product with the matrix is nearest to the targets (N, D), held near a multiple of start.

    Conjugate gradients on the normal equations (Hestenes, Stiefel 1952), each column of the table by itself, divided by
    the diagonal (Jacobi). The multiple is the one that fits the targets best.

    Notes
    -----
    Cost: two products with the matrix a step. Memory: five tables of the tokens that occur, and the targets twice.
    """
    said = bags.times(start)
    fit = float(np.vdot(said, targets)) / max(float(np.vdot(said, said)), TINY)
    table = start * np.float32(fit if fit > 0 else 1)
    used = np.flatnonzero(bags.column_sums())
    bags = _compressed(bags, used)
    back = bags.transposed()
    inverse = (1 / (bags.column_sums(2) + RIDGE)).astype(np.float32)[:, None]
    change = np.zeros((len(used), table.shape[1]), dtype=np.float32)
    residual = back.times(targets - bags.times(table[used]))
    step = inverse * residual
    size = _inner(residual, step)
    for _ in range(STEPS):
        moved = back.times(bags.times(step)) + np.float32(RIDGE) * step
        length = (size / np.maximum(_inner(step, moved), TINY)).astype(np.float32)
        change += length * step
        residual -= length * moved
        steepest = inverse * residual
        before, size = size, _inner(residual, steepest)
        step = steepest + (size / np.maximum(before, TINY)).astype(np.float32) * step
        if told is not None:
            told(1)
    table[used] += change
    return table


def _centred(tokens: Floats) -> Floats:
    """Return the rows at length 1 without their mean; rows of zeros stay so."""
    known = tokens.any(axis=1)
    units = unit_or_zero(tokens)
    units[known] -= units[known].mean(axis=0) if known.any() else 0
    return units


def _inner(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the inner product of each column with its like, (D,)."""
    return np.asarray(np.einsum("vd,vd->d", one, other, dtype=np.float64))


def _compressed(bags: Bags, used: NDArray[np.int64]) -> Bags:
    """Return the matrix without the columns that are empty."""
    places = np.zeros(bags.columns, dtype=np.int32)
    places[used] = np.arange(len(used), dtype=np.int32)
    return Bags(ids=places[bags.ids], weights=bags.weights, offsets=bags.offsets, columns=len(used))
