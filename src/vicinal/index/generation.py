"""Derived arrays on disk, published whole: any reader sees all files of a generation, or none.

::

    folder/
      7/                     a generation: the newest sound one serves
        manifest.json        what each file holds: type, shape, size, a checksum per block; the caller's meta; its own checksum
        stamps.json          what the file system said of each file when its checksums last held
        codes.bin  …         the arrays, little-endian, row after row, nothing else
      8-5f0c….part/          one that is being written, or was when its process died; the next publication removes it

The arrays can be made again from the store at any time. A damaged file is therefore a warning, never an error and
never an answer: the generation is left aside, and the next older one, or none, is taken.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import secrets
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal._files import disk_errors, stamp_of, sync_folder, write_atomically
from vicinal.errors import DamagedIndexWarning, DtypeError, ShapeError, UnknownNameError

BLOCK_BYTES = 1 << 20
"""Bytes under one checksum."""
WRITE_BYTES = 64 << 20
"""Bytes that one call of the system is given."""
MANIFEST_BYTES = 64 << 20
"""No manifest is longer: a hundred million vectors need 2 MB."""
KEPT = 2
"""Generations that stay: the newest, and the one that other processes may still be opening."""
VERSION = 1
KINDS = frozenset({"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}) | frozenset(
    {"float16", "float32", "float64"}
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


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
        write_atomically(self._path / "manifest.json", _sealed(body))
        _write_stamps(self._path, entries)


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
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path, handle = _locked_part(folder)
    draft = Draft(path, meta)
    try:
        yield draft
        draft._finish()  # noqa: SLF001 - the same
        with disk_errors(folder):
            draft._path = _renamed(path, folder)  # noqa: SLF001 - the same
            sync_folder(folder)
    except BaseException:
        draft._close()  # noqa: SLF001 - the same
        shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        os.close(handle)
    prune(folder)


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
    for number in _numbers(folder):
        path = folder / str(number)
        try:
            manifest = _manifest(path)
            if not accepts(manifest["meta"]):
                continue
            arrays = _mapped_arrays(path, manifest)
        except _DamagedError as damage:
            if path.exists():  # else another process has just removed it, being old
                _warn(damage)
            continue
        return Generation(number=number, path=path, arrays=arrays, meta=manifest["meta"])
    return None


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
    except _DamagedError as damage:
        with suppress(OSError):
            (found.path / "stamps.json").unlink(missing_ok=True)
        _warn(damage)


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
    write_atomically(path / f"{name}.json", _sealed(body))


def noted(path: Path, name: str) -> Mapping[str, Any] | None:
    """Return what was noted last, or None: nothing, or a damaged file, which tells nothing wrong either."""
    try:
        return _unsealed(path / f"{name}.json", MANIFEST_BYTES)
    except _DamagedError:
        return None


def prune(folder: Path, *, kept: int = KEPT) -> None:
    """Remove all generations but the newest ``kept``, and the drafts of processes that are gone.

    Readers that have an old one open keep what they have mapped. What cannot be removed stays for the next time.
    """
    for number in _numbers(folder)[kept:]:
        shutil.rmtree(folder / str(number), ignore_errors=True)
    for part in folder.glob("*.part"):
        with suppress(OSError):
            handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its process lives
                shutil.rmtree(part, ignore_errors=True)
            finally:
                os.close(handle)


class _DamagedError(Exception):
    """What is wrong with a file of a generation."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


def _warn(damage: _DamagedError) -> None:
    """Tell of a generation that is left aside."""
    warnings.warn(
        f"{damage.path} is damaged: {damage.what}. It is derived: nothing is lost, and it is left aside until it is built again.",
        DamagedIndexWarning,
        stacklevel=3,
    )


def _numbers(folder: Path) -> list[int]:
    """Return the generations of a folder, newest first."""
    try:
        return sorted((int(name) for name in os.listdir(folder) if _NUMBER.fullmatch(name)), reverse=True)  # noqa: PTH208 - names only
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        with disk_errors(folder):
            raise


def _locked_part(folder: Path) -> tuple[Path, int]:
    """Return a new folder for a draft and the handle that holds it against removal."""
    while True:
        path = folder / f"{secrets.token_hex(8)}.part"
        with disk_errors(path):
            path.mkdir()
            try:
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # taken for a dead one's by another process, before the lock could say otherwise
                continue
            fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            return path, handle
        os.close(handle)


def _renamed(path: Path, folder: Path) -> Path:
    """Give a finished draft the next number."""
    number = max(_numbers(folder), default=0) + 1
    while True:
        target = folder / str(number)
        try:
            path.rename(target)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise
            number += 1  # another process took it
        else:
            return target


def _sealed(body: Mapping[str, Any]) -> bytes:
    """Return JSON in two lines: the body, and its checksum."""
    text = json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
    return text + b"\n%08x\n" % zlib.crc32(text)


def _unsealed(path: Path, limit: int) -> dict[str, Any]:
    """Return the body of a sealed file."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        text, _, seal = content.rpartition(b"\n")[0].rpartition(b"\n")
        if len(content) > limit or seal != b"%08x" % zlib.crc32(text):
            raise _DamagedError(path, "its checksum does not match")
        body = json.loads(text)
    except OSError as error:
        _raise_unless_missing(error, path)
        raise _DamagedError(path, f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise _DamagedError(path, "it is no JSON") from None
    if not isinstance(body, dict):
        raise _DamagedError(path, "it is no JSON object")
    return body


def _raise_unless_missing(error: OSError, path: Path) -> None:
    """Raise the errors that say something of this process, and not of the file."""
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        with disk_errors(path):
            raise error


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a generation, every entry checked."""
    manifest = _unsealed(path / "manifest.json", MANIFEST_BYTES)
    arrays, meta = manifest.get("arrays"), manifest.get("meta")
    if manifest.get("version") != VERSION or not isinstance(arrays, dict) or not isinstance(meta, dict):
        raise _DamagedError(path / "manifest.json", f"it is no manifest of version {VERSION}")
    for name, entry in arrays.items():
        if not _NAME.fullmatch(name) or not _is_entry(entry):
            raise _DamagedError(path / "manifest.json", "it describes no array")
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


def _mapped_arrays(path: Path, manifest: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a generation, each trusted by its stamp or proven by its checksums."""
    stamps = _stamps(path)
    arrays: dict[str, NDArray[Any]] = {}
    proven = False
    for name, entry in manifest["arrays"].items():
        file = path / f"{name}.bin"
        try:
            if stamps.get(name) != stamp_of(file):
                _check_blocks(file, entry)
                proven = True
            arrays[name] = _mapped(file, entry)
        except OSError as error:
            _raise_unless_missing(error, file)
            raise _DamagedError(file, f"it cannot be read ({error.strerror})") from None
    if proven:
        with suppress(Exception):  # a folder that cannot be written is checked again next time
            _write_stamps(path, manifest["arrays"])
    return arrays


def _mapped(file: Path, entry: Mapping[str, Any]) -> NDArray[Any]:
    """Return the array of a file, mapped read only."""
    dtype, shape = np.dtype(entry["dtype"]).newbyteorder("<"), tuple(entry["shape"])
    if not entry["size"]:
        empty = np.empty(shape, dtype)
        empty.flags.writeable = False
        return empty
    try:
        return np.asarray(np.memmap(file, dtype=dtype, mode="r", shape=shape))
    except ValueError:
        raise _DamagedError(file, "it is shorter than its manifest says") from None


def _check_blocks(file: Path, entry: Mapping[str, Any]) -> None:
    """Compare a file with its checksums."""
    try:
        with file.open("rb", buffering=0) as opened:
            if os.fstat(opened.fileno()).st_size != entry["size"]:
                raise _DamagedError(file, f"it has not the {entry['size']} bytes that its manifest says")
            buffer = bytearray(BLOCK_BYTES)
            for place, expected in enumerate(entry["crc32"]):
                length = min(BLOCK_BYTES, entry["size"] - place * BLOCK_BYTES)
                view = memoryview(buffer)[:length]
                if opened.readinto(view) != length or zlib.crc32(view) != expected:
                    raise _DamagedError(file, f"block {place} does not match its checksum")
    except OSError as error:
        _raise_unless_missing(error, file)
        raise _DamagedError(file, f"it cannot be read ({error.strerror})") from None


def _stamps(path: Path) -> dict[str, Any]:
    """Return the stamps at which the files were proven; none is known where their file is missing or damaged."""
    try:
        return _unsealed(path / "stamps.json", MANIFEST_BYTES)
    except _DamagedError:
        return {}


def _write_stamps(path: Path, names: Mapping[str, Any]) -> None:
    """Keep the stamps of files that have just been proven."""
    with disk_errors(path):
        stamps = {name: stamp_of(path / f"{name}.bin") for name in names}
    write_atomically(path / "stamps.json", _sealed(stamps))
