"""A remembered digest is never believed for a file that something wrote to."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest

from vicinal.errors import ModelLoadError
from vicinal.models import digests
from vicinal.models.digests import digest_of


@pytest.fixture
def file(tmp_path):
    """Return a file of known content."""
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    return path


@pytest.fixture
def hashed(monkeypatch):
    """Return the list of files that were hashed in full."""
    seen = []
    whole = digests.sha256_of
    monkeypatch.setattr(digests, "sha256_of", lambda path: seen.append(path) or whole(path))
    return seen


@pytest.fixture
def settled(monkeypatch):
    """Let the clock be an hour later, so that files count as settled."""
    now = time.time()
    monkeypatch.setattr(digests.time, "time", lambda: now + 3600)


ABC = hashlib.sha256(b"abc").hexdigest()


def test_a_settled_file_is_hashed_once(file, hashed, settled):
    """The second call believes the stamp."""
    assert [digest_of(file), digest_of(file)] == [ABC, ABC]
    assert hashed == [file]


def test_a_file_of_this_moment_is_hashed_each_time(file, hashed):
    """Within one tick of the file's clock a second change would be unseen, so nothing is remembered."""
    assert [digest_of(file), digest_of(file)] == [ABC, ABC]
    assert hashed == [file, file]


def test_recompute_hashes_in_any_case(file, hashed, settled):
    """A verification reads the content, whatever is remembered."""
    digest_of(file)
    digest_of(file, recompute=True)
    assert hashed == [file, file]


def test_a_change_with_the_old_size_and_time_is_seen(file, hashed, settled):
    """A program can set the modification time back; the change time gives it away."""
    digest_of(file)
    before = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"abd")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest_of(file) == hashlib.sha256(b"abd").hexdigest()


def test_a_file_put_in_its_place_is_seen(file, tmp_path, settled):
    """Another file of the same name has another inode."""
    digest_of(file)
    other = tmp_path / "other"
    other.write_bytes(b"xyz")
    other.replace(file)
    assert digest_of(file) == hashlib.sha256(b"xyz").hexdigest()


@pytest.mark.parametrize(
    "note",
    [b"", b"{", b"[]", b"\xff\x00", b"[" * 100_000, b'{"stamp": "SAME"}', b'{"stamp": "SAME", "sha256": 7}',
     b'{"stamp": "SAME", "sha256": "short"}'],
)  # fmt: skip
def test_a_damaged_note_is_no_note(file, cache, settled, note):
    """Whatever stands in the cache, the digest is that of the content."""
    digest_of(file)
    (path,) = (cache / "digests").iterdir()
    path.write_bytes(note.replace(b"SAME", json.loads(path.read_bytes())["stamp"].encode()))
    assert digest_of(file) == ABC


def test_a_cache_that_cannot_be_written_costs_time_only(file, cache, hashed, settled):
    """Without a place for notes the file is hashed again."""
    cache.write_text("a file where the folder should be")
    assert [digest_of(file), digest_of(file)] == [ABC, ABC]
    assert hashed == [file, file]


def test_a_file_that_is_gone_is_named(tmp_path):
    """The path stands in ``where``."""
    with pytest.raises(ModelLoadError) as caught:
        digest_of(tmp_path / "none")
    assert caught.value.where == str(tmp_path / "none")


def test_a_derived_digest_is_computed_once_for_each_content(cache):
    """Another content or another rule is computed anew."""
    asked = []
    compute = lambda: asked.append(1) or ABC  # noqa: E731 - counts its calls
    assert [digests.derived_digest("rule-1", "a" * 64, compute) for _ in range(3)] == [ABC] * 3
    digests.derived_digest("rule-1", "b" * 64, compute)
    digests.derived_digest("rule-2", "a" * 64, compute)
    assert len(asked) == 3


@pytest.mark.parametrize("place", [0, 63, 64, 100, -1])
def test_a_damaged_derived_digest_is_computed_anew(cache, place):
    """One changed byte anywhere in the note is seen, and the note is mended."""
    digests.derived_digest("rule", "a" * 64, lambda: ABC)
    (note,) = (cache / "digests").iterdir()
    content = bytearray(note.read_bytes())
    content[place] ^= 1
    note.write_bytes(bytes(content))
    assert digests.derived_digest("rule", "a" * 64, lambda: ABC) == ABC
    assert digests.derived_digest("rule", "a" * 64, lambda: pytest.fail("not mended")) == ABC


def test_a_derived_digest_needs_no_cache(cache):
    """Where it cannot be kept it is computed each time."""
    cache.write_text("a file where the folder should be")
    assert digests.derived_digest("rule", "a" * 64, lambda: ABC) == ABC
