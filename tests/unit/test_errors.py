"""The error tree: one root, one code each, one table, and errors that tell what to do."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from vicinal import errors
from vicinal.errors import (
    TABLE,
    CorruptStoreError,
    InputError,
    MissingExtraError,
    NotFoundError,
    RangeError,
    SpaceMismatchError,
    VicinalError,
    VicinalWarning,
)

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
ERRORS = [one for one in CLASSES if issubclass(one, VicinalError)]
WARNINGS = [one for one in CLASSES if issubclass(one, VicinalWarning)]


def own_classes() -> set[str]:
    """Return the names of the classes that the module itself defines."""
    return {one.__name__ for one in CLASSES if one.__module__ == errors.__name__}


def test_no_class_stands_outside_of_the_two_trees():
    """Every class of the module is an error below VicinalError or a warning below VicinalWarning."""
    assert own_classes() == {one.__name__ for one in ERRORS + WARNINGS}


def test_codes_and_table_are_the_same_set():
    """Each error has a code of its own, and the table holds exactly these."""
    codes = [one.code for one in ERRORS]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(TABLE)


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_table_is_in_range(error):
    """An HTTP status of an error is 4xx or 5xx; an exit status is 1 to 7, never success."""
    assert 400 <= errors.http_status(error.code) <= 599
    assert 1 <= errors.exit_status(error.code) <= 8


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_input_errors_blame_the_caller(error):
    """What derives from InputError is a 4xx, and only a usage (2) or a conflict of spaces (4) by exit status."""
    if issubclass(error, InputError):
        assert errors.http_status(error.code) < 500
        assert errors.exit_status(error.code) in {2, 4}


def test_the_drawing_shows_every_class():
    """The tree in the module's docstring names each class."""
    drawn = errors.__doc__ or ""
    assert [one.__name__ for one in ERRORS + WARNINGS if one.__name__ not in drawn] == []


@pytest.mark.parametrize(
    ("ours", "built_in"),
    [(InputError, ValueError), (NotFoundError, LookupError), (MissingExtraError, ImportError)],
)
def test_built_in_parents(ours, built_in):
    """Where users reasonably catch a built-in class, ours is one."""
    with pytest.raises(built_in, match="what is wrong"):
        raise ours("what is wrong")


def test_an_error_tells_its_message_and_keeps_its_fields():
    """``str`` gives the sentence; expected, got and where stay as they were given."""
    error = RangeError("k must be >= 1, got 0.", expected=">= 1", got=0, where="k")
    assert (str(error), error.expected, error.got, error.where) == ("k must be >= 1, got 0.", ">= 1", 0, "k")


def test_as_dict_leaves_out_what_was_not_said():
    """Only fields that were given are printed; zero and false were given."""
    assert VicinalError("Broken.").as_dict() == {"code": "error", "message": "Broken."}
    assert VicinalError("Broken.", got=0, where=False).as_dict() == {
        "code": "error",
        "message": "Broken.",
        "got": 0,
        "where": False,
    }


def test_as_dict_is_json_for_any_value():
    """A value that JSON does not know becomes its text."""
    error = VicinalError("Broken.", expected=Path("a"), got=(1, 2), where=1.5)
    assert json.loads(json.dumps(error.as_dict())) == {
        "code": "error",
        "message": "Broken.",
        "expected": "a",
        "got": "(1, 2)",
        "where": 1.5,
    }


def test_a_space_mismatch_lists_its_fields():
    """The differing fields are an attribute, and part of the plain form, also when there are none."""
    error = SpaceMismatchError("They differ.", fields=("dim", "pooling"), expected="a", got="b")
    assert error.fields == ("dim", "pooling")
    assert error.as_dict() == {
        "code": "space_mismatch",
        "message": "They differ.",
        "expected": "a",
        "got": "b",
        "fields": ["dim", "pooling"],
    }
    assert SpaceMismatchError("They differ.").as_dict()["fields"] == []


def test_corrupt_names_the_file_and_what_to_do():
    """A damaged file's error begins with its path, says what is wrong, and ends with a way out."""
    error = errors.corrupt(Path("notes/1.vec"), "block 3 has another checksum", expected="aa", got="bb")
    assert isinstance(error, CorruptStoreError)
    assert str(error).startswith("notes/1.vec is damaged: block 3 has another checksum. Restore")
    assert (error.expected, error.got, error.where) == ("aa", "bb", "notes/1.vec")
