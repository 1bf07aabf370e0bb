"""The bytes of a database: every fixed layout, packed and unpacked. docs/reference/format.md tells the same in words.

A vector file, ``vectors/<space>/<number>.vec``, all integers little-endian::

    0        8   12  16    24          40       56          4092  4096
    │VICINALV│ver│dim│number│space (hex)│database│ zeros … │crc32│ row 0 │ row 1 │ …
     bytes    u32 u32  u64    16 bytes    16 bytes           u32    dim × float32 each

The head, ``vicinal.head``, two slots of 32 bytes, written in turn so that a torn write spares the other::

    0        8          16         28     32
    │VICINALH│ sequence │ zeros    │ crc32│
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.errors import CorruptStoreError, FormatVersionError, corrupt

FORMAT_VERSION = 4
"""Of the database as a whole. An integer; docs/reference/format.md has the history."""
READABLE_VERSIONS = (1, 2, 3, 4)
"""What can be read; the first write brings an older one to the present form."""
READ_AS_THEY_ARE = (3, 4)
"""Of these, those that are read in place; of the others a private copy in the present form is."""
PENDING_SINCE = 4
"""The version that began to keep the rows of small commits in SQLite as well."""
VEC_VERSION = 1
"""Of a vector file alone."""

APPLICATION_ID = 0x56494349
"""SQLite's application id of our file: the letters VICI."""

SQLITE_NAME = "vicinal.sqlite"
FOLLOWS = "follows"
"""The setting that a replica has for as long as it follows a primary."""

HEAD_NAME = "vicinal.head"
SEAL_NAME = "vicinal.seal"
LOCK_NAME = "vicinal.lock"
SESSION_NAME = "vicinal.session"

VEC_MAGIC = b"VICINALV"
HEADER_BYTES = 4096
"""One page, so that the mapped rows are aligned."""
_VEC_HEADER = struct.Struct("<8sIIQ16s16s")
_CRC = struct.Struct("<I")

BLOCK_ROWS = 1024
"""Rows under one checksum."""
SEGMENT_ROWS = 262_144
"""Rows of one vector file; then the next begins."""
PLACES = 262_144
"""Of one vector file in the table ``pending``: its rows are numbered on from its number times this."""
GROUP_CHARS = 1024
"""Characters of records from which a group is full: what is read and compared to answer with one of them."""

HEAD_MAGIC = b"VICINALH"
SLOT_BYTES = 32
_SLOT = struct.Struct("<8sQ12x")

SEAL_LIMIT_BYTES = 1 << 26
"""A seal above this is not read: it lists files, and there are not that many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VecHeader:
    """What the first page of a vector file says."""

    dim: int
    number: int
    space: str
    database: bytes

    def pack(self) -> bytes:
        """Return the page, its checksum last."""
        fields = _VEC_HEADER.pack(VEC_MAGIC, VEC_VERSION, self.dim, self.number, self.space.encode(), self.database)
        page = fields.ljust(HEADER_BYTES - _CRC.size, b"\0")
        return page + _CRC.pack(zlib.crc32(page))

    def check(self, page: bytes, path: Path) -> None:
        """Refuse a page that is not exactly this header.

        Raises
        ------
        CorruptStoreError
            It is damaged, or the file belongs to another place.
        FormatVersionError
            It is sound, but of a later format.
        """
        if len(page) < HEADER_BYTES:
            raise corrupt(path, "it ends inside its header", expected=HEADER_BYTES, got=len(page))
        if page == self.pack():
            return
        body, crc = page[: -_CRC.size], _CRC.unpack(page[-_CRC.size :])[0]
        if not body.startswith(VEC_MAGIC) or zlib.crc32(body) != crc:
            raise corrupt(path, "its header does not match its checksum")
        version = _VEC_HEADER.unpack_from(body)[1]
        if version != VEC_VERSION:
            raise unknown_version(path, version, known=VEC_VERSION)
        raise corrupt(path, "it is a vector file of another database, space or place")


def unknown_version(path: Path, version: int, *, known: int = FORMAT_VERSION) -> FormatVersionError:
    """Return the error of a format that this program does not know."""
    return FormatVersionError(
        f"{path} has format version {version}, and this program knows {known}. "
        "Install a version of vicinal that knows it, or index the sources again into a new database.",
        expected=known,
        got=version,
        where=str(path),
    )


def pack_slot(sequence: int) -> bytes:
    """Return one slot of the head."""
    body = _SLOT.pack(HEAD_MAGIC, sequence)
    return body + _CRC.pack(zlib.crc32(body))


def unpack_slot(slot: bytes) -> int | None:
    """Return the sequence of a slot, or None if it is torn."""
    if len(slot) != SLOT_BYTES:
        return None
    body, crc = slot[: -_CRC.size], _CRC.unpack(slot[-_CRC.size :])[0]
    if zlib.crc32(body) != crc or not body.startswith(HEAD_MAGIC):
        return None
    return int(_SLOT.unpack(body)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file as it was when the database was sealed. ``crc32`` is None where blocks have their own."""

    size_bytes: int
    stamp: str
    crc32: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a cleanly closed database consists of."""

    sequence: int
    files: Mapping[str, SealedFile]

    def pack(self) -> bytes:
        """Return the seal as two lines: JSON, and the CRC-32 of it in hexadecimal."""
        files = {name: [f.size_bytes, f.stamp, f.crc32] for name, f in sorted(self.files.items())}
        body = json.dumps({"sequence": self.sequence, "files": files}, separators=(",", ":")).encode()
        return body + b"\n" + f"{zlib.crc32(body):08x}\n".encode()

    @classmethod
    def unpack(cls, content: bytes, path: Path) -> Seal:
        """Return the seal that ``pack`` wrote.

        Raises
        ------
        CorruptStoreError
            It is damaged; the message says how to do without it.
        """
        body, _, tail = content.partition(b"\n")
        if tail != f"{zlib.crc32(body):08x}\n".encode():
            raise damaged_seal(path)
        said: dict[str, Any] = json.loads(body)
        files = {
            name: SealedFile(size_bytes=size, stamp=stamp, crc32=crc)
            for name, (size, stamp, crc) in said["files"].items()
        }
        return cls(sequence=said["sequence"], files=files)


def damaged_seal(path: Path) -> CorruptStoreError:
    """Return the error of a seal that is not as it was written: it can be deleted, unlike the rest."""
    return CorruptStoreError(
        f"{path} is damaged: it does not match its checksum. "
        "It only speeds up opening: delete this one file, and the next opening checks the whole database instead.",
        where=str(path),
    )


def text_crc(text: str) -> int:
    """Return the CRC-32 of a text as UTF-8."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def row_crc(*values: str | int) -> int:
    """Return the checksum that stands at the end of each row of a table: of its values as text, U+001F between them."""
    return text_crc("\x1f".join(map(str, values)))
