"""A file is parsed once; what was kept of it is verified, and made anew where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from static_worlds import WORDS, WRITERS, write_glove
from vicinal.errors import NoSpaceLeftError, StoreError
from vicinal.models.words import kept, open_words


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return a cache of the test's own."""
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "words"


def _refuse(monkeypatch):
    def parsed_again(*_, **__):
        raise AssertionError("the source was parsed again")

    for name in ("read_text", "read_binary", "read_fasttext"):
        monkeypatch.setattr(kept, name, parsed_again)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_second_time_nothing_is_parsed(tmp_path, monkeypatch, kind):
    """The same words and the same numbers, without the parser."""
    path = WRITERS[kind](tmp_path / "file")
    first = open_words(path)
    _refuse(monkeypatch)
    second = open_words(path)
    assert (first.words, first.total, first.ngrams, first.digest) == (
        second.words, second.total, second.ngrams, second.digest,
    )  # fmt: skip
    assert np.array_equal(first.table, second.table)


def test_another_file_of_the_same_content_is_the_same(tmp_path, monkeypatch):
    """The name of what is kept is the digest of the content."""
    open_words(write_glove(tmp_path / "a"))
    _refuse(monkeypatch)
    assert open_words(write_glove(tmp_path / "b")).words == tuple(WORDS)


@pytest.mark.parametrize("name", ["vectors.f32", "words", "about.json", "counts.i64"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "emptied"])
def test_damage_is_repaired(tmp_path, cache, name, damage):
    """Whatever happens to a kept file, the answer is that of the source."""
    kind = "fasttext-binary" if name == "counts.i64" else "glove"
    path = WRITERS[kind](tmp_path / "file")
    before = open_words(path)
    (kept_file,) = cache.rglob(name)
    content = kept_file.read_bytes()
    damaged = {"changed": bytes([content[0] ^ 1]) + content[1:], "cut": content[:-1], "emptied": b"", "gone": None}[
        damage
    ]
    kept_file.unlink()
    if damaged is not None:
        kept_file.write_bytes(damaged)
    after = open_words(path)
    assert (before.words, before.table.tolist()) == (after.words, after.table.tolist())
    assert kept_file.read_bytes() == content


@pytest.mark.parametrize("change", [{"form": 0}, {"kind": "word2vec"}, {"files": {}}, {"files": 3}, {"rows": 2}])
def test_what_another_program_wrote_is_made_anew(tmp_path, cache, change):
    """An account of another form, or one that does not bear its own digest, is not believed."""
    path = write_glove(tmp_path / "file")
    open_words(path)
    (about,) = cache.rglob("about.json")
    told = json.loads(about.read_bytes())
    told["about"] |= change
    if "form" in change or "kind" in change:
        told["sha256"] = kept._seal(told["about"])
    about.write_text(json.dumps(told))
    assert open_words(path).table.shape == (6, 3)


def test_a_full_disk_leaves_nothing(tmp_path, cache, monkeypatch):
    """The error has a name, and no half of a file is left."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "sha256_of", full)
    with pytest.raises(NoSpaceLeftError, match="is full"):
        open_words(write_glove(tmp_path / "file"))
    assert list(cache.iterdir()) == []


def test_a_cache_that_is_no_folder_is_told(tmp_path, monkeypatch):
    """The path is in the message."""
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "occupied"))
    with pytest.raises(StoreError, match="occupied"):
        open_words(write_glove(tmp_path / "file"))


def test_a_damaged_source_leaves_nothing(tmp_path, cache):
    """What could not be read whole is not kept in part."""
    path = tmp_path / "file"
    path.write_bytes(b"cat 1 2 3\ndog 1 2 3\nowl 1 2 x\nowl 1 2 3\n")
    with pytest.raises(Exception, match="line 3"):
        open_words(path, kind="glove")
    assert list(cache.iterdir()) == []


def test_fasttext_matrices_stay_where_they_lie(tmp_path, cache):
    """Gigabytes are not copied: the words and counts alone are kept."""
    found = open_words(WRITERS["fasttext-binary"](tmp_path / "f.bin"))
    names = sorted(path.name for path in cache.rglob("*") if path.is_file())
    assert names == ["about.json", "counts.i64", "words"]
    assert Path(found.table.base.filename) == tmp_path / "f.bin"
