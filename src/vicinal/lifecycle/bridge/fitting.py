"""The map from a new space to an old one: a rotation about the means, fitted on texts that have vectors in both.

::

    bytes      0  magic "VICBRDG1"
               8  new_dim     uint32
              12  old_dim     uint32
              16  pairs       uint64
              24  new, old    the ids of both spaces, 16 hexadecimal digits each
              56  matrix      float32 (new_dim, old_dim), row by row
               …  new_mean    float32 (new_dim,)
               …  old_mean    float32 (old_dim,)
               …  digest      SHA-256 of all before it

Little-endian. Letters: N pairs, A vectors of the new space (N, D), B of the old one (N, E), W the matrix (D, E).

A question that the new model encoded is carried over, so that the index of the old vectors can fetch candidates for it. The
old model is never asked. How good the map is decides what is fetched, and nothing of how that is ranked.

References
----------
Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem": W = U Vᵀ of the singular value decomposition
of (A - mean A)ᵀ (B - mean B) is the best among all matrices with orthonormal columns, or rows where D < E.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vicinal.encode.shrink.length import unit_or_zero
from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError, SpaceMismatchError, UnsupportedError
from vicinal.space import ID_DIGITS, Space, Vectors
from vicinal.types import Floats

Doubles = NDArray[np.float64]

LEAST_PAIRS = 2
MAX_NUMBERS = 1 << 26
"""The most numbers of a matrix: 256 MiB."""
MAGIC = b"VICBRDG1"
_HEAD = struct.Struct(f"<8sIIQ{ID_DIGITS}s{ID_DIGITS}s")
_DIGEST_BYTES = 32
_BLOCK_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A map of questions: ``(q - new_mean) @ matrix + old_mean``, brought to unit length.

    Parameters
    ----------
    new, old : str
        The ids of the spaces that it leads from and to.
    pairs : int, 2 <= pairs
        How many texts it was fitted on.
    matrix : float32 array of shape (D, E)
    new_mean : float32 array of shape (D,)
    old_mean : float32 array of shape (E,)

    Raises
    ------
    ShapeError, NonFiniteError, RangeError
        The parts are no such map.
    """

    new: str
    old: str
    pairs: int
    matrix: Floats
    new_mean: Floats
    old_mean: Floats

    def __post_init__(self) -> None:
        """Refuse what is no map, and make the arrays read only."""
        for name, axes in (("matrix", 2), ("new_mean", 1), ("old_mean", 1)):
            array = np.array(getattr(self, name), dtype=np.float32, order="C")
            if array.ndim != axes:
                raise ShapeError(f"{name} must have {axes} axes, got {array.ndim}.", expected=axes, got=array.ndim)
            if not np.isfinite(array).all():
                raise NonFiniteError(f"{name} of a bridge holds NaN or infinity.", expected="finite", where=name)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.matrix.shape != (len(self.new_mean), len(self.old_mean)) or not 1 <= self.matrix.size <= MAX_NUMBERS:
            raise ShapeError(
                f"The matrix of a bridge leads from {len(self.new_mean)} to {len(self.old_mean)} dimensions, "
                f"got {self.matrix.shape}.",
                expected=(len(self.new_mean), len(self.old_mean)),
                got=self.matrix.shape,
                where="matrix",
            )
        if self.pairs < LEAST_PAIRS or any(len(one) != ID_DIGITS or not one.isalnum() for one in (self.new, self.old)):
            raise RangeError("A bridge has two pairs at least, and two ids of spaces.", got=self.pairs, where="pairs")

    @cached_property
    def _offset(self) -> Floats:
        """What is added behind the product: the old mean less the new one carried over."""
        carried = self.new_mean.astype(np.float64) @ self.matrix.astype(np.float64)
        return np.asarray(self.old_mean - carried, dtype=np.float32)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, 64 hexadecimal digits: equal exactly when the maps are."""
        return hashlib.sha256(self._canonical()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Return whether the other is the same map, to the last bit."""
        return isinstance(other, Fitted) and self.digest == other.digest

    def __hash__(self) -> int:
        """Return the hash of the digest."""
        return hash(self.digest)

    def __repr__(self) -> str:
        """Tell spaces, shape and pairs."""
        return f"Fitted({self.new} to {self.old}, {self.matrix.shape}, {self.pairs} pairs)"

    def carried(self, array: Floats) -> Floats:
        """Return vectors of the new space as ones of the old, at unit length: float32 (Q, E) for (Q, D).

        Cost: D * E products a vector: about 22 µs for one at 384 to 256, and 120 at 768 to 768, where reading the matrix
        alone takes 97: it is 2.4 MB, more than a core's own cache. Not checked: see ``cross``.
        """
        return _unit(_unit(array) @ self.matrix + self._offset)

    def cross(self, vectors: Vectors, old: Space) -> Vectors:
        """Return questions of the new space as questions to the old one: (Q, E).

        Raises
        ------
        SpaceMismatchError
            The vectors, or the space, are not those that the map was fitted for.
        """
        for told, expected, what in ((vectors.space.id, self.new, "questions"), (old.id, self.old, "old collection")):
            if told != expected:
                raise SpaceMismatchError(
                    f"This bridge leads from space {self.new} to {self.old}, but the {what} are of space {told}. "
                    "Fit one for them: fit_pairs().",
                    expected=expected,
                    got=told,
                    where=what,
                )
        return Vectors(self.carried(np.asarray(vectors)), old)

    def _canonical(self) -> bytes:
        head = _HEAD.pack(MAGIC, *self.matrix.shape, self.pairs, self.new.encode(), self.old.encode())
        return head + b"".join(one.astype("<f4").tobytes() for one in (self.matrix, self.new_mean, self.old_mean))

    def to_bytes(self) -> bytes:
        """Return the map as bytes, a digest at their end."""
        content = self._canonical()
        return content + hashlib.sha256(content).digest()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the map that ``to_bytes`` wrote.

        Raises
        ------
        InputError
            The bytes are damaged, or are no map. Nothing larger than they are is ever made of them.
        """
        if len(content) < _HEAD.size or content[: len(MAGIC)] != MAGIC:
            raise InputError("These bytes are no bridge: they do not begin as one.", where="bridge")
        _, new_dim, old_dim, pairs, new, old = _HEAD.unpack_from(content)
        length = _HEAD.size + 4 * (new_dim * old_dim + new_dim + old_dim) + _DIGEST_BYTES
        if len(content) != length or hashlib.sha256(content[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
            raise InputError(
                "The bridge is damaged: its length or its digest is another. Fit it again: fit_pairs().",
                expected=length,
                got=len(content),
                where="bridge",
            )
        numbers = np.frombuffer(content[_HEAD.size : -_DIGEST_BYTES], dtype="<f4").astype(np.float32)
        matrix, new_mean, old_mean = np.split(numbers, np.cumsum([new_dim * old_dim, new_dim]))
        return cls(
            new=new.decode("ascii", "replace"),
            old=old.decode("ascii", "replace"),
            pairs=pairs,
            matrix=matrix.reshape(new_dim, old_dim),
            new_mean=new_mean,
            old_mean=old_mean,
        )


def fit(new: Vectors, old: Vectors) -> Fitted:
    """Return the map from one space to another, fitted on vectors of the same texts in both.

    Parameters
    ----------
    new, old : Vectors of shapes (N, D) and (N, E)
        Row by row of one text. Where a text has no direction in one of them (a vector of zeros), the pair is left out.
        Some thousand pairs are enough; with fewer than the larger of D and E, some directions are chosen arbitrarily.

    Raises
    ------
    ShapeError
        They are not as many.
    RangeError
        Fewer than two pairs are left.
    UnsupportedError
        One is a space of Euclidean distances, in which directions do not decide what is near.

    Notes
    -----
    All is summed in float64, and the map is float32. Cost: N * D * E products and one decomposition: 4,000 pairs of 384 and
    256 dimensions take 0.2 s, 20,000 of 768 and 768 some 2 s.
    """
    if len(new) != len(old):
        raise ShapeError(
            f"A bridge is fitted on pairs, and got {len(new)} and {len(old)} vectors.", expected=len(new), got=len(old)
        )
    for one in (new, old):
        if one.space.metric == "l2":
            raise UnsupportedError("A bridge turns directions, and a space of Euclidean distances is not one of them.")
    a, b = np.asarray(new), np.asarray(old)
    both = a.any(axis=1) & b.any(axis=1)
    if int(both.sum()) < LEAST_PAIRS:
        raise RangeError(
            f"A bridge needs {LEAST_PAIRS} texts that have a vector in both spaces, got {int(both.sum())}.",
            expected=f">= {LEAST_PAIRS}",
            got=int(both.sum()),
            where="pairs",
        )
    matrix, new_mean, old_mean = procrustes(unit_or_zero(a[both]), unit_or_zero(b[both]))
    return Fitted(
        new=new.space.id,
        old=old.space.id,
        pairs=int(both.sum()),
        matrix=matrix.astype(np.float32),
        new_mean=new_mean.astype(np.float32),
        old_mean=old_mean.astype(np.float32),
    )


def _unit(array: Floats) -> Floats:
    """Return rows at unit length, a row of zeros as it is; a tenth of the time of ``unit_or_zero`` for a single question."""
    wide = array.astype(np.float64)  # in which no square of a float32 is too large
    if len(wide) == 1:
        wide /= math.sqrt(np.vdot(wide, wide)) or 1.0
        return wide.astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    lengths[lengths == 0] = 1
    return np.asarray(wide / lengths[:, None], dtype=np.float32)


def procrustes(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[Doubles, Doubles, Doubles]:
    """Return (W, mean of A, mean of B): W with orthonormal columns or rows, so that ``(A - mean) @ W`` is nearest to B - mean.

    Parameters
    ----------
    a, b : float arrays of shapes (N, D) and (N, E), 1 <= N
        Finite.
    """
    new_mean, old_mean = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, len(a), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        covariance += (a[part] - new_mean).T @ (b[part] - old_mean)
    left, _, right = np.linalg.svd(covariance, full_matrices=False)
    return left @ right, new_mean, old_mean
