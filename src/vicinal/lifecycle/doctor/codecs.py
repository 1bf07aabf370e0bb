"""What fewer bits for each number would lose: the share of the ten nearest that codes still find.

Letters: N vectors, Q queries, D components, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vicinal.encode import quantize
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Rows

QUERIES = 200
K = 10
WIDE = 200
"""Candidates that 1-bit codes hand on: about what the index of this program takes."""
STEPS = 7
LEAST_ROWS = 500
SCANNED = 8000
GOOD = 0.95
BITS = {"int8": 8, "4 bits": 4, "1 bit": 1}

CODES = Limits(notice=0.9, alarm=0.7, below=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a code keeps: its recall among k, and for 1 bit among ``WIDE`` candidates."""

    int8: float
    four: float
    one: float
    candidates: float


def four_bits(vectors: Floats) -> Floats:
    """Return vectors rounded to 15 steps, the largest component of each at the outermost: what 4 bits keep of them."""
    steps = np.abs(vectors).max(axis=1, keepdims=True) / np.float32(STEPS)
    return np.asarray(np.rint(vectors / np.where(steps > 0, steps, 1)) * steps)


def best(scores: Floats, own: Rows, k: int) -> Rows:
    """Return the k best columns of each row (Q, N), its own column left out; in no order. ``scores`` is changed."""
    scores[np.arange(len(own)), own] = -np.inf
    return np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]


def found_share(true: Rows, found: Rows) -> float:
    """Return the mean share of the true columns that were found."""
    return float(np.mean([np.isin(one, two).mean() for one, two in zip(true, found, strict=True)]))


def kept(unit: Floats, space: Space, *, seed: int) -> Kept:
    """Return what each code keeps of the neighbours of some vectors, by cosine. Memory: Q * N * 4 bytes."""
    asked = np.sort(np.random.default_rng(seed).permutation(len(unit))[:QUERIES])
    queries = np.ascontiguousarray(unit[asked])
    vectors, mean = Vectors(unit, space), unit.mean(axis=0)
    bits = quantize(vectors, "bit", centre=mean).similarity(Vectors(queries, space)).T
    ways = {
        "float": queries @ unit.T,
        "int8": quantize(vectors, "int8").similarity(Vectors(queries, space)).T,
        "four": queries @ (four_bits(unit - mean) + mean).T,
    }
    top = {name: best(scores.copy(), asked, K) for name, scores in ways.items()}
    return Kept(
        int8=found_share(top["float"], top["int8"]),
        four=found_share(top["float"], top["four"]),
        one=found_share(top["float"], best(bits.copy(), asked, K)),
        candidates=found_share(top["float"], best(bits.copy(), asked, WIDE)),
    )


def check_codecs(unit: Floats, space: Space, *, seed: int) -> list[Check]:
    """Return what codes keep, and which is the cheapest that keeps nearly all."""
    if len(unit) < LEAST_ROWS:
        return [skipped("codes", "codecs", f"{len(unit)} vectors are too few; {LEAST_ROWS} would do.")]
    chosen = unit[np.sort(np.random.default_rng(seed).permutation(len(unit))[:SCANNED])]
    found = kept(np.ascontiguousarray(chosen), space, seed=seed)
    shares = {"int8": found.int8, "4 bits": found.four, "1 bit": found.one}
    fit = [name for name, share in shares.items() if share >= GOOD]
    told = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    cheapest = f" {fit[-1]} would do for an export, {32 // BITS[fit[-1]]} times smaller." if fit else ""
    return [
        judged(
            "codes",
            "codecs",
            found.candidates,
            CODES,
            unit=f"recall@{K} in {WIDE} candidates",
            told=f"Of the {K} nearest stay: {told}; among {WIDE} candidates of 1 bit {found.candidates:.3f}.{cheapest}",
            advice="1-bit codes tell these vectors badly apart, so that searches look at more rows and are slower: "
            "see the effective dimensions, and run vicinal frontier.",
            details={**shares, "candidates": found.candidates, "recommended": fit[-1] if fit else "float32"},
        )
    ]
