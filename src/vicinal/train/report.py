"""How good the student is: its agreement with the teacher on texts that it has not seen, and its speed beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats

K = 10
TIMED_TEXTS = 64
MIN_TIMED_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike two models find texts: see ``DistillReport``."""

    spearman: float
    overlap_at_10: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillReport:
    """What a distillation made, how long it took, and how the student compares with its teacher.

    Parameters
    ----------
    folder : str
        Where the model lies.
    dim, tokens, words, size_bytes : int
        D; rows of the table; those of them that are words added to the teacher's tokens; bytes of the table's file.
    texts, sentences, held_out : int
        What was learnt from, and what was kept apart.
    complete : bool
        Whether all of the sample was learnt from; false when the minutes were over before.
    token_s, teacher_s, fit_s, took_s : float
        Seconds of the pass over the vocabulary, of the teacher over the texts, of the fit, and of everything.
    spearman : float or None
        Rank correlation between teacher and student of the cosines of all pairs of held-out texts, in [-1, 1].
    overlap_at_10 : float or None
        The share of a held-out text's 10 nearest held-out texts that teacher and student have in common, in [0, 1].
        Both are None where fewer than 20 texts were held out.
    teacher_texts_per_s, student_texts_per_s : float
        Throughput on the same texts, one after the other, with the threads that each was loaded with.

    Notes
    -----
    The spaces differ, so vectors of the two are never compared with one another.
    """

    folder: str
    dim: int
    tokens: int
    words: int
    size_bytes: int
    texts: int
    sentences: int
    held_out: int
    complete: bool
    token_s: float
    teacher_s: float
    fit_s: float
    took_s: float
    spearman: float | None
    overlap_at_10: float | None
    teacher_texts_per_s: float
    student_texts_per_s: float

    @property
    def speedup(self) -> float:
        """How many times the teacher's throughput the student's is."""
        return self.student_texts_per_s / self.teacher_texts_per_s


def agreement(teacher: Floats, student: Floats) -> Agreement | None:
    """Return how alike two sets of vectors (N, D1) and (N, D2) of the same texts lie; None for fewer than 2 K texts."""
    if len(teacher) < 2 * K:
        return None
    ours, theirs = (np.asarray(vectors @ vectors.T, dtype=np.float64) for vectors in (student, teacher))
    above = np.triu_indices(len(teacher), k=1)
    near_ours, near_theirs = _nearest(ours), _nearest(theirs)
    shared = [len(set(one) & set(other)) for one, other in zip(near_ours, near_theirs, strict=True)]
    return Agreement(
        spearman=_spearman(ours[above], theirs[above]), overlap_at_10=float(np.mean(shared)) / near_ours.shape[1]
    )


def texts_per_s(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Return how many texts a second are encoded: the median of three rounds, each of at least a fifth of a second."""
    encode(texts[:1])
    encode(texts)
    rates = []
    for _ in range(3):
        done, begun = 0, time.perf_counter()
        while (passed_s := time.perf_counter() - begun) < MIN_TIMED_S or not done:
            encode(texts)
            done += len(texts)
        rates.append(done / passed_s)
    return float(np.median(rates))


def _nearest(similarities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of the K others that are most similar to each, (N, K)."""
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    return np.argsort(-others, axis=1, kind="stable")[:, :K]


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the rank correlation; equal numbers have the mean of their ranks, and no spread gives 0."""
    first, second = (_ranks(numbers) - (len(numbers) - 1) / 2 for numbers in (one, other))
    spread = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / spread if spread > 0 else 0.0


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each number from 0, the mean of their ranks for equal ones."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[places.reshape(-1)])
