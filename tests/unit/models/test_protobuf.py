"""Protocol Buffers: fields are read as they were written, and a damaged message is an error with a reason."""

from __future__ import annotations

import struct

import pytest

from vicinal.errors import ModelLoadError
from vicinal.models.protobuf import fields, joined


def test_fields_are_read_in_their_order():
    """Worked by hand: number 1 as a varint (300 = 0b10_0101100), 2 as text, 3 and 4 of eight and four bytes."""
    message = b"\x08\xac\x02" + b"\x12\x02ab" + b"\x19" + struct.pack("<d", 1.5) + b"\x25" + struct.pack("<f", 2.5)
    found = list(fields(memoryview(message)))
    assert [field.number for field in found] == [1, 2, 3, 4]
    assert found[0].value == 300
    assert found[1].text == "ab"
    assert struct.unpack("<d", found[2].content) == (1.5,)
    assert b"".join(bytes(field.raw) for field in found) == message


@pytest.mark.parametrize(("number", "content"), [(1, b""), (7, b"x" * 127), (25, b"x" * 128), (2000, b"x" * 20_000)])
def test_what_is_joined_is_read_again(number, content):
    """Lengths of one, two and three groups of seven bits."""
    (field,) = fields(memoryview(joined(number, content)))
    assert (field.number, bytes(field.content)) == (number, content)


def test_a_number_keeps_64_bits():
    """Minus one is 2**64 - 1, in ten groups."""
    (field,) = fields(memoryview(b"\x08" + b"\xff" * 9 + b"\x01"))
    assert field.value == 2**64 - 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x80", "no end"),
        (b"\x08", "no end"),
        (b"\x08" + b"\xff" * 11, "no end"),
        (b"\x12\x05ab", "within a field"),
        (b"\x19\x00", "within a field"),
        (b"\x0b", "within a field"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "within a field"),
    ],
)
def test_a_damaged_message_has_a_reason(message, reason):
    """It ends too early, a number does not end, or a kind of field is none that ONNX uses (groups)."""
    with pytest.raises(ModelLoadError, match=reason):
        list(fields(memoryview(message)))


def test_a_number_is_no_text():
    """A field of another kind than its place needs."""
    (field,) = fields(memoryview(b"\x08\x01"))
    with pytest.raises(ModelLoadError, match="a number stands"):
        _ = field.text
