"""What a check does with a broken promise."""

from __future__ import annotations


def require(holds: bool, message: str) -> None:
    """Go on if it holds.

    Raises
    ------
    AssertionError
        It does not; the message says what must be.
    """
    if not holds:
        raise AssertionError(message)
