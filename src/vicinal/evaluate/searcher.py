"""What an evaluation asks of a search: documents for a question, and what it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The documents that a search found for one question, best first, each once.

    Parameters
    ----------
    ids : tuple of str
        Of documents: the best chunk stands for its document, which is the searcher's work.
    scores : tuple of float
        Of each, larger is better. They should fall; where one rises, the order counts and not the scores.
    took_ms : float
        How long the whole search took, the encoding of the question included.
    complete : bool
        Whether nothing nearer can have been missed.

    Raises
    ------
    ShapeError, RangeError, NonFiniteError
        There are not as many scores as ids; a document comes twice; a score or the time is no number.
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    took_ms: float
    complete: bool

    def __post_init__(self) -> None:
        """Refuse what no ranking can be."""
        if len(self.ids) != len(self.scores):
            raise ShapeError(
                f"A searcher gave {len(self.ids)} documents and {len(self.scores)} scores; each document has one.",
                expected=len(self.ids),
                got=len(self.scores),
                where="scores",
            )
        if len(set(self.ids)) != len(self.ids):
            raise RangeError("A searcher gave a document twice; keep the best chunk of each.", where="ids")
        if not all(map(math.isfinite, self.scores)) or not (math.isfinite(self.took_ms) and self.took_ms >= 0):
            raise NonFiniteError("A searcher gave a score or a time that is no number.", where="scores")

    def as_results(self) -> dict[str, float]:
        """Return document id → score, so that ranking by score gives this order.

        Where a score is larger than the one before it, such as behind the candidates of a reranker, all of them are
        replaced by the number of the documents from there to the end.
        """
        falls = all(one >= other for one, other in zip(self.scores, self.scores[1:], strict=False))
        scores = self.scores if falls else tuple(float(one) for one in range(len(self.ids), 0, -1))
        return dict(zip(self.ids, scores, strict=True))


class Searcher(Protocol):
    """What can be evaluated: it finds documents, and says what it is."""

    def documents(self, query: str, *, k: int) -> Answered:
        """Return the k best documents for a question; fewer where there are fewer."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return what it is as plain data: space, model, mode, bytes of a vector, documents, settings."""
        ...


@runtime_checkable
class HoldsDocuments(Protocol):
    """A searcher that can say which documents it could find at all."""

    def holds(self, ids: Collection[str]) -> AbstractSet[str]:
        """Return those of the ids that are stored."""
        ...


def absent_from(searcher: Searcher, ids: Collection[str]) -> frozenset[str] | None:
    """Return those of the ids that a searcher cannot find since it does not have them; None where it does not say."""
    if not isinstance(searcher, HoldsDocuments):
        return None
    return frozenset(ids) - frozenset(searcher.holds(ids))


def checked_description(searcher: Searcher) -> dict[str, Any]:
    """Return what a searcher says of itself.

    Raises
    ------
    InputError
        It is no mapping.
    """
    told = searcher.describe()
    if not isinstance(told, Mapping):
        raise InputError(
            f"describe() of a searcher must give a mapping, got {type(told).__name__}.", expected="mapping"
        )
    return dict(told)
