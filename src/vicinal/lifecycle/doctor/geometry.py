"""How vectors fill their space: crowded into a cone, or along a few directions, or evenly.

Letters: N vectors at unit length, D components, l the eigenvalues of their covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.types import Floats

LEAST_ROWS = 50
PAIR_ROWS = 2048
"""Rows whose pairs are all compared: two million cosines."""
WIDEST = 1024
"""Components up to which the covariance is taken; above, so many rows are compared with one another instead."""
BINS = 40
PUBLISHED = "published start value"

CONE = Limits(notice=0.3, alarm=0.5, source=PUBLISHED)
RANK = Limits(notice=0.08, alarm=0.05, below=True)
FIRST = Limits(notice=0.2, alarm=0.3, source=PUBLISHED)
APART = Limits(notice=1.0, alarm=0.3, below=True)
REPORT = Limits()


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The covariance of vectors: eigenvalues (M,), the largest first, directions (M, D), and the mean (D,)."""

    values: Floats
    directions: Floats
    mean: Floats

    @property
    def shares(self) -> Floats:
        """The share of the variance along each direction; zeros where there is no variance."""
        total = float(self.values.sum())
        return self.values / np.float32(total) if total > 0 else np.zeros_like(self.values)


def spectrum(unit: Floats, *, seed: int = 0) -> Spectrum:
    """Return the principal directions of vectors, float32 (N, D), N of 2 at least.

    Notes
    -----
    Cost: N * D**2 products and D**3 for up to ``WIDEST`` components; above, of ``WIDEST`` rows drawn by the seed, in
    their place: what lies beyond so many directions is not seen then.
    """
    mean = unit.mean(axis=0, dtype=np.float64).astype(np.float32)
    dim = unit.shape[1]
    if dim <= WIDEST:
        centred = unit - mean
        values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / max(1, len(unit) - 1))
        order = np.argsort(-values, kind="stable")
        return Spectrum(np.maximum(values[order], 0).astype(np.float32), vectors.T[order].astype(np.float32), mean)
    chosen = np.random.default_rng(seed).permutation(len(unit))[:WIDEST]
    _, sizes, directions = np.linalg.svd(unit[chosen] - mean, full_matrices=False)
    return Spectrum((sizes**2 / max(1, len(chosen) - 1)).astype(np.float32), directions, mean)


def mean_cosine(unit: Floats) -> float:
    """Return the mean cosine of all pairs of different vectors: (|sum|^2 - N) / (N (N - 1)). Cost: one pass."""
    count = len(unit)
    total = unit.sum(axis=0, dtype=np.float64)
    return float((total @ total - count) / (count * (count - 1)))


def pair_cosines(unit: Floats, *, seed: int = 0) -> Floats:
    """Return the cosines of all pairs of at most ``PAIR_ROWS`` vectors, drawn by the seed."""
    chosen = unit if len(unit) <= PAIR_ROWS else unit[np.random.default_rng(seed).permutation(len(unit))[:PAIR_ROWS]]
    products = chosen @ chosen.T
    return np.asarray(np.clip(products[np.triu_indices(len(chosen), 1)], -1, 1))


def uniformity(cosines: Floats) -> float:
    """Return log E exp(-2 |x - y|^2) over pairs, with |x - y|^2 = 2 - 2 cos: smaller is more even.

    References
    ----------
    Wang, Isola 2020, arXiv 2005.10242, equation of L_uniform with t = 2.
    """
    return float(np.log(np.exp(-4.0 * (1.0 - cosines.astype(np.float64))).mean()))


def alignment(left: Floats, right: Floats) -> float:
    """Return E |x - y|^2 over pairs that belong together: smaller is nearer.

    References
    ----------
    Wang, Isola 2020, arXiv 2005.10242, equation of L_align with alpha = 2.
    """
    return float(((left.astype(np.float64) - right) ** 2).sum(axis=1).mean())


def effective_rank(values: Floats) -> float:
    """Return exp(H(l / sum l)), H the entropy in nats: how many directions there are, weighted by their variance.

    References
    ----------
    Roy, Vetterli 2007, "The effective rank", of the eigenvalues of the covariance instead of singular values.
    """
    shares = values[values > 0].astype(np.float64)
    shares /= shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(values: Floats) -> float:
    """Return (sum l)^2 / sum l^2: D for equal variances, 1 for a single direction."""
    wide = values.astype(np.float64)
    return float(wide.sum() ** 2 / (wide**2).sum())


def isoscore(values: Floats) -> float:
    """Return IsoScore, 0 for a single direction to 1 for the same variance along all.

    Notes
    -----
    With the variances along D principal directions, brought to the length sqrt(D), and their distance to (1, …, 1),
    the paper's steps come down to (R - 1) / (D - 1), R the participation ratio.

    References
    ----------
    Rudman et al. 2022, arXiv 2108.07344, algorithm 1.
    """
    return (participation_ratio(values) - 1) / (len(values) - 1) if len(values) > 1 else 1.0


def separation(positive: Floats, random: Floats) -> float:
    """Return d': how many standard deviations cosines of pairs that belong together lie above those of random pairs."""
    spread = np.sqrt((positive.var(dtype=np.float64) + random.var(dtype=np.float64)) / 2)
    gap = positive.mean(dtype=np.float64) - random.mean(dtype=np.float64)
    return float(gap / max(float(spread), 1e-6))


def check_geometry(unit: Floats, found: Spectrum | None, cosines: Floats) -> list[Check]:
    """Return the checks of how the vectors fill their space."""
    if found is None or len(unit) < LEAST_ROWS:
        return [skipped("anisotropy", "geometry", f"{len(unit)} vectors are too few; {LEAST_ROWS} would do.")]
    if not found.values.any():
        return [_collapsed(len(unit))]
    room = min(unit.shape[1], len(unit) - 1)
    values = found.values[:room]
    cone, ratio, rank = mean_cosine(unit), participation_ratio(values), effective_rank(values)
    first = float(found.shares[0])
    centred = float(np.square(found.mean.astype(np.float64)).sum())
    return [
        judged(
            "anisotropy",
            "geometry",
            cone,
            CONE,
            unit="cosine",
            told=f"Two random vectors have a mean cosine of {cone:.3f}; the common direction holds {centred:.1%} of their length.",
            advice="All vectors share one direction, so that scores say little. vicinal project --kind common takes it out.",
        ),
        judged(
            "effective dimensions",
            "geometry",
            ratio / room,
            RANK,
            unit="share of D",
            told=f"The variance is that of {ratio:.0f} of {room} directions (participation ratio); effective rank {rank:.0f}.",
            advice="The vectors use few directions: fewer dimensions would do (vicinal frontier), short codes lose much, "
            "and another model may tell these texts apart better.",
            details={"participation_ratio": ratio, "effective_rank": rank, "isoscore": isoscore(values)},
        ),
        judged(
            "first direction",
            "geometry",
            first,
            FIRST,
            told=f"The strongest direction holds {first:.1%} of the variance.",
            advice="One direction rules: often language, length or a mark in every text. Look at what it is; "
            "vicinal project --kind common takes a common one out.",
        ),
        judged(
            "uniformity",
            "geometry",
            uniformity(cosines),
            REPORT,
            unit="log",
            told=f"Uniformity is {uniformity(cosines):.2f} (smaller is more even): to be held against the same model elsewhere.",
        ),
    ]


def _collapsed(count: int) -> Check:
    return judged(
        "effective dimensions",
        "geometry",
        0.0,
        RANK,
        unit="share of D",
        told=f"All {count} vectors are the same.",
        advice="The model gives every text the same vector: it was not loaded as it should be.",
    )


def check_alignment(left: Floats, right: Floats, what: str, cosines: Floats) -> list[Check]:
    """Return the check of pairs that belong together: float32 (P, D) each, at unit length."""
    if len(left) < LEAST_ROWS or not len(cosines):
        return [skipped("alignment", "geometry", f"{len(left)} pairs of {what} are too few; {LEAST_ROWS} would do.")]
    positive = np.einsum("pd,pd->p", left, right)
    apart, near = separation(positive, cosines), alignment(left, right)
    return [
        judged(
            "alignment",
            "geometry",
            apart,
            APART,
            unit="d'",
            told=f"{len(left)} pairs of {what} lie {apart:.1f} standard deviations above random ones; alignment {near:.2f}.",
            advice="What stands together lies no nearer than chance: vectors may belong to other texts, or the model does not know this language.",
            details={"alignment": near, "mean_cosine": float(positive.mean()), "pairs": len(left)},
        )
    ]


def at_unit_length(left: Floats, right: Floats, what: str) -> tuple[Floats, Floats, str]:
    """Return pairs of vectors at unit length, those with a zero vector left out, and what they are."""
    lengths = np.linalg.norm(left, axis=1, keepdims=True), np.linalg.norm(right, axis=1, keepdims=True)
    kept = (lengths[0] * lengths[1])[:, 0] > 0
    return left[kept] / lengths[0][kept], right[kept] / lengths[1][kept], what


def histogram(cosines: Floats) -> tuple[int, ...]:
    """Return how many cosines lie in each of 40 bins from -1 to 1."""
    return tuple(int(one) for one in np.histogram(cosines, bins=BINS, range=(-1, 1))[0])
