"""A name → an encoder: the parameters checked, the key found, the dimension known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from vicinal import config
from vicinal._arrays import one_of, texts_list, whole_number
from vicinal.encode.providers import tokens
from vicinal.encode.providers.accounting import Account
from vicinal.encode.providers.client import Client, Clock, TooLarge, key_of
from vicinal.encode.providers.encoder import LEAST_ROOM, RemoteEncoder, refuse_offline
from vicinal.encode.providers.names import ProviderName, parse
from vicinal.encode.providers.wire import MOST_DIM, Facts
from vicinal.errors import DtypeError, RangeError
from vicinal.space import Space
from vicinal.types import Overflow

OVERFLOWS = ("chunk", "error", "cut")
WINDOW_TOKENS = 512
"""The window of a model of which nothing is documented here: almost all read so much."""
LEAST_WINDOW, MOST_WINDOW = 32, 1_000_000
LONGEST_TIMEOUT_S, MOST_CONCURRENCY = 3600.0, 64


def connect(  # noqa: PLR0913 - each says what is asked for, and all but the first go by name
    name: str,
    *,
    overflow: Overflow = "chunk",
    dim: int | None = None,
    query_prompt: str = "",
    document_prompt: str = "",
    max_tokens: int | None = None,
    timeout_s: float = 60,
    concurrency: int = 4,
    price_per_million: float | None = None,
    send_key: bool = True,
    secret: Callable[[str], str | None] = config.secret,
    clock: Clock | None = None,
) -> RemoteEncoder:
    """Return the encoder of a provider's model.

    Parameters
    ----------
    name : str
        See ``parse``.
    overflow : {"chunk", "error", "cut"}
        What happens to a text beyond the window, by the estimate of ``tokens``. ``chunk``: it is sent in windows of
        even size, and its vector is the mean of their unit vectors, weighted by their tokens, at unit length again.
        ``error``: TooLongError. ``cut``: the rest is left out, counted in ``Vectors.cut_rows``, and warned of.
    dim : int, optional, 1 <= dim
        The dimension that the provider is asked for. Default: the model's own, which is known here or told by one
        request for the text ``a``.
    query_prompt, document_prompt : str
        What is put before a text of each role, and before each of its windows.
    max_tokens : int, optional, 32 <= max_tokens
        The window. Default: as documented for the model, or 512.
    timeout_s : float, 0 < timeout_s <= 3600
        How long the server may stay silent, in seconds.
    concurrency : int, 1 <= concurrency <= 64
        How many requests are under way at once.
    price_per_million : float, optional, 0 <= price_per_million
        What a million tokens cost, for ``usage.cost``.
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
        The network is switched off, and the provider is not on this machine.
    RemoteError
        The dimension was asked for, and there was no sound answer.

    Notes
    -----
    The space holds the words that are spoken, the model's name, the dimension, the prompts and the rule by which long
    texts are divided. It holds neither URL nor weights: a provider shows none. Only the canary of a collection sees
    that another model answers to the same name.
    """
    parsed = parse(name)
    refuse_offline(parsed)
    wanted = _Wanted(
        overflow=one_of(overflow, "overflow", OVERFLOWS),
        dim=None if dim is None else whole_number(dim, "dim", low=1, high=MOST_DIM),
        prompts=(_prompt(query_prompt, "query_prompt"), _prompt(document_prompt, "document_prompt")),
        max_tokens=None
        if max_tokens is None
        else whole_number(max_tokens, "max_tokens", low=LEAST_WINDOW, high=MOST_WINDOW),
    )
    concurrency = whole_number(concurrency, "concurrency", low=1, high=MOST_CONCURRENCY)
    account = Account(None if price_per_million is None else _number(price_per_million, "price_per_million", low=0))
    client = Client(
        parsed,
        key_of(parsed, secret, send_key=send_key),
        account,
        timeout_s=_number(timeout_s, "timeout_s", low=0.001, high=LONGEST_TIMEOUT_S),
        concurrency=concurrency,
        clock=clock or Clock(),
    )
    facts = _facts(client, wanted.dim)
    return RemoteEncoder(client, _space(parsed, facts, wanted), account, concurrency=concurrency)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a caller of ``connect`` wants of the space, checked."""

    overflow: str
    dim: int | None
    prompts: tuple[str, str]
    max_tokens: int | None


def _facts(client: Client, dim: int | None) -> Facts:
    """Return what is known of a model, its dimension asked for if need be, and refuse a dimension that it cannot give."""
    name = client.name
    known = name.wire.facts(name.model)
    if known is None:
        got = client.ask(["a"], "document", session=client.shared, dim=None, asked_dim=None, estimate=1)
        if isinstance(got, TooLarge):
            raise got.error
        return Facts(dim=got.vectors.shape[1], max_tokens=WINDOW_TOKENS)
    if dim is not None and dim != known.dim and dim not in known.dims:
        listed = f"{known.dims.start} to {known.dims.stop - 1}" if isinstance(known.dims, range) else known.dims
        raise RangeError(
            f"dim must be {listed or known.dim} for {name.model}, got {dim}.",
            expected=str(listed or known.dim),
            got=dim,
            where="dim",
        )
    return known


def _space(name: ProviderName, facts: Facts, wanted: _Wanted) -> Space:
    """Return the identity of what a model answers, as far as it can be told from here."""
    dim = wanted.dim or facts.dim
    types = f" input_type={name.wire.input_types}" if name.wire.input_types else ""
    space = Space(
        weights=f"provider:{name.wire.name}:{name.model}",
        architecture=f"remote {name.wire.name} dim={dim}{types}",
        tokenizer=f"remote {tokens.RULE}",
        pooling="remote",
        query_prompt=wanted.prompts[0],
        document_prompt=wanted.prompts[1],
        max_tokens=wanted.max_tokens or facts.max_tokens,
        overflow=wanted.overflow,
        full_dim=facts.dim,
        dim=dim,
    )
    longest = max(tokens.estimate(prompt) for prompt in wanted.prompts)
    if space.max_tokens - tokens.SPECIAL - longest < LEAST_ROOM:
        raise RangeError(
            f"A window of {space.max_tokens} tokens leaves no room for text beside a prompt of about {longest}.",
            where="max_tokens",
        )
    return space


def _prompt(value: object, name: str) -> str:
    """Return a prompt that is a string and fit for UTF-8."""
    return texts_list([value], name)[0]


def _number(value: object, name: str, *, low: float, high: float = math.inf) -> float:
    """Return a finite number within [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DtypeError(f"{name} must be a number, got {type(value).__name__}.", expected="float", where=name)
    number = float(value)
    if not (math.isfinite(number) and low <= number <= high):
        allowed = f">= {low:g}" if high == math.inf else f"{low:g} to {high:g}"
        raise RangeError(f"{name} must be {allowed}, got {number:g}.", expected=allowed, got=number, where=name)
    return number
