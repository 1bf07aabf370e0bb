"""The first components of a vector alone: what a model that was trained for it can spare, and what it costs others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.errors import DimensionWarning, InputError
from vicinal.space import Encoder, Space, Vectors, runtime_of
from vicinal.types import Floats, Progress

NEIGHBORS = 5
"""How many neighbours of each probe text are compared."""
PROBES = (
    "How do I reset my password?",
    "I cannot log in to my account any more.",
    "The invoice for March is twice as high as usual.",
    "Please cancel my subscription at the end of the month.",
    "Bake the bread at 220 degrees until the crust is brown.",
    "A recipe for lentil soup with carrots and cumin",
    "Whisk two eggs with sugar, then fold in the flour.",
    "Vitamin D deficiency raises the risk of fractures in old age.",
    "The trial found no effect of aspirin on survival.",
    "My knee hurts when I climb stairs.",
    "def add(a, b): return a + b",
    "TypeError: unsupported operand types for +: 'int' and 'str'",
    "How do I sort a list of dictionaries by a value?",
    "The transaction is rolled back if the server loses power.",
    "Galaxies move away from us, the faster the farther they are.",
    "Water boils at a lower temperature on a mountain.",
    "The moon was full and the sea lay still.",
    "She closed the old book and looked out into the rain.",
    "The home team won by two goals in extra time.",
    "He ran the marathon in under three hours.",
    "Train 407 to the coast is delayed by twenty minutes.",
    "Cheap hotels near the old harbour",
    "Which documents do I need to rent a flat?",
    "The tenant shall give notice three months in advance.",
    "Shares fell after the central bank raised its rate.",
    "Inflation slowed to two percent in the last quarter.",
    "Wie spät fährt der letzte Zug nach Köln?",
    "¿Dónde puedo devolver un artículo defectuoso?",
    "La bibliothèque est fermée le lundi.",
    "東京の天気はどうですか",
    "ok",
    "A cat is sleeping on the warm roof of a car.",
)
"""32 short texts of many kinds: some are near one another, most are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What fewer components cost on some texts; 1.0 is nothing.

    ``length`` is the mean share of the squared length that is kept, ``correlation`` is Spearman's between the
    cosines of all pairs before and after, ``neighbors`` is the mean share of the nearest neighbours that stay.
    """

    length: float
    correlation: float
    neighbors: float

    def __str__(self) -> str:
        """Return the figures as the end of a sentence."""
        return (
            f"{self.length:.1%} of the squared length kept, rank correlation of the cosines {self.correlation:.3f}, "
            f"{self.neighbors:.1%} of the {NEIGHBORS} nearest neighbours the same"
        )


def cut(encoder: Encoder, dim: int, *, trained: Sequence[int] = (), force: bool = False) -> Encoder:
    """Return an encoder that gives the first components of another's vectors, at unit length again.

    Parameters
    ----------
    encoder : Encoder
        Any; where its space is not normalized, the components stay as they are.
    dim : int, 1 <= dim <= encoder.space.dim
        How many components are kept. All of them: the encoder itself is returned.
    trained : sequence of int
        The lengths that the model was trained for, as its pin says. Any of them is cut without a question.
    force : bool
        Cut to another length all the same, with a warning that says what it costs.

    Returns
    -------
    Encoder
        Its space has the same ``full_dim`` and the new ``dim``.

    Raises
    ------
    InputError
        The model was not trained for ``dim``, and ``force`` was not given. The message says what the cut would cost.
    RangeError, DtypeError
        ``dim`` is no whole number, or out of its range.

    Warns
    -----
    DimensionWarning
        ``force`` was given and the model was not trained for ``dim``.

    Notes
    -----
    Cost: nothing beside the encoding. A length the model was not trained for is measured with the 32 texts of
    ``PROBES``, which are encoded for it.

    References
    ----------
    Kusupati et al. 2022, "Matryoshka representation learning", arXiv 2205.13147, section 3: the prefix of length m
    is a vector in its own right, because the loss was summed over the prefixes.
    """
    full = encoder.space.dim
    dim = whole_number(dim, "dim", low=1, high=full)
    if dim == full:
        return encoder
    small = _Cut(encoder, dim)
    if dim not in trained:
        _refuse_or_warn(encoder, dim, trained, force=force)
    return small


def cut_vectors(vectors: Vectors, dim: int) -> Vectors:
    """Return the first components of ready vectors, equal to what the cut encoder gives for their texts.

    Parameters
    ----------
    vectors : Vectors
        (N, D). Not modified.
    dim : int, 1 <= dim <= D

    Raises
    ------
    RangeError, DtypeError
        ``dim`` is no whole number, or out of its range.
    """
    dim = whole_number(dim, "dim", low=1, high=vectors.dim)
    if dim == vectors.dim:
        return vectors
    part = np.asarray(vectors)[:, :dim]
    kept = unit_or_zero(part) if vectors.space.normalized else part
    return Vectors(kept, replace(vectors.space, dim=dim), cut_rows=vectors.cut_rows)


def cost(full: Vectors, small: Vectors) -> Cost:
    """Return what fewer components cost, measured on the vectors of the same texts before and after a cut.

    Parameters
    ----------
    full : Vectors
        (N, D), N > 1.
    small : Vectors
        (N, d), row i for the same text as row i of ``full``. Its components need not be those of ``full``.

    Notes
    -----
    Cost: N² products, and a sort of the N (N - 1) / 2 pairs. Made for some dozens of texts.
    """
    whole, part = np.asarray(full), np.asarray(small)
    squares = (whole.astype(np.float64) ** 2).sum(axis=1)
    kept = (whole[:, : part.shape[1]].astype(np.float64) ** 2).sum(axis=1)
    share = np.divide(kept, squares, out=np.ones_like(kept), where=squares > 0)
    before, after = _cosines(whole), _cosines(part)
    pairs = np.triu_indices(len(whole), 1)
    return Cost(
        length=float(share.mean()),
        correlation=_spearman(before[pairs], after[pairs]),
        neighbors=_overlap(before, after, min(NEIGHBORS, len(whole) - 1)),
    )


class _Cut:
    """An encoder that keeps the first components of another's vectors."""

    def __init__(self, encoder: Encoder, dim: int) -> None:
        self.encoder = encoder
        self._space = replace(encoder.space, dim=dim)

    @property
    def space(self) -> Space:
        """The other's, with fewer dimensions."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in tokens."""
        return self.encoder.max_tokens

    @property
    def runtime(self) -> str:
        """What the other says of its runtime, if it says anything."""
        return runtime_of(self.encoder)

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, dim) vectors of questions; errors as the other's."""
        return cut_vectors(self.encoder.encode_queries(texts, progress=progress), self._space.dim)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, dim) vectors of documents; errors as the other's."""
        return cut_vectors(self.encoder.encode_documents(texts, progress=progress), self._space.dim)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens, as the other does."""
        return self.encoder.count_tokens(texts)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the (T, 2) spans of the tokens of each text, as the other does."""
        return self.encoder.token_spans(texts)


def _refuse_or_warn(encoder: Encoder, dim: int, trained: Sequence[int], *, force: bool) -> None:
    """Say what a cut costs that the model was not trained for: as an error, or as a warning where it is wanted."""
    told = ", ".join(map(str, sorted(trained)))
    known = f"the model was trained for {told}" if trained else "the model was not trained for any cut"
    measured = _measured(encoder, dim)
    if force:
        full = encoder.space.dim
        warnings.warn(
            f"Vectors are cut from {full} to {dim} dimensions, but {known}. {measured}", DimensionWarning, stacklevel=3
        )
        return
    raise InputError(
        f"A cut to {dim} dimensions is not free: {known}. {measured} "
        "Choose a length that it was trained for, fit a projection, or cut all the same with force=True (--force).",
        expected=told or str(encoder.space.dim),
        got=dim,
        where="dim",
    )


def _measured(encoder: Encoder, dim: int) -> str:
    """Return a sentence with the cost of a cut, measured on the probe texts that fit the window."""
    counts = encoder.count_tokens(PROBES)
    texts = [text for text, tokens in zip(PROBES, counts, strict=True) if tokens <= encoder.max_tokens]
    if len(texts) <= NEIGHBORS:
        return f"What it costs cannot be measured: a window of {encoder.max_tokens} tokens is too short for that."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the model does not know a probe text's words is not the caller's concern
        probes = encoder.encode_documents(texts)
    return f"On {len(texts)} short texts the cut leaves {cost(probes, cut_vectors(probes, dim))}."


def _cosines(array: Floats) -> NDArray[np.float64]:
    """Return the cosines of all pairs of rows (N, N); a row of zeros has 0 with every other."""
    units = unit_or_zero(array).astype(np.float64)
    return np.asarray(units @ units.T)


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of the ranks, equal values sharing their mean rank; 1.0 where both are constant."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other)))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    if not spread:
        return float(not a.any() and not b.any())
    return float(a @ b) / spread


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, group, counts = np.unique(values.round(9), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group], dtype=np.float64)


def _overlap(before: NDArray[np.float64], after: NDArray[np.float64], k: int) -> float:
    """Return the mean share of the k nearest others that are the same."""
    lists = []
    for cosines in (before, after):
        others = cosines.round(9) - 4 * np.eye(len(cosines))  # none is its own neighbour
        lists.append(np.argsort(-others, axis=1, kind="stable")[:, :k])
    same = (lists[0][:, :, None] == lists[1][:, None, :]).any(axis=2)
    return float(same.mean())
