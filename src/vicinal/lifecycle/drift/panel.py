"""The tests of one comparison, made together: of new content, of another mixture, and of chance.

Letters: N reference rows, M current, D components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.lifecycle.drift import centroid, domain_classifier, knn_novelty, power, stability
from vicinal.lifecycle.drift.centroid import Distance
from vicinal.lifecycle.drift.domain_classifier import Separation
from vicinal.lifecycle.drift.knn_novelty import Novelty
from vicinal.lifecycle.drift.power import Power
from vicinal.lifecycle.drift.stability import Stability
from vicinal.types import Floats

TESTS = ("novelty", "classifier", "centroid", "cells")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What all tests say of two samples.

    ``familiarity`` float32 (M,) tells how near each current text comes to the whole reference.
    ``power`` is None where it was not asked for.
    """

    novelty: Novelty
    classifier: Separation
    centroid: Distance
    cells: Stability
    power: Power | None
    familiarity: Floats

    @property
    def p_values(self) -> dict[str, float]:
        """The p-value of each test, not corrected for their number."""
        return {
            "novelty": self.novelty.p,
            "classifier": self.classifier.p,
            "centroid": self.centroid.p,
            "cells": self.cells.p,
        }


def compare(
    reference: Floats, current: Floats, *, seed: int = 0, level: float = 0.05, with_power: bool = True
) -> Panel:
    """Return what all tests say of two samples of one space.

    Parameters
    ----------
    reference : float32 array of shape (N, D), 2 <= N
    current : float32 array of shape (M, D), 1 <= M
        Directions count, lengths do not: every row is brought to unit length.
    seed : int, 0 <= seed
        Of all that is left to chance: the same numbers give the same panel.
    level : float, 0 < level < 1
        Of the whole panel, for the power.
    with_power : bool
        Whether the smallest detectable share is measured as well.

    Notes
    -----
    Rows must be independent draws: one chunk of a record, not several, or equal texts make a difference by themselves.
    Cost: about a second for 1,000 against 1,000, some five for 5,000 against 5,000, at 384 components on one core.
    """
    chance = np.random.default_rng(seed)
    reference, current = directions(reference), directions(current)
    mixed = chance.permutation(len(reference))
    store, held_back = reference[mixed[: len(mixed) // 2]], reference[mixed[len(mixed) // 2 :]]
    known, now = knn_novelty.scores(held_back, store), knn_novelty.scores(current, store)
    return Panel(
        novelty=knn_novelty.compare(known, now, chance=chance),
        classifier=domain_classifier.compare(reference, current, chance=chance),
        centroid=centroid.compare(reference, current, chance=chance),
        cells=stability.compare(reference, current, chance=chance),
        power=power.curve(store, held_back, current=len(current), level=level / len(TESTS), chance=chance)
        if with_power
        else None,
        familiarity=knn_novelty.scores(current, reference),
    )


def directions(vectors: Floats) -> Floats:
    """Return rows at unit length; zero rows stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def corrected(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for having made all of these tests (Holm 1979), in their order."""
    return stability.holm(list(p_values))
