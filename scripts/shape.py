"""Print the sizes of modules, functions and parameter lists, stage by stage: figures to judge by, never a failure.

Run it as ``python scripts/shape.py``. A body is counted in lines from its first statement, docstring left out, to its last.
"""

from __future__ import annotations

import ast
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "vicinal"
LARGEST = 10
LONG_BODY_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One measured thing: where it is and how large."""

    stage: str
    name: str
    size: int


def body_lines(function: Function) -> int:
    """Return how many lines a body has without its docstring; 0 if it has nothing else."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def parameter_count(function: Function) -> int:
    """Return how many parameters a caller may give, ``self`` and ``cls`` left out."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return sum(one.arg not in {"self", "cls"} for one in every)


def functions(tree: ast.Module) -> Iterator[Function]:
    """Go through all functions of a module, methods and inner ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def measure(paths: Sequence[Path]) -> dict[str, list[Size]]:
    """Return the sizes of each kind over some modules."""
    found: dict[str, list[Size]] = defaultdict(list)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        parts = path.relative_to(PACKAGE).parts
        stage, name = (parts[0] if len(parts) > 1 else "(top)"), path.relative_to(PACKAGE).as_posix()
        found["module lines"].append(Size(stage=stage, name=name, size=text.count("\n")))
        for function in functions(ast.parse(text)):
            named = f"{name}:{function.lineno} {function.name}"
            found["body lines"].append(Size(stage=stage, name=named, size=body_lines(function)))
            found["parameters"].append(Size(stage=stage, name=named, size=parameter_count(function)))
    return found


def row(name: str, sizes: Sequence[int]) -> str:
    """Return one line of the table: how many, the median, the 90th percentile, the largest."""
    ordered = sorted(sizes)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return f"  {name:<12} {len(ordered):>6} {statistics.median(ordered):>8g} {p90:>6} {ordered[-1]:>6}"


def report(kind: str, found: Sequence[Size]) -> str:
    """Return the table of one kind, stage by stage, and its largest."""
    stages = sorted({one.stage for one in found})
    lines = [kind, f"  {'stage':<12} {'count':>6} {'median':>8} {'p90':>6} {'max':>6}"]
    lines += [row(stage, [one.size for one in found if one.stage == stage]) for stage in stages]
    lines.append(row("all", [one.size for one in found]))
    largest = sorted(found, key=lambda one: (-one.size, one.name))[:LARGEST]
    return "\n".join([*lines, "  largest:", *(f"    {one.size:>5}  {one.name}" for one in largest)])


def main() -> None:
    """Print the report."""
    found = measure(sorted(PACKAGE.rglob("*.py")))
    print("\n\n".join(report(kind, sizes) for kind, sizes in found.items()))
    bodies = [one.size for one in found["body lines"]]
    share = sum(size > LONG_BODY_LINES for size in bodies) / max(1, len(bodies))
    print(f"\nbodies above {LONG_BODY_LINES} lines: {share:.3f} of all (goal: at most 0.02; p90 at most 30)")


if __name__ == "__main__":
    main()
