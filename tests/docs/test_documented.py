"""The documents say what the code says: errors, settings, commands, stages, decisions, links, generated parts."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vicinal import config, errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "vicinal"
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "changes").glob("*.md"), *DOCS.rglob("*.md")])
KINDS = (errors.VicinalError, errors.VicinalWarning)
CLASSES = sorted(
    (one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, KINDS)),
    key=lambda one: one.__name__,
)
STAGES = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
# Not settings of ours, and told in docs/reference/settings.md: where caches go by the custom of the system.
FOREIGN_VARIABLES = {"XDG_CACHE_HOME"}
ADR_PARTS = ["Context", "Decision", "Rejected", "What would"]


def name_of(thing: object) -> str:
    """Return the name of a class or path, for the ids of tests."""
    return getattr(thing, "__name__", None) or getattr(thing, "name", "")


def reads_environment(path: Path) -> list[int]:
    """Return the lines of a module that read or write the environment."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {"environ", "getenv", "putenv"}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names]
    return [node.lineno for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "os"]


def anchor_of(heading: str) -> str:
    """Return the anchor that a heading of Markdown gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def test_texts():
    """The text of every test outside of this folder."""
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path.parent != Path(__file__).parent]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_generated_parts_are_fresh():
    """What cog would write is what stands there; else run ``python scripts/regenerate.py``."""
    command = [sys.executable, str(ROOT / "scripts" / "regenerate.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: python scripts/regenerate.py"


@pytest.mark.parametrize("error", CLASSES, ids=name_of)
def test_every_error_is_documented(error):
    """Each class has a line in docs/reference/errors.md, with its code, its two statuses and its meaning."""
    lines = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if f"`{error.__name__}` |" in line)
    if issubclass(error, errors.VicinalError):
        status, leave = errors.TABLE[error.code]
        assert f"| `{error.code}` | {status} | {leave} | " in row
    assert row.rstrip("| ").endswith(".")


@pytest.mark.parametrize("error", [one for one in CLASSES if not one.__subclasses__()], ids=name_of)
def test_every_error_is_raised_by_a_test(error, test_texts):
    """For each class without children a test expects it, by ``raises`` or ``warns``, or lists it as the class expected."""
    expected = rf"(?:raises|warns)\([^)]*\b{error.__name__}\b|[(,]\s*{error.__name__}\b"
    found = re.search(expected, test_texts) is not None
    assert found, f"no test raises {error.__name__}"


def test_every_setting_is_documented():
    """docs/reference/settings.md has a row for each setting, and the variables of other programs that are obeyed."""
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in config.SETTINGS if f"| `{name}` |" not in text] == []
    assert [name for name in FOREIGN_VARIABLES if name not in text] == []


def test_every_variable_that_is_read_is_a_setting():
    """Each name of a variable in config.py stands in its table, and each name of the table is read."""
    tree = ast.parse((PACKAGE / "config.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    words = [node.value for one in functions for node in ast.walk(one) if isinstance(node, ast.Constant)]
    read = {word for word in words if isinstance(word, str) and re.fullmatch(r"[A-Z][A-Z_]+", word)}
    assert read == set(config.SETTINGS) | FOREIGN_VARIABLES


def test_one_module_reads_the_environment():
    """No module but config.py touches the environment."""
    others = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "config.py"]
    assert {str(path.relative_to(PACKAGE)): lines for path in others if (lines := reads_environment(path))} == {}


def test_every_command_is_documented(monkeypatch):
    """docs/reference/cli.md has a heading for each command and names each of its options."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    reference = importlib.import_module("reference")
    root = importlib.import_module("typer.main").get_command(importlib.import_module("vicinal.cli").app)
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for name, command in reference.commands(root, "vicinal"):
        assert f"## `{name}`\n" in text
        section = text.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        spelled = [option for one in command.params if one.param_type_name == "option" for option in one.opts]
        assert [option for option in spelled if f"`{option}`" not in section] == []
        assert command.help, f"{name} does not say what it does"


@pytest.mark.parametrize("stage", STAGES, ids=name_of)
def test_every_stage_says_what_it_is(stage):
    """A stage's docstring has the four lines Step, Takes, Gives, Never, in this order."""
    text = ast.get_docstring(ast.parse((stage / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert re.findall(r"^(Step|Takes|Gives|Never): \S", text, re.MULTILINE) == ["Step", "Takes", "Gives", "Never"]


def test_decisions_are_numbered_once():
    """Each ADR has a number of its own that its heading begins with, the four parts in order, and a link in the list."""
    paths = sorted(path for path in (DOCS / "adr").glob("*.md") if path.name != "README.md")
    numbers = [path.name[:4] for path in paths]
    assert len(numbers) == len(set(numbers))
    listed = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)
        assert text.startswith(f"# {path.name[:4]} ")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        begun = [part for heading in headings for part in ADR_PARTS if heading.startswith(part)]
        assert begun == ADR_PARTS, path.name
        assert f"({path.name})" in listed


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Each relative link of a page leads to a file that is there, and to a heading that it has."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), target
