"""What was asked of a provider so far, and what it costs."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an encoder has used since it was made.

    ``requests`` counts every request that was sent, ``retries`` those of them that repeat another.
    ``tokens`` is what the server counted, or an estimate for an answer that did not say; ``estimated_tokens`` is how
    many of them are that. ``cost`` is in the unit of the price that was given, None without a price.
    """

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    estimated_tokens: int = 0
    cost: float | None = None


class Account:
    """The running total. Safe for many threads.

    Parameters
    ----------
    price_per_million : float, optional
        What a million tokens cost.
    """

    def __init__(self, price_per_million: float | None = None) -> None:
        self._price = price_per_million
        self._guard = threading.Lock()
        self._requests = self._retries = self._tokens = self._estimated = 0

    def sent(self, *, again: bool) -> None:
        """Count a request."""
        with self._guard:
            self._requests += 1
            self._retries += again

    def answered(self, told: int | None, estimate: int) -> None:
        """Count the tokens of an answer: those it told, or the estimate."""
        with self._guard:
            self._tokens += estimate if told is None else told
            self._estimated += estimate if told is None else 0

    def usage(self) -> Usage:
        """Return the total as of now."""
        with self._guard:
            return Usage(
                requests=self._requests,
                retries=self._retries,
                tokens=self._tokens,
                estimated_tokens=self._estimated,
                cost=None if self._price is None else self._tokens * self._price / 1_000_000,
            )
