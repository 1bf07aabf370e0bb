"""Folders of derived files that are published whole: any reader sees all files of a generation, or none.

::

    folder/
      7/                     a generation: the newest sound one serves
        manifest.json        what each file holds, with checksums; the caller's meta; its own checksum
        stamps.json          what the file system said of each file when its checksums last held
        …                    the files themselves, never written again
      5f0c….part/            one that is being written, or was when its process died; the next publication removes it

Takes what fills a folder, and what reads one. Knows no array and no posting: those who publish say what their files
are and how each is proven. What is derived can be made again, so a damaged file is a warning with its name, never an
error and never an answer.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vicinal._files import disk_errors, stamp_of, sync_folder, write_atomically
from vicinal.errors import DamagedIndexWarning

KEPT = 2
"""Generations that stay: the newest, and the one that other processes may still be opening."""
MANIFEST_BYTES = 64 << 20
"""No manifest is longer: for a hundred million vectors 2 MB are needed."""
MANIFEST, STAMPS = "manifest.json", "stamps.json"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_Read = TypeVar("_Read")


class DamagedError(Exception):
    """What is wrong with a file of a generation; ``newest`` makes a warning of it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


@dataclass(slots=True)
class Draft:
    """A folder that becomes a generation: ``path`` is its place, also after it was published."""

    path: Path


@contextmanager
def published(folder: Path) -> Iterator[Draft]:
    """Give an empty folder to fill, and make it the newest generation when the block ends without an error.

    Whoever fills it has synced the files and written the manifest and the stamps. After an error, or Ctrl-C, nothing is
    published and the draft is removed (by the next publication, if the process died). Any number may publish at once.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; what was published before is untouched.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path, handle = _locked_part(folder)
    draft = Draft(path)
    try:
        yield draft
        with disk_errors(folder):
            draft.path = _renamed(path, folder)
            sync_folder(folder)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        os.close(handle)
    prune(folder)


def newest(folder: Path, read: Callable[[Path], _Read | None]) -> _Read | None:
    """Return what is read of the newest generation that is sound and wanted, or None.

    Parameters
    ----------
    folder : Path
        May be missing.
    read : callable
        Given the folder of a generation, newest first; None passes it over. May raise ``DamagedError``.

    Warns
    -----
    DamagedIndexWarning
        A file is damaged; it is named, and the generation is left aside.
    """
    for number in numbers(folder):
        path = folder / str(number)
        try:
            found = read(path)
        except DamagedError as damage:
            if path.exists():  # else another process has just removed it, being old
                warn(damage, stacklevel=4)
            continue
        if found is not None:
            return found
    return None


def warn(damage: DamagedError, *, stacklevel: int = 3) -> None:
    """Tell of a generation that is left aside."""
    warnings.warn(
        f"{damage.path} is damaged: {damage.what}. It is derived: nothing is lost, and it is left aside until it is built again.",
        DamagedIndexWarning,
        stacklevel=stacklevel,
    )


def numbers(folder: Path) -> list[int]:
    """Return the generations of a folder, newest first."""
    try:
        return sorted((int(name) for name in os.listdir(folder) if _NUMBER.fullmatch(name)), reverse=True)  # noqa: PTH208 - names only
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        with disk_errors(folder):
            raise


def prune(folder: Path, *, kept: int = KEPT) -> None:
    """Remove all generations but the newest ``kept``, and the drafts of processes that are gone.

    Readers that have an old one open keep what they have mapped. What cannot be removed stays for the next time.
    """
    for number in numbers(folder)[kept:]:
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


def sealed(body: Mapping[str, Any]) -> bytes:
    """Return JSON in two lines: the body, and its checksum."""
    text = json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
    return text + b"\n%08x\n" % zlib.crc32(text)


def unsealed(path: Path) -> dict[str, Any]:
    """Return the body of a sealed file.

    Raises
    ------
    DamagedError
        It is missing, or not as it was written.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_BYTES + 1)
        text, _, seal = content.rpartition(b"\n")[0].rpartition(b"\n")
        if len(content) > MANIFEST_BYTES or seal != b"%08x" % zlib.crc32(text):
            raise DamagedError(path, "its checksum does not match")
        body = json.loads(text)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError):
        raise DamagedError(path, "it is no JSON") from None
    if not isinstance(body, dict):
        raise DamagedError(path, "it is no JSON object")
    return body


def unreadable(path: Path, error: OSError) -> DamagedError:
    """Return what an error says of a file, or raise what it says of this process."""
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        with disk_errors(path):
            raise error
    return DamagedError(path, f"it cannot be read ({error.strerror})")


def prove(path: Path, files: Mapping[str, Path], check: Callable[[str], None]) -> None:
    """Trust each file of a generation by its stamp, or have it compared with its checksums.

    Parameters
    ----------
    path : Path
        The generation.
    files : mapping of str to Path
        Its files, by the names that the stamps have.
    check : callable
        Given a name, compares that file; raises ``DamagedError`` or OSError.

    Notes
    -----
    Cost: a file whose stamp is known costs one look at its folder; any other, as after a copy, is read once, and its
    new stamp is kept where the folder can be written.
    """
    try:
        stamps = unsealed(path / STAMPS)
    except DamagedError:
        stamps = {}
    proven = False
    for name, file in files.items():
        try:
            if stamps.get(name) != stamp_of(file):
                check(name)
                proven = True
        except OSError as error:
            raise unreadable(file, error) from None
    if proven:
        with suppress(Exception):  # a folder that cannot be written is checked again next time
            write_stamps(path, files)


def write_stamps(path: Path, files: Mapping[str, Path]) -> None:
    """Keep the stamps of files that have just been proven."""
    with disk_errors(path):
        stamps = {name: stamp_of(file) for name, file in files.items()}
    write_atomically(path / STAMPS, sealed(stamps))


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
    number = max(numbers(folder), default=0) + 1
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
