"""Damaged files of an index or of columns: the answers stay, whatever becomes of what is derived."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from crash import derived_worlds, faults


def test_damaged_derived_files_change_no_answer(tmp_path: Path) -> None:
    """50 damages of any derived file: each answer is the one of before, and no error reaches the reader."""
    whole = tmp_path / "whole"
    derived_worlds.make(whole)
    assert {path.parent.parent.name for path in derived_worlds.derived_files(whole)} >= {"vectors", "fields"}
    expected, chance = derived_worlds.answers(whole), random.Random(5)
    for turn in range(50):
        folder = tmp_path / f"turn{turn}"
        shutil.copytree(whole, folder)
        told = derived_worlds.damaged(folder, faults.KINDS, chance)
        assert derived_worlds.answers(folder) == expected, f"turn {turn}: {told}"
        shutil.rmtree(folder)


def test_a_missing_index_folder_changes_no_answer(tmp_path: Path) -> None:
    """All derived files may be deleted at any time."""
    derived_worlds.make(tmp_path / "db")
    expected = derived_worlds.answers(tmp_path / "db")
    shutil.rmtree(tmp_path / "db" / "index")
    assert derived_worlds.answers(tmp_path / "db") == expected
