"""Print the documentation of the standard library as JSON lines; run as a program of its own, with nothing but Python.

Each line is ``{"name", "module", "object", "text"}``, or ``{"name", "fault"}`` for a module that cannot be imported.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

LEFT_OUT = frozenset(
    [
        "antigravity",
        "distutils",
        "encodings",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "rlcompleter",
        "test",
        "tests",
        "this",
        "turtle",
        "turtledemo",
    ]
)
"""What does something when it is imported, is a test or a program, or is deprecated and gone in the next version."""
KNOWN_AS = {"posixpath": "os.path", "ntpath": "os.path", "posix": "os", "nt": "os"}
LEAST_WORDS = 3
LEAST_PRIVATE_WORDS = 8
"""A doc string of a private name must say more: it was written for those who read the source."""
EMPTY_DOCS = ("Alias for field number", "Return self", "Implement ", "Initialize self.")
"""How the doc strings begin that Python writes for everything."""
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Thing(NamedTuple):
    """A documented object: its whole name, its module, what it is, itself, and its own doc string."""

    name: str
    module: str
    kind: str
    value: Any
    doc: str


def modules() -> Iterator[tuple[str, ModuleType | None, str]]:
    """Give (name, module, why not) of the public modules of the standard library, sorted, packages searched."""
    waiting = sorted((name for name in sys.stdlib_module_names if _public(name)), reverse=True)
    while waiting:
        name = waiting.pop()
        module, fault = _imported(name)
        yield name, module, fault
        if module is not None and name not in KNOWN_AS:
            inner = pkgutil.iter_modules(getattr(module, "__path__", []))
            waiting += sorted((f"{name}.{part.name}" for part in inner if _public(part.name)), reverse=True)


def _public(name: str) -> bool:
    """Return whether a module is one that people read of."""
    return not name.startswith("_") and name not in LEFT_OUT


def _imported(name: str) -> tuple[ModuleType | None, str]:
    """Return the module, or why it cannot be imported here."""
    try:
        return importlib.import_module(name), ""
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module of another system may raise anything
        return None, f"{type(error).__name__}: {error}"


def things(module: ModuleType, name: str) -> Iterator[Thing]:
    """Give the documented objects of a module, itself first, then by name."""
    known = KNOWN_AS.get(name, name)
    doc = doc_of(module)
    if doc:
        yield Thing(known, known, "module", module, doc)
    for member, value in sorted(vars(module).items()):
        if not _own(module, name, member, value):
            continue
        whole = member if name == "builtins" else f"{known}.{member}"
        if inspect.isclass(value):
            yield from class_things(value, whole, known)
        elif inspect.isroutine(value) and (doc := doc_of(value)):
            yield Thing(whole, known, "function", value, doc)


def _own(module: ModuleType, name: str, member: str, value: object) -> bool:
    """Return whether a name is the module's own: it says so, or it was made there or in C for it."""
    if member in getattr(module, "__all__", ()):
        return True
    home = getattr(value, "__module__", None) or ""
    if home == name:
        return _said_enough(member, value)
    return home.startswith("_") and not member.startswith("_") and not hasattr(module, "__all__")


def _said_enough(member: str, value: object) -> bool:
    """Return whether the doc string of a private or special name is worth reading."""
    if not member.startswith("_"):
        return True
    if member.endswith("__"):
        return inspect.isfunction(value)
    return (inspect.isfunction(value) or inspect.isclass(value)) and len(doc_of(value).split()) >= LEAST_PRIVATE_WORDS


def class_things(value: type, whole: str, module: str) -> Iterator[Thing]:
    """Give a class and its own methods and properties, without what they say word for word as a base does."""
    doc = _clean(vars(value).get("__doc__"))
    if doc:
        yield Thing(whole, module, "class", value, doc)
    for member, raw in sorted(vars(value).items()):
        method = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
        doc = doc_of(method)
        if not doc or not _said_enough(member, method) or _inherited(value, member, doc):
            continue
        if inspect.isroutine(method):
            yield Thing(f"{whole}.{member}", module, "method", method, doc)
        elif inspect.isdatadescriptor(method):
            yield Thing(f"{whole}.{member}", module, "property", method, doc)


def _inherited(value: type, member: str, doc: str) -> bool:
    """Return whether a base's member of the same name says the same."""
    return any(doc_of(vars(base)[member]) == doc for base in value.__mro__[1:] if member in vars(base))


def doc_of(value: object) -> str:
    """Return the object's own doc string, cleaned; "" for none and for those that say nothing."""
    try:
        return _clean(value.__doc__)
    except Exception:  # noqa: BLE001 - an attribute may be computed and raise anything
        return ""


def _clean(doc: object) -> str:
    """Return a doc string with its indentation removed, "" if it says nothing."""
    if not isinstance(doc, str) or doc.startswith(EMPTY_DOCS):
        return ""
    cleaned = inspect.cleandoc(doc).strip()
    return cleaned if len(cleaned.split()) >= LEAST_WORDS else ""


def text_of(thing: Thing) -> str:
    """Return the name with the signature where there is one, and the doc string."""
    return f"{thing.name}{_signature(thing)}\n\n{ADDRESS.sub('', thing.doc)}"


def _signature(thing: Thing) -> str:
    """Return the signature in parentheses, or "" for what has none."""
    if thing.kind in {"module", "property"} or thing.doc.startswith(f"{thing.name.rpartition('.')[2]}("):
        return ""
    try:
        return ADDRESS.sub("", str(inspect.signature(thing.value)))
    except Exception:  # noqa: BLE001 - a signature may be computed and raise anything
        return ""


def chosen(found: list[Thing]) -> list[Thing]:
    """Return each object once, under the name of the module that made it, and each name once."""
    best: dict[int, Thing] = {}
    for thing in found:
        known = best.get(id(thing.value))
        if known is None or _rank(thing) < _rank(known):
            best[id(thing.value)] = thing
    named = {thing.name: thing for thing in reversed(best.values())}
    return sorted(named.values(), key=lambda thing: thing.name)


def _rank(thing: Thing) -> tuple[bool, int, str]:
    """Return the order among the names of one object: the home's first, then the shorter."""
    home = getattr(thing.value, "__module__", None) or ""
    return KNOWN_AS.get(home, home) != thing.module, thing.name.count("."), thing.name


def topics() -> dict[str, str]:
    """Return the topics of the language reference that pydoc carries."""
    from pydoc_data.topics import topics as found  # noqa: PLC0415 - large, and only for this

    return {name: str(text).strip() for name, text in sorted(found.items())}


def lines() -> Iterator[dict[str, str]]:
    """Give everything that is printed, in order."""
    found: list[Thing] = []
    for name, module, fault in modules():
        if module is None:
            yield {"name": name, "fault": fault}
        else:
            found += things(module, name)
    for thing in chosen(found):
        yield {"name": thing.name, "module": thing.module, "object": thing.kind, "text": text_of(thing)}
    for name, text in topics().items():
        yield {"name": f"topics/{name}", "module": "", "object": "topic", "text": text}


def main() -> None:
    """Print the lines to what standard output was; what modules print goes nowhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        out.writelines(json.dumps(line) + "\n" for line in lines())


if __name__ == "__main__":
    main()
