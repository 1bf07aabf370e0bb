"""The ways to store a vector that are compared: how many dimensions, how many bits, and what puts the best in order.

::

    float32   4 D                           float16   2 D
    int8      D + 4                         a scale for each vector
    4bit      ceil(D / 2) + 4               a factor for each vector
    1bit      ceil(D / 8) + 4               the same
    l2        4 more for 4bit and 1bit      the square of the length, which their codes do not hold
    rescored  the bytes of the int8 or float16 rows beside the codes

Letters: D dimensions that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vicinal._arrays import one_of, whole_number
from vicinal.errors import InputError

Cut = Literal["full", "first", "pca"]
Precision = Literal["float32", "float16", "int8", "4bit", "1bit"]
Rescored = Literal["", "int8", "float16"]
CUTS: tuple[str, ...] = get_args(Cut)
PRECISIONS: tuple[str, ...] = get_args(Precision)
RESCORED_BY: dict[str, tuple[Rescored, ...]] = {
    "float32": (),
    "float16": (),
    "int8": ("float16",),
    "4bit": ("int8", "float16"),
    "1bit": ("int8", "float16"),
}
"""What may put the best of each precision in order: rows that are finer."""
HELD_AT_REST = ("float32",)
"""The precisions in which a collection can hold its vectors today; the derived index keeps its own codes beside them."""
MAX_DIMS = 16
FACTOR_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One way to store vectors.

    Parameters
    ----------
    dim : int
        Dimensions that are kept.
    cut : {"full", "first", "pca"}
        All of them; the first ones (Matryoshka); the directions in which the documents differ most.
    precision : {"float32", "float16", "int8", "4bit", "1bit"}
        Of the rows that every query reads.
    rescored : {"", "int8", "float16"}
        The rows that put the best by ``precision`` in order; ``""`` for none.
    metric : {"cosine", "dot", "l2"}
        Of the space.
    """

    dim: int
    cut: Cut
    precision: Precision
    rescored: Rescored = ""
    metric: str = "cosine"

    def __str__(self) -> str:
        """Return a short name that tells it from the others of one frontier."""
        kept = f"{self.dim}" if self.cut == "full" else f"{self.cut} {self.dim}"
        return f"{kept} {self.precision}" + (f" + {self.rescored}" if self.rescored else "")

    @property
    def scanned_bytes(self) -> int:
        """Bytes of a vector that every query reads."""
        return _bytes_of(self.precision, self.dim, self.metric)

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of a vector, those of the rows that are only read for the best included."""
        return self.scanned_bytes + (_bytes_of(self.rescored, self.dim, self.metric) if self.rescored else 0)

    @property
    def is_held(self) -> bool:
        """Whether a collection can be brought to this today without its texts: its precision and its cut."""
        return self.precision in HELD_AT_REST and self.cut != "first"

    @property
    def how(self) -> str:
        """What has to be done to have it."""
        if self.cut == "full" and self.precision in HELD_AT_REST:
            return "It is what is stored now."
        if self.is_held:
            return f"Apply it with Collection.project(target, dim={self.dim}), or --apply."
        if self.precision in HELD_AT_REST:
            return (
                f"It needs a new collection whose encoder cuts to {self.dim} (vicinal.encode.cut): the texts are encoded "
                "again."
            )
        return (
            f"A collection holds float32 at rest, so {self.precision} cannot be applied here today: it is advice for an "
            "export or another engine."
        )


def _bytes_of(precision: str, dim: int, metric: str) -> int:
    """Return the bytes of a row."""
    square = FACTOR_BYTES if metric == "l2" else 0
    return {
        "float32": 4 * dim,
        "float16": 2 * dim,
        "int8": dim + FACTOR_BYTES,
        "4bit": -(-dim // 2) + FACTOR_BYTES + square,
        "1bit": -(-dim // 8) + FACTOR_BYTES + square,
    }[precision]


def default_dims(full_dim: int) -> tuple[int, ...]:
    """Return the three largest powers of two below D, largest first: for 384 these are 256, 128 and 64."""
    largest = (full_dim - 1).bit_length() - 1
    return tuple(1 << power for power in range(largest, max(largest - 3, -1), -1))


def checked_dims(dims: Sequence[int] | None, full_dim: int) -> tuple[int, ...]:
    """Return the dimensions that are measured beside all of them, largest first, none twice.

    Raises
    ------
    RangeError, DtypeError
        One is no whole number from 1 to D.
    InputError
        There are too many.
    """
    if dims is None:
        return default_dims(full_dim)
    found = sorted({whole_number(dim, "dims", low=1, high=full_dim) for dim in dims} - {full_dim}, reverse=True)
    if len(found) > MAX_DIMS:
        raise InputError(
            f"dims may name {MAX_DIMS} lengths, got {len(found)}.",
            expected=f"<= {MAX_DIMS}",
            got=len(found),
            where="dims",
        )
    return tuple(found)


def storages(
    full_dim: int,
    *,
    dims: Sequence[int] | None = None,
    precisions: Sequence[str] | None = None,
    cuts: Sequence[str] = ("pca", "first"),
    metric: str = "cosine",
) -> tuple[Storage, ...]:
    """Return every way that is compared: full float32 first, then by cut, dimension, precision and rescoring.

    Parameters
    ----------
    full_dim : int, 1 <= full_dim
        D of the stored vectors.
    dims : sequence of int, optional
        Each 1 to D. Default: the three largest powers of two below D.
    precisions : sequence of str, optional
        Default: all. float32 at full length is always there: it is what the others are measured against.
    cuts : sequence of str
        Of "pca" and "first".
    metric : str
        Of the space.

    Raises
    ------
    UnknownNameError, RangeError, DtypeError, InputError
        A name or a number is none of those.
    """
    full_dim = whole_number(full_dim, "full_dim", low=1)
    chosen = PRECISIONS if precisions is None else tuple(one_of(one, "precisions", PRECISIONS) for one in precisions)
    shapes: list[tuple[str, int]] = [("full", full_dim)]
    shapes += [(cut, dim) for cut in dict.fromkeys(cuts) if _is_cut(cut) for dim in checked_dims(dims, full_dim)]
    found = (
        Storage(dim=dim, cut=cut, precision=precision, rescored=rescored, metric=metric)  # type: ignore[arg-type]  # checked
        for cut, dim in shapes
        for precision, rescored in _precisions(chosen, is_full=cut == "full")
    )
    return tuple(found)


def _is_cut(cut: str) -> bool:
    """Return whether a cut leaves anything out, and refuse what is none."""
    return one_of(cut, "cuts", CUTS) != "full"


def _precisions(chosen: Sequence[str], *, is_full: bool) -> Iterator[tuple[str, str]]:
    """Go through (precision, rescored) in the order of ``PRECISIONS``."""
    for precision in PRECISIONS:
        if precision in chosen or (is_full and precision == "float32"):
            yield precision, ""
            if precision in chosen:
                yield from ((precision, rescored) for rescored in RESCORED_BY[precision])
