"""A function of the user's own as a reranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from vicinal._arrays import texts_list, whole_number
from vicinal.errors import DtypeError, EncodeError
from vicinal.rerank.protocol import checked_scores
from vicinal.types import Floats

AT_ONCE = 16


class CallableReranker:
    """Scores texts by calling a function with the question and a list of them.

    Parameters
    ----------
    function : callable
        ``(query, texts) -> scores``, a number for each text, larger is better. What it raises is the cause of an
        EncodeError. It is safe for many threads if this is to be.
    name : str
        What ``score_kind`` says.
    at_once : int, 1 <= at_once
        How many texts it gets in one call where there is a time budget.

    Raises
    ------
    DtypeError, RangeError
        ``function`` cannot be called, or ``at_once`` is no such number.

    Examples
    --------
    >>> shortest = CallableReranker(lambda query, texts: [-len(text) for text in texts], name="shortest")
    >>> shortest.score("cat", ["a dog", "a"]).tolist()
    [-5.0, -1.0]
    """

    def __init__(
        self, function: Callable[[str, list[str]], ArrayLike], *, name: str = "function", at_once: int = AT_ONCE
    ) -> None:
        if not callable(function):
            got = type(function).__name__
            raise DtypeError(f"function must be a function, got {got}.", expected="callable", got=got, where="function")
        self._function = function
        self._name = name
        self._at_once = whole_number(at_once, "at_once", low=1)

    @property
    def score_kind(self) -> str:
        """The name that it was given."""
        return self._name

    @property
    def at_once(self) -> int:
        """How many texts go into one call."""
        return self._at_once

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return what the function gives, float32 (N,); it is not called for no texts.

        Raises
        ------
        DtypeError, RangeError
            The question or the texts are no strings.
        EncodeError
            The function raised something, or returned what is no finite number for each text.
        """
        (asked,), listed = texts_list([query], "query"), texts_list(texts)
        if not listed:
            return checked_scores([], 0, self._name)
        try:
            found = self._function(asked, list(listed))
        except Exception as error:
            raise EncodeError(
                f"The reranker {self._name!r} raised {type(error).__name__}; see the cause.",
                got=type(error).__name__,
                where=self._name,
            ) from error
        return checked_scores(found, len(listed), f"The reranker {self._name!r}")
