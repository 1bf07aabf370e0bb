"""What a snapshot consists of: files, each cut into pieces that are named by their digests.

A place holds::

    blocks/<64 hex digits>        a piece; its name is the BLAKE2b-256 of its bytes
    snapshots/<sequence>.json     a manifest; a snapshot exists when this does
    leases/<kind>-<random>        who is at work; see lease.py
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from vicinal.errors import CorruptSnapshotError, FormatVersionError
from vicinal.lifecycle.snapshots.place import Place
from vicinal.store.format import SQLITE_NAME

MANIFEST_VERSION = 1
MANIFEST_LIMIT_BYTES = 1 << 28
"""A manifest above this is not read; one of a terabyte of vectors has 70 MB."""
SQLITE_PIECE_BYTES = 1 << 16
"""Sixteen pages: a commit changes few, scattered ones."""
VECTOR_PIECE_BYTES = 1 << 20
LARGEST_PIECE_BYTES = 1 << 24
EPOCH = "epoch"
"""The setting of a restored database that tells its history from the one that it was taken from: 32 random digits.

It stands for all commits since the restore. A database that was never restored has none.
"""
MANIFESTS = "snapshots"
BLOCKS = "blocks"
_NAME = re.compile(r"[0-9]{1,19}\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAMP = re.compile(r"[0-9-]{0,200}")
_DATABASE = re.compile(r"[0-9a-f]{32}")
_EPOCH = re.compile(r"[0-9a-f]{32}|")
_FILE = re.compile(rf"{re.escape(SQLITE_NAME)}|vectors/[0-9a-f]{{8,64}}/[0-9]{{1,19}}\.vec")


def digest_of(content: bytes) -> str:
    """Return the BLAKE2b-256 of bytes: 64 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=32).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of a snapshot: its pieces in order, all of ``piece_bytes`` but the last.

    ``stamp`` is that of the vector file when it was read (see ``_files.stamp_of``), "" where nothing is known.
    """

    name: str
    size_bytes: int
    piece_bytes: int
    stamp: str
    pieces: tuple[str, ...]

    def sized(self) -> Iterator[tuple[str, int]]:
        """Go through the pieces, each with its length."""
        left = self.size_bytes
        for piece in self.pieces:
            yield piece, min(left, self.piece_bytes)
            left -= self.piece_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot: the state of a database as of a commit.

    ``database`` is the database's own id in hexadecimal digits, ``epoch`` its setting of that name, "" without one;
    ``taken_at`` is in seconds since 1970.
    """

    database: str
    sequence: int
    taken_at: int
    files: tuple[StoredFile, ...]
    epoch: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def name(self) -> str:
        """Its name at the place."""
        return name_of(self.sequence)

    def pack(self) -> bytes:
        """Return the manifest as JSON, with its own digest in it."""
        body = _canonical({"format_version": MANIFEST_VERSION, **asdict(self)})
        return b'{"digest":"' + digest_of(body).encode() + b'","snapshot":' + body + b"}\n"


def name_of(sequence: int) -> str:
    """Return the name of the manifest of a commit."""
    return f"{MANIFESTS}/{sequence}.json"


def _canonical(value: object) -> bytes:
    """Return plain data as the bytes that are digested: sorted keys, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def unpack(content: bytes, where: str) -> Manifest:
    """Return the manifest that ``pack`` wrote.

    Raises
    ------
    CorruptSnapshotError
        It does not match its digest, or says what no manifest says.
    FormatVersionError
        It is of a later version.
    """
    try:
        outer = json.loads(content)
        said = outer["snapshot"]
        if digest_of(_canonical(said)) != outer["digest"]:
            raise damaged(where, "it does not match its digest")
        version = said.pop("format_version")
        if version != MANIFEST_VERSION:
            raise FormatVersionError(
                f"{where} has version {version}, and this program knows {MANIFEST_VERSION}. "
                "Install a version of vicinal that knows it.",
                expected=MANIFEST_VERSION,
                got=version,
                where=where,
            )
        files = tuple(StoredFile(**{**file, "pieces": tuple(file["pieces"])}) for file in said.pop("files"))
        manifest = Manifest(files=files, **said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(where, "it is no manifest") from error
    if not _is_sane(manifest):
        raise damaged(where, "it says what no manifest says")
    return manifest


def _is_sane(manifest: Manifest) -> bool:
    """Return whether every value is of its kind, every name stays in the folder, and the pieces add up."""
    numbers = (manifest.sequence, manifest.taken_at)
    names = [file.name for file in manifest.files]
    return (
        all(_is_whole(number) for number in numbers)
        and _matches(_DATABASE, manifest.database)
        and _matches(_EPOCH, manifest.epoch)
        and all(_is_sane_file(file) for file in manifest.files)
        and len(set(names)) == len(names)
        and SQLITE_NAME in names
    )


def _is_sane_file(file: StoredFile) -> bool:
    return (
        _matches(_FILE, file.name)
        and _matches(_STAMP, file.stamp)
        and _is_whole(file.size_bytes)
        and _is_whole(file.piece_bytes)
        and 1 <= file.piece_bytes <= LARGEST_PIECE_BYTES
        and len(file.pieces) == -(-file.size_bytes // file.piece_bytes)
        and all(_matches(_DIGEST, piece) for piece in file.pieces)
    )


def _is_whole(value: Any) -> bool:  # noqa: ANN401 - out of a file, anything
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _matches(pattern: re.Pattern[str], value: Any) -> bool:  # noqa: ANN401 - the same
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def damaged(where: str, what: str) -> CorruptSnapshotError:
    """Return the error of a part of a snapshot that is not as it was written."""
    return CorruptSnapshotError(
        f"{where} is damaged: {what}. Restore another snapshot; vicinal.lifecycle.snapshots.verify tells which are whole.",
        where=where,
    )


def read_manifest(place: Place, sequence: int) -> Manifest | None:
    """Return the manifest of a commit, or None where the place has none.

    Raises
    ------
    CorruptSnapshotError
        It is damaged, or it is the manifest of another commit.
    """
    where = f"{place.url}/{name_of(sequence)}"
    content = place.get(name_of(sequence), most_bytes=MANIFEST_LIMIT_BYTES + 1)
    if content is None:
        return None
    if len(content) > MANIFEST_LIMIT_BYTES:
        raise damaged(where, "it is larger than any manifest")
    manifest = unpack(content, where)
    if manifest.sequence != sequence:
        raise damaged(where, "it is the manifest of another commit")
    return manifest


def sequences(place: Place) -> list[int]:
    """Return the commits that the place has snapshots of, ascending."""
    names = [one.name.removeprefix(f"{MANIFESTS}/") for one in place.names(MANIFESTS)]
    return sorted(int(name.removesuffix(".json")) for name in names if _NAME.fullmatch(name))
