"""Files that keep their word: atomic writes, synced folders, digests, and errors of the disk with a name."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from vicinal.errors import NoSpaceLeftError, ReadOnlyError, StoreError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that, after any crash, either the old or the new content is there, whole.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; the old content is untouched.
    """
    with disk_errors(path):
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a new or renamed file is there after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(path: Path) -> str:
    """Return what the file system changes whenever it changes the file: size, times, inode and device.

    Two equal stamps mean that nothing wrote to the file through the file system in between
    (``ctime`` cannot be set back by a program), so a digest that was taken before still holds.
    What they cannot see is a disk that rots; that is what a full verification is for.
    """
    found = path.stat()
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}-{found.st_dev}"


class disk_errors:  # noqa: N801 - it is used like a function; a generator would cost each commit 10 µs
    """Turn the operating system's errors into those with a name and the path.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        For a full disk, a forbidden write, and anything else.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give an error its name."""
        if isinstance(error, OSError):
            raise disk_error(error, self._path) from error


def disk_error(error: OSError, path: Path | str) -> StoreError:
    """Return the error with a name for one of the operating system's."""
    told = error.strerror or str(error)
    if error.errno in FULL:
        return NoSpaceLeftError(
            f"The disk of {path} is full; nothing of this write is visible. Free some space and run it again.",
            where=str(path),
        )
    if error.errno in FORBIDDEN:
        return ReadOnlyError(f"{path} cannot be written: {told}. Check its owner and mode.", where=str(path))
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return StoreError(
            f"{path} cannot be opened: this process has too many open files. Raise the limit (ulimit -n).",
            where=str(path),
        )
    return StoreError(f"{path}: {told}.", where=str(path))
