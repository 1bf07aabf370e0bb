"""The parts of the documents that are made from the code; cog puts them where the documents ask for them.

Each public function returns Markdown. ``python scripts/regenerate.py`` writes them, ``--check`` compares.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "vicinal"
LINES = ("Step", "Takes", "Gives", "Never")
"""What the docstring of each stage says of it, in this order."""
AFTER_ALL = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A folder of the package and what its docstring says."""

    name: str
    summary: str
    lines: dict[str, str]
    modules: tuple[str, ...]

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands: the number of its step, then its name; what is no step comes last."""
        number = re.match(r"\d+", self.lines.get("Step", ""))
        return (int(number.group()) if number else AFTER_ALL, self.name)


def docstring(path: Path) -> str:
    """Return the docstring of a module without importing it; ``""`` if it has none."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def four_lines(text: str) -> dict[str, str]:
    """Return the lines ``Step: …`` to ``Never: …`` of a docstring, wrapped ones joined."""
    pattern = rf"^({'|'.join(LINES)}): (.+(?:\n(?!(?:{'|'.join(LINES)}): ).+)*)"
    return {name: _one_line(said) for name, said in re.findall(pattern, text, re.MULTILINE)}


def stages() -> list[Stage]:
    """Return every folder of the package in the order of its step."""
    found = [_stage(path.parent) for path in PACKAGE.glob("*/__init__.py")]
    return sorted(found, key=lambda stage: stage.place)


def _stage(folder: Path) -> Stage:
    text = docstring(folder / "__init__.py")
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    return Stage(name=folder.name, summary=_summary(text), lines=four_lines(text), modules=tuple(modules))


def stage_map() -> str:
    """Return the tree of the package: each stage with its four lines, then the single modules."""
    return "\n\n".join([*map(_told, stages()), "### Single modules", _single_modules()])


def _told(stage: Stage) -> str:
    said = [f"- *{name}*: {stage.lines.get(name, '')}" for name in LINES]
    modules = ", ".join(f"`{name}`" for name in stage.modules)
    return "\n".join([f"### `{stage.name}/`", "", stage.summary, "", *said, f"- *Modules*: {modules}"])


def _single_modules() -> str:
    rows = [f"| `{path.name}` | {_summary(docstring(path))} |" for path in sorted(PACKAGE.glob("*.py"))]
    return "\n".join(["| Module | What it is |", "| --- | --- |", *rows])


def _summary(text: str) -> str:
    return _one_line(text.partition("\n\n")[0])


def _one_line(text: str) -> str:
    """Return a docstring's text as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def import_diagram() -> str:
    """Return the layers of the import contract, the highest first, as a drawing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(one["layers"] for one in contracts if one["type"] == "layers")
    width = max(map(len, layers))
    rows = [f"│ {layer:^{width}} │" for layer in layers]
    between = f"\n├─{'─' * width}─┤\n"
    return f"```text\n┌─{'─' * width}─┐\n{between.join(rows)}\n└─{'─' * width}─┘\n```"


def error_table() -> str:
    """Return the errors and warnings: the tree by indentation, code, HTTP status, exit status, meaning."""
    errors = importlib.import_module("vicinal.errors")
    rows = [_error_row(kind, depth, errors.TABLE) for kind, depth in _descend(errors.VicinalError)]
    head = ["| Error | Code | HTTP | Exit | Raised when |", "| --- | --- | --- | --- | --- |"]
    warnings = [
        f"| {_indent(kind, depth)} | {_summary(inspect.getdoc(kind) or '')} |"
        for kind, depth in _descend(errors.VicinalWarning)
    ]
    return "\n".join([*head, *rows, "", "| Warning | Given when |", "| --- | --- |", *warnings])


def _descend(kind: type, depth: int = 0) -> Iterator[tuple[type, int]]:
    yield kind, depth
    children: list[type] = type.__subclasses__(kind)
    for below in children:
        if below.__module__ == kind.__module__:
            yield from _descend(below, depth + 1)


def _error_row(kind: Any, depth: int, table: dict[str, tuple[int, int]]) -> str:  # noqa: ANN401 - a class with a code
    status, leave = table[kind.code]
    return f"| {_indent(kind, depth)} | `{kind.code}` | {status} | {leave} | {_summary(inspect.getdoc(kind) or '')} |"


def _indent(kind: type, depth: int) -> str:
    return f"{'&emsp;' * depth}`{kind.__name__}`"


def settings_table() -> str:
    """Return each setting of the environment and what it does."""
    config = importlib.import_module("vicinal.config")
    rows = [f"| `{name}` | {_cell(told)} |" for name, told in config.SETTINGS.items()]
    return "\n".join(["| Variable | What it does |", "| --- | --- |", *rows])


def command_pages() -> str:
    """Return every command of the program: usage, what it does, its arguments and options."""
    typer_main = importlib.import_module("typer.main")
    root = typer_main.get_command(importlib.import_module("vicinal.cli").app)
    return "\n\n".join(_command_page(name, command) for name, command in commands(root, "vicinal"))


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's and click's classes are one by shape only
    """Go through a command and all below it, each with its full name."""
    yield name, command
    parts: dict[str, Any] = getattr(command, "commands", {})
    for part, below in parts.items():
        yield from commands(below, f"{name} {part}")


def _command_page(name: str, command: Any) -> str:  # noqa: ANN401 - as above
    told = inspect.cleandoc(command.help or "").replace("``", "`")
    shown = [one for one in command.params if getattr(one, "help", None) and not getattr(one, "hidden", False)]
    rows = [f"| {_spelled(one)} | {_cell(one.help)} | {_default(one)} |" for one in shown]
    table = ["", "| Parameter | What it does | Default |", "| --- | --- | --- |", *rows] if rows else []
    return "\n".join([f"## `{name}`", "", told, "", "```text", _usage(name, command), "```", *table])


def _usage(name: str, command: Any) -> str:  # noqa: ANN401 - as above
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    parts = ["COMMAND [ARGUMENTS]..."] if getattr(command, "commands", None) else arguments
    return " ".join([name, "[OPTIONS]", *parts])


def _argument(parameter: Any) -> str:  # noqa: ANN401 - as above
    told = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return told if parameter.required else f"[{told}]"


def _spelled(parameter: Any) -> str:  # noqa: ANN401 - as above
    if parameter.param_type_name == "argument":
        return f"`{_argument(parameter)}`"
    return ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:  # noqa: ANN401 - as above
    told = parameter.show_default
    if isinstance(told, str):
        return told
    value = parameter.default
    if value is True and parameter.secondary_opts:
        return f"`{parameter.opts[0]}`"
    return "" if value is None or value is False or callable(value) else f"`{value}`"


def _cell(text: str) -> str:
    """Return a text that a table's cell can hold."""
    return _one_line(text).replace("|", "\\|")
