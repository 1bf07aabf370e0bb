"""Checks of numbers that come from outside, each with the same message: parameter, allowed, got."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Sequence

from vicinal.errors import DtypeError, RangeError, UnknownNameError


def whole_number(value: object, name: str, *, low: int, high: int | None = None) -> int:
    """Return the value as an int within [low, high].

    Raises
    ------
    DtypeError
        It is no whole number (a boolean is none).
    RangeError
        It is out of range.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # the TypeError is the check
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise DtypeError(
            f"{name} must be a whole number, got {type(value).__name__}.",
            expected="int",
            got=type(value).__name__,
            where=name,
        )
    if number < low or (high is not None and number > high):
        allowed = f">= {low}" if high is None else f"{low} to {high}"
        raise RangeError(f"{name} must be {allowed}, got {number}.", expected=allowed, got=number, where=name)
    return number


def share(value: object, name: str) -> float:
    """Return a number from 0 to 1.

    Raises
    ------
    DtypeError, RangeError
        It is no number, or outside of them.
    """
    number = real_number(value, name)
    if not 0 <= number <= 1:
        raise RangeError(f"{name} must be from 0 to 1, got {number}.", expected="0 to 1", got=number, where=name)
    return number


def real_number(value: object, name: str) -> float:
    """Return a number, infinity and NaN among them.

    Raises
    ------
    DtypeError, RangeError
        It is no number, or beyond what 64 bits hold.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise DtypeError(
            f"{name} must be a number, got {type(value).__name__}.",
            expected="float",
            got=type(value).__name__,
            where=name,
        )
    try:
        return float(value)
    except OverflowError:
        raise RangeError(f"{name} is beyond 64 bits.", expected="float64", where=name) from None


def one_of(value: object, name: str, allowed: Sequence[str]) -> str:
    """Return the value if it is one of the allowed names.

    Raises
    ------
    UnknownNameError
        It is none of them; the message lists them.
    """
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(allowed)
        got = value[:60] if isinstance(value, str) else type(value).__name__
        raise UnknownNameError(
            f"{name} must be one of {listed}, got {value!r:.60}.", expected=listed, got=got, where=name
        )
    return value


def texts_list(texts: object, name: str = "texts") -> list[str]:
    """Return a list of strings, each fit for UTF-8.

    Raises
    ------
    DtypeError
        A bare string came (a list of one was meant), something that cannot be gone through, or an element that is no string.
    RangeError
        A string holds half of a surrogate pair, which no encoding of text can hold.
    """
    if isinstance(texts, str | bytes):
        raise DtypeError(
            f"{name} must be a list of strings, got one {type(texts).__name__}; put it in a list.",
            expected="list[str]",
            where=name,
        )
    try:
        listed: list[str] = list(texts)  # type: ignore[call-overload]  # the TypeError is the check
    except TypeError:
        raise DtypeError(
            f"{name} must be a list of strings, got {type(texts).__name__}.", expected="list[str]", where=name
        ) from None
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            raise DtypeError(
                f"{name}[{place}] must be a string, got {type(text).__name__}.",
                expected="str",
                got=type(text).__name__,
                where=place,
            )
        if not text.isascii() and not is_encodable(text):
            raise RangeError(
                f"{name}[{place}] holds a lone surrogate, which is no character; decode it with errors='replace'.",
                where=place,
            )
    return listed


def is_encodable(text: str) -> bool:
    """Return whether UTF-8 can hold the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
