"""Walk a folder: its files in the order of their names, without those that nobody wrote to be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from vicinal.read._pathspec import Verdict, ignore_rules
from vicinal.read.place import Place, is_text, printable, refused
from vicinal.types import Skipped

IGNORE_FILE = ".gitignore"
DATABASE_FILE = "vicinal.sqlite"
NEVER_ENTERED = frozenset({"node_modules", "__pycache__"})
"""Beside every name that begins with a dot: .git, .hg, .venv and their like."""
IGNORE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """The rules of one .gitignore; ``folder`` ends with a slash."""

    folder: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What a listing gave: path, id, the kind (folder, file, link, other), and the rules that hold there."""

    path: str
    id: str
    kind: str
    rules: tuple[_Rules, ...] = ()


def walk(root: Path, root_id: str) -> Iterator[Place | Skipped]:
    """Give every file under a folder, sorted by name within each folder, and what was not taken.

    Hidden and ignored names and ``node_modules`` are passed over in silence. A link is never followed: what it
    leads to is read under its own name when it lies in the folder, and is not the folder's when it does not.
    """
    top = os.path.realpath(root)
    waiting = [_Entry(path=str(root), id="" if root_id == "." else root_id, kind="folder", rules=_rules_above(top))]
    while waiting:
        entry = waiting.pop()
        if not is_text(entry.id):
            detail = "the name is no UTF-8; rename it"
            yield Skipped(source=printable(entry.id), reason="unreadable", detail=detail, failed=True)
        elif entry.kind == "folder":
            try:
                found = _listed(entry, top)
            except OSError as error:
                yield refused(entry.id or root_id, error)
                continue
            if isinstance(found, Skipped):
                yield replace(found, failed=entry.path == str(root))  # who names a folder means what is in it
            else:
                waiting += found
        elif entry.kind == "file":
            yield Place(path=entry.path, id=entry.id)
        elif entry.kind == "link":
            yield _link(entry, top)
        else:
            yield Skipped(source=entry.id, reason="not a file", detail="a pipe, a socket or a device")


def _listed(folder: _Entry, top: str) -> list[_Entry] | Skipped:
    """Return what is in a folder, the last name first, as a stack wants it."""
    with os.scandir(folder.path) as listing:
        entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
    names = {entry.name for entry in entries}
    if DATABASE_FILE in names:
        return Skipped(
            source=folder.id or ".", reason="database", detail="a folder of this program, in which no texts are read"
        )
    rules = folder.rules
    absolute = _absolute(folder, top)
    if IGNORE_FILE in names:
        rules = (*rules, *_rules_in(absolute))
    prefix = f"{folder.id.rstrip('/')}/" if folder.id else ""
    return [
        _Entry(path=entry.path, id=prefix + entry.name, kind=kind, rules=rules)
        for entry, kind in ((entry, _kind(entry)) for entry in entries if _visible(entry.name))
        if not _ignored(f"{absolute}{entry.name}{'/' if kind == 'folder' else ''}", rules)
    ]


def _absolute(folder: _Entry, top: str) -> str:
    """Return the folder's path with a slash at its end, as the rules know it."""
    path = os.path.realpath(folder.path) if folder.path != top else top
    return path.rstrip("/") + "/"


def _visible(name: str) -> bool:
    """Return whether a name is looked at."""
    return not name.startswith(".") and name not in NEVER_ENTERED


def _kind(entry: os.DirEntry[str]) -> str:
    """Return folder, file, link or other; a name that vanished is a file, whose reading will say so."""
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return "file"
    kinds = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "other")


def _link(entry: _Entry, top: str) -> Skipped:
    """Return what is reported of a link: where it leads, and whether somebody should mend it."""
    try:
        target = os.path.realpath(entry.path, strict=True)
    except OSError as error:
        detail = f"leads nowhere: {error.strerror}"
        return Skipped(source=entry.id, reason="link", detail=detail, failed=True)
    inside = target == top or target.startswith(top.rstrip("/") + "/")
    detail = (
        "its target is read under its own name" if inside else "leads out of the folder; name its target to read it"
    )
    return Skipped(source=entry.id, reason="link", detail=detail)


def _ignored(path: str, rules: tuple[_Rules, ...]) -> bool:
    """Return whether a path is ignored: the deepest .gitignore that speaks of it decides."""
    for rule in reversed(rules):
        verdict = rule.verdict(path[len(rule.folder) :])
        if verdict is not None:
            return verdict
    return False


def _rules_in(folder: str) -> tuple[_Rules, ...]:
    """Return the rules of a folder's .gitignore; none if it has none that can be read."""
    try:
        with Path(folder, IGNORE_FILE).open("rb") as file:
            text = file.read(IGNORE_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ()
    return (_Rules(folder=folder, verdict=ignore_rules(text)),)


def _rules_above(top: str) -> tuple[_Rules, ...]:
    """Return the rules of the repository around a folder, unless they ignore the folder itself: it was named."""
    parents = Path(top).parents
    repository = next((number for number, parent in enumerate(parents) if (parent / ".git").exists()), None)
    if repository is None or (Path(top) / ".git").exists():
        return ()
    found: tuple[_Rules, ...] = ()
    below = [*reversed(parents[: repository + 1]), Path(top)]
    for folder, inner in pairwise(below):
        found = (*found, *_rules_in(f"{str(folder).rstrip('/')}/"))
        if _ignored(f"{inner}/", found):
            return ()
    return found
