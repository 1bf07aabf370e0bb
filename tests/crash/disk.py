"""A disk that is watched through ``disk.c``: what a power cut may leave of it, and programs that run on one that fails.

What is certain after a cut is what was synced. Of the rest each write may be there, be missing, or be there in part,
in any order; names that were made, changed or removed since their folder was synced may be so or as before.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MAKE_FOLDER = range(1, 8)
HEAD = struct.Struct("<BQQQ")
SECTOR = 512
HERE = Path(__file__).resolve().parent


def built(folder: Path) -> Path | None:
    """Return the shim, compiled into a folder, or None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    shim = folder / "disk.so"
    if not shim.exists():
        flags = ["-O1", "-shared", "-fPIC", "-o", str(shim), str(HERE / "disk.c"), "-ldl", "-lpthread"]
        subprocess.run([compiler, *flags], check=True)
    return shim


def run(shim: Path, root: Path, code: str, *words: str, trace: Path | None = None, **settings: int) -> int:
    """Run a program on the watched disk and return its exit status; ``settings`` are those of ``disk.c``, such as KILL_AT."""
    environment = os.environ | {
        "LD_PRELOAD": str(shim),
        "DISK_ROOT": str(root.resolve()),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path]),
        **({} if trace is None else {"DISK_TRACE": str(trace)}),
        **{f"DISK_{name}": str(value) for name, value in settings.items()},
    }
    return subprocess.run([sys.executable, "-c", code, *words], env=environment, check=False).returncode


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the disk."""

    kind: int
    inode: int
    offset: int
    content: bytes


def read_trace(path: Path) -> list[Change]:
    """Return the changes of a run, in order."""
    raw, at, changes = path.read_bytes(), 0, []
    while at + HEAD.size <= len(raw):
        kind, inode, offset, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        has_content = kind in {CREATE, WRITE, RENAME, UNLINK, MAKE_FOLDER}
        changes.append(Change(kind, inode, offset, raw[at : at + length] if has_content else b""))
        at += length if has_content else 0
    return changes


@dataclass(slots=True)
class File:
    """The content of a file: what is certain, and the changes since, which are not."""

    certain: bytearray = field(default_factory=bytearray)
    waiting: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        """Make the changes certain."""
        for change in self.waiting:
            apply(self.certain, change)
        self.waiting.clear()

    def after_cut(self, chance: random.Random, keep: float) -> bytearray:
        """Return what a cut may leave: each change is there, missing, or there in some sectors."""
        content = bytearray(self.certain)
        for change in self.waiting:
            fate = chance.random()
            if fate < keep:
                apply(content, change)
            elif fate < keep + (1 - keep) / 2 and change.kind == WRITE:
                for start in range(0, len(change.content), SECTOR):
                    if chance.random() < 0.5:
                        part = change.content[start : start + SECTOR]
                        apply(content, Change(WRITE, 0, change.offset + start, part))
        return content


def apply(content: bytearray, change: Change) -> None:
    """Change a file's content."""
    if change.kind == TRUNCATE:
        del content[change.offset :]
        content.extend(bytes(max(0, change.offset - len(content))))
        return
    end = change.offset + len(change.content)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.content


class Disk:
    """The state of a disk at a moment of a trace. Names are kept as the log of a journal keeps them, with those that are certain."""

    def __init__(self, root: Path) -> None:
        self.root = str(root.resolve())
        self.files: dict[int, File] = {}
        self.certain: dict[str, int] = {}
        self.waiting: list[tuple[str, int | None]] = []
        self.names: dict[str, int] = {}
        self.folders: dict[int, str] = {}
        self._serial = 0
        self._file_of: dict[int, int] = {}

    def play(self, change: Change) -> None:
        """Bring the disk to the moment behind a change."""
        if change.kind == CREATE:
            self._serial += 1
            self._file_of[change.inode] = self._serial
            self.files[self._serial] = File()
            self._name(change.content.decode(), self._serial)
        elif change.kind in {WRITE, TRUNCATE} and change.inode in self._file_of:
            self.files[self._file_of[change.inode]].waiting.append(change)
        elif change.kind == SYNC:
            self._sync(change.inode)
        elif change.kind == RENAME:
            old, new = change.content.decode().split("\0")
            moved = self.names[old]
            self._name(new, moved)
            self._name(old, None)
        elif change.kind == UNLINK:
            self._name(change.content.decode(), None)

    def _name(self, path: str, file: int | None) -> None:
        self.waiting.append((path, file))
        if file is None:
            self.names.pop(path, None)
        else:
            self.names[path] = file

    def _sync(self, inode: int) -> None:
        """Make a file's content certain, or of a folder the names in it, and with them all that were changed before."""
        if inode in self._file_of:
            self.files[self._file_of[inode]].sync()
            return
        for path, file in self.waiting:
            self._settle(self.certain, path, file)
        self.waiting.clear()

    @staticmethod
    def _settle(names: dict[str, int], path: str, file: int | None) -> None:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file

    def cut(self, target: Path, chance: random.Random) -> None:
        """Write into a folder what a power cut at this moment may leave."""
        names, keep = dict(self.certain), chance.choice([0.0, 0.5, 0.9, 1.0])
        for path, file in self.waiting[: chance.randint(0, len(self.waiting))]:  # a journal keeps the order of names
            self._settle(names, path, file)
        for path, file in names.items():
            place = target / os.path.relpath(path, self.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.files[file].after_cut(chance, keep))
