"""Files and folders become passages that fit a teacher's window."""

from __future__ import annotations

from pathlib import Path

import pytest

from vicinal.errors import NotFoundError
from vicinal.testing import ToyEncoder
from vicinal.train import passages


def test_every_word_of_every_file_is_in_a_passage(tmp_path: Path):
    """Long files are cut up, each passage within the window; binary ones are left out."""
    (tmp_path / "a.txt").write_text(" ".join(f"word{number}." for number in range(200)))
    (tmp_path / "b.md").write_text("# Title\n\nShort text.")
    (tmp_path / "c.bin").write_bytes(bytes(range(256)))
    encoder = ToyEncoder(max_tokens=40)
    found = list(passages([tmp_path], encoder))
    assert len(found) > 5
    assert all(encoder.count_tokens([passage])[0] <= 40 for passage in found)
    assert {f"word{number}." for number in range(200)} <= set(" ".join(found).split())
    assert any("Short text." in passage for passage in found)


def test_a_source_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path):
    """At the call, not in the middle of the training."""
    with pytest.raises(NotFoundError):
        passages([tmp_path, tmp_path / "nothing"], ToyEncoder())
