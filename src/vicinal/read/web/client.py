"""One GET over HTTP by the standard library: bounded in time, size and redirects; no cookies, no proxies."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from vicinal.read.web.address import Address, ForbiddenError, RefusedError, address_of, is_named_private, resolved

SILENT_S = 15.0
"""How long a server may stay silent."""
WHOLE_S = 60.0
"""How long one answer may take, redirects included."""
MOST_BYTES = 16 << 20
MOST_REDIRECTS = 5
READ_BYTES = 1 << 16
REDIRECTS = {301, 302, 303, 307, 308}
AGENT = "vicinal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered: ``address`` is where the redirects led; header names are in lower case."""

    address: Address
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Client:
    """Asks for pages. ``private`` and ``other_sites`` say what may be asked beyond the hosts that the user named."""

    named: frozenset[str]
    private: bool = False
    other_sites: bool = False
    headers: dict[str, str] = field(default_factory=lambda: {"user-agent": f"{AGENT} (embedding index)"})

    def get(
        self, address: Address, headers: Mapping[str, str] | None = None, *, most_bytes: int = MOST_BYTES
    ) -> Answer:
        """Return the answer to a GET, redirects followed.

        Raises
        ------
        RefusedError
            It leads where nobody allowed, in circles, or the answer is too large; ``ForbiddenError`` where the address
            itself is one of another host.
        OSError
            The server cannot be reached, is silent, or breaks off.
        """
        until = time.monotonic() + WHOLE_S
        self._require_host(address, ForbiddenError)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(address, {**self.headers, **(headers or {})}, until, most_bytes)
            if answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            address = address_of(answer.headers["location"], address.url)
            self._require_host(
                address, RefusedError
            )  # where a network answers in place of the site, nothing is forbidden
        raise RefusedError(f"it was sent on more than {MOST_REDIRECTS} times")

    def _require_host(self, address: Address, error: type[RefusedError]) -> None:
        """Refuse a host that is neither the user's nor allowed."""
        if address.host not in self.named and not self.other_sites:
            raise error(f"it leads to another host, {address.host}; allow that with other_sites (--other-sites)")

    def _once(self, address: Address, headers: Mapping[str, str], until: float, most_bytes: int) -> Answer:
        private = self.private or (address.host in self.named and is_named_private(address.host))
        number = resolved(address, private=private)
        connection = _Connection(address, number, min(SILENT_S, max(0.1, until - time.monotonic())))
        try:
            connection.request("GET", address.target, headers={**headers, "accept-encoding": "gzip"})
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            body = b"" if response.status in REDIRECTS else _body(response, told, until, most_bytes)
            return Answer(address=address, status=response.status, headers=told, body=body)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"the answer is no HTTP: {type(error).__name__}") from error
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to the machine that was looked up and checked; the certificate must be the host's."""

    def __init__(self, address: Address, number: str, timeout_s: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout_s)
        self._number = number
        self._is_encrypted = address.scheme == "https"

    def connect(self) -> None:
        """Connect to the number, not to whatever the name leads to by now."""
        self.sock = socket.create_connection((self._number, self.port), self.timeout)
        if self._is_encrypted:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _body(response: http.client.HTTPResponse, headers: Mapping[str, str], until: float, most_bytes: int) -> bytes:
    """Return the body, unpacked, piece by piece; never more than ``most_bytes`` of it are held."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip"}:
        raise RefusedError(f"the answer is coded as {coding[:40]!r}")
    unpack = zlib.decompressobj(wbits=31) if "gzip" in coding else None
    parts: list[bytes] = []
    size = 0
    while part := response.read1(READ_BYTES):
        if time.monotonic() > until:
            raise TimeoutError(f"the answer takes longer than {WHOLE_S:.0f} s")
        try:
            plain = part if unpack is None else unpack.decompress(part, most_bytes + 1 - size)
        except zlib.error as error:
            raise OSError("the answer is no gzip") from error
        size += len(plain)
        if size > most_bytes or (unpack is not None and unpack.unconsumed_tail):
            raise RefusedError(f"it has over {most_bytes} bytes")
        parts.append(plain)
    if response.length or (unpack is not None and not unpack.eof):
        raise OSError("the answer breaks off")  # half of a page is none
    return b"".join(parts)
