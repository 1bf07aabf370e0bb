"""A reranker behind an HTTP interface: the client of the encoders, its limits, its tries and its rules for keys."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from vicinal import config
from vicinal._arrays import texts_list
from vicinal.encode.providers import faults, names, tokens
from vicinal.encode.providers.accounting import Account, Usage
from vicinal.encode.providers.client import SPARE_BYTES, Client, Clock, TooLarge, key_of
from vicinal.encode.providers.faults import Asked
from vicinal.encode.providers.names import ProviderName
from vicinal.encode.providers.wire import Reply, WrongAnswerError
from vicinal.errors import (
    DtypeError,
    InputError,
    ModelNotFoundError,
    RangeError,
    RemoteError,
    TooLongError,
    TruncationWarning,
    UnknownNameError,
    UnsupportedError,
)
from vicinal.rerank.protocol import checked_scores
from vicinal.rerank.wires import MOST_TEXTS, WIRES, RerankWire
from vicinal.types import Floats

SCORE_BYTES = 200
"""What an answer holds for a text at most: its index, its score, and their names."""
LONGEST_TIMEOUT_S = 3600.0
CONCURRENCY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankName(ProviderName):
    """What a name such as ``cohere:rerank-v3.5`` says, as the client of the encoders asks for it."""

    @property
    def wire(self) -> RerankWire:  # type: ignore[override]  # the client takes no more of it than its path
        """The words that are spoken there."""
        return WIRES[self.provider]

    @property
    def keys(self) -> tuple[str, ...]:
        """The variables that may hold its key."""
        return WIRES[self.provider].keys


def is_remote(name: str) -> bool:
    """Return whether a name begins with a provider of rerankers and a colon."""
    return ":" in name and name.partition(":")[0] in WIRES


def parse(name: str) -> RerankName:
    """Return what ``PROVIDER:MODEL`` or ``PROVIDER:MODEL@URL`` says; the URL is what stands before ``/rerank``.

    Raises
    ------
    UnknownNameError
        The provider is none of cohere, voyage and jina.
    InputError
        There is no model in the name, or its URL is no plain http(s) base.
    """
    provider, _, rest = name.partition(":")
    if not is_remote(name):
        listed = ", ".join(WIRES)
        raise UnknownNameError(
            f"A provider's reranker is named PROVIDER:MODEL, with one of {listed}.", expected=listed, where="reranker"
        )
    if not rest.strip():
        raise InputError(
            f"{provider}: must be followed by the name of a model, such as cohere:rerank-v3.5.",
            expected="PROVIDER:MODEL",
            where="reranker",
        )
    checked = names.parse(f"cohere:{rest}")  # the rules for models and URLs are the same for all
    own = checked.own or checked.url == WIRES[provider].url
    url = WIRES[provider].url if own else checked.url
    return RerankName(provider=provider, model=checked.model, url=url, own=own)


class HttpReranker:
    """Scores texts by asking a server. Safe for many threads.

    Parameters
    ----------
    name : str
        ``cohere:MODEL``, ``voyage:MODEL`` or ``jina:MODEL``, with ``@URL`` behind it for a server of your own that
        speaks one of them.
    timeout_s : float, 0 < timeout_s <= 3600
        How long the server may stay silent, in seconds.
    send_key : bool
        Whether a key may go to a URL in the name that is neither the provider's own nor on this machine. Give False
        where the name was read from a file that someone else may have written.
    secret : callable
        Returns the value of a variable, None without one.
    clock : Clock, optional
        Time, for tests.

    Raises
    ------
    UnknownNameError, InputError
        The name is none, or there is no key that may be sent.
    RangeError, DtypeError
        A parameter is out of its range.
    ModelNotFoundError
        The network is switched off, and the server is not on this machine.

    Notes
    -----
    At most 1,000 texts are scored in one request, and no more are asked for at once: providers charge by the request.
    A blank text or question is refused by them; a blank text gets the lowest score of its call, less 1, here.
    Voyage is asked to refuse what is too long. Cohere and Jina cut in silence: a text that may be beyond the 4,096
    tokens that Cohere reads is counted in a TruncationWarning; Jina's windows are not known here.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout_s: float = 30,
        send_key: bool = True,
        secret: Callable[[str], str | None] = config.secret,
        clock: Clock | None = None,
    ) -> None:
        parsed = parse(name)
        _refuse_offline(parsed)
        self._account = Account()
        self._client = _RerankClient(
            parsed,
            key_of(parsed, secret, send_key=send_key),
            self._account,
            timeout_s=_seconds(timeout_s),
            concurrency=CONCURRENCY,
            clock=clock or Clock(),
        )

    @property
    def score_kind(self) -> str:
        """The provider and the model."""
        return f"{self._client.name.provider}:{self._client.name.model}"

    @property
    def at_once(self) -> int:
        """How many texts go into one request."""
        return MOST_TEXTS

    @property
    def name(self) -> str:
        """The name that opens it again."""
        return str(self._client.name)

    @property
    def usage(self) -> Usage:
        """What was used since it was made."""
        return self._account.usage()

    def __repr__(self) -> str:
        """Tell the name; no key."""
        return f"HttpReranker({self.name})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: it holds a key."""
        raise UnsupportedError("A reranker of a provider cannot be pickled or copied: it holds a key. Name it again.")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connection."""
        self.close()

    def close(self) -> None:
        """Close the connection that is kept open; the next call opens another."""
        self._client.close()

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return what the server gives for each text, float32 (N,).

        Raises
        ------
        DtypeError, RangeError
            The question or the texts are no strings.
        InputError
            The question is blank.
        TooLongError
            The server refuses a text or the request for its length.
        RemoteError, RemoteTimeoutError
            There was no sound answer, after as many tries as may help.
        ModelNotFoundError
            The network is switched off, and the server is not on this machine.

        Warns
        -----
        TruncationWarning
            Texts may be beyond what the server reads of one.
        """
        (asked,), listed = texts_list([query], "query"), texts_list(texts)
        if not asked.strip():
            raise InputError("The question is blank, and a provider's reranker refuses that.", where="query")
        _refuse_offline(self._client.name)
        spoken = [row for row, text in enumerate(listed) if text.strip()]
        found: list[float] = []
        for start in range(0, len(spoken), MOST_TEXTS):
            found += self._client.scores(asked, [listed[row] for row in spoken[start : start + MOST_TEXTS]])
        scores = [min(found, default=0.0) - 1.0] * len(listed)
        for row, score in zip(spoken, found, strict=True):
            scores[row] = score
        self._warn_of_long(asked, listed)
        return checked_scores(scores, len(listed), self.name)

    def _warn_of_long(self, query: str, texts: list[str]) -> None:
        """Say how many texts a server that cuts in silence may have cut, at the line that called ``score``."""
        most = WIRES[self._client.name.provider].reads_tokens
        if not most or max(map(len, texts), default=0) + len(query) < most // 2:
            return
        asked = tokens.estimate(query)
        long = sum(asked + tokens.estimate(text) > most for text in texts)
        if long:
            told = "1 text is" if long == 1 else f"{long} texts are"
            warnings.warn(
                f"{told} perhaps beyond the {most} tokens that {self._client.name.provider} reads of one; "
                "what is beyond is left out there.",
                TruncationWarning,
                stacklevel=3,
            )


class _RerankClient(Client):
    """The client of the encoders, asked for scores."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scores of some texts, at least one and none of them blank, in their order."""
        asked = self._asked([query, *texts])
        wire = WIRES[self.name.provider]
        content = json.dumps(wire.body(self.name.model, query, texts), ensure_ascii=False, allow_nan=False).encode()
        most = SPARE_BYTES + len(texts) * SCORE_BYTES + 6 * len(content)
        reply = self._reply(asked, content, most, self.shared)
        if isinstance(reply, TooLarge):
            raise TooLongError(
                f"{asked.who} refuses the {reply.about} for its length. Rerank fewer candidates, or shorter chunks. "
                f"{reply.error.message}",
                where=str(self.name),
            ) from None
        payload = self._payload(asked, reply)
        try:
            found = wire.found(payload, len(texts))
        except WrongAnswerError as error:
            raise _wrong(asked, str(error), reply) from None
        self._account.answered(wire.tokens(payload), sum(map(tokens.estimate, texts)))
        return found

    def _payload(self, asked: Asked, reply: Reply) -> Mapping[str, Any]:
        """Return the JSON object of an answer."""
        if "json" not in reply.headers.get("content-type", "").lower():
            raise _wrong(asked, "its content type is not JSON", reply)
        try:
            payload = json.loads(reply.body)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            raise _wrong(asked, "it is no JSON object", reply)
        return payload


def _wrong(asked: Asked, why: str, reply: Reply) -> RemoteError:
    """Return the error for an answer that is a success by its status, but not by what it holds."""
    told = faults.wrong(asked, why, reply.headers, reply.status)
    return RemoteError(
        f"{asked.who} at {asked.host}, asked for {asked.model}, answered with something that is no set of scores: {why}. "
        "Check that the URL and the model are those of a rerank interface.",
        status=told.status,
        request_id=told.request_id,
        where=told.where,
    )


def _refuse_offline(name: ProviderName) -> None:
    """Refuse to ask another machine while the network is switched off."""
    if config.offline() and not name.local:
        raise ModelNotFoundError(
            f"{name} is on another machine, and the network is switched off by VICINAL_OFFLINE or HF_HUB_OFFLINE. "
            "Switch it on, or name a reranker on this machine, such as late-interaction.",
            got=str(name),
            where="reranker",
        )


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        got = type(value).__name__
        raise DtypeError(f"timeout_s must be a number, got {got}.", expected="float", got=got, where="timeout_s")
    if not (math.isfinite(value) and 0 < value <= LONGEST_TIMEOUT_S):
        raise RangeError(
            f"timeout_s must be above 0 and at most {LONGEST_TIMEOUT_S:g}, got {value:g}.",
            expected=f"0 to {LONGEST_TIMEOUT_S:g}",
            got=value,
            where="timeout_s",
        )
    return float(value)


def host_of(name: str) -> str:
    """Return the host that a provider's name leads to, ``""`` for another name: what VICINAL_KEY_HOSTS is asked about."""
    return (urlsplit(parse(name).url).hostname or "") if is_remote(name) else ""
