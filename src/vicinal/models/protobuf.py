"""Protocol Buffers, as far as a reader of ONNX models needs them: the fields of a message, bounded, nothing executed.

::

    message = field field field …
    field   = key (varint: number << 3 | wire type), then
              0: a varint   1: 8 bytes   2: a length (varint) and so many bytes   5: 4 bytes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vicinal.errors import ModelLoadError

BYTES = 2
"""The wire type of text, bytes and messages."""
FIXED = {1: 8, 5: 4}
MAX_VARINT_BYTES = 10
MAX_NUMBER = (1 << 64) - 1
_CONTINUES = 0x80


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``number``; ``value``, a whole number or the bytes; ``raw``, the field as it lies in the message."""

    number: int
    value: int | memoryview
    raw: memoryview

    @property
    def content(self) -> memoryview:
        """The bytes of a field that holds bytes.

        Raises
        ------
        ModelLoadError
            It holds a number.
        """
        if isinstance(self.value, int):
            raise _damaged("a number stands where bytes must")
        return self.value

    @property
    def text(self) -> str:
        """The text of a field.

        Raises
        ------
        ModelLoadError
            It holds a number, or bytes that are no UTF-8.
        """
        try:
            return str(self.content, "utf-8")
        except UnicodeDecodeError as error:
            raise _damaged("a name is no text") from error


def fields(message: memoryview) -> Iterator[Field]:
    """Go through the fields of a message; nothing is copied.

    Raises
    ------
    ModelLoadError
        The message is damaged: it ends within a field, or has a kind of field that ONNX does not use.
    """
    place = 0
    while place < len(message):
        start = place
        key, place = _varint(message, place)
        wire = key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield Field(key >> 3, value, message[start:place])
            continue
        length, place = _varint(message, place) if wire == BYTES else (FIXED.get(wire, -1), place)
        if length < 0 or length > len(message) - place:
            raise _damaged("it ends within a field")
        place += length
        yield Field(key >> 3, message[place - length : place], message[start:place])


def joined(number: int, content: bytes) -> bytes:
    """Return a field that holds bytes."""
    return _varint_bytes(number << 3 | BYTES) + _varint_bytes(len(content)) + content


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number and the place behind it."""
    value = 0
    for count, byte in enumerate(message[place : place + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < _CONTINUES:
            return value & MAX_NUMBER, place + count + 1
    raise _damaged("a number in it has no end")


def _varint_bytes(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value >= _CONTINUES:
        groups.append(value & 0x7F | _CONTINUES)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _damaged(what: str) -> ModelLoadError:
    return ModelLoadError(f"it is damaged, {what}; fetch the model again")
