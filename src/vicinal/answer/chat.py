"""A chat endpoint that speaks OpenAI's words: asked once, read as it writes, tried again only before its first word."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from vicinal import config
from vicinal._arrays import whole_number
from vicinal.answer.events import DONE, Events, Piece, is_error, piece_of
from vicinal.encode.providers import faults, names
from vicinal.encode.providers.client import FIRST_PAUSE_S, Clock, Key, key_of
from vicinal.encode.providers.encoder import refuse_offline
from vicinal.encode.providers.faults import Asked, Complaint
from vicinal.encode.providers.names import ProviderName
from vicinal.encode.providers.wire import Reply, Silence, WrongAnswerError
from vicinal.errors import DtypeError, InputError, RangeError, RemoteError, RemoteTimeoutError

PATH = "/chat/completions"
KEY = "VICINAL_CHAT_KEY"
TRIES = {"busy": 3, "timeout": 1, "cut": 2, "connect": 2, "certificate": 1, "size": 1}
"""How often a question is sent at most, by what came of it: a person waits for the answer."""
TRY_FOR_S = 30.0
"""A question is not sent again later than this after it was first sent."""
LONGEST_TIMEOUT_S, MOST_TOKENS = 3600.0, 1_000_000
WHOLE_TIMES = 5
"""An answer may take so many times the timeout from its first to its last byte."""
ANSWER_BYTES = 16 << 20
"""What an answer may have, on the wire: each few letters are an event of some 200 bytes."""
ERROR_BYTES = 1 << 16
TEXT_CHARS = 200_000
"""The longest answer."""
OPTIONAL = ("temperature", "max_tokens")
"""Parameters that some models refuse; one that is refused by its name is left out, and the question asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatName(ProviderName):
    """Which model at which endpoint. ``own`` is whether that is OpenAI's own."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The variables that may hold its key; OpenAI's key goes to OpenAI only."""
        return (KEY, "OPENAI_API_KEY") if self.own else (KEY,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model answered, and whether it was stopped at the limit of tokens."""

    text: str
    is_cut: bool


def connect(
    url: str,
    model: str,
    *,
    max_tokens: int = 800,
    timeout_s: float = 60,
    secret: Callable[[str], str | None] = config.secret,
    clock: Clock | None = None,
) -> Chat:
    """Return a chat endpoint; nothing is asked yet.

    Parameters
    ----------
    url : str
        The base, what stands before ``/chat/completions``: ``http://localhost:11434/v1``. The whole is understood too.
    model : str
        The name that the endpoint knows it by.
    max_tokens : int, 1 <= max_tokens
        The longest answer, in the model's tokens.
    timeout_s : float, 0 < timeout_s <= 3600
        How long the endpoint may stay silent, in seconds; the whole answer may take five times that.
    secret : callable
        Returns the value of a variable, None without one. The key in ``VICINAL_CHAT_KEY`` is sent to this URL, encrypted
        unless it is on this machine; ``OPENAI_API_KEY`` to OpenAI only. So the URL must come from who owns the key.
    clock : Clock, optional
        Time, for tests.

    Raises
    ------
    InputError
        The URL is no plain http(s) base, there is no model, or the key cannot be sent.
    ModelNotFoundError
        The network is switched off, and the endpoint is not on this machine.
    """
    for told, where in ((url, "endpoint"), (model, "model")):
        if not isinstance(told, str):
            raise DtypeError(
                f"A chat endpoint and its model are named by strings, got {type(told).__name__}.",
                expected="str",
                got=type(told).__name__,
                where=where,
            )
    if not model.strip():
        raise InputError(
            "A chat endpoint needs the name of a model; give it with model=.", expected="a name", where="model"
        )
    base = url.strip().rstrip("/").removesuffix(PATH)
    if not base.startswith(("http://", "https://")):
        raise InputError(
            "The URL of a chat endpoint must be a plain base such as http://127.0.0.1:11434/v1.",
            expected="http(s)://HOST[:PORT]/PATH",
            where="endpoint",
        )
    found = names.parse(f"openai:{model}@{base}")
    if found.model != model:
        raise InputError("The name of the model holds a URL; give that as the endpoint.", where="model")
    name = ChatName(provider="chat", model=model, url=found.url, own=found.own)
    refuse_offline(name)
    if not 0 < timeout_s <= LONGEST_TIMEOUT_S:
        raise RangeError(
            f"timeout_s must be above 0 and at most {LONGEST_TIMEOUT_S:g}, got {timeout_s!r}.",
            expected=f"0 < timeout_s <= {LONGEST_TIMEOUT_S:g}",
            got=timeout_s,
            where="timeout_s",
        )
    return Chat(
        name,
        key_of(name, secret, send_key=True),
        max_tokens=whole_number(max_tokens, "max_tokens", low=1, high=MOST_TOKENS),
        timeout_s=timeout_s,
        clock=clock or Clock(),
    )


class Chat:
    """Asks one chat model. Made by ``connect``. Safe for many threads; each question has its own connection."""

    def __init__(self, name: ChatName, key: Key, *, max_tokens: int, timeout_s: float, clock: Clock) -> None:
        self.name = name
        self._key = key
        self._max_tokens = max_tokens
        self._timeout_s = timeout_s
        self._clock = clock

    def __repr__(self) -> str:
        """Tell which model where, and nothing of the key."""
        return f"Chat({self.name})"

    def ask(self, messages: Sequence[Mapping[str, str]], *, on_text: Callable[[str], object] | None = None) -> Said:
        """Return what the model answers.

        Parameters
        ----------
        messages : sequence of mappings
            ``role`` and ``content``.
        on_text : callable, optional
            Called with each piece of the text as it comes. What was given to it is not taken back by an error.

        Raises
        ------
        RemoteError, RemoteTimeoutError
            There was no whole answer: after as many tries as may help, or broken off after it had begun.
        """
        from vicinal.answer._httpx2 import StreamConnections  # noqa: PLC0415 - heavy, and not needed before

        connections = StreamConnections(
            timeout_s=self._timeout_s, proxies=not self.name.local, encrypted=self.name.encrypted
        )
        try:
            return _Asking(self, messages, partial(connections.stream, headers=self._headers()), on_text).answer()
        finally:
            connections.close()

    def body(self, messages: Sequence[Mapping[str, str]], left_out: Sequence[str]) -> bytes:
        """Return a request. The same question is to give the same answer as far as the model can: temperature 0."""
        optional = {"temperature": 0, "max_tokens": self._max_tokens}
        asked = {"model": self.name.model, "messages": list(messages), "stream": True}
        kept = {name: value for name, value in optional.items() if name not in left_out}
        return json.dumps({**asked, **kept}, ensure_ascii=False, allow_nan=False).encode()

    def _headers(self) -> dict[str, str]:
        """Return what is sent beside the body."""
        sent = {
            "accept": "text/event-stream, application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "vicinal",
        }
        secret = self._key.reveal()
        return sent if secret is None else {**sent, "authorization": f"Bearer {secret}"}

    def asked(self, messages: Sequence[Mapping[str, str]]) -> Asked:
        """Return who was asked, for a message that repeats neither the texts nor the key."""
        return Asked(
            who="chat",
            model=self.name.model,
            host=self.name.host,
            keys=self.name.keys,
            secret=self._key.reveal(),
            texts=[message["content"] for message in messages],
        )

    @property
    def timeout_s(self) -> float:
        """How long the endpoint may stay silent, in seconds."""
        return self._timeout_s

    @property
    def clock(self) -> Clock:
        """What time is."""
        return self._clock


class _Asking:
    """One question, from its first try to its last."""

    def __init__(
        self,
        chat: Chat,
        messages: Sequence[Mapping[str, str]],
        stream: Callable[..., Iterator[Reply | Silence | bytes]],
        on_text: Callable[[str], object] | None,
    ) -> None:
        self._chat = chat
        self._messages = messages
        self._stream = stream
        self._on_text = on_text
        self._asked = chat.asked(messages)
        self._texts: list[str] = []
        self._chars = 0
        self._finish = ""

    def answer(self) -> Said:
        """Return the answer, however many tries it takes of those that are allowed."""
        clock, tries, left_out = self._chat.clock, 0, list[str]()
        began = clock.now()
        while True:
            tries += 1
            got = self._once(self._chat.body(self._messages, left_out))
            if got is None:
                return Said(text="".join(self._texts), is_cut=self._finish == "length")
            refused = _refused_names(got, left_out)
            if refused:
                left_out += refused
                tries -= 1
                continue
            self._again_or_raise(got, tries, began)

    def _again_or_raise(self, got: Reply | Silence, tries: int, began: float) -> None:
        """Wait before another try, or raise what came of the last."""
        clock = self._chat.clock
        error, told_s = self._error(got), None
        if self._texts:
            raise error
        if isinstance(got, Reply):
            if not faults.may_pass(got.status, faults.complaint_of(got.body), got.headers):
                raise error
            told_s = faults.told_pause_s(got.headers, clock.day())
        pause_s = math.ldexp(FIRST_PAUSE_S, tries - 1) * (1 + clock.chance()) / 2 if told_s is None else told_s
        kind = got.kind if isinstance(got, Silence) else "busy"
        if tries >= TRIES[kind] or clock.now() + pause_s - began > TRY_FOR_S:
            raise error
        (clock.sleep or time.sleep)(pause_s)

    def _once(self, content: bytes) -> Reply | Silence | None:
        """Send the question once; return None when the answer is whole, else what came in its place."""
        parts = self._stream(
            self._chat.name.url + PATH,
            content=content,
            most_bytes=ANSWER_BYTES,
            most_s=WHOLE_TIMES * self._chat.timeout_s,
        )
        head = next(parts)
        if not isinstance(head, Reply):
            return head if isinstance(head, Silence) else Silence(kind="cut")
        kind = head.headers.get("content-type", "").lower()
        if not 200 <= head.status < 300:  # noqa: PLR2004 - success
            return Reply(status=head.status, headers=head.headers, body=_collected(parts, ERROR_BYTES)[0])
        if "event-stream" not in kind and "json" not in kind:
            self._raise_wrong("its content type is neither JSON nor an event stream")
        try:
            return self._read_events(parts) if "event-stream" in kind else self._read_whole(parts, head)
        except WrongAnswerError as error:
            self._raise_wrong(str(error))

    def _read_events(self, parts: Iterator[Reply | Silence | bytes]) -> Silence | None:
        """Take a stream up to its end."""
        events = Events()
        for part in parts:
            if isinstance(part, Silence):
                return None if self._finish and part.kind == "cut" else part
            for data in events.feed(part) if isinstance(part, bytes) else ():
                if data.strip() == DONE:
                    return None
                self._raise_told(data)
                self._take(piece_of(data, is_whole=False))
        return None if self._finish else Silence(kind="cut")

    def _read_whole(self, parts: Iterator[Reply | Silence | bytes], head: Reply) -> Reply | Silence | None:
        """Take an answer that is no stream, though one was asked for."""
        body, silence = _collected(parts, ANSWER_BYTES)
        if silence is not None:
            return silence
        data = body.decode("utf-8", "replace")
        if is_error(data):
            return Reply(status=head.status, headers=head.headers, body=body)
        self._take(piece_of(data, is_whole=True))
        return None

    def _take(self, piece: Piece) -> None:
        """Take a piece of the text."""
        self._finish = piece.finish or self._finish
        if not piece.text:
            return
        self._chars += len(piece.text)
        if self._chars > TEXT_CHARS:
            raise WrongAnswerError(f"its answer is longer than {TEXT_CHARS} characters")
        self._texts.append(piece.text)
        if self._on_text is not None:
            self._on_text(piece.text)

    def _raise_told(self, data: str) -> None:
        """Raise what an event tells of an error."""
        if is_error(data):
            raise self._told_error(faults.complaint_of(data.encode("utf-8", "replace")))

    def _told_error(self, complaint: Complaint) -> RemoteError:
        code = f" ({complaint.code})" if complaint.code else ""
        return RemoteError(
            f"{self._place} broke off with an error of its own{code}. Try again later, or ask another model.",
            where=self._where,
        )

    def _raise_wrong(self, why: str) -> NoReturn:
        raise RemoteError(
            f"{self._place} answered with something that is no chat completion: {why}. "
            f"Check that the URL is the base before {PATH} of such an interface.",
            where=self._where,
        ) from None

    def _error(self, got: Reply | Silence) -> RemoteError:
        """Return the error for what came in place of an answer."""
        if isinstance(got, Silence):
            return self._silent(got)
        complaint = faults.complaint_of(got.body)
        if got.status < 300:  # noqa: PLR2004 - an error with the status of a success
            return self._told_error(complaint)
        if got.status in {301, 302, 303, 307, 308, 404}:
            what = "the name of the model, and " if got.status == 404 else ""  # noqa: PLR2004 - not found
            return RemoteError(
                f"{self._place} answered with HTTP {got.status}. "
                f"Check {what}that the URL is the base before {PATH}; a redirect is not followed.",
                status=got.status,
                where=self._where,
            )
        return faults.refused(self._asked, got.status, complaint, got.headers)

    def _silent(self, got: Silence) -> RemoteError:
        """Return the error for no answer, or for one that broke off."""
        if got.kind == "size":
            return RemoteError(f"{self._place} sent far more than an answer.", where=self._where)
        if got.kind == "timeout" and (self._texts or got.detail):
            return RemoteTimeoutError(
                f"{self._place} did not come to an end of its answer in time. "
                "Try again later, or allow more time with timeout_s.",
                where=self._where,
            )
        if got.kind == "cut":
            told = " in the middle of its answer" if self._texts else ""
            return RemoteError(f"{self._place} broke off the connection{told}. Try again later.", where=self._where)
        return faults.silent(self._asked, got.kind, got.detail, self._chat.timeout_s)

    @property
    def _place(self) -> str:
        return f"The chat model {self._chat.name.model} at {self._chat.name.host}"

    @property
    def _where(self) -> str:
        return f"chat:{self._chat.name.model}"


def _refused_names(got: Reply | Silence, left_out: Sequence[str]) -> list[str]:
    """Return the parameters that an endpoint refuses by their names and that can be left out."""
    if not isinstance(got, Reply) or got.status not in {400, 422}:
        return []
    words = faults.complaint_of(got.body).words
    return [name for name in OPTIONAL if name not in left_out and name in words]


def _collected(parts: Iterator[Reply | Silence | bytes], most_bytes: int) -> tuple[bytes, Silence | None]:
    """Return the rest of an answer up to so many bytes, and how it ended if it is not whole."""
    body = bytearray()
    for part in parts:
        if isinstance(part, Silence):
            return bytes(body), part
        if isinstance(part, bytes):
            body += part
        if len(body) > most_bytes:
            return bytes(body[:most_bytes]), Silence(kind="size")
    return bytes(body), None
