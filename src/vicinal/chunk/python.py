"""Where the classes and functions of Python source begin, their decorators and comments included."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

PARSED_CHARS = 2_000_000
"""Longer source is scanned by lines: a syntax tree takes about a hundred times its text in memory."""
TOP = 1
MEMBER = 2
NEWLINE = re.compile(r"\r\n|\r|\n")
DEFINITION = re.compile(r"^(?P<indent>[ \t]*)(?:@[^\n]*\n[ \t]*){0,8}(?:async[ \t]+)?(?:def|class)\b", re.MULTILINE)
Statement = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(source: str) -> list[tuple[int, int]]:
    """Return (place, rank) of what begins at the top level (1) and of the members of classes (2), ascending.

    What follows a definition at the top level is marked too, so that it does not belong to it.
    Source that does not parse is scanned by lines, by the indentation of ``def``, ``class`` and ``@``.
    """
    lines = [0, *(found.end() for found in NEWLINE.finditer(source))]
    tree = _parsed(source)
    numbered = _from_tree(tree) if tree else _from_lines(source)
    first: dict[int, int] = {}
    for line, rank in numbered:
        place = _comments_above(source, lines, line) if tree else line
        first[place] = min(rank, first.get(place, rank))
    return sorted(first.items())


def _parsed(source: str) -> ast.Module | None:
    """Return the syntax tree, or None for what is no Python of this version."""
    if len(source) > PARSED_CHARS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _from_tree(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Give (line from 0, rank) of definitions, and of what follows them."""
    yield from _boundaries(tree.body, TOP)
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            yield from _boundaries(statement.body, MEMBER)


def _boundaries(body: Sequence[ast.stmt], rank: int) -> Iterator[tuple[int, int]]:
    """Give where definitions begin in a body, and where they end when something else follows."""
    previous_is_definition = False
    for statement in body:
        is_definition = isinstance(statement, Statement)
        if is_definition or previous_is_definition:
            yield _first_line(statement), rank
        previous_is_definition = is_definition


def _first_line(statement: ast.stmt) -> int:
    """Return the line of a statement, from 0, its decorators included."""
    decorators = statement.decorator_list if isinstance(statement, Statement) else []
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1


def _comments_above(source: str, lines: list[int], line: int) -> int:
    """Return the place of a line, or of the comments that stand directly above it."""
    while line > 0 and source[lines[line - 1] : lines[line]].lstrip().startswith("#"):
        line -= 1
    return lines[line]


def _from_lines(source: str) -> Iterator[tuple[int, int]]:
    """Give (place, rank) of the lines that look like the beginning of a definition."""
    for found in DEFINITION.finditer(source):
        yield found.start(), MEMBER if found["indent"] else TOP
