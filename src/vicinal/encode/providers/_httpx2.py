"""One request and its answer over HTTP, through httpx2: bounded in time and size, never following a redirect."""

from __future__ import annotations

import socket
import ssl
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import httpx2

from vicinal.encode.providers.wire import Reply, Silence

CONNECT_S = 10.0
"""How long a connection may take to be made; less where the whole may take less."""
CERTIFICATE = "certificate"


class HttpConnections:
    """Open connections to one server. Safe for many threads; ``abort`` wakes those that wait for an answer.

    Parameters
    ----------
    timeout_s : float
        How long a server may stay silent, and how long an answer may take from its first to its last byte.
    proxies : bool
        Whether the proxies of the environment count.
    encrypted : bool
        Whether the server is reached by https. Without, no certificate is trusted, and none is read from the disk.
    """

    def __init__(self, *, timeout_s: float, proxies: bool, encrypted: bool) -> None:
        self._timeout_s = timeout_s
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s), pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30),
            follow_redirects=False,
            trust_env=proxies,
            verify=_trusted() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        self._closed = weakref.finalize(self, self._client.close)

    def post(self, url: str, *, headers: Mapping[str, str], content: bytes, most_bytes: int) -> Reply | Silence:
        """Return what a server answers, or that it does not.

        Parameters
        ----------
        url : str
            Where to.
        headers : mapping
            ASCII.
        content : bytes
            The body.
        most_bytes : int
            The most that an answer may have, as it is after decompression.
        """
        try:
            with self._client.stream(
                "POST", url, headers=dict(headers), content=content, extensions={"trace": self._note}
            ) as response:
                return self._read(response, most_bytes)
        except httpx2.TimeoutException as error:
            return Silence(kind="connect" if isinstance(error, httpx2.ConnectTimeout) else "timeout")
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            told = str(error)
            return Silence(kind=CERTIFICATE if CERTIFICATE in told.lower() else "connect", detail=told[:200])
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, RuntimeError) as error:
            return Silence(kind="cut", detail=type(error).__name__)  # its text may quote a header

    def abort(self) -> None:
        """End every request that is under way, at once: each returns that it was cut."""
        for one in list(self._sockets):
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # not the one of TLS, which unwraps it under the reader

    def close(self) -> None:
        """Close the connections; they cannot be used again."""
        self._closed()

    def _read(self, response: httpx2.Response, most_bytes: int) -> Reply | Silence:
        """Return the answer whose headers have come, its body read piece by piece."""
        parts: list[bytes] = []
        size, until = 0, time.monotonic() + self._timeout_s
        for part in response.iter_bytes():
            size += len(part)
            if size > most_bytes:
                return Silence(kind="size")
            if time.monotonic() > until:
                return Silence(kind="timeout")
            parts.append(part)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(status=response.status_code, headers=headers, body=b"".join(parts))

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the socket of a connection that was just made; the library tells of it through its trace."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            if isinstance(found, socket.socket):
                self._sockets.add(found)


@cache
def _trusted() -> ssl.SSLContext:
    """Return the authorities that are trusted, read once: it takes a tenth of a second."""
    return httpx2.create_ssl_context()
