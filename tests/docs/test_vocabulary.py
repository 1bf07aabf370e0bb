"""Public names are made of the glossary's words, and of none that it rules out."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import vicinal

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"

# A name here is used although a part of it is ruled out. Keep it short; each needs its reason.
ALLOWED = {
    "Hits.items": "a tuple's elements, as in a mapping's items(); no document is meant",
    "Vectors.cut_rows": "the rows of a matrix (N, D), which is what Vectors are",
    "Vectors.__init__(cut_rows)": "the same",
    "Source.table": "a table of another database, which is read; no collection is meant",
    "Encoder.count_tokens": "a verb: it counts; how many hits are asked for is k",
    "FunctionEncoder.count_tokens": "the same",
    "FunctionEncoder.__init__(count_tokens)": "the same, given by the user",
}


def words_of(table_heads: str) -> tuple[set[str], set[str]]:
    """Return the words of the glossary's first columns, and of its third."""
    known: set[str] = set()
    refused: set[str] = set()
    for line in table_heads.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 2:
            continue
        known |= set(re.findall(r"`([^`]+)`", cells[0]))
        refused |= set(re.findall(r"`([^`]+)`", cells[2])) if len(cells) > 2 else set()
    return known, refused


KNOWN, REFUSED = words_of(GLOSSARY.read_text(encoding="utf-8"))
PARTS = {part.lower() for word in KNOWN for part in word.split("_")}


def public_names() -> Iterator[tuple[str, str]]:
    """Go through the public interface: a place such as ``Collection.search(k)``, and the name that it holds."""
    for name in vicinal.__all__:
        thing = getattr(vicinal, name)
        yield name, name
        if inspect.ismodule(thing):
            continue
        if not inspect.isclass(thing):
            yield from _parameters(name, thing)
            continue
        for member, value in _members(thing):
            if member != "__init__":
                yield f"{name}.{member}", member
            if inspect.isfunction(value) and not (member == "__init__" and _is_made_by_machine(thing)):
                yield from _parameters(f"{name}.{member}", value)


def _members(kind: type) -> Iterator[tuple[str, object]]:
    """Go through what a class of ours defines and what its instances are given, not what it inherits from outside."""
    ours = [one for one in kind.__mro__ if one.__module__.startswith("vicinal")]
    members = {name: value for one in ours for name, value in vars(one).items()}
    annotated = {name: None for one in ours for name in vars(one).get("__annotations__", {})}
    for name, value in {**annotated, **members}.items():
        unwrapped = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if name == "__init__" or not name.startswith("_"):
            yield name, unwrapped


def _is_made_by_machine(kind: type) -> bool:
    """Return whether a class's ``__init__`` only repeats its fields (a dataclass) or is none (a protocol)."""
    return dataclasses.is_dataclass(kind) or getattr(kind, "_is_protocol", False)


def _parameters(place: str, function: object) -> Iterator[tuple[str, str]]:
    for name in inspect.signature(function).parameters:
        if name not in {"self", "cls"} and not name.startswith("_"):
            yield f"{place}({name})", name


def parts_of(name: str) -> list[str]:
    """Return the words of a name: ``max_tokens`` and ``MaxTokens`` have two."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")


def singular(word: str) -> set[str]:
    """Return the word and what it may be the plural of."""
    return {word, word.removesuffix("s"), re.sub("ies$", "y", word), re.sub("ces$", "x", word)}


def is_refused(name: str) -> bool:
    """Return whether a name, or a part of it in singular or plural, is ruled out."""
    if name in KNOWN:
        return False
    return bool({name} & REFUSED) or any(singular(part) & REFUSED for part in parts_of(name))


def test_the_glossary_is_read():
    """The tables are found, and no word is both known and ruled out."""
    assert {"document", "k", "open", "name"} <= KNOWN
    assert {"doc", "top_k", "emb"} <= REFUSED
    assert not KNOWN & REFUSED


def test_no_public_name_is_ruled_out():
    """No name of a public object, parameter or field holds a word of the column Not."""
    wrong = {place for place, name in public_names() if is_refused(name)}
    assert sorted(wrong - set(ALLOWED)) == []


def test_every_public_name_is_made_of_known_words():
    """Each part of a public name stands in the glossary; a new word begins with its line there."""
    unknown = {
        place: part
        for place, name in public_names()
        for part in parts_of(name)
        if place not in ALLOWED and not singular(part) & PARTS
    }
    assert unknown == {}


def test_every_exception_is_needed():
    """An entry of the list of exceptions names something that exists and would be refused without it."""
    refused = {place for place, name in public_names() if is_refused(name)}
    assert sorted(set(ALLOWED) - refused) == []


@pytest.mark.parametrize(
    ("name", "refused"),
    [("top_k", True), ("k", False), ("doc_ids", True), ("embeddings", True), ("full_dim", False), ("entries", True)],
)
def test_what_is_ruled_out(name, refused):
    """A part in the plural is ruled out as well; a known word is not."""
    assert is_refused(name) is refused
