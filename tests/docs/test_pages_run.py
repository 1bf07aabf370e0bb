"""What the documents show works: Python blocks and commands of each page run, in order, in one folder.

Words after a block's language: ``not-run: reason`` shows the block only; ``exit=3`` is the exit status of its commands;
``output`` says that the lines below a command come in its output, in this order, ``…`` for anything.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\S+)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_MODEL = re.compile(r"minilm|vicinal (?:demo|index|search)|vicinal\.load|\.collection\(")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block that runs: its language, the words after it, its text, its line in the page."""

    language: str
    words: str
    text: str
    line: int

    @property
    def status(self) -> int:
        """The exit status that its commands end with."""
        said = re.search(r"\bexit=(\d+)", self.words)
        return int(said[1]) if said else 0

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command with the lines shown below it."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        lines = [part.strip("\n").split("\n") for part in parts]
        return [(one[0], [line for line in one[1:] if line.strip()]) for one in lines]


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page that run, in order."""
    found = []
    for match in FENCE.finditer(text):
        language, words, body = match.groups()
        runs = language == "python" or body.startswith("$ vicinal")
        if runs and not words.startswith("not-run:"):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(language=language, words=words, text=body, line=line))
    return found


def pages() -> list[Path]:
    """Return the documents with a block that runs."""
    found = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    return [path for path in found if blocks_of(path.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def has_model():
    """Whether the default model can be had here without a network."""
    probe = "import vicinal; vicinal.load('minilm')"
    environment = {**os.environ, "VICINAL_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "ModelNotFoundError" not in done.stderr:
        pytest.fail(done.stderr)
    return done.returncode == 0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a folder to run a page in: it holds a copy of some of docs/, and ``vicinal`` is on the path."""
    shutil.copytree(ROOT / "docs" / "concepts", tmp_path / "docs" / "concepts")
    shutil.copy(ROOT / "docs" / "start.md", tmp_path / "docs")
    program = tmp_path / ".bin" / "vicinal"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vicinal "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("VICINAL_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_page(page, folder, request):
    """Every block that runs does what it shows; a page that needs the model skips where it is not."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    if any(NEEDS_MODEL.search(block.text) for block in blocks) and not request.getfixturevalue("has_model"):
        pytest.skip("the model minilm is not on this machine")
    names: dict[str, object] = {"__name__": "__page__"}
    for block in blocks:
        place = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "python":
            run_python(block, names, place)
        else:
            run_commands(block, folder, place)


def run_python(block: Block, names: dict[str, object], place: str) -> None:
    """Run a block with the page's names; one with prompts is compared with what it prints."""
    if ">>>" not in block.text:
        exec(compile(block.text, place, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, {}, place, place, block.line)
    test.globs = names
    told: list[str] = []
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append, clear_globs=False).failed
    if failed:
        pytest.fail("".join(told))


def run_commands(block: Block, folder: Path, place: str) -> None:
    """Run each command of a block, and compare its exit status, and its output where the block says so."""
    for command, shown in block.commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == block.status, f"{place}: {command}\n{done.stdout}{done.stderr}"
        if re.search(r"\boutput\b", block.words):
            missing = first_missing(shown, done.stdout)
            assert missing is None, f"{place}: {command} did not print {missing!r} in its place:\n{done.stdout}"


def first_missing(shown: list[str], printed: str) -> str | None:
    """Return the first shown line that does not come in the output behind those before it."""
    printed = " ".join(printed.split())
    place = 0
    for line in shown:
        parts = [re.escape(" ".join(part.split())) for part in re.split("…|\\.\\.\\.", line)]
        found = re.search(r"\s*.*?\s*".join(parts), printed[place:])
        if not found:
            return line
        place += found.end()
    return None


def test_what_runs_is_found():
    """A block runs if it is Python or begins with a command of ours, unless it says that it is only shown."""
    text = "```python\n1\n```\n```python not-run: slow\n2\n```\n```console exit=3 output\n$ vicinal x\na\n$ vicinal y\n```\n```text\nz\n```\n"
    one, two = blocks_of(text)
    assert (one.text, one.line, one.status) == ("1\n", 2, 0)
    assert (two.commands, two.status) == ([("vicinal x", ["a"]), ("vicinal y", [])], 3)


@pytest.mark.parametrize(
    ("shown", "missing"),
    [(["a b", "d"], None), (["a … c"], None), (["d", "a"], "a"), (["a.c"], "a.c"), ([], None)],
)
def test_output_is_compared_loosely(shown, missing):
    """Lines must come in order, blanks do not count, and an ellipsis stands for anything."""
    assert first_missing(shown, "a   b\nc\nd\n") == missing
