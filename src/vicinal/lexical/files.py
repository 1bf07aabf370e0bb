"""The files of a keyword index, as generations (``_generations.py``): those that tantivy wrote, each under one checksum.

::

    folder/7/manifest.json          of each file: size and checksum
    folder/7/meta.json, *.idx, *.term …   as tantivy wrote them

Takes what lets tantivy fill a folder, and the caller's meta. Gives the newest sound generation that is accepted.
Never reads what is in the files.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors, write_atomically
from vicinal._generations import (
    MANIFEST,
    STAMPS,
    DamagedError,
    newest,
    prove,
    published,
    sealed,
    unsealed,
    write_stamps,
)

READ_BYTES = 1 << 20
VERSION = 1
_FILE = re.compile(r"\.?[a-z0-9]{1,64}\.[a-z]{1,16}")
_OURS = frozenset({MANIFEST, STAMPS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One published set of files: its folder, their names, and what the publisher said of them."""

    path: Path
    names: tuple[str, ...]
    meta: Mapping[str, Any]


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
    with published(folder) as draft:
        part = draft.path
        said = write(part)
        entries = {name: _summed(part / name) for name in sorted(os.listdir(part)) if not name.endswith(".lock")}  # noqa: PTH208 - names only
        with disk_errors(part):
            for lock in part.glob("*.lock"):
                lock.unlink()
        body = {"version": VERSION, "files": entries, "meta": {**meta, **said}}
        write_atomically(part / MANIFEST, sealed(body))
        write_stamps(part, {name: part / name for name in entries})
    return draft.path


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

    def read(path: Path) -> Generation | None:
        manifest = _manifest(path)
        if not accepts(manifest["meta"]):
            return None
        entries = manifest["files"]
        prove(path, {name: path / name for name in entries}, lambda name: _check(path / name, entries[name]))
        return Generation(path=path, names=tuple(entries), meta=manifest["meta"])

    return newest(folder, read)


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


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a generation, every entry checked."""
    manifest = unsealed(path / MANIFEST)
    entries, meta = manifest.get("files"), manifest.get("meta")
    if manifest.get("version") != VERSION or not isinstance(entries, dict) or not isinstance(meta, dict):
        raise DamagedError(path / MANIFEST, f"it is no manifest of version {VERSION}")
    for name, entry in entries.items():
        if not _FILE.fullmatch(name) or name in _OURS or not _is_entry(entry):
            raise DamagedError(path / MANIFEST, "it describes no file")
    return manifest


def _is_entry(entry: object) -> bool:
    """Return whether a manifest's entry tells of a file."""
    return isinstance(entry, dict) and all(
        type(entry.get(name)) is int and entry[name] >= 0 for name in ("size", "crc32")
    )


def _check(file: Path, entry: Mapping[str, Any]) -> None:
    """Compare a file with its checksum."""
    with file.open("rb", buffering=0) as opened:
        if _sums(opened) != entry:
            raise DamagedError(file, "it does not match its checksum")
