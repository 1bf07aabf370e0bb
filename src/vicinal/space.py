"""The space: what makes two vectors comparable, and the vectors that carry it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, ShapeError, SpaceMismatchError
from vicinal.types import Floats, Progress

ID_DIGITS = 16
"""Hexadecimal digits of a space id: 64 bits, so two spaces of one user never meet by chance."""
KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool}
"""The types of a space's fields, by their names in the class."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The identity of comparable vectors: everything of the pipeline that changes a number.

    Not in it: the model's name, where its files came from, the runtime, the precision at rest.
    Two pipelines with equal fields give equal vectors; two with any difference never meet.

    Parameters
    ----------
    weights : str
        SHA-256 of the weights.
    architecture : str
        The resolved network, for example ``bert layers=6 hidden=384 …``.
    tokenizer : str
        SHA-256 of the tokenizer's rules and vocabulary, its padding and truncation left out.
    pooling : str
        ``mean``, ``cls``, ``last``; how token vectors become one.
    query_prompt, document_prompt : str
        What is put before a text of each role.
    max_tokens : int, 1 <= max_tokens
        The window, special tokens included.
    overflow : {"chunk", "error", "cut"}
        What happens to a text beyond the window.
    full_dim : int, 1 <= full_dim
        D of the network's output.
    dim : int, 1 <= dim
        D of the vectors: ``full_dim``, or less after a cut or a projection.
    projection : str
        SHA-256 of a projection matrix, ``""`` for none.
    normalized : bool
        Whether each vector has unit length.
    metric : str
        ``cosine``, ``dot`` or ``l2``.

    Raises
    ------
    DtypeError
        A field has another type: the canonical form would not be the same for equal fields.
    RangeError
        A number is out of its range.
    """

    weights: str
    architecture: str
    tokenizer: str
    pooling: str
    query_prompt: str = ""
    document_prompt: str = ""
    max_tokens: int
    overflow: str
    full_dim: int
    dim: int
    projection: str = ""
    normalized: bool = True
    metric: str = "cosine"

    def __post_init__(self) -> None:
        """Refuse what no pipeline can be."""
        for field in fields(self):
            value, kind = getattr(self, field.name), KINDS[str(field.type)]
            if type(value) is not kind:
                raise DtypeError(
                    f"{field.name} of a space must be {kind.__name__}, got {type(value).__name__}.",
                    expected=kind.__name__,
                    got=type(value).__name__,
                    where=field.name,
                )
        for name in ("max_tokens", "full_dim", "dim"):
            value = getattr(self, name)
            if value < 1:
                raise RangeError(f"{name} must be at least 1, got {value}.", expected=">= 1", got=value, where=name)

    @cached_property
    def id(self) -> str:
        """A short digest of the canonical form: equal exactly when the spaces are."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:ID_DIGITS]

    def canonical(self) -> str:
        """Return the fields as JSON with sorted keys and no white space: what the id is a digest of."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def from_canonical(cls, text: str) -> Self:
        """Return the space that ``canonical`` wrote.

        Raises
        ------
        InputError
            The text is not such a form.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"This is not the canonical form of a space: {error}.", where="space") from error

    def diff(self, other: Space) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, each with (mine, the other's); empty when equal."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def require(self, other: Space, *, what: str) -> None:
        """Refuse another space.

        Raises
        ------
        SpaceMismatchError
            The spaces differ. The message names every differing field and ``what`` brought the other space.
        """
        if other is self or other == self:
            return
        differing = self.diff(other)
        told = "; ".join(
            f"{name}: {_short(mine)} here, {_short(theirs)} there" for name, (mine, theirs) in differing.items()
        )
        raise SpaceMismatchError(
            f"{what} is in space {other.id}, but this is space {self.id}. They differ in {told}. "
            "Encode with the model and settings of this space, or make a new collection.",
            fields=tuple(differing),
            expected=self.id,
            got=other.id,
            where=what,
        )


def _short(value: object) -> str:
    """Return a value for a message, long digests shortened."""
    text = repr(value)
    return text if len(text) <= 44 else f"{text[:20]}…{text[-9:]}"  # noqa: PLR2004 - a digest is 66 with its quotes


class Vectors:
    """Vectors with their space: float32 (N, D), read only.

    ``numpy.asarray(vectors)`` gives the array. Similarity and joining ask for one space.

    Parameters
    ----------
    array : float array of shape (N, D)
        Copied only if it is not float32 and contiguous. N may be 0.
    space : Space
        D must be ``space.dim``.
    cut_rows : sequence of int, optional
        The rows whose text was cut at the window.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        The array is no such matrix.
    """

    __slots__ = ("_array", "_cut_rows", "_space")

    def __init__(self, array: object, space: Space, *, cut_rows: Sequence[int] = ()) -> None:
        self._array = _checked_matrix(array, space.dim)
        self._space = space
        self._cut_rows = _checked_rows(cut_rows, len(self._array))

    @property
    def space(self) -> Space:
        """What makes these vectors comparable with others."""
        return self._space

    @property
    def cut_rows(self) -> tuple[int, ...]:
        """The rows whose text was cut at the window, ascending."""
        return self._cut_rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401 - NumPy's own protocol
        """Return the array, for ``numpy.asarray``."""
        return np.array(self._array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        """Return N."""
        return len(self._array)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - one row, or Vectors for a slice
        """Return one row as a float32 array (D,), or Vectors for a slice."""
        if isinstance(index, slice):
            cut = set(self.cut_rows)
            kept = [place for place, row in enumerate(range(len(self))[index]) if row in cut]
            return Vectors(self._array[index], self.space, cut_rows=kept)
        return self._array[index]

    def __contains__(self, vector: object) -> bool:
        """Return whether a row is equal to an array (D,)."""
        wanted = np.asarray(vector)
        return wanted.shape == (self.dim,) and bool((self._array == wanted).all(axis=1).any())

    def __iter__(self) -> Iterator[Floats]:
        """Go through the rows."""
        return iter(self._array)

    def __repr__(self) -> str:
        """Tell shape and space."""
        return f"Vectors({len(self)} x {self.dim}, space {self.space.id})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self._array), self.space.dim

    @property
    def dim(self) -> int:
        """D."""
        return self.space.dim

    def similarity(self, other: Vectors) -> Floats:
        """Return the dot product of each of mine with each of the other's: the cosine where vectors are normalized.

        Returns
        -------
        float32 array of shape (N, M)

        Raises
        ------
        SpaceMismatchError
            The other vectors are in another space.
        """
        if not isinstance(other, Vectors):
            raise DtypeError(
                "A product of Vectors needs Vectors on both sides; use numpy.asarray(vectors) to leave the space on purpose.",
                expected="Vectors",
                got=type(other).__name__,
            )
        self.space.require(other.space, what="the other set of vectors")
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 the answer is infinite, as IEEE 754 has it
            return np.asarray(self._array @ np.asarray(other).T, dtype=np.float32)

    def __matmul__(self, other: Vectors) -> Floats:
        """Return ``similarity``; a bare array has no space and is refused."""
        return self.similarity(other)

    @classmethod
    def concatenate(cls, parts: Sequence[Vectors]) -> Vectors:
        """Return the parts one after another.

        Raises
        ------
        RangeError
            There are no parts: an empty list has no space.
        SpaceMismatchError
            Two parts are in different spaces.
        """
        if not parts:
            raise RangeError("concatenate needs at least one part.", expected=">= 1", got=0, where="parts")
        for part in parts:
            if not isinstance(part, Vectors):
                raise DtypeError(
                    f"concatenate joins Vectors, got {type(part).__name__}.",
                    expected="Vectors",
                    got=type(part).__name__,
                    where="parts",
                )
            parts[0].space.require(part.space, what="a part")
        starts = np.cumsum([0, *(len(part) for part in parts)])
        cut = [int(start) + row for start, part in zip(starts, parts, strict=False) for row in part.cut_rows]
        return cls(np.concatenate([np.asarray(part) for part in parts]), parts[0].space, cut_rows=cut)


def _checked_matrix(array: object, dim: int) -> Floats:
    """Return the array as a read-only float32 (N, D), or say what is wrong with it."""
    try:
        matrix = np.asarray(array)
    except (ValueError, TypeError, RuntimeError) as error:  # what array-likes raise when they are none
        raise ShapeError(f"Vectors must be a matrix of numbers: {error}.", where="vectors") from error
    if matrix.dtype.kind not in "fiu":
        raise DtypeError(
            f"Vectors must be numbers, got {matrix.dtype}.", expected="float32", got=str(matrix.dtype), where="vectors"
        )
    if matrix.ndim != 2 or matrix.shape[1] != dim:  # noqa: PLR2004 - a matrix
        raise ShapeError(
            f"Vectors must have the shape (N, {dim}), got {matrix.shape}.",
            expected=f"(N, {dim})",
            got=matrix.shape,
            where="vectors",
        )
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite and is named below
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise NonFiniteError(f"Row {row} of the vectors holds NaN or infinity.", expected="finite", where=row)
    view = matrix.view()
    view.flags.writeable = False
    return view


def _checked_rows(rows: Sequence[int], count: int) -> tuple[int, ...]:
    """Return row numbers in order, each below the count."""
    listed = tuple(sorted(int(row) for row in rows))
    if listed and not 0 <= listed[0] <= listed[-1] < count:
        raise RangeError(
            f"cut_rows must be rows of the {count} vectors, got {listed[0]} to {listed[-1]}.",
            expected=f"0 to {count - 1}",
            where="cut_rows",
        )
    return listed


class Encoder(Protocol):
    """What turns text into vectors of one space. There is no encoding without a role."""

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        ...

    @property
    def max_tokens(self) -> int:
        """The window in tokens, special ones included."""
        ...

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of questions; empty in, (0, D) out."""
        ...

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of documents; empty in, (0, D) out."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens of the uncut texts, prompt and special tokens included."""
        ...

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its tokens, special ones left out."""
        ...


def runtime_of(encoder: Encoder) -> str:
    """Return what an encoder says of what runs its model, in one line; ``""`` where it does not say."""
    return str(getattr(encoder, "runtime", ""))


def mapping_of(space: Space) -> Mapping[str, Any]:
    """Return the fields of a space as a plain mapping, for ``--json``."""
    return {"id": space.id, **asdict(space)}
