"""What a chat endpoint says over the wire, without any input or output: server-sent events, pieces of text, an end.

The form is that of OpenAI's ``POST /chat/completions``, which vLLM, Ollama, llama.cpp, LM Studio and many others speak;
events are those of the HTML standard, section 9.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.encode.providers.wire import WrongAnswerError

LINE_BYTES = 1 << 20
"""A longer line is no piece of text."""
DONE = "[DONE]"
"""What stands in place of JSON in the last event."""


class Events:
    """Bytes, cut anywhere → the data of events. A line ends with CR, LF or both; an event with an empty line."""

    __slots__ = ("_after_return", "_data", "_line")

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[str] = []
        self._after_return = False

    def feed(self, part: bytes) -> list[str]:
        """Return the data of the events that are whole now.

        Raises
        ------
        WrongAnswerError
            A line or the data of an event is longer than 1 MiB.
        """
        if self._after_return and part:
            part = part.removeprefix(b"\n")
            self._after_return = False
        self._after_return = self._after_return or part.endswith(b"\r")
        lines = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        found = []
        for line in lines[:-1]:
            self._grow(line)
            data = self._taken(self._line.decode("utf-8", "replace"))
            self._line.clear()
            if data is not None:
                found.append(data)
        self._grow(lines[-1])
        return found

    def _grow(self, part: bytes) -> None:
        self._line += part
        if len(self._line) + sum(map(len, self._data)) > LINE_BYTES:
            raise WrongAnswerError("an event of its stream is longer than a MiB")

    def _taken(self, line: str) -> str | None:
        """Take a line; return the data of the event that it ends, if it ends one that has any."""
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) or None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of an answer: text, and why it ended where it does (``stop``, ``length``, …), ``""`` if it goes on."""

    text: str = ""
    finish: str = ""


def piece_of(data: str, *, is_whole: bool) -> Piece:
    """Return what an event, or a whole answer, says.

    Parameters
    ----------
    data : str
        JSON.
    is_whole : bool
        Whether it is the body of an answer that is no stream: a message stands in it, and not a part of one.

    Raises
    ------
    WrongAnswerError
        It is none. An answer that carries an error is one, too: ask ``is_error`` before.
    """
    payload = parsed(data)
    choices = payload.get("choices")
    if not isinstance(choices, list) or (is_whole and not choices):
        raise WrongAnswerError("it has no choices")
    if not choices:
        return Piece()  # a stream ends with the count of tokens, and may begin with a check of the prompt
    choice = choices[0]
    said = choice.get("message" if is_whole else "delta") if isinstance(choice, Mapping) else None
    if not isinstance(said, Mapping):
        raise WrongAnswerError("a choice of it has no text")
    text, finish = said.get("content"), choice.get("finish_reason")
    if not isinstance(text, str | None) or not isinstance(finish, str | None):
        raise WrongAnswerError("the text of a choice is no string")
    return Piece(text=text or "", finish=finish or ("stop" if is_whole else ""))


def is_error(data: str) -> bool:
    """Return whether JSON tells of an error in place of an answer."""
    return bool(parsed(data).get("error"))


def parsed(data: str) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises
    ------
    WrongAnswerError
        It is none.
    """
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise WrongAnswerError("it is no JSON object")
    return payload
