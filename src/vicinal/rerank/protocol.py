"""What every reranker is: a question and texts in, a score for each text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vicinal.errors import EncodeError
from vicinal.types import Floats


class Reranker(Protocol):
    """What scores texts for a question. Safe for many threads.

    ``score_kind`` says what the numbers are, one word for ``Hits.score_kind``. ``at_once`` is how many texts are best
    scored in one call; a time budget is looked at between calls.
    """

    @property
    def score_kind(self) -> str:
        """What the scores are: ``cross-encoder``, ``late-interaction``, a provider's name, a function's."""
        ...

    @property
    def at_once(self) -> int:
        """How many texts are best scored in one call."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return a score for each text, float32 (N,), larger is better; empty in, (0,) out.

        A score depends on the question and its own text alone.
        """
        ...


def checked_scores(found: object, count: int, who: str) -> Floats:
    """Return what a reranker gave as float32 (N,).

    Raises
    ------
    EncodeError
        It is no list of so many finite numbers.
    """
    try:
        array = np.asarray(found)
    except (ValueError, TypeError, RuntimeError):  # what array-likes raise when they are none
        array = np.empty(0, dtype=object)
    if array.shape != (count,) or (count and array.dtype.kind not in "fiu"):
        raise EncodeError(
            f"{who} must give one number for each of {count} texts; it gave {array.dtype} of the shape {array.shape}.",
            expected=f"({count},)",
            got=array.shape,
            where=who,
        )
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite and is refused below
        scores = array.astype(np.float32)
    if not np.isfinite(scores).all():
        place = int(np.argmin(np.isfinite(scores)))
        raise EncodeError(f"{who} gave NaN or infinity for text {place}.", expected="finite", where=place)
    return scores
