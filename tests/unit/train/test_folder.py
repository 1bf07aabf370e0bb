"""The folder: readable by other programs, there whole or not at all, never over something else."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import numpy as np
import pytest

from vicinal.errors import AlreadyExistsError, NoSpaceLeftError
from vicinal.models.safetensors import read_arrays, read_header
from vicinal.train import folder as module
from vicinal.train.folder import appearing, card, require_free, write_model
from vicinal.train.report import DistillReport

TABLE = np.arange(6, dtype=np.float32).reshape(3, 2)
REPORT = DistillReport(
    folder="student", dim=2, tokens=3, words=0, size_bytes=99, texts=100, sentences=20, held_out=50, complete=True,
    token_s=1, teacher_s=2, fit_s=3, took_s=61.4, spearman=0.875, overlap_at_10=0.5,
    teacher_texts_per_s=10, student_texts_per_s=625,
)  # fmt: skip


def test_the_files_are_of_the_known_layout(tmp_path):
    """The table is the tensor embeddings, its bytes begin at a multiple of 8, and the settings say what it is."""
    write_model(tmp_path, TABLE, {"model": {}}, teacher="minilm", trained=True)
    path = tmp_path / "model.safetensors"
    assert read_arrays(path)["embeddings"].tolist() == TABLE.tolist()
    assert read_header(path)["embeddings"].offset % 8 == 0
    told = json.loads((tmp_path / "config.json").read_text())
    assert (told["model_type"], told["normalize"], told["hidden_dim"]) == ("model2vec", True, 2)
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == {"model": {}}


def test_the_folder_appears_whole(tmp_path):
    """Inside the block nothing is at its name; behind it everything is, and nothing else is left."""
    wanted = tmp_path / "deep" / "student"
    with appearing(wanted) as part:
        (part / "a").write_text("b")
        assert not wanted.exists()
    assert [path.name for path in wanted.iterdir()] == ["a"]
    assert [path.name for path in wanted.parent.iterdir()] == ["student"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    """Whatever ends the block, no half folder is left."""

    def begin():
        with appearing(tmp_path / "student") as part:
            (part / "a").write_text("b")
            raise error

    with pytest.raises(error):
        begin()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_replaced(tmp_path):
    """A file and a folder with something in it are refused, before and after the work; an empty folder will do."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AlreadyExistsError):
        require_free(tmp_path / "file")
    with pytest.raises(AlreadyExistsError):
        require_free(tmp_path)
    with appearing(tmp_path / "empty") as part:
        (part / "a").write_text("b")

    def be_late():
        with appearing(tmp_path / "late"):
            (tmp_path / "late").mkdir()
            (tmp_path / "late" / "other").write_text("")

    with pytest.raises(AlreadyExistsError):
        be_late()
    assert [path.name for path in (tmp_path / "late").iterdir()] == ["other"]


def test_a_full_disk_has_a_name(tmp_path, monkeypatch):
    """The error of the disk is one of ours, and nothing is left."""

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(NoSpaceLeftError), appearing(tmp_path / "student") as part:
        write_model(part, TABLE, {}, teacher="minilm", trained=True)
    assert list(tmp_path.iterdir()) == []


def test_the_card_tells_what_was_measured():
    """Figures, texts and licence stand in it; without texts it says so and shows no agreement."""
    text = card(REPORT, teacher="minilm", licence="Apache-2.0")
    assert text.startswith("---\nlibrary_name: model2vec\nlicense: apache-2.0\n")
    for shown in ("minilm", "100 texts and 20", "0.875", "0.500", "| 625 |", "| 61 |", "Apache-2.0"):
        assert shown in text
    bare = replace(REPORT, texts=0, spearman=None, overlap_at_10=None)
    text = card(bare, teacher="minilm", licence="")
    assert "No texts were used" in text
    assert "licence: unknown" in text
    assert "Spearman" not in text
