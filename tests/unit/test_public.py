"""The public names: loaded with their first use, and the same for people as for type checkers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vicinal


def test_every_public_name_is_there() -> None:
    """Each name of the list can be had, and is listed by dir()."""
    for name in vicinal.__all__:
        assert getattr(vicinal, name) is not None
        assert name in dir(vicinal)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vicinal.nonsense


def test_type_checkers_see_the_same_names() -> None:
    """The stub names exactly what the module gives, from the same modules."""
    tree = ast.parse(Path(vicinal.__file__).with_suffix(".pyi").read_text())
    stubbed = {
        alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    homes = {name: f"vicinal.{home}" for name, home in vicinal._HOMES.items()}
    assert stubbed == {**homes, **dict.fromkeys(vicinal._MODULES, "vicinal")}
