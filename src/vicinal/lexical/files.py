"""Derived postings on disk, published whole: any reader sees all files of a generation, or none.

::

    folder/
      7/                     a generation: the newest sound one serves
        manifest.json        the size and checksum of each file; the caller's meta; its own checksum
        stamps.json          what the file system said of each file when its checksum last held
        meta.json, *.idx, *.pos, *.term …   as tantivy wrote them; never written again
      5f0c….part/            one that is being written, or was when its process died; the next publication removes it

The manner is that of the vector index: what is damaged is a warning, never an error and never an answer.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import warnings
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors, stamp_of, sync_folder, write_atomically
from vicinal.errors import DamagedIndexWarning

READ_BYTES = 1 << 20
MANIFEST_BYTES = 16 << 20
"""No manifest is longer."""
KEPT = 2
"""Generations that stay: the newest, and the one that other processes may still be opening."""
VERSION = 1
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_FILE = re.compile(r"\.?[a-z0-9]{1,64}\.[a-z]{1,16}")
_OURS = frozenset({"manifest.json", "stamps.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One published set of files: its folder, their names, and what the publisher said of them."""

    path: Path
    names: tuple[str, ...]
    meta: Mapping[str, Any]


class _DamagedError(Exception):
    """What is wrong with a file of a generation."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


def publish(folder: Path, write: Callable[[Path], Mapping[str, Any]], meta: Mapping[str, Any]) -> Path:
    """Let ``write`` fill an empty folder, and make it the newest generation.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Other things in it are left alone.
    write : callable
        Given the folder to fill; returns what is added to the meta.
    meta : mapping
        Plain JSON: what a reader must know to accept the files.

    Returns
    -------
    Path
        The folder of the generation.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; what was published before is untouched.

    Notes
    -----
    Every file and folder is synced before the one rename that makes the generation visible. After an error, or Ctrl-C,
    nothing is published. Cost: a read of each file, for its checksum.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    part, handle = _locked_part(folder)
    try:
        said = write(part)
        entries = {name: _summed(part / name) for name in sorted(os.listdir(part)) if not name.endswith(".lock")}  # noqa: PTH208 - names only
        with disk_errors(part):
            for lock in part.glob("*.lock"):
                lock.unlink()
        body = {"version": VERSION, "files": entries, "meta": {**meta, **said}}
        write_atomically(part / "manifest.json", _sealed(body))
        _write_stamps(part, entries)
        with disk_errors(folder):
            path = _renamed(part, folder)
            sync_folder(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        os.close(handle)
    prune(folder)
    return path


def latest(folder: Path, accepts: Callable[[Mapping[str, Any]], bool]) -> Generation | None:
    """Return the newest sound generation whose meta is accepted, or None.

    Warns
    -----
    DamagedIndexWarning
        A file of an accepted generation is missing, cut or changed, or its manifest is no manifest; it is named.

    Notes
    -----
    Cost: a file whose stamp is known is trusted; any other, as after a copy, is read and compared with its checksum.
    """
    for number in _numbers(folder):
        path = folder / str(number)
        try:
            manifest = _manifest(path)
            if not accepts(manifest["meta"]):
                continue
            _check(path, manifest["files"])
        except _DamagedError as damage:
            if path.exists():  # else another process has just removed it, being old
                warn(damage.path, damage.what)
            continue
        return Generation(path=path, names=tuple(manifest["files"]), meta=manifest["meta"])
    return None


def prune(folder: Path, *, kept: int = KEPT) -> None:
    """Remove all generations but the newest ``kept``, and the drafts of processes that are gone."""
    for number in _numbers(folder)[kept:]:
        shutil.rmtree(folder / str(number), ignore_errors=True)
    sweep(folder, "*.part")


def sweep(folder: Path, pattern: str) -> None:
    """Remove folders whose process is gone: those that nobody holds locked."""
    for part in folder.glob(pattern):
        with suppress(OSError):
            handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its process lives
                shutil.rmtree(part, ignore_errors=True)
            finally:
                os.close(handle)


def warn(path: Path, what: str) -> None:
    """Tell of a generation that is left aside."""
    warnings.warn(
        f"{path} is damaged: {what}. It is derived: nothing is lost, and it is left aside until it is built again.",
        DamagedIndexWarning,
        stacklevel=4,
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


def _renamed(part: Path, folder: Path) -> Path:
    """Give a finished draft the next number."""
    number = max(_numbers(folder), default=0) + 1
    while True:
        target = folder / str(number)
        try:
            part.rename(target)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise
            number += 1  # another process took it
        else:
            return target


def _summed(path: Path) -> dict[str, int]:
    """Return the size and the checksum of a file, which is then on the disk for good."""
    with disk_errors(path), path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        return _sums(file)


def _sums(file: Any) -> dict[str, int]:  # noqa: ANN401 - a raw file
    """Return the size and the checksum of an open file."""
    size = crc = 0
    while block := file.read(READ_BYTES):
        size, crc = size + len(block), zlib.crc32(block, crc)
    return {"size": size, "crc32": crc}


def _sealed(body: Mapping[str, Any]) -> bytes:
    """Return JSON in two lines: the body, and its checksum."""
    text = json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
    return text + b"\n%08x\n" % zlib.crc32(text)


def _unsealed(path: Path) -> dict[str, Any]:
    """Return the body of a sealed file."""
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_BYTES + 1)
        text, _, seal = content.rpartition(b"\n")[0].rpartition(b"\n")
        if len(content) > MANIFEST_BYTES or seal != b"%08x" % zlib.crc32(text):
            raise _DamagedError(path, "its checksum does not match")
        body = json.loads(text)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, RecursionError):
        raise _DamagedError(path, "it is no JSON") from None
    if not isinstance(body, dict):
        raise _DamagedError(path, "it is no JSON object")
    return body


def _unreadable(path: Path, error: OSError) -> _DamagedError:
    """Return what an error says of a file, or raise what it says of this process."""
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        with disk_errors(path):
            raise error
    return _DamagedError(path, f"it cannot be read ({error.strerror})")


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a generation, every entry checked."""
    manifest = _unsealed(path / "manifest.json")
    entries, meta = manifest.get("files"), manifest.get("meta")
    if manifest.get("version") != VERSION or not isinstance(entries, dict) or not isinstance(meta, dict):
        raise _DamagedError(path / "manifest.json", f"it is no manifest of version {VERSION}")
    for name, entry in entries.items():
        if not _FILE.fullmatch(name) or name in _OURS or not _is_entry(entry):
            raise _DamagedError(path / "manifest.json", "it describes no file")
    return manifest


def _is_entry(entry: object) -> bool:
    """Return whether a manifest's entry tells of a file."""
    return isinstance(entry, dict) and all(
        type(entry.get(name)) is int and entry[name] >= 0 for name in ("size", "crc32")
    )


def _check(path: Path, entries: Mapping[str, Any]) -> None:
    """Trust each file by its stamp, or prove it by its checksum."""
    try:
        stamps = _unsealed(path / "stamps.json")
    except _DamagedError:
        stamps = {}
    proven = False
    for name, entry in entries.items():
        file = path / name
        try:
            if stamps.get(name) != stamp_of(file):
                with file.open("rb", buffering=0) as opened:
                    if _sums(opened) != entry:
                        raise _DamagedError(file, "it does not match its checksum")
                proven = True
        except OSError as error:
            raise _unreadable(file, error) from None
    if proven:
        with suppress(Exception):  # a folder that cannot be written is checked again next time
            _write_stamps(path, entries)


def _write_stamps(path: Path, entries: Mapping[str, Any]) -> None:
    """Keep the stamps of files that have just been proven."""
    with disk_errors(path):
        stamps = {name: stamp_of(path / name) for name in entries}
    write_atomically(path / "stamps.json", _sealed(stamps))
