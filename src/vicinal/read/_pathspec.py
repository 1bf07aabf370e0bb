"""pathspec: the rules of one .gitignore file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

Verdict = Callable[[str], bool | None]
"""Takes a POSIX path relative to the file's folder, a folder's with a slash at its end.

Gives True for ignored, False for kept on purpose (``!``), None where no rule speaks.
"""


def ignore_rules(text: str) -> Verdict:
    """Return the rules of a .gitignore; a line that is no rule is passed over, as git does."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - loaded only where there is a .gitignore

    lines = []
    for line in text.splitlines():
        with suppress(ValueError):
            GitIgnoreSpec.from_lines([line])
            lines.append(line)
    spec = GitIgnoreSpec.from_lines(lines)
    return lambda path: spec.check_file(path).include
