"""Which encoding a file has: by its mark, by being UTF-8, by what it says, by what it looks like."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from vicinal.read import _charset_normalizer

MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD_BYTES = 8192
"""A zero byte in these, without a mark, makes a file binary."""
BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 17
"""What is shown to the detector."""
DECLARED = re.compile(rb"(?:charset|coding)\s*[=:]\s*[\"']?([A-Za-z0-9_.:-]+)")
DECLARED_BYTES = 1024


def encoding_of(file: BinaryIO, *, declares: bool) -> str | None:
    """Return the name of an encoding that decodes the whole file, or None; the file is rewound.

    ``declares`` says that files of this format name their encoding near the beginning.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name if _first_bad_byte(file, name) is None else None
    bad = _first_bad_byte(file, "utf-8")
    if bad is None:
        return "utf-8"
    for guess in (_declared(head) if declares else None, _detected(file, bad)):
        if guess and _first_bad_byte(file, guess) is None:
            return guess
    return None


def is_binary(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of no text."""
    return b"\0" in head and not any(head.startswith(mark) for mark, _ in MARKS)


def _first_bad_byte(file: BinaryIO, encoding: str) -> int | None:
    """Return about where the file stops being of an encoding, or None if it never does."""
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    file.seek(0)
    try:
        while block := file.read(BLOCK_BYTES):
            decoder.decode(block)
            at += len(block)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        return at + (error.start if isinstance(error, UnicodeDecodeError) else 0)
    finally:
        file.seek(0)
    return None


def _declared(head: bytes) -> str | None:
    """Return the encoding that a file names for itself, if Python has one of that name for text."""
    found = DECLARED.search(head[:DECLARED_BYTES])
    return _text_codec(found[1].decode("ascii")) if found else None


def _detected(file: BinaryIO, near: int) -> str | None:
    """Return the encoding that the bytes around a place look like."""
    file.seek(max(0, near - SAMPLE_BYTES // 2))
    sample = file.read(SAMPLE_BYTES)
    file.seek(0)
    return _charset_normalizer.detected(sample)


def _text_codec(name: str) -> str | None:
    """Return the name if it is one of an encoding of text ."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return None
    is_text = getattr(found, "_is_text_encoding", True)  # what bytes.decode itself asks: rot13 and zlib are none
    return found.name if is_text else None
