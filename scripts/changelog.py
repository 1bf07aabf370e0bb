"""Move the fragments of ``changes/`` into ``CHANGELOG.md`` as the entry of one version.

Run it as ``python scripts/changelog.py VERSION DATE`` (a date as 2026-01-31); without arguments it only prints
what the next entry would be.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("security", "removed", "deprecated", "added", "changed", "fixed", "numbers", "format")
"""What a fragment can be, in the order of an entry."""
MARK = "<!-- entries -->"
"""The line of CHANGELOG.md below which the newest entry goes."""
USAGE_ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One change, told to users."""

    slug: str
    kind: str
    text: str


def read_fragments(folder: Path) -> list[Fragment]:
    """Return the fragments of a folder, by kind and then by name.

    Raises
    ------
    ValueError
        A file is not named ``<slug>.<kind>.md``, its kind is unknown, or it is empty.
    """
    paths = [path for path in folder.glob("*.md") if path.name != "README.md"]
    found = [_read(path) for path in sorted(paths)]
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def _read(path: Path) -> Fragment:
    named = re.fullmatch(r"([a-z0-9]+(?:-[a-z0-9]+)*)\.([a-z]+)\.md", path.name)
    if not named or named[2] not in KINDS:
        raise ValueError(f"{path.name} must be named <slug>.<kind>.md, the kind one of {', '.join(KINDS)}.")
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise ValueError(f"{path.name} is empty; say what a user will see.")
    return Fragment(slug=named[1], kind=named[2], text=text)


def entry_of(fragments: list[Fragment], heading: str) -> str:
    """Return the entry: a heading, then a section for each kind with one blank line between changes."""
    sections = [f"## {heading}"]
    for kind in KINDS:
        texts = [one.text for one in fragments if one.kind == kind]
        if texts:
            sections.append("\n\n".join([f"### {kind.capitalize()}", *map(_bullet, texts)]))
    return "\n\n".join(sections) + "\n"


def _bullet(text: str) -> str:
    return "- " + text.removeprefix("- ").replace("\n", "\n  ").replace("\n  \n", "\n\n")


def with_entry(changelog: str, entry: str) -> str:
    """Return the change log with an entry above those it has.

    Raises
    ------
    ValueError
        The line that says where entries go is not there.
    """
    if MARK not in changelog:
        raise ValueError(f"CHANGELOG.md must have the line {MARK}.")
    return changelog.replace(MARK, f"{MARK}\n\n{entry.rstrip()}", 1)


def main(arguments: list[str]) -> int:
    """Print or write the next entry, and return the exit status."""
    fragments = read_fragments(ROOT / "changes")
    if not arguments:
        print(entry_of(fragments, "Unreleased"))
        return 0
    if len(arguments) != 2 or not fragments:  # noqa: PLR2004 - a version and a date
        print("usage: changelog.py VERSION DATE, with at least one fragment in changes/", file=sys.stderr)
        return USAGE_ERROR
    path = ROOT / "CHANGELOG.md"
    entry = entry_of(fragments, " – ".join(arguments))
    path.write_text(with_entry(path.read_text(encoding="utf-8"), entry), encoding="utf-8")
    for one in fragments:
        (ROOT / "changes" / f"{one.slug}.{one.kind}.md").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
