"""Where snapshots are kept: a folder, or what ``_obstore.py`` reaches. A place holds named pieces of bytes, nothing more."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from vicinal._arrays import one_of
from vicinal._files import disk_errors, sync_folder
from vicinal.errors import DtypeError, MissingExtraError, RangeError, UnsupportedError

SCHEMES = ("file", "s3", "gs", "az", "memory")
"""What a place's URL may begin with; without one it is the path of a folder."""
PART_PREFIX = "."
"""Names that begin so are under way, or were left by a kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A name at a place, its length, and when it was last written (seconds since 1970)."""

    name: str
    size_bytes: int
    written_at: float


@runtime_checkable
class Place(Protocol):
    """What holds snapshots. Names are relative, with one ``/``: ``blocks/3f…``.

    Safe for several threads. What was put can be read and is listed at once.
    """

    url: str
    """What a person calls it; no credentials in it."""

    def put(self, name: str, content: bytes) -> None:
        """Write a name, whole or not at all, in place of what it held."""

    def get(self, name: str, *, most_bytes: int) -> bytes | None:
        """Return what a name holds, at most so many bytes of it, or None where there is nothing."""

    def names(self, folder: str) -> Iterator[Placed]:
        """Go through the names directly below a folder, in no order."""

    def delete(self, name: str) -> None:
        """Remove a name; one that is not there is no error."""

    def settle(self) -> None:
        """Return when everything that was put is durable."""

    def clean(self, *, older_than_s: float) -> None:
        """Remove what killed processes left unfinished."""

    def work_folder(self) -> Path | None:
        """Return a folder with room for temporary files, None for the system's."""


class FolderPlace:
    """A place on a file system that is mounted here.

    Parameters
    ----------
    folder : Path
        Made by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = str(folder)

    def put(self, name: str, content: bytes) -> None:
        """Write a file so that it appears whole; ``settle`` makes its name durable.

        Raises
        ------
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused.
        """
        path = self.folder / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{PART_PREFIX}{path.name}.{secrets.token_hex(8)}.part")
            try:
                with part.open("xb", buffering=0) as file:
                    file.write(content)
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                with suppress(OSError):
                    part.unlink()
                raise

    def get(self, name: str, *, most_bytes: int) -> bytes | None:
        """Return the first bytes of a file, or None where there is none."""
        path = self.folder / name
        with disk_errors(path):
            try:
                with path.open("rb", buffering=0) as file:
                    size_bytes = min(os.fstat(file.fileno()).st_size, most_bytes)
                    return _read(file.fileno(), size_bytes)
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> Iterator[Placed]:
        """Go through the files of a folder; none where it is missing."""
        path = self.folder / folder
        with disk_errors(path):
            try:
                found = list(os.scandir(path))
            except FileNotFoundError:
                return
        for one in found:
            with suppress(FileNotFoundError), disk_errors(path):
                if not one.name.startswith(PART_PREFIX) and one.is_file(follow_symlinks=False):
                    about = one.stat(follow_symlinks=False)
                    yield Placed(
                        name=f"{folder}/{one.name}", size_bytes=about.st_size, written_at=about.st_mtime_ns / 1e9
                    )

    def delete(self, name: str) -> None:
        """Remove a file."""
        path = self.folder / name
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def settle(self) -> None:
        """Sync the folders, so that every name in them is there after a power cut."""
        with disk_errors(self.folder):
            for folder in [self.folder, *(one for one in self.folder.iterdir() if one.is_dir())]:
                sync_folder(folder)
            sync_folder(self.folder.parent)

    def clean(self, *, older_than_s: float) -> None:
        """Remove unfinished files and work folders of that age."""
        before = time.time() - older_than_s
        with disk_errors(self.folder):
            for path in [*self.folder.glob(f"{PART_PREFIX}*"), *self.folder.glob(f"*/{PART_PREFIX}*.part")]:
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime > before:
                        continue
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def work_folder(self) -> Path | None:
        """Return the folder itself: it has room for a snapshot, or the snapshot fails anyway."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder


def _read(handle: int, size_bytes: int) -> bytes:
    """Return so many bytes from where a file stands, fewer at its end."""
    parts = []
    while size_bytes > 0 and (part := os.read(handle, size_bytes)):
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)


def open_place(where: Place | str | Path) -> Place:
    """Return the place that a path or a URL names; a place is returned as it is.

    Parameters
    ----------
    where : Place, str or Path
        A folder's path, or ``s3://bucket/…``, ``gs://bucket/…``, ``az://container/…``, ``memory:///``, ``file:///…``.
        Credentials come from the environment, as the provider's own tools take them; never from the URL.

    Raises
    ------
    DtypeError
        It is neither.
    UnknownNameError, RangeError
        Such a URL is not known or cannot be read, or it carries credentials; or no path can be called that.
    MissingExtraError
        The library for object stores is not installed.
    """
    if isinstance(where, Place):
        return where
    path = path_of(where, "place")
    if isinstance(where, Path) or "://" not in where:
        return FolderPlace(path)
    try:
        parts = urlsplit(where)
    except ValueError as error:
        raise RangeError(f"The URL of a snapshot place cannot be read: {error}.", where="place") from error
    one_of(parts.scheme, "the beginning of a snapshot place", SCHEMES)
    if "@" in parts.netloc:
        raise RangeError(
            "The URL of a snapshot place carries credentials; put them into the environment.", where="place"
        )
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise UnsupportedError("A file:// URL of another machine cannot be opened; mount it and give its path.")
        return FolderPlace(path_of(unquote(parts.path), "place"))
    return _object_place(where)


def path_of(value: object, name: str) -> Path:
    """Return an argument as an absolute path.

    Raises
    ------
    DtypeError
        It is neither a string nor a path.
    RangeError
        No file can be called that.
    """
    if not isinstance(value, str | Path):
        raise DtypeError(
            f"{name} must be a path, got {type(value).__name__}.",
            expected="str or Path",
            got=type(value).__name__,
            where=name,
        )
    try:
        is_possible = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise RangeError(f"{name} is {str(value)!r}, which no file can be called.", got=str(value), where=name)
    return Path(value).absolute()


def _object_place(url: str) -> Place:
    try:
        from vicinal.lifecycle.snapshots import _obstore  # noqa: PLC0415 - loaded only for an object store
    except ImportError as error:
        raise MissingExtraError(
            "Snapshots in an object store need obstore. Install it with: pip install 'vicinal[s3]'", where="obstore"
        ) from error
    return _obstore.open_url(url)
