"""Cells of like texts, and which of them grew or shrank: what names a shift.

Letters: N reference rows, M current, D components, C cells, P draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vicinal.index.cells import assigned, centers_of
from vicinal.types import Floats

CELLS = 20
ROWS_A_CELL = 25
"""Fewer rows than that in a cell on average, and there are fewer cells."""
DRAWS = 10_000
UNSTABLE = 0.2
"""From here on a population stability index is called a shift by custom; here it is only shown."""
LEVEL = 0.05
"""At which cells are named, all of them together."""
SINGLE = 0.01
"""At which each is named by itself, once all of them together were found to have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of like texts.

    Parameters
    ----------
    number : int
        Its place among the cells of this run, by which ``Stability.cell_of`` tells the rows.
    reference_share, current_share : float, 0 to 1
    psi : float, 0 <= psi
        Its part of the population stability index.
    p : float
        Of the difference of both shares, corrected for the number of cells (Holm 1979).
    single_p : float
        The same for this cell alone.
    """

    number: int
    reference_share: float
    current_share: float
    psi: float
    p: float
    single_p: float

    @property
    def grew(self) -> bool:
        """Whether its share is larger now."""
        return self.current_share > self.reference_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How the texts are spread over cells, then and now.

    Parameters
    ----------
    p : float
        How often chance alone spreads both so differently (Pearson's chi-square, its null drawn).
    psi, expected_psi : float
        The population stability index, and what chance alone gives for samples of these sizes.
    cells : tuple of Cell
        Those whose change carries most first.
    cell_of : int32 array of shape (N + M,)
        The cell of each row, the reference's first.
    """

    p: float
    psi: float
    expected_psi: float
    cells: tuple[Cell, ...]
    cell_of: NDArray[np.int32]

    @property
    def changed(self) -> tuple[Cell, ...]:
        """The cells whose change is not chance, the largest change first.

        Each by itself where the spread over all cells has changed beyond chance; else those that stand the correction.
        """
        found = [cell for cell in self.cells if cell.p < LEVEL or (self.p < LEVEL and cell.single_p < SINGLE)]
        return tuple(sorted(found, key=lambda one: -abs(one.current_share - one.reference_share)))

    @property
    def likeliest(self) -> tuple[Cell, ...]:
        """The cell whose growth is least like chance, for where another test found a mixture that no cell shows for sure."""
        grown = [cell for cell in self.cells if cell.grew]
        return (min(grown, key=lambda one: one.single_p),) if grown else ()


def compare(
    reference: Floats, current: Floats, *, chance: np.random.Generator, cells: int = CELLS, draws: int = DRAWS
) -> Stability:
    """Return how two samples are spread over the cells of both together.

    Parameters
    ----------
    reference : float32 array of shape (N, D), 1 <= N
    current : float32 array of shape (M, D), 1 <= M
    chance : numpy.random.Generator
    cells : int, 1 <= cells
        At most; one for each ``ROWS_A_CELL`` rows.
    draws : int, 1 <= draws

    Notes
    -----
    Cells are k-means of both samples without their labels, so that new content gets cells of its own, and so that who is
    in which sample is chance if nothing has changed: given the sizes of cells, counts are hypergeometric, and p is exact.
    PSI is ``sum((c - r) * log(c / r))`` over shares with half a text added to each count; by chance alone it is about
    ``(C - 1) * (1 / N + 1 / M)``, so a fixed line means little in small windows.
    Cost: 6 assignments of all rows to C centers.

    References
    ----------
    Yurdakul, Naranjo 2020, "Statistical properties of the population stability index".
    """
    pooled = np.ascontiguousarray(np.concatenate([reference, current]))
    centers = centers_of(pooled, max(1, min(cells, len(pooled) // ROWS_A_CELL)), chooser=chance)
    cell_of = assigned(pooled, centers)
    before = np.bincount(cell_of[: len(reference)], minlength=len(centers))
    after = np.bincount(cell_of[len(reference) :], minlength=len(centers))
    drawn = chance.multivariate_hypergeometric(before + after, len(current), size=draws, method="marginals")
    seen = _chi_square(after[None, :], before + after, len(current))[0]
    as_far = int((_chi_square(drawn, before + after, len(current)) >= seen - 1e-9).sum())
    parts = _psi(before, after)
    single = [_difference_p(*pair, len(reference), len(current)) for pair in zip(before, after, strict=True)]
    tests = holm(single)
    listed = [
        Cell(
            number=number,
            reference_share=float(before[number] / len(reference)),
            current_share=float(after[number] / len(current)),
            psi=float(parts[number]),
            p=tests[number],
            single_p=single[number],
        )
        for number in np.argsort(-parts, kind="stable").tolist()
    ]
    return Stability(
        p=(1 + as_far) / (1 + draws),
        psi=float(parts.sum()),
        expected_psi=(len(centers) - 1) * (1 / len(reference) + 1 / len(current)),
        cells=tuple(listed),
        cell_of=cell_of,
    )


def _chi_square(after: NDArray[np.int64], both: NDArray[np.int64], current: int) -> NDArray[np.float64]:
    """Return Pearson's chi-square of counts (P, C), up to a factor that is the same for all: float64 (P,)."""
    expected = both * (current / both.sum())
    return np.asarray(((after - expected) ** 2 / np.maximum(expected, 1e-12)).sum(axis=1))


def _psi(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each cell's part of the population stability index."""
    then = (before + 0.5) / (before.sum() + 0.5 * len(before))
    now = (after + 0.5) / (after.sum() + 0.5 * len(after))
    return np.asarray((now - then) * np.log(now / then))


def _difference_p(before: int, after: int, reference: int, current: int) -> float:
    """Return the two-sided p-value of two shares' difference, with Yates's correction."""
    both = (before + after) / (reference + current)
    spread = math.sqrt(both * (1 - both) * (1 / reference + 1 / current))
    if not spread:
        return 1.0
    step = 0.5 * (1 / reference + 1 / current)
    gap = max(abs(after / current - before / reference) - step, 0.0)
    return 2 * (1 - NormalDist().cdf(gap / spread))


def holm(p_values: list[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979)."""
    corrected, least = [1.0] * len(p_values), 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[at]))
        corrected[at] = least
    return corrected
