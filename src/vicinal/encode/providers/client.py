"""Questions to a provider and their answers: a few at once, tried again where that may help, every answer checked."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from vicinal.encode.providers import faults, wire
from vicinal.encode.providers.accounting import Account
from vicinal.encode.providers.faults import Asked
from vicinal.encode.providers.names import ProviderName
from vicinal.encode.providers.wire import Doubles, Reply, Role, Silence, WrongAnswerError
from vicinal.encode.providers.workers import StoppedError
from vicinal.errors import InputError, RemoteError, UnsupportedError

TRIES = {"busy": 8, "timeout": 3, "cut": 4, "connect": 3, "certificate": 1, "size": 1}
"""How often a request is sent at most, by what came of it."""
TRY_FOR_S = 300.0
"""No request is sent again later than this after it was first sent."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""The pause before the second try, doubled before each further one, and the longest."""
VECTOR_BYTES = 40
"""What a component takes in JSON at most: a double with all its digits, a comma and white space."""
SPARE_BYTES = 1_000_000
"""What an answer may hold beside vectors and texts."""
NEVER = math.inf
"""A pause that is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What time is, and how it passes; a test gives its own.

    ``sleep`` None waits on an event, so that a call that is given up wakes at once. ``chance`` gives from [0, 1).
    """

    now: Callable[[], float] = time.monotonic
    day: Callable[[], float] = time.time
    chance: Callable[[], float] = secrets.SystemRandom().random
    sleep: Callable[[float], object] | None = None


class Key:
    """A secret that is in no text: not in ``repr``, not in ``str``, not in a pickle.

    ``withheld`` is whether there is one that must not be sent to where the name points.
    """

    __slots__ = ("_value", "withheld")

    def __init__(self, value: str | None, *, withheld: bool = False) -> None:
        self._value = value
        self.withheld = withheld

    def __repr__(self) -> str:
        """Say only whether there is one."""
        return "Key(…)" if self._value else "Key(none)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be written anywhere."""
        raise UnsupportedError("A key cannot be pickled or copied; open the model again where it is needed.")

    def reveal(self) -> str | None:
        """Return the secret, for sending."""
        return self._value


def key_of(name: ProviderName, secret: Callable[[str], str | None], *, send_key: bool) -> Key:
    """Return the key that may be sent to where a name points.

    Raises
    ------
    InputError
        The provider's own service needs a key and there is none; the key cannot stand in a header; or it would
        travel unencrypted to another machine.
    """
    variable, value = next(((one, found) for one in name.keys if (found := secret(one))), ("", None))
    if value is None and name.own and name.keys:
        listed = " or ".join(name.keys)
        raise InputError(f"{name} needs a key: set {listed}.", expected=listed, where="model")
    if value is None or not (name.own or name.local or send_key):
        return Key(None, withheld=value is not None)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InputError(f"The key in {variable} holds characters that no key has; set it again.", where=variable)
    if not name.encrypted and not name.local:
        raise InputError(
            f"The key in {variable} would travel unencrypted to {name.host}. Use https, or unset {variable} "
            "if that server needs no key.",
            expected="https",
            got="http",
            where="model",
        )
    return Key(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The vectors of some texts, float64 (N, D) at unit length."""

    vectors: Doubles


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLarge:
    """That a text (``about`` is ``text``) or the request as a whole (``request``) was refused for its size."""

    about: str
    error: RemoteError


class Connections(Protocol):
    """Open connections to one server."""

    def post(self, url: str, *, headers: Mapping[str, str], content: bytes, most_bytes: int) -> Reply | Silence:
        """Return what the server answers, or that it does not."""
        ...

    def abort(self) -> None:
        """End every request that is under way, at once."""
        ...

    def close(self) -> None:
        """Close them all."""
        ...


class Session:
    """Connections that belong together: given up together, closed together."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self.connections = connections
        self.stopped = threading.Event()
        self._clock = clock

    def stop(self) -> None:
        """Give up whatever is under way."""
        self.stopped.set()
        self.connections.abort()

    def sleep(self, seconds: float) -> None:
        """Wait, unless the session is given up."""
        if self._clock.sleep is not None:
            self._clock.sleep(seconds)
        else:
            self.stopped.wait(seconds)


class Client:
    """Asks one model of one provider. Safe for many threads.

    Parameters
    ----------
    name : ProviderName
        Who is asked, and about which model.
    key : Key
        What ``key_of`` gave.
    account : Account
        Where requests and tokens are counted.
    timeout_s : float
        How long a server may stay silent.
    concurrency : int, 1 <= concurrency
        How many requests are under way at once, over all threads.
    clock : Clock
        Time.
    """

    def __init__(
        self, name: ProviderName, key: Key, account: Account, *, timeout_s: float, concurrency: int, clock: Clock
    ) -> None:
        self.name = name
        self._key = key
        self._account = account
        self._timeout_s = timeout_s
        self._clock = clock
        self._slots = threading.BoundedSemaphore(concurrency)
        self._guard = threading.Lock()
        self._shared: Session | None = None
        self._closed_until = clock.now()

    @property
    def shared(self) -> Session:
        """The session of single questions: its connection stays open from one to the next."""
        with self._guard:
            if self._shared is None:
                self._shared = self._new_session()
            return self._shared

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session of one's own, closed at the end; giving it up touches no other call."""
        session = self._new_session()
        try:
            yield session
        finally:
            session.connections.close()

    def close(self) -> None:
        """Close the shared connection. The next question opens another."""
        with self._guard:
            if self._shared is not None:
                self._shared.connections.close()
            self._shared = None

    def ask(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        session: Session,
        dim: int | None,
        asked_dim: int | None,
        estimate: int,
    ) -> Answer | TooLarge:
        """Return the vectors of some texts.

        Parameters
        ----------
        texts : sequence of str
            At least one, and no more than the wire allows; none of them blank.
        role : {"query", "document"}
            What they are.
        session : Session
            Which connections are used.
        dim : int, optional
            The dimension that every vector must have; None for any.
        asked_dim : int, optional
            The dimension that the server is asked for; None for the model's own.
        estimate : int
            Tokens of the texts, counted where the server does not count them.

        Raises
        ------
        RemoteError, RemoteTimeoutError
            There was no sound answer, after as many tries as may help.
        """
        asked = self._asked(texts)
        body = self.name.wire.body(self.name.model, texts, role, asked_dim)
        content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        most = SPARE_BYTES + 6 * len(content) + len(texts) * VECTOR_BYTES * (dim or wire.MOST_DIM)
        reply = self._reply(asked, content, most, session)
        if isinstance(reply, TooLarge):
            return reply
        payload = self._payload(asked, reply)
        try:
            vectors = wire.rows(self.name.wire.found(payload, len(texts)), dim)
        except WrongAnswerError as error:
            raise faults.wrong(asked, str(error), reply.headers, reply.status) from None
        self._account.answered(self.name.wire.tokens(payload), estimate)
        return Answer(vectors=vectors)

    def _reply(self, asked: Asked, content: bytes, most_bytes: int, session: Session) -> Reply | TooLarge:
        """Return an answer whose status is a success, however many tries it takes of those that are allowed."""
        began, tries = self._clock.now(), 0
        while True:
            tries += 1
            got = self._send(content, most_bytes, session, again=tries > 1)
            told_s, result = self._judge(asked, got)
            if not isinstance(result, RemoteError):
                return result
            kind = got.kind if isinstance(got, Silence) else "busy"
            pause_s = self._pause_s(tries, told_s)
            late = self._clock.now() + pause_s - began > TRY_FOR_S
            if told_s == NEVER or tries >= TRIES[kind] or late:
                raise result
            if kind == "busy":
                self._hold_back(pause_s)
            session.sleep(pause_s)

    def _judge(self, asked: Asked, got: Reply | Silence) -> tuple[float | None, Reply | TooLarge | RemoteError]:
        """Return what came, an error where it is none, and how long the server asks to wait (NEVER: for ever)."""
        if isinstance(got, Silence):
            return None, faults.silent(asked, got.kind, got.detail, self._timeout_s)
        if 200 <= got.status < 300:  # noqa: PLR2004 - success
            return None, got
        complaint = faults.complaint_of(got.body)
        error = faults.refused(asked, got.status, complaint, got.headers)
        about = faults.too_large(got.status, complaint)
        if about is not None:
            return None, TooLarge(about=about, error=error)
        if not faults.may_pass(got.status, complaint, got.headers):
            return NEVER, error
        return faults.told_pause_s(got.headers, self._clock.day()), error

    def _send(self, content: bytes, most_bytes: int, session: Session, *, again: bool) -> Reply | Silence:
        """Send a request once, when there is a place for it and the server has not asked to wait."""
        with self._slots:
            while not session.stopped.is_set() and (early_s := self._closed_until - self._clock.now()) > 0:
                session.sleep(early_s)
            if session.stopped.is_set():
                raise StoppedError
            self._account.sent(again=again)
            got = session.connections.post(
                self.name.url + self.name.wire.path, headers=self._headers(), content=content, most_bytes=most_bytes
            )
        if session.stopped.is_set():
            raise StoppedError
        return got

    def _hold_back(self, pause_s: float) -> None:
        """Let the other threads wait as well: what is busy for one is busy for all."""
        with self._guard:
            self._closed_until = max(self._closed_until, self._clock.now() + pause_s)

    def _pause_s(self, tries: int, told_s: float | None) -> float:
        """Return how long to wait before the next try: as told, or longer each time; never the same for two of us."""
        if told_s is not None and told_s != NEVER:
            return told_s + self._clock.chance() * FIRST_PAUSE_S
        longest = min(math.ldexp(FIRST_PAUSE_S, tries - 1), LONGEST_PAUSE_S)
        return longest * (1 + self._clock.chance()) / 2

    def _payload(self, asked: Asked, reply: Reply) -> Mapping[str, Any]:
        """Return the JSON object of an answer."""
        kind = reply.headers.get("content-type", "")
        if "json" not in kind.lower():
            raise faults.wrong(asked, "its content type is not JSON", reply.headers, reply.status)
        try:
            payload = json.loads(reply.body)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            raise faults.wrong(asked, "it is no JSON object", reply.headers, reply.status)
        return payload

    def _headers(self) -> dict[str, str]:
        """Return what is sent beside the body."""
        sent = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "vicinal",
        }
        secret = self._key.reveal()
        return sent if secret is None else {**sent, "authorization": f"Bearer {secret}"}

    def _asked(self, texts: Sequence[str]) -> Asked:
        name = self.name
        return Asked(
            who=name.provider,
            model=name.model,
            host=name.host,
            keys=name.keys,
            secret=self._key.reveal(),
            withheld=self._key.withheld,
            texts=texts,
        )

    def _new_session(self) -> Session:
        from vicinal.encode.providers._httpx2 import HttpConnections  # noqa: PLC0415 - heavy, and not needed before

        connections = HttpConnections(
            timeout_s=self._timeout_s, proxies=not self.name.local, encrypted=self.name.encrypted
        )
        return Session(connections, self._clock)
