"""How much of a text a server reads, found out by asking, where it cannot be told to refuse what it does not read."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from vicinal.encode.providers import tokens
from vicinal.encode.providers.client import Answer, TooLarge

SURE_TOKENS = 64
"""Every server reads so much of a text."""
APART = 5e-3
"""Unit vectors of texts with different ends are farther apart than this; those of one text differ by rounding."""


class Proof:
    """What is known of how much a server reads. Safe for many threads.

    A server is sent two texts that differ at their end only. If their vectors are equal, it did not read the end.
    A server that refuses the texts as too long is one that refuses, and is trusted from then on.

    Parameters
    ----------
    ask : callable
        Returns what the server answers for two texts of so many tokens.
    whole : int
        The window that is promised, in tokens.
    trusted : bool
        Whether the server is known to refuse what it does not read; then it is asked nothing.
    """

    def __init__(self, ask: Callable[[tuple[str, str], int], Answer | TooLarge], whole: int, *, trusted: bool) -> None:
        self._ask = ask
        self._whole = whole
        self._trusted = trusted
        self._guard = threading.Lock()
        self._levels = [level for shift in range(20) if (level := whole >> shift) > SURE_TOKENS][::-1]
        self._read = SURE_TOKENS

    def read(self, wanted: int) -> int:
        """Return how many tokens of a text are read: all that are wanted, or all that ever are.

        Parameters
        ----------
        wanted : int
            Tokens of the longest text. No more than it needs is tried, at most the window.
        """
        with self._guard:
            while not self._trusted and self._levels and self._read < wanted:
                self._try(next((level for level in self._levels if level >= wanted), self._levels[-1]))
            return self._whole if self._trusted else self._read

    def _try(self, level: int) -> None:
        """Find out whether so many tokens are read."""
        one, other, same = tokens.probes(level - tokens.SPECIAL)
        got = self._ask((one, other), level)
        if isinstance(got, TooLarge):
            self._trusted = True
        elif float(np.linalg.norm(got.vectors[0] - got.vectors[1])) > APART:
            self._read = same + tokens.SPECIAL
            self._levels = [larger for larger in self._levels if larger > level]
        else:
            self._levels = [smaller for smaller in self._levels if self._read < smaller < level]
