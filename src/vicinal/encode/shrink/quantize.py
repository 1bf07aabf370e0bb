"""Fewer bits for each component: int8 with one scale a vector, or one bit.

Letters: N vectors, D components, s scale, c centre, r = x - c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vicinal._arrays import one_of
from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, ShapeError
from vicinal.space import Space, Vectors
from vicinal.types import Floats

Precision = Literal["int8", "bit"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
LARGEST = 127
EXACT_DIM = (1 << 24) // LARGEST**2
"""Up to so many components a sum of int8 products is a whole number below 2**24, which float32 holds exactly."""
_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Codes:
    """Vectors in few bits, with their space. ``quantize`` makes them.

    Parameters
    ----------
    space : Space
        That of the vectors. The precision is not a part of it: codes stand for the vectors they were made of.
    precision : {"int8", "bit"}
    codes : array
        int8 (N, D) for ``int8``. For ``bit`` uint8 (N, ceil(D / 8)): component j is bit ``7 - j % 8`` of byte
        ``j // 8`` (big-endian within a byte), 1 where ``x >= c``; bits behind the last component are 0.
    scales : float32 array of shape (N,)
        What a code is multiplied with.
    centre : float32 array of shape (D,)
        What was subtracted first; zeros for ``int8``.

    Raises
    ------
    DtypeError, ShapeError, RangeError, UnknownNameError
        The arrays are no such codes.
    """

    space: Space
    precision: Precision
    codes: NDArray[np.int8] | NDArray[np.uint8]
    scales: Floats
    centre: Floats

    def __post_init__(self) -> None:
        """Refuse arrays that are no codes, and make them read only."""
        one_of(self.precision, "precision", PRECISIONS)
        dim, count = self.space.dim, len(self.scales)
        width, kind = (dim, np.int8) if self.precision == "int8" else (-(-dim // 8), np.uint8)
        _require_array(self.codes, "codes", np.dtype(kind), (count, width))
        _require_array(self.scales, "scales", np.dtype(np.float32), (count,))
        _require_array(self.centre, "centre", np.dtype(np.float32), (dim,))
        if not (np.isfinite(self.scales).all() and (self.scales >= 0).all()):
            raise RangeError("A scale must be finite and not negative.", expected=">= 0", where="scales")
        for name in ("codes", "scales", "centre"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        """Return N."""
        return len(self.scales)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, the scales and the centre."""
        return int(self.codes.nbytes + self.scales.nbytes + self.centre.nbytes)

    def decode(self) -> Floats:
        """Return the vectors that the codes stand for, float32 (N, D); not at unit length.

        Notes
        -----
        ``int8``: ``s * code``. No component is further from its own than ``s / 2`` (and 1e-5 of ``s`` for float32's
        rounding), so no vector further than ``s * sqrt(D) / 2``.
        ``bit``: ``c + s * sign`` with ``s = |r|² / |r|₁``, |·|₁ the sum of the sizes. Its squared distance to the
        vector is ``|r|² * (D * |r|² / |r|₁² - 1)``, for normally distributed components about ``0.57 * |r|²``.
        Zero vectors are exact in both.
        """
        with np.errstate(over="ignore"):
            found = self.centre + self._numbers(0, len(self)) * self.scales[:, None]
        limit = np.finfo(np.float32).max
        return np.asarray(np.clip(found, -limit, limit))  # the largest float32 may be one rounding step above itself

    def similarity(self, other: Codes | Vectors) -> Floats:
        """Return the estimated dot product of each of mine with each of the other's.

        Parameters
        ----------
        other : Codes or Vectors
            Of the same space; codes of the same precision and centre.

        Returns
        -------
        float32 array of shape (N, M)
            With Vectors: the dot product of their float components with what my codes stand for.
            ``int8`` with ``int8``: the whole dot product of the codes, exactly, times both scales.
            ``bit`` with ``bit``: ``1 - 2 * hamming / D``, the cosine between the sign vectors; the scales play no part.

        Raises
        ------
        SpaceMismatchError
            The other is of another space.
        InputError
            The other has another precision, or another centre.
        DtypeError
            The other is neither codes nor Vectors.

        Notes
        -----
        With Vectors no product is further from the true one than ``|y|`` times the distance in ``decode``.
        For ``bit`` that is the worst case; after a random rotation the estimate is unbiased, with a standard
        deviation of about ``0.76 * |r| * |y| / sqrt(D)`` (Gao, Long 2024, "RaBitQ", arXiv 2405.12497, theorem 3.2).
        Cost: N * M * D products, as with float vectors: this is the plain form, kept for measuring and as an oracle.
        """
        if isinstance(other, Vectors):
            self.space.require(other.space, what="the other set of vectors")
            return self._with_floats(np.asarray(other))
        if not isinstance(other, Codes):
            raise DtypeError(
                "A product of Codes needs Codes or Vectors on the other side.",
                expected="Codes or Vectors",
                got=type(other).__name__,
            )
        self.space.require(other.space, what="the other set of codes")
        self._require_same_form(other)
        return self._with_codes(other)

    def _with_floats(self, floats: Floats) -> Floats:
        """Return float32 (N, M): c·y + s * (code·y)."""
        found = np.empty((len(self), len(floats)), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(self), _BLOCK_ROWS):
                end = start + _BLOCK_ROWS
                found[start:end] = (self._numbers(start, end) @ floats.T) * self.scales[start:end, None]
            return found + self.centre @ floats.T

    def _with_codes(self, other: Codes) -> Floats:
        """Return float32 (N, M); every sum before the scales is a whole number and exact."""
        found = np.empty((len(self), len(other)), dtype=np.float32)
        wide = np.dtype(np.float32 if self.space.dim <= EXACT_DIM else np.float64)
        theirs = other._numbers(0, len(other)).astype(wide)
        for start in range(0, len(self), _BLOCK_ROWS):
            end = start + _BLOCK_ROWS
            whole: NDArray[np.floating] = self._numbers(start, end).astype(wide) @ theirs.T
            if self.precision == "bit":
                found[start:end] = whole / self.space.dim
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                found[start:end] = whole * self.scales[start:end, None] * other.scales
        return found

    def _numbers(self, start: int, end: int) -> Floats:
        """Return some codes as float32: whole numbers for int8, 1 and -1 for bits."""
        if self.precision == "int8":
            return self.codes[start:end].astype(np.float32)
        bits = np.unpackbits(self.codes[start:end].view(np.uint8), axis=1, count=self.space.dim, bitorder="big")
        return bits.astype(np.float32) * np.float32(2) - np.float32(1)

    def _require_same_form(self, other: Codes) -> None:
        """Refuse codes of another precision or with another centre: their products mean nothing."""
        if self.precision != other.precision:
            raise InputError(
                f"These codes are {self.precision}, the others {other.precision}. Quantise both alike, or give Vectors.",
                expected=self.precision,
                got=other.precision,
                where="precision",
            )
        if not np.array_equal(self.centre, other.centre):
            raise InputError(
                "The codes have two centres. Quantise the others with centre=codes.centre of these.", where="centre"
            )


def quantize(vectors: Vectors, precision: Precision, *, centre: ArrayLike | None = None) -> Codes:
    """Return the codes of some vectors.

    Parameters
    ----------
    vectors : Vectors
        (N, D). Not modified.
    precision : {"int8", "bit"}
        ``int8``: the nearest of 255 steps, symmetric, the largest component of each vector at ±127; D + 4 bytes a
        vector. ``bit``: on which side of the centre a component lies; D / 8 + 4 bytes.
    centre : array of shape (D,), optional
        For ``bit`` only: what is subtracted first, usually the mean of the stored vectors. Codes that are to be
        compared need the same one. Default: zero.

    Returns
    -------
    Codes
        How far they are from the vectors stands at ``Codes.decode`` and ``Codes.similarity``. No vector's code depends
        on another vector.

    Raises
    ------
    UnknownNameError
        ``precision`` is none of these.
    InputError, ShapeError, NonFiniteError, DtypeError
        ``centre`` was given for ``int8``, or is not D finite numbers.
    """
    one_of(precision, "precision", PRECISIONS)
    array, space = np.asarray(vectors), vectors.space
    middle = _checked_centre(centre, space.dim)
    if precision == "bit":
        codes, scales = _bits(array, middle)
        return Codes(space=space, precision="bit", codes=codes, scales=scales, centre=middle)
    if centre is not None:
        raise InputError("int8 codes have no centre: leave it out.", where="centre")
    whole, steps = _whole_numbers(array)
    return Codes(space=space, precision="int8", codes=whole, scales=steps, centre=middle)


def _whole_numbers(array: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return codes int8 (N, D) and scales (N,): x = s * code, to half a scale."""
    largest = np.abs(array).max(axis=1)
    tiny = np.finfo(np.float32).tiny  # below it a scale would lose its digits, and the bound would not hold
    scales = np.where(largest > 0, np.maximum(largest / np.float32(LARGEST), tiny), 0).astype(np.float32)
    codes = np.empty(array.shape, dtype=np.int8)
    for start in range(0, len(array), _BLOCK_ROWS):
        block, steps = array[start : start + _BLOCK_ROWS], scales[start : start + _BLOCK_ROWS, None]
        quotients = np.divide(block, steps, out=np.zeros(block.shape), where=steps > 0, dtype=np.float64)
        codes[start : start + _BLOCK_ROWS] = np.clip(np.rint(quotients), -LARGEST, LARGEST)
    return codes, scales


def _bits(array: Floats, centre: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Return packed signs (N, ceil(D / 8)) and scales |r|² / |r|₁ (N,)."""
    codes = np.empty((len(array), -(-array.shape[1] // 8)), dtype=np.uint8)
    scales = np.empty(len(array), dtype=np.float32)
    for start in range(0, len(array), _BLOCK_ROWS):
        rest = array[start : start + _BLOCK_ROWS].astype(np.float64) - centre
        codes[start : start + _BLOCK_ROWS] = np.packbits(rest >= 0, axis=1, bitorder="big")
        sizes = np.abs(rest).sum(axis=1)
        found = np.divide((rest * rest).sum(axis=1), sizes, out=np.zeros(len(rest)), where=sizes > 0)
        scales[start : start + _BLOCK_ROWS] = np.minimum(found, np.finfo(np.float32).max)
    return codes, scales


def _checked_centre(centre: ArrayLike | None, dim: int) -> Floats:
    """Return the centre as float32 (D,), zeros for none."""
    if centre is None:
        return np.zeros(dim, dtype=np.float32)
    found = np.asarray(centre)
    if found.dtype.kind not in "fiu":
        raise DtypeError(
            f"The centre must be numbers, got {found.dtype}.", expected="float32", got=str(found.dtype), where="centre"
        )
    if found.shape != (dim,):
        raise ShapeError(
            f"The centre must have the shape ({dim},), got {found.shape}.",
            expected=f"({dim},)",
            got=found.shape,
            where="centre",
        )
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite and is named below
        owned = found.astype(np.float32)
    if not np.isfinite(owned).all():
        raise NonFiniteError("The centre holds NaN or infinity.", expected="finite", where="centre")
    return owned


def _require_array(array: object, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    """Refuse an array of codes that has another type or shape."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        got = str(array.dtype) if isinstance(array, np.ndarray) else type(array).__name__
        raise DtypeError(f"{name} must be {dtype}, got {got}.", expected=str(dtype), got=got, where=name)
    if array.shape != shape:
        raise ShapeError(
            f"{name} must have the shape {shape}, got {array.shape}.", expected=str(shape), got=array.shape, where=name
        )
