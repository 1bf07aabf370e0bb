"""The changelog's fragments: well named, and assembled in the fixed order."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def changelog():
    """Load the script as a module."""
    path = ROOT / "scripts" / "changelog.py"
    spec = importlib.util.spec_from_file_location("vicinal_changelog_script", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(importlib.import_module("sys").modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def test_the_fragments_that_wait_are_sound(changelog):
    """Each file in changes/ has a kind that exists and says something."""
    changelog.read_fragments(ROOT / "changes")


def test_an_entry_has_its_sections_in_order(changelog, tmp_path):
    """Kinds come in the fixed order, within one by name, one blank line between changes, long ones indented."""
    (tmp_path / "README.md").write_text("not a fragment")
    (tmp_path / "b.added.md").write_text("Second.\nAnd more.\n")
    (tmp_path / "a.added.md").write_text("- First.\n")
    (tmp_path / "z.security.md").write_text("Closed.")
    (tmp_path / "a.format.md").write_text("Version 2.")
    entry = changelog.entry_of(changelog.read_fragments(tmp_path), "1.0.0 – 2026-01-31")
    assert entry == (
        "## 1.0.0 – 2026-01-31\n\n### Security\n\n- Closed.\n\n"
        "### Added\n\n- First.\n\n- Second.\n  And more.\n\n### Format\n\n- Version 2.\n"
    )


@pytest.mark.parametrize("name", ["a.md", "a.new.md", "A.added.md", "a_b.added.md", ".added.md", "a.b.added.md"])
def test_a_wrong_name_is_refused(changelog, tmp_path, name):
    """A fragment without a slug or with an unknown kind would be lost, so it is an error."""
    (tmp_path / name).write_text("Something.")
    with pytest.raises(ValueError, match="must be named"):
        changelog.read_fragments(tmp_path)


def test_an_empty_fragment_is_refused(changelog, tmp_path):
    """A fragment that says nothing is an error."""
    (tmp_path / "a.added.md").write_text(" \n")
    with pytest.raises(ValueError, match="is empty"):
        changelog.read_fragments(tmp_path)


def test_the_newest_entry_stands_first(changelog):
    """An entry goes below the mark and above older ones; without the mark nothing is written."""
    text = "# Changelog\n\n<!-- entries -->\n\n## 0.1.0\n"
    assert changelog.with_entry(text, "## 0.2.0\n") == "# Changelog\n\n<!-- entries -->\n\n## 0.2.0\n\n## 0.1.0\n"
    with pytest.raises(ValueError, match="must have the line"):
        changelog.with_entry("# Changelog\n", "## 0.2.0\n")


def test_the_changelog_has_the_mark(changelog):
    """The line that new entries go below is there, once."""
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").count(changelog.MARK) == 1
