"""Print how many commits that touch code also touch tests, and documents or the changelog: figures, never a failure.

Run it as ``python scripts/habits.py [revision range]``; the range is all of the history unless it is named.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "\x1e"
TESTS_GOAL = 0.85
DOCUMENTS_GOAL = 0.70


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit and the files that it touches."""

    subject: str
    paths: tuple[str, ...]

    def touches(self, *prefixes: str) -> bool:
        """Return whether a file below one of the prefixes is touched."""
        return any(path.startswith(prefixes) for path in self.paths)


def commits(revisions: Sequence[str]) -> list[Commit]:
    """Return the commits of a range, merges left out."""
    command = ["git", "log", "--no-merges", "--name-only", f"--format={MARK}%s", *revisions]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    blocks = (block.splitlines() for block in text.split(MARK) if block.strip())
    return [Commit(lines[0], tuple(line for line in lines[1:] if line)) for lines in blocks]


def share(held: Sequence[bool]) -> float:
    """Return the share of what holds; 0 of nothing."""
    return sum(held) / len(held) if held else 0.0


def main(revisions: Sequence[str]) -> None:
    """Print the figures and the code commits without tests."""
    code = [commit for commit in commits(revisions) if commit.touches("src/")]
    tested = [commit.touches("tests/") for commit in code]
    told = [commit.touches("docs/", "changes/", "README.md", "CHANGELOG.md") for commit in code]
    print(f"commits that touch src/: {len(code)}")
    print(f"  with tests:                  {share(tested):.2f} (goal {TESTS_GOAL:.2f})")
    print(f"  with documents or changelog: {share(told):.2f} (goal {DOCUMENTS_GOAL:.2f})")
    for commit, held in zip(code, tested, strict=True):
        if not held:
            print(f"  without tests: {commit.subject}")


if __name__ == "__main__":
    main(sys.argv[1:])
