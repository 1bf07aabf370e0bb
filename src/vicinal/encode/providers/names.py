"""A name such as ``openai:text-embedding-3-small@https://host/v1`` → which words are spoken, to whom, about which model."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from vicinal.encode.providers.cohere import COHERE
from vicinal.encode.providers.openai import COMPATIBLE, OPENAI
from vicinal.encode.providers.voyage import VOYAGE
from vicinal.encode.providers.wire import Wire
from vicinal.errors import InputError, UnknownNameError

MOST_CHARS = 500
"""Characters of a model's name, and of a URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One that is known by name: its words, where it is, the variables that may hold its key, the first that does."""

    wire: Wire
    url: str
    keys: tuple[str, ...] = ()


PROVIDERS = {
    "openai": Provider(wire=OPENAI, url="https://api.openai.com/v1", keys=("OPENAI_API_KEY",)),
    "cohere": Provider(wire=COHERE, url="https://api.cohere.com", keys=("COHERE_API_KEY", "CO_API_KEY")),
    "voyage": Provider(wire=VOYAGE, url="https://api.voyageai.com/v1", keys=("VOYAGE_API_KEY",)),
    "ollama": Provider(wire=COMPATIBLE, url="http://localhost:11434/v1"),
    "lmstudio": Provider(wire=COMPATIBLE, url="http://localhost:1234/v1"),
    "vllm": Provider(wire=COMPATIBLE, url="http://localhost:8000/v1"),
    "tei": Provider(wire=COMPATIBLE, url="http://localhost:8080/v1"),
}
"""Servers of one's own are sent no key; one that wants a key is ``openai:MODEL@URL``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderName:
    """What a name says. ``own`` is whether the URL is the provider's own, not one from the name."""

    provider: str
    model: str
    url: str
    own: bool

    def __str__(self) -> str:
        """Return the name that says the same."""
        return f"{self.provider}:{self.model}" + ("" if self.own else f"@{self.url}")

    @property
    def wire(self) -> Wire:
        """The words that are spoken there."""
        compatible = self.provider == "openai" and not self.own
        return COMPATIBLE if compatible else PROVIDERS[self.provider].wire

    @property
    def keys(self) -> tuple[str, ...]:
        """The variables that may hold its key."""
        return PROVIDERS[self.provider].keys

    @property
    def host(self) -> str:
        """The host, with its port where the URL has one."""
        return urlsplit(self.url).netloc

    @property
    def local(self) -> bool:
        """Whether the URL is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def encrypted(self) -> bool:
        """Whether the way there is."""
        return urlsplit(self.url).scheme == "https"


def is_provider(name: str) -> bool:
    """Return whether a name begins with a provider and a colon; ``parse`` says whether the rest is sound."""
    return name.partition(":")[0] in PROVIDERS and ":" in name


def parse(name: str) -> ProviderName:
    """Return what a name says.

    Parameters
    ----------
    name : str
        ``PROVIDER:MODEL`` or ``PROVIDER:MODEL@URL``. PROVIDER is openai, cohere, voyage, ollama, lmstudio, vllm or tei.
        The URL is the base: what stands before ``/embeddings``, and for Cohere before ``/v2/embed``.

    Raises
    ------
    UnknownNameError
        The provider is none of these.
    InputError
        There is no model in the name, or its URL is no plain http(s) base.

    Examples
    --------
    >>> parse("ollama:bge-m3").url
    'http://localhost:11434/v1'
    """
    provider, _, rest = name.partition(":")
    if not is_provider(name):
        listed = ", ".join(PROVIDERS)
        raise UnknownNameError(
            f"A provider's model is named PROVIDER:MODEL, with one of {listed}.", expected=listed, where="model"
        )
    model, url = _split(rest)
    if not 0 < len(model) <= MOST_CHARS or not model.isprintable() or model != model.strip():
        raise InputError(
            f"{provider}: must be followed by the name of a model, such as {provider}:MODEL.",
            expected="PROVIDER:MODEL",
            where="model",
        )
    url = _checked(url) if url else PROVIDERS[provider].url
    return ProviderName(provider=provider, model=model, url=url, own=url == PROVIDERS[provider].url)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or its address; nothing is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(rest: str) -> tuple[str, str]:
    """Return model and URL; a model's own name may hold ``@`` and ``:``."""
    for scheme in ("@https://", "@http://"):
        model, found, url = rest.partition(scheme)
        if found:
            return model, found[1:] + url
    return rest, ""


def _checked(url: str) -> str:
    """Return a base URL without a slash at its end; the message of a refusal does not repeat it, it may hold a secret."""
    parts = _parts(url)
    plain = parts is not None and parts.hostname and not (parts.query or parts.fragment or "?" in url or "#" in url)
    if parts is None or not plain or not url.isascii() or not url.isprintable() or " " in url or len(url) > MOST_CHARS:
        raise InputError(
            "The URL of a provider must be a plain base such as http://127.0.0.1:9000/v1, without a query.",
            expected="http(s)://HOST[:PORT]/PATH",
            where="model",
        )
    if "@" in parts.netloc:
        raise InputError(
            "The URL of a provider must hold no name or password: a collection would store it. "
            "Put the key into the provider's variable.",
            where="model",
        )
    return url.rstrip("/")


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL, None if it has none that make sense."""
    try:
        parts = urlsplit(url)
        port = parts.port  # it is checked when it is read
    except ValueError:
        return None
    return None if port == 0 else parts
