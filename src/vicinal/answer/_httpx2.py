"""One request whose answer is read as it comes, over httpx2: bounded in time and size, never following a redirect."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import httpx2

from vicinal.encode.providers._httpx2 import CERTIFICATE, HttpConnections
from vicinal.encode.providers.wire import Reply, Silence


class StreamConnections(HttpConnections):
    """Open connections to one server, as for a provider's vectors, and answers that are read piece by piece."""

    def stream(
        self, url: str, *, headers: Mapping[str, str], content: bytes, most_bytes: int, most_s: float
    ) -> Iterator[Reply | Silence | bytes]:
        """Give the head of an answer, without its body, and then the body as it comes; or at any place that it ended.

        Parameters
        ----------
        url : str
            Where to.
        headers : mapping
            ASCII.
        content : bytes
            The body of the request.
        most_bytes : int
            The most that an answer may have.
        most_s : float
            How long it may take from its head to its last byte, in seconds.

        Yields
        ------
        Reply, bytes, Silence
            The head once; then the pieces; a Silence is the last that comes.
        """
        try:
            with self._client.stream(
                "POST", url, headers=dict(headers), content=content, extensions={"trace": self._note}
            ) as response:
                named = {name.lower(): value for name, value in response.headers.items()}
                yield Reply(status=response.status_code, headers=named, body=b"")
                size, until = 0, time.monotonic() + most_s
                for part in response.iter_bytes():
                    size += len(part)
                    if size > most_bytes:
                        yield Silence(kind="size")
                        return
                    if time.monotonic() > until:
                        yield Silence(kind="timeout", detail="whole")
                        return
                    yield part
        except httpx2.TimeoutException as error:
            yield Silence(kind="connect" if isinstance(error, httpx2.ConnectTimeout) else "timeout")
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            told = str(error)
            yield Silence(kind=CERTIFICATE if CERTIFICATE in told.lower() else "connect", detail=told[:200])
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, RuntimeError) as error:
            yield Silence(kind="cut", detail=type(error).__name__)  # its text may quote a header
