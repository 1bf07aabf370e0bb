"""The types of the public names, as a user's checker sees them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SAID = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
EXPECTED = re.compile(r"# expect: (?P<codes>[\w -]+)$")


@pytest.fixture(scope="module")
def said() -> dict[str, set[tuple[int, str]]]:
    """Return what mypy says of the two files, in strict mode: name → (line, code)."""
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary", "--show-error-codes"]
    files = [str(HERE / "right.py"), str(HERE / "wrong.py")]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    found: dict[str, set[tuple[int, str]]] = {}
    for match in SAID.finditer(done.stdout):
        found.setdefault(Path(match["path"]).name, set()).add((int(match["line"]), match["code"]))
    return found


def expected(path: Path) -> set[tuple[int, str]]:
    """Return the errors that the comments of a file expect."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return {
        (number, code) for number, line in lines if (match := EXPECTED.search(line)) for code in match["codes"].split()
    }


def test_right_calls_check(said: dict[str, set[tuple[int, str]]]) -> None:
    """What the documents show has no error of types, and neither has the package itself."""
    assert {name: errors for name, errors in said.items() if name != "wrong.py"} == {}


def test_wrong_calls_do_not(said: dict[str, set[tuple[int, str]]]) -> None:
    """Each wrong call is an error of the expected code, and there is no other error."""
    assert said.get("wrong.py", set()) == expected(HERE / "wrong.py")
