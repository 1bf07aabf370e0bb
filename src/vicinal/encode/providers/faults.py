"""An answer that is none → what it was: too long, worth another try, or an error that says what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vicinal.errors import RemoteError, RemoteTimeoutError

SHOWN_CHARS = 200
"""Characters of a server's own words in a message."""
ECHO_CHARS = 12
"""A run of so many characters of a text in a server's words is an echo of it."""
SHORT_CHARS = 4
"""A shorter text stands in every message."""
KEY_CHARS = 6
"""A run of so many characters of a key is a part of it."""
REQUEST_IDS = ("x-request-id", "request-id", "x-debug-trace-id", "cf-ray")
BUSY = {408, 425, 429, 500, 502, 503, 504, 529}
SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
"""Codes of a 429 that waiting does not cure."""
REFUSING = {400, 413, 422, 429, 500}
"""Statuses under which one server or another says that a text or a request is too large."""
INPUT_TOO_LONG = re.compile(r"input.{0,40}\bis too large", re.IGNORECASE)
REQUEST_TOO_LARGE = re.compile(
    r"per request|per_request|batch size|per submitted batch|request.{0,20}too large|payload too large"
    r"|entity too large|too many (inputs|texts|items|elements)|at most \d+ (inputs|texts|items|elements)"
    r"|array too long",
    re.IGNORECASE,
)
TEXT_TOO_LONG = re.compile(
    r"context.{0,3}length|context window|input length|sequence length|too long|token limit"
    r"|max\w*.{0,30}\btokens|(less|fewer|more) than \d+ (tokens|characters)|exceed.{0,60}(tokens|length|limit)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What an error body says: a short code, and words."""

    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was asked, about which model, with which texts, the variables that may hold the key, and the key if it was sent."""

    who: str
    model: str
    host: str
    keys: tuple[str, ...]
    secret: str | None
    texts: Sequence[str]
    withheld: bool = False

    def __repr__(self) -> str:
        """Leave out the key and the texts."""
        return f"Asked({self.who}, {self.model}, {self.host}, {len(self.texts)} texts)"


def complaint_of(body: bytes) -> Complaint:
    """Return what an error body says, in whichever of the known forms."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Complaint()
    inner = said.get("error", said) if isinstance(said, Mapping) else said
    if isinstance(inner, str):
        return Complaint(code=_word(said.get("error_type")), words=inner) if isinstance(said, Mapping) else Complaint()
    if not isinstance(inner, Mapping):
        return Complaint()
    words = inner.get("message", inner.get("detail"))
    code = next((_word(inner[name]) for name in ("code", "type", "error_type") if _word(inner.get(name))), "")
    return Complaint(code=code, words=words if isinstance(words, str) else "")


def too_large(status: int, complaint: Complaint) -> str | None:
    """Return ``text`` if a text was refused for its length, ``request`` if the request was, None for anything else."""
    told = f"{complaint.code} {complaint.words}"
    if status not in REFUSING:
        return None
    if status == 429:  # noqa: PLR2004 - a request beyond the tokens of a minute, which no waiting cures
        return "request" if re.search(r"request too large", told, re.IGNORECASE) else None
    if INPUT_TOO_LONG.search(told):
        return "text"
    if REQUEST_TOO_LARGE.search(told):
        return "request"
    if TEXT_TOO_LONG.search(told):
        return "text"
    return "request" if status == 413 else None  # noqa: PLR2004 - what the status itself says


def may_pass(status: int, complaint: Complaint, headers: Mapping[str, str]) -> bool:
    """Return whether the same request may succeed later."""
    return status in BUSY and complaint.code not in SPENT and headers.get("x-should-retry") != "false"


def told_pause_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how many seconds a server asks to wait, None if it does not.

    Parameters
    ----------
    headers : mapping
        ``retry-after-ms``, or ``retry-after`` in seconds or as a date (RFC 9110, 10.2.3).
    now_s : float
        The time of day, in seconds since 1970, for a date where the answer itself has none.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        number = _number(headers.get(name, ""))
        if number is not None:
            return max(number * unit_s, 0.0)
    until = _date_s(headers.get("retry-after", ""))
    if until is None:
        return None
    since = _date_s(headers.get("date", ""))
    return max(until - (now_s if since is None else since), 0.0)


def refused(asked: Asked, status: int, complaint: Complaint, headers: Mapping[str, str]) -> RemoteError:
    """Return the error for an answer that is no success."""
    number = _request_id(asked, headers)
    code = f" ({complaint.code})" if complaint.code and not _echoes(complaint.code, asked) else ""
    said = _shown(complaint.words, asked) if status not in {401, 403} else ""
    told = f": {said.rstrip('.')}" if said else ""
    behind = f" Its request id is {number}." if number else ""
    return RemoteError(
        f"{_place(asked)} answered with HTTP {status}{code}{told}.{behind} {_advice(asked, status, complaint, headers)}",
        status=status,
        request_id=number,
        where=f"{asked.who}:{asked.model}",
    )


def wrong(asked: Asked, why: str, headers: Mapping[str, str], status: int) -> RemoteError:
    """Return the error for an answer that is a success by its status, but not by what it holds."""
    number = _request_id(asked, headers)
    behind = f" Its request id is {number}." if number else ""
    return RemoteError(
        f"{_place(asked)} answered with something that is no set of vectors: {why}.{behind} "
        "Nothing of it was kept. Check that the URL and the model are those of an embedding interface.",
        status=status,
        request_id=number,
        where=f"{asked.who}:{asked.model}",
    )


def silent(asked: Asked, kind: str, detail: str, timeout_s: float) -> RemoteError:
    """Return the error for no answer."""
    where = f"{asked.who}:{asked.model}"
    if kind == "timeout":
        return RemoteTimeoutError(
            f"{_place(asked)} gave no answer within {timeout_s:g} s. Try again later, or allow more time with timeout_s.",
            where=where,
        )
    if kind == "size":
        return RemoteError(
            f"{_place(asked)} answered with far more than the vectors that it was asked for.", where=where
        )
    if kind == "certificate":
        return RemoteError(
            f"{_place(asked)} has a certificate that cannot be trusted, so nothing was sent. "
            "Check the URL; for an authority of your own, name its file in SSL_CERT_FILE.",
            where=where,
        )
    if kind == "connect":
        told = f" ({_shown(detail, asked)})" if detail else ""
        return RemoteError(
            f"{_place(asked)} cannot be reached{told}. Check that the server runs and that its URL is right.",
            where=where,
        )
    return RemoteError(f"{_place(asked)} broke off the connection, again and again. Try again later.", where=where)


def _request_id(asked: Asked, headers: Mapping[str, str]) -> str:
    """Return what the server calls the request, ``""`` if it does not say."""
    found = (_word(headers.get(name)) for name in REQUEST_IDS)
    return next((word for word in found if word and not _echoes(word, asked)), "")


def _place(asked: Asked) -> str:
    return f"{asked.who} at {asked.host}, asked for {asked.model},"


def _advice(asked: Asked, status: int, complaint: Complaint, headers: Mapping[str, str]) -> str:
    """Return what to do about a status."""
    if status in {401, 403}:
        return _key_advice(asked)
    if complaint.code in SPENT:
        return "The account has no credit left; see the provider's billing page."
    if status in {301, 302, 303, 307, 308}:
        return "A redirect is not followed, the key must not go elsewhere. Put the right URL into the model's name."
    if status == 404:  # noqa: PLR2004 - not found
        return "Check the name of the model, and that the URL is the base before /embeddings or /rerank."
    if status == 429:  # noqa: PLR2004 - too many requests
        wait = headers.get("retry-after", "")
        return f"It asks to wait {wait} s. Try again then." if _number(wait) is not None else "Try again later."
    return "Try again later." if status >= 500 else "Check the model and its settings."  # noqa: PLR2004 - a server's fault


def _key_advice(asked: Asked) -> str:
    if not asked.keys:
        return "No key is sent to this kind of server; for one that wants a key, name the model openai:MODEL@URL."
    variable = " or ".join(asked.keys)
    if asked.withheld:
        return (
            f"The key in {variable} was not sent: the URL was read from a stored name, which anyone may have written. "
            "If you trust that server, give the model's name yourself."
        )
    if asked.secret is None:
        return f"No key was sent: set {variable}."
    return f"It does not accept the key in {variable}; check it, and what it may be used for."


def _shown(words: str, asked: Asked) -> str:
    """Return a server's words for a message: one line, short, and only if they repeat neither a text nor the key."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:SHOWN_CHARS]
    return "" if _echoes(line, asked) else line


def _echoes(line: str, asked: Asked) -> bool:
    """Return whether words repeat a part of a text or of the key."""
    key = asked.secret or ""
    if any(key[start : start + KEY_CHARS] in line for start in range(len(key) - KEY_CHARS + 1)):
        return True
    runs = {line[start : start + ECHO_CHARS] for start in range(max(len(line) - ECHO_CHARS + 1, 0))}
    for text in asked.texts:
        short = text.strip() if len(text) < ECHO_CHARS else ""
        if (len(short) >= SHORT_CHARS and short in line) or any(run in text for run in runs):
            return True
    return False


def _word(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a short plain word of an answer, ``""`` for anything else."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.:-]{1,100}", value, re.ASCII) else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date_s(text: str) -> float | None:
    """Return a date of HTTP as seconds since 1970."""
    try:
        found: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
