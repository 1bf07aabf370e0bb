"""Which directions are coded: the few that hold nearly all of the variance, where a set has such; else all.

The vectors of a trained model do not fill their space: of 384 components of sentence embeddings, 192 principal ones
hold nine tenths of the variance. A code of those alone has half the bytes, is scanned in half the time, and needs some
more candidates. How many more is not assumed: it is measured on a sample, and the cheapest width is taken. Within the
chosen subspace a random rotation spreads the variance evenly, since a code has one bit for each direction.

Letters: S sampled rows, Q queries, D components, d coded ones, K places.

References
----------
Jolliffe 2002, "Principal Component Analysis"; Yang et al. 2024, arXiv 2411.06158 ("MRQ": codes of the leading
principal components). Differs: what is left out has no term of its own in the estimate; the int8 rows correct it.
"""

from __future__ import annotations

import numpy as np

from vicinal import kernels
from vicinal.types import Floats

FLAT_ALIGNMENT = 0.775
"""Below this mean cosine between residuals and their codes (0.798 where components are Gaussian) a rotation pays."""
SHARES = (1 / 2, 5 / 8, 3 / 4)
"""Of the components, that are tried. Three eighths took more candidates than they saved at 1M, and still more at 10M."""
MULTIPLE = 32
ROWS_A_COMPONENT = 8
"""Sampled rows for each component at least, from which directions are learned."""
DIMS = (64, 2048)
"""Fewer components are not worth it; more take their principal directions too long: time grows with the cube."""
QUERIES, BASE_ROWS, PLACES = 512, 16_384, 10
REACH = 0.995
"""Share of the true neighbours that candidates must hold."""
GROWTH = 0.5
"""Candidates grow with this power of the rows: of 4,096 to 10M rows x 384 that were measured, between 0.25 and 0.6."""
SCANNED = 0.35
"""Of the rows of a set with cells: what a search of high recall looks into."""
BYTE_COST, CANDIDATE_COST = 0.1e-3, 0.4
"""Microseconds, as in ``plan.py``."""

Turn = kernels.Rotation | kernels.Projection


def turn_for(residuals: Floats, *, rows: int, cells: bool, seed: int) -> Turn | None:
    """Return what turns vectors less their center (S, D) before they are coded; None where nothing would gain.

    ``rows`` is how many the set has, ``cells`` whether it will have cells.
    """
    sound = residuals[np.isfinite(residuals).all(axis=1)]
    with np.errstate(over="ignore", invalid="ignore"):
        projection = _projection(sound, rows, cells, seed)
        if projection is not None:
            return projection
        lengths = np.linalg.norm(sound.astype(np.float64), axis=1) * np.sqrt(residuals.shape[1])
        cosines = np.abs(sound, dtype=np.float64).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    turns = len(cosines) > 0 and float(np.mean(cosines)) < FLAT_ALIGNMENT
    return kernels.Rotation(dim=residuals.shape[1], seed=seed) if turns else None


def _projection(sample: Floats, rows: int, cells: bool, seed: int) -> kernels.Projection | None:
    """Return the cheapest projection, None where all components are cheaper."""
    count, dim = sample.shape
    if not DIMS[0] <= dim <= DIMS[1] or count < ROWS_A_COMPONENT * dim:
        return None
    chooser = np.random.default_rng(seed)
    picked = chooser.permutation(count)
    queries, base = sample[picked[:QUERIES]], sample[picked[QUERIES : QUERIES + BASE_ROWS]]
    directions = principal(sample)
    if directions is None:
        return None
    exact = queries @ base.T
    true = np.argpartition(-exact, PLACES, axis=1)[:, :PLACES]
    scanned = rows * (SCANNED if cells else 1.0)
    more = max(1.0, rows / len(base)) ** GROWTH

    def cost(matrix: Floats | None) -> float:
        width = -(-(dim if matrix is None else len(matrix)) // 8)
        return float(scanned * width * BYTE_COST + more * _candidates(queries, base, true, matrix) * CANDIDATE_COST)

    best, least = None, cost(None)
    for share in SHARES:
        coded = max(MULTIPLE, round(share * dim / MULTIPLE) * MULTIPLE)
        spread = np.linalg.qr(chooser.standard_normal((coded, coded)))[0]
        matrix = np.ascontiguousarray((directions[:, :coded] @ spread).T, dtype=np.float32)
        if (found := cost(matrix)) < least:
            best, least = matrix, found
    return None if best is None else kernels.Projection(matrix=best)


def principal(sample: Floats) -> Floats | None:
    """Return the principal directions of centred rows as columns (D, D), the largest variance first; None if there are none."""
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = (sample.T @ sample).astype(np.float64) / max(1, len(sample))
    if not np.isfinite(covariance).all():
        return None
    directions: Floats = np.linalg.eigh(covariance)[1][:, ::-1]
    return directions


def _candidates(queries: Floats, base: Floats, true: np.ndarray, matrix: Floats | None) -> float:
    """Return how many of the best estimates hold nearly all true neighbours (Q, K) of the queries within the base."""
    coded = base if matrix is None else base @ matrix.T
    asked = queries if matrix is None else queries @ matrix.T
    sizes = np.abs(coded).sum(axis=1)
    factors = np.einsum("nd,nd->n", coded, coded) / np.where(sizes > 0, sizes, 1)
    estimates = (asked @ np.where(coded > 0, np.float32(1), np.float32(-1)).T) * factors
    found = np.take_along_axis(estimates, true, axis=1)
    order = np.sort(estimates, axis=1)
    ranks = [len(base) - np.searchsorted(line, scores, side="left") for line, scores in zip(order, found, strict=True)]
    return float(np.quantile(np.concatenate(ranks), REACH))
