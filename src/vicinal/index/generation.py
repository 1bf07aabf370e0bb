"""Derived arrays on disk, as generations (``_generations.py``): each a file that is mapped, proven block by block.

::

    folder/7/manifest.json   of each array: type, shape, size, a checksum per block
    folder/7/codes.bin  …    the arrays, little-endian, row after row, nothing else
    folder/7/<note>.json     what was learned of them later

Takes arrays, whole or block after block, and the caller's meta. Gives them back mapped read only, where they are sound
and accepted. Never holds anything that could not be made again from the store.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal._files import disk_errors, write_atomically
from vicinal._generations import (
    MANIFEST,
    STAMPS,
    DamagedError,
    newest,
    prove,
    published,
    sealed,
    unreadable,
    unsealed,
    warn,
    write_stamps,
)
from vicinal.errors import DtypeError, ShapeError, UnknownNameError

BLOCK_BYTES = 1 << 20
"""Bytes under one checksum."""
WRITE_BYTES = 64 << 20
"""Bytes that one call of the system is given."""
VERSION = 1
KINDS = frozenset({"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}) | frozenset(
    {"float16", "float32", "float64"}
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One published set of arrays.

    ``arrays`` maps names to arrays that are mapped read only (bytes are read when they are touched);
    ``meta`` is what the publisher said of them; ``path`` is the folder, ``number`` its name.
    """

    number: int
    path: Path
    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]


@dataclass(slots=True)
class _Stream:
    """A file that is being written: its checksums so far, and the bytes of the block that is not full."""

    file: FileIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    rows: int = 0
    size: int = 0
    sums: list[int] = field(default_factory=list)
    last: int = 0

    def write(self, content: memoryview) -> None:
        """Append bytes, and sum each block when it is full."""
        written = 0
        while written < len(content):  # one call may write less than it was given
            written += self.file.write(content[written : written + WRITE_BYTES])
        start = 0
        while start < len(content):
            room = BLOCK_BYTES - self.size % BLOCK_BYTES
            piece = content[start : start + room]
            self.last = zlib.crc32(piece, self.last)
            self.size += len(piece)
            start += len(piece)
            if self.size % BLOCK_BYTES == 0:
                self.sums.append(self.last)
                self.last = 0

    def described(self) -> dict[str, Any]:
        """Return the file's entry of the manifest."""
        sums = self.sums + ([self.last] if self.size % BLOCK_BYTES else [])
        shape = (self.rows, *self.shape[1:]) if self.shape else ()
        return {"dtype": self.dtype.name, "shape": list(shape), "size": self.size, "crc32": sums}


class Draft:
    """A generation that is being written: arrays whole, or block after block. Made by ``publish_stream``.

    ``meta`` may be added to until the end; it must be plain JSON.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.meta = dict(meta)
        self._path = path
        self._streams: dict[str, _Stream] = {}

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Write an array of any shape, whole.

        Raises
        ------
        UnknownNameError
            The name is taken, or is more than 64 small letters, digits and underscores.
        DtypeError
            The array holds no plain numbers.
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused.
        """
        if name in self._streams:
            raise UnknownNameError(f"The array {name} was written before; use another name.", got=name, where="name")
        self._append(name, array)

    def append(self, name: str, block: NDArray[Any]) -> None:
        """Write rows behind those of before; the first block settles the type and the length of a row.

        Raises
        ------
        UnknownNameError, DtypeError
            As ``put``; or the type changed.
        ShapeError
            The block has no rows at all, or rows of another length.
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused.
        """
        before = self._streams.get(name)
        if not block.ndim or (before is not None and before.shape[1:] != block.shape[1:]):
            raise ShapeError(
                f"A block of {name} must have rows as the first had, got the shape {block.shape}.",
                expected=None if before is None else before.shape,
                got=block.shape,
                where=name,
            )
        self._append(name, block)

    def _append(self, name: str, array: NDArray[Any]) -> None:
        stream = self._streams.get(name) or self._opened(name, array)
        if stream.dtype.name != array.dtype.name:
            raise DtypeError(
                f"{name} must stay {stream.dtype.name}, got {array.dtype.name}.",
                expected=stream.dtype.name,
                got=array.dtype.name,
                where=name,
            )
        stream.rows += len(array) if array.ndim else 0
        if array.size:
            whole = np.ascontiguousarray(array, dtype=stream.dtype)
            with disk_errors(self._path):
                stream.write(whole.reshape(-1).view(np.uint8).data)

    def _opened(self, name: str, array: NDArray[Any]) -> _Stream:
        if not _NAME.fullmatch(name):
            raise UnknownNameError(
                f"An array's name must be small letters, digits and underscores, got {name!r}.", got=name, where="name"
            )
        if array.dtype.name not in KINDS:
            raise DtypeError(
                f"{name} must hold plain numbers, got {array.dtype}.",
                expected=", ".join(sorted(KINDS)),
                got=str(array.dtype),
                where=name,
            )
        with disk_errors(self._path):
            file = (self._path / f"{name}.bin").open("xb", buffering=0)
        self._streams[name] = _Stream(file, array.dtype.newbyteorder("<"), array.shape)
        return self._streams[name]

    def _close(self) -> None:
        """Let go of the files."""
        for stream in self._streams.values():
            with suppress(OSError):
                stream.file.close()

    def _finish(self) -> None:
        """Sync every file, then write what tells of them."""
        entries = {name: stream.described() for name, stream in self._streams.items()}
        body = {"version": VERSION, "block_bytes": BLOCK_BYTES, "arrays": entries, "meta": self.meta}
        with disk_errors(self._path):
            for stream in self._streams.values():
                os.fsync(stream.file.fileno())
                stream.file.close()
        write_atomically(self._path / MANIFEST, sealed(body))
        write_stamps(self._path, _files_of(self._path, entries))


def publish(folder: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Path:
    """Write the arrays as the newest generation of a folder, and remove all but the newest two.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Other things in it are left alone.
    arrays : mapping of str to array
        Names of small letters, digits and underscores; any shape; plain numbers or booleans.
    meta : mapping
        Plain JSON: what a reader must know to accept the arrays.

    Returns
    -------
    Path
        The folder of the generation.

    Raises
    ------
    UnknownNameError, DtypeError
        A name or a type cannot be written.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; what was published before is untouched.

    Notes
    -----
    Every file and folder is synced before the one rename that makes the generation visible.
    Cost: one write and one checksum of each byte. Threads and processes: any number may publish at once.
    """
    with publish_stream(folder, meta) as draft:
        for name, array in arrays.items():
            draft.put(name, array)
    return draft._path  # noqa: SLF001 - the draft is of this module, and hidden from its users otherwise


@contextmanager
def publish_stream(folder: Path, meta: Mapping[str, Any]) -> Iterator[Draft]:
    """Give a draft that may be written block after block, and publish it when the block ends without an error.

    For arrays that do not fit in memory. Parameters, errors and costs are those of ``publish``; after an error, or
    Ctrl-C, nothing is published and the draft is removed (by the next publication if the process died).
    """
    with published(folder) as place:
        draft = Draft(place.path, meta)
        try:
            yield draft
            draft._finish()  # noqa: SLF001 - the same
        except BaseException:
            draft._close()  # noqa: SLF001 - the same
            raise
    draft._path = place.path  # noqa: SLF001 - the same


def latest(folder: Path, accepts: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> Generation | None:
    """Return the newest sound generation whose meta is accepted, or None.

    Parameters
    ----------
    folder : Path
        May be missing.
    accepts : callable, optional
        Asked with the meta of each generation, newest first, before its files are looked at. One that is not accepted
        is passed over in silence: it is of another database, or another program.

    Raises
    ------
    StoreError
        The process has too many open files.

    Warns
    -----
    DamagedIndexWarning
        A file of an accepted generation is missing, cut or changed, or its manifest is no manifest; it is named.

    Notes
    -----
    Cost: a file whose stamp is the one of the manifest is trusted and only mapped (1M vectors: under a millisecond);
    any other, as after a copy, is read and compared with its checksums once, and its new stamp is kept where the
    folder can be written.
    """

    def read(path: Path) -> Generation | None:
        manifest = _manifest(path)
        if not accepts(manifest["meta"]):
            return None
        arrays = _mapped_arrays(path, manifest["arrays"])
        return Generation(number=int(path.name), path=path, arrays=arrays, meta=manifest["meta"])

    return newest(folder, read)


def verify(found: Generation) -> None:
    """Read every byte of a generation and compare it with its checksums, whatever the stamps say.

    Warns
    -----
    DamagedIndexWarning
        A block differs; the file and the block are named, and the file is not trusted any more.
    """
    try:
        manifest = _manifest(found.path)
        for name, entry in manifest["arrays"].items():
            _check_blocks(found.path / f"{name}.bin", entry)
    except DamagedError as damage:
        with suppress(OSError):
            (found.path / STAMPS).unlink(missing_ok=True)
        warn(damage)


def note(path: Path, name: str, body: Mapping[str, Any]) -> None:
    """Keep something that was learned of a generation after it was published, beside its arrays: plain JSON.

    Raises
    ------
    UnknownNameError
        The name is none for a file.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; what was noted before is untouched.
    """
    if not _NAME.fullmatch(name) or name in {"manifest", "stamps"}:
        raise UnknownNameError(f"A note's name must be small letters, got {name!r}.", got=name, where="name")
    write_atomically(path / f"{name}.json", sealed(body))


def noted(path: Path, name: str) -> Mapping[str, Any] | None:
    """Return what was noted last, or None: nothing, or a damaged file, which tells nothing wrong either."""
    try:
        return unsealed(path / f"{name}.json")
    except DamagedError:
        return None


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a generation, every entry checked."""
    manifest = unsealed(path / MANIFEST)
    arrays, meta = manifest.get("arrays"), manifest.get("meta")
    if manifest.get("version") != VERSION or not isinstance(arrays, dict) or not isinstance(meta, dict):
        raise DamagedError(path / MANIFEST, f"it is no manifest of version {VERSION}")
    for name, entry in arrays.items():
        if not _NAME.fullmatch(name) or not _is_entry(entry):
            raise DamagedError(path / MANIFEST, "it describes no array")
    return manifest


def _is_entry(entry: object) -> bool:
    """Return whether a manifest's entry tells of an array: type, shape, size and checksums that agree."""
    if not isinstance(entry, dict) or entry.get("dtype") not in KINDS:
        return False
    shape, size, sums = entry.get("shape"), entry.get("size"), entry.get("crc32")
    if not isinstance(shape, list) or not isinstance(sums, list) or not isinstance(size, int):
        return False
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, *sums)):
        return False
    return size == math.prod(shape) * np.dtype(entry["dtype"]).itemsize and len(sums) == -(-size // BLOCK_BYTES)


def _files_of(path: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the file of each array."""
    return {name: path / f"{name}.bin" for name in names}


def _mapped_arrays(path: Path, entries: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a generation, each trusted by its stamp or proven by its checksums."""
    files = _files_of(path, entries)
    prove(path, files, lambda name: _check_blocks(files[name], entries[name]))
    return {name: _mapped(file, entries[name]) for name, file in files.items()}


def _mapped(file: Path, entry: Mapping[str, Any]) -> NDArray[Any]:
    """Return the array of a file, mapped read only."""
    dtype, shape = np.dtype(entry["dtype"]).newbyteorder("<"), tuple(entry["shape"])
    if not entry["size"]:
        empty = np.empty(shape, dtype)
        empty.flags.writeable = False
        return empty
    try:
        return np.asarray(np.memmap(file, dtype=dtype, mode="r", shape=shape))
    except OSError as error:
        raise unreadable(file, error) from None
    except ValueError:
        raise DamagedError(file, "it is shorter than its manifest says") from None


def _check_blocks(file: Path, entry: Mapping[str, Any]) -> None:
    """Compare a file with its checksums."""
    try:
        with file.open("rb", buffering=0) as opened:
            if os.fstat(opened.fileno()).st_size != entry["size"]:
                raise DamagedError(file, f"it has not the {entry['size']} bytes that its manifest says")
            buffer = bytearray(BLOCK_BYTES)
            for place, expected in enumerate(entry["crc32"]):
                length = min(BLOCK_BYTES, entry["size"] - place * BLOCK_BYTES)
                view = memoryview(buffer)[:length]
                if opened.readinto(view) != length or zlib.crc32(view) != expected:
                    raise DamagedError(file, f"block {place} does not match its checksum")
    except OSError as error:
        raise unreadable(file, error) from None
