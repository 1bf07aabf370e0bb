"""Addresses: what is asked for, of which machine, and whether that machine may be asked."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from vicinal import config

SCHEMES = {"http": 80, "https": 443}
MOST_CHARS = 2_000
SAFE = "/?:@!$&'()*+,;=%-._~#[]"
"""Characters of an address that stay as they are; all others are written with a percent sign."""


class RefusedError(Exception):
    """An address that is not asked, or an answer that is not taken, and why."""


class ForbiddenError(RefusedError):
    """A page that a site, or the bounds of the source, keep out: it is none of the source's, and no hole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A page's address, taken apart: ``url`` is its one spelling, without what stands behind ``#``."""

    url: str
    scheme: str
    host: str
    port: int
    target: str

    @property
    def site(self) -> str:
        """Scheme, host and port: whose robots.txt counts."""
        return f"{self.scheme}://{self.named_host}"

    @property
    def named_host(self) -> str:
        """The host as the header names it, with a port that is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"


def address_of(url: str, base: str = "") -> Address:
    """Return an address taken apart, relative to another where it is.

    Raises
    ------
    RefusedError
        It is none of http or https, holds a password, or is too long.
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise RefusedError("the address cannot be read") from error
    if parts.scheme not in SCHEMES or not host:
        raise RefusedError(f"only http and https are read, not {parts.scheme or 'this'}")
    if parts.username or parts.password:
        raise RefusedError("an address with a name or a password in it is not asked")
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=SAFE)
    named = f"[{host}]" if ":" in host else host
    own = port in {None, SCHEMES[parts.scheme]}
    whole = urlunsplit((parts.scheme, named if own else f"{named}:{port}", "", "", "")) + target
    if len(whole) > MOST_CHARS:
        raise RefusedError(f"the address is longer than {MOST_CHARS} characters")
    return Address(
        url=whole, scheme=parts.scheme, host=host, port=port or SCHEMES[parts.scheme], target=target.replace("#", "%23")
    )


def is_named_private(host: str) -> bool:
    """Return whether a host says by itself that it is a private machine: who writes it means it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def resolved(address: Address, *, private: bool) -> str:
    """Return the number of the machine that is asked; the connection goes to it and to no other.

    Parameters
    ----------
    address : Address
        Whose host is looked up.
    private : bool
        Whether machines of a private network may be asked.

    Raises
    ------
    RefusedError
        The host leads to a private machine and ``private`` is false.
    OSError
        Nobody knows the host.
    """
    if config.offline() and not is_named_private(address.host):
        raise RefusedError("VICINAL_OFFLINE forbids the network")
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    numbers = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not private:
        for number in numbers:
            if not _is_public(number):
                raise RefusedError(
                    "it leads to a machine of a private network; allow that with private (--private), if it is meant"
                )
    return numbers[0]


def _is_public(number: str) -> bool:
    """Return whether a number is one of the public network; an IPv4 inside of an IPv6 counts as itself."""
    one = ipaddress.ip_address(number.partition("%")[0])
    inner = getattr(one, "ipv4_mapped", None) or getattr(one, "sixtofour", None)
    return one.is_global and not one.is_multicast and (inner is None or inner.is_global)
