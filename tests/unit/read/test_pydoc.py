"""The documentation of this Python: real, complete, and the same each time."""

import json
import re
import sys

import pytest

from vicinal.errors import UnsupportedError
from vicinal.read import pydoc, pydoc_walk, read
from vicinal.types import Document, Skipped


@pytest.fixture(scope="module")
def corpus():
    """Return everything, read once."""
    return list(read("pydoc:"))


def test_the_corpus_is_large_and_each_id_comes_once(corpus):
    """Several thousand objects on any Python with its standard library."""
    ids = [item.id for item in corpus if isinstance(item, Document)]
    assert len(ids) > 6500
    assert len(set(ids)) == len(ids)


def test_known_objects_are_there_under_the_names_people_use(corpus):
    """Python and C, functions, classes, methods, modules and topics."""
    kinds = {item.source: item.fields["object"] for item in corpus if isinstance(item, Document)}
    expected = {"json": "module", "json.dumps": "function", "len": "function", "str.split": "method"}
    expected |= {"os.path.join": "function", "os.getcwd": "function", "collections.OrderedDict": "class"}
    expected |= {"pathlib.Path.mkdir": "method", "topics/if": "topic", "datetime.datetime.now": "method"}
    assert {name: kinds.get(name) for name in expected} == expected


def test_a_document_has_name_signature_and_doc_string(corpus):
    """The text is what help() would show of it."""
    found = next(item for item in corpus if isinstance(item, Document) and item.source == "json.dumps")
    assert found.text.startswith("json.dumps(obj, *, skipkeys=False")
    assert "\n\nSerialize ``obj`` to a JSON formatted" in found.text
    assert (found.id, found.form) == ("pydoc:json.dumps", "rst")
    assert found.fields == {"module": "json", "object": "function"}


def test_nothing_in_it_changes_from_run_to_run(corpus):
    """No addresses, no order of a set: a second reading is equal."""
    assert not any(re.search(r" at 0x[0-9a-f]{6}", item.text) for item in corpus if isinstance(item, Document))
    assert list(read("pydoc:")) == corpus


def test_modules_of_other_systems_are_counted_as_no_failure(corpus):
    """They cannot be imported here, and nobody need act."""
    skipped = [item for item in corpus if isinstance(item, Skipped)]
    assert skipped
    assert all(item.reason == "not importable" and not item.failed for item in skipped)


def test_what_does_something_when_imported_is_left_out(corpus):
    """No window, no browser, no poem."""
    modules = {item.fields["module"].partition(".")[0] for item in corpus if isinstance(item, Document)}
    assert not modules & pydoc_walk.LEFT_OUT


def test_reading_can_be_left_at_any_time():
    """The child process ends with its reader."""
    found = read("pydoc:")
    next(found)
    found.close()


def test_a_child_that_fails_is_an_error(monkeypatch, tmp_path):
    """Half a corpus is never taken for the whole."""
    broken = tmp_path / "walk.py"
    broken.write_text('print(\'{"name": "a", "fault": "b"}\'); raise SystemExit(3)')
    monkeypatch.setattr(pydoc, "WALK", broken)
    found = read("pydoc:")
    assert next(found) == Skipped(source="pydoc:a", reason="not importable", detail="b")
    with pytest.raises(UnsupportedError, match="ended with 3"):
        next(found)


def test_without_an_interpreter_it_says_so(monkeypatch):
    """An embedded Python has none to run."""
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(UnsupportedError):
        next(read("pydoc:"))


class Base:
    """A base with something to say."""

    def same(self):
        """Return what both return."""

    def other(self):
        """Return what the base returns."""


class Derived(Base):
    """A class that derives from it."""

    def same(self):
        """Return what both return."""

    def other(self):
        """Return what the derived returns."""

    def _private(self):
        """Return too little."""

    @property
    def value(self):
        """Return the value here."""

    @classmethod
    def make(cls, where=object()):  # noqa: B008 - its address must not show
        """Return one of them."""


def test_what_a_base_says_word_for_word_is_not_repeated():
    """Own words stay; private names with few words and bases' words do not."""
    found = {thing.name: thing.kind for thing in pydoc_walk.class_things(Derived, "m.Derived", "m")}
    assert found == {
        "m.Derived": "class",
        "m.Derived.make": "method",
        "m.Derived.other": "method",
        "m.Derived.value": "property",
    }


def test_addresses_are_taken_out_of_signatures():
    """A default that is an object shows its type only."""
    (made,) = [thing for thing in pydoc_walk.class_things(Derived, "m.D", "m") if thing.name == "m.D.make"]
    assert pydoc_walk.text_of(made) == "m.D.make(cls, where=<object object>)\n\nReturn one of them."


def test_one_object_has_one_name():
    """The module that made it names it, else the shortest way to it."""
    module = Derived.__module__
    found = [
        pydoc_walk.Thing(name, home, "class", Derived, "d") for name, home in [("a.D", "a"), (f"{module}.D", module)]
    ]
    assert [thing.module for thing in pydoc_walk.chosen(found)] == [module]


def test_what_the_walk_prints_can_be_read():
    """Each line is JSON with a name."""
    assert all(json.loads(json.dumps(line))["name"] for line in pydoc_walk.lines())
