"""Vectors with fewer dimensions, and the codes of them: what each way to store them gives back to a query.

Codes are those of RaBitQ: with the center c, the residual r = x - c is turned by a rotation P, and stands as whole
steps u of a grid with one factor,

    u[d] = 1/2 or -1/2 (1 bit), an odd number of halves up to 15/2 (4 bits);    factor = ||r||^2 / <u, P r>
    <x, q>  is about  factor * <u, P q> + <c, q>

The grid of 4 bits has the step ``STEP_4 * ||r|| / sqrt(D)``: after the rotation, components are about Gaussian, and that
is the best uniform step for them. With 1 bit the query is read in 4 bits, as the index's kernel reads it.

Letters: n documents, Q queries, D dimensions before, d after.

References
----------
Gao, Long 2024, "RaBitQ", arXiv 2405.12497, section 3; Gao et al. 2024, arXiv 2409.09913, for more bits. Differs: the
scale of the grid is fixed and not searched for each vector. Max 1960, "Quantizing for minimum distortion", table II,
for the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vicinal import kernels
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.evaluate.frontier.storage import Cut
from vicinal.kernels.funnel import quantised
from vicinal.types import Floats

STEP_4 = 0.3352
"""The best step of 16 uniform levels for a Gaussian of spread 1."""
TOP_4 = 7.5
QUERY_BITS = 4
PORTION_ROWS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """A cut of the vectors of a space: ``matrix`` float32 (D, d) for a projection, None for the first d components.

    ``has_units`` says that vectors are brought to unit length afterwards, as the space has them or the metric sees them.
    """

    cut: Cut
    dim: int
    matrix: Floats | None
    has_units: bool

    def of(self, vectors: Floats) -> Floats:
        """Return vectors (n, D) cut to (n, d), contiguous."""
        found = np.empty((len(vectors), self.dim), dtype=np.float32)
        for start in range(0, len(vectors), PORTION_ROWS):
            part = vectors[start : start + PORTION_ROWS]
            part = part[:, : self.dim] if self.matrix is None else part @ self.matrix
            found[start : start + PORTION_ROWS] = unit_or_zero(part) if self.has_units else part
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Coder:
    """What all codes of a shape have in common: the center (d,), the metric, and the rotation drawn from the seed."""

    center: Floats
    metric: str
    seed: int = 0

    @cached_property
    def rotation(self) -> kernels.Rotation:
        """The rotation before 1 and 4 bits."""
        return kernels.Rotation(dim=len(self.center), seed=self.seed)

    def turned(self, vectors: Floats) -> Floats:
        """Return vectors less the center, rotated: (n, d)."""
        return kernels.turned(vectors - self.center, self.rotation)

    def grid(self, turned: Floats, precision: str) -> tuple[Floats, Floats]:
        """Return the steps u (n, d) and factors (n,) of residuals that are turned."""
        if precision == "1bit":
            steps = np.where(turned > 0, np.float32(0.5), np.float32(-0.5))
        else:
            lengths = np.sqrt(np.einsum("nd,nd->n", turned, turned))
            size = lengths * np.float32(STEP_4 / np.sqrt(turned.shape[1]))
            scaled = turned / np.where(size > 0, size, np.float32(1))[:, None]
            steps = np.clip(np.floor(scaled) + np.float32(0.5), -TOP_4, TOP_4)
        products = np.einsum("nd,nd->n", steps, turned)
        squares = np.einsum("nd,nd->n", turned, turned)
        factors = np.divide(squares, products, out=np.zeros_like(squares), where=products > 0)
        return steps, factors


class Asked:
    """Queries (Q, d) of one shape, as each precision reads them."""

    def __init__(self, queries: Floats, coder: Coder) -> None:
        self._coder = coder
        self._plain = queries
        self._base = (queries @ coder.center)[:, None]
        self._turned = kernels.turned(queries, coder.rotation)
        self._coarse = np.stack([_read(one) for one in self._turned]) if len(queries) else self._turned

    def scores(self, vectors: Floats, precisions: frozenset[str]) -> dict[str, Floats]:
        """Return for each precision the scores (Q, n) of vectors (n, d) stored so: larger is nearer.

        For ``l2`` they are ``2 <x, q> - ||x||^2``, which orders as the distance does.
        """
        found: dict[str, Floats] = {}
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number is never among the best
            for precision in precisions & {"float32", "float16", "int8"}:
                read = self._read_back(vectors, precision)
                found[precision] = self._ordered(self._plain @ read.T, read)
            coded = precisions & {"4bit", "1bit"}
            turned = self._coder.turned(vectors) if coded else vectors
            for precision in coded:
                steps, factors = self._coder.grid(turned, precision)
                asked = self._coarse if precision == "1bit" else self._turned
                found[precision] = self._ordered((asked @ steps.T) * factors + self._base, vectors)
        return found

    def _read_back(self, vectors: Floats, precision: str) -> Floats:
        """Return vectors as they are read from rows of a precision."""
        if precision == "float32":
            return vectors
        if precision == "float16":
            return vectors.astype(np.float16).astype(np.float32)
        values, scales = kernels.encode_int8(vectors, self._coder.center)
        return values.astype(np.float32) * scales[:, None] + self._coder.center

    def _ordered(self, products: Floats, vectors: Floats) -> Floats:
        if self._coder.metric != "l2":
            return products
        squares: Floats = np.einsum("nd,nd->n", vectors, vectors)
        return 2 * products - squares


def _read(query: Floats) -> Floats:
    """Return a query as the scan of codes reads it: whole numbers of a step."""
    steps, size = quantised(query, QUERY_BITS)
    read: Floats = steps * size
    return read
