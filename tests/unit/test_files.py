"""Files that keep their word: whole or old content, digests, stamps, and errors of the disk by name."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal._files import disk_error, disk_errors, sha256_of, stamp_of, sync_folder, write_atomically
from vicinal.errors import NoSpaceLeftError, ReadOnlyError, StoreError, VicinalError


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_the_last_content_is_there_whole_and_alone(tmp_path, contents):
    """After any number of writes the file holds the last one, and no other file is left."""
    path = tmp_path / "state.json"
    for content in contents:
        write_atomically(path, content)
    assert path.read_bytes() == contents[-1]
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(("owner", "failing"), [(os, "fsync"), (Path, "replace")])
def test_a_failed_write_changes_nothing(tmp_path, monkeypatch, owner, failing):
    """When the disk fills up on the way the old content stays and no half file is left."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(owner, failing, full)
    with pytest.raises(NoSpaceLeftError, match="is full; nothing of this write is visible") as raised:
        write_atomically(path, b"new")
    assert raised.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_an_interruption_leaves_no_half_file(tmp_path, monkeypatch):
    """Ctrl-C in the middle of a write is passed on, and the old content stays."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_a_missing_folder_is_a_store_error(tmp_path):
    """Writing where no folder is names the file and tells the system's reason."""
    path = tmp_path / "nowhere" / "state.json"
    with pytest.raises(StoreError, match=r"state\.json: No such file or directory"):
        write_atomically(path, b"new")


def test_sync_folder_closes_what_it_opened(tmp_path):
    """Many calls leave no file descriptor behind."""
    sync_folder(tmp_path)
    before = os.dup(0)
    os.close(before)
    for _ in range(10):
        sync_folder(tmp_path)
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_sha256_of(tmp_path):
    """The digest is SHA-256 of the bytes, of an empty file too."""
    path = tmp_path / "weights"
    for content in (b"", b"abc" * 100_000):
        path.write_bytes(content)
        assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_a_stamp_changes_with_the_file(tmp_path):
    """Reading keeps the stamp; new content of the same size, even with the old times set back, changes it."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    stamp = stamp_of(path)
    path.read_bytes()
    assert stamp_of(path) == stamp
    times = path.stat()
    replacement = tmp_path / "other"
    replacement.write_bytes(b"two")
    replacement.replace(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert stamp_of(path) != stamp


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.ENOSPC, NoSpaceLeftError, "Free some space"),
        (errno.EDQUOT, NoSpaceLeftError, "Free some space"),
        (errno.EFBIG, NoSpaceLeftError, "Free some space"),
        (errno.EACCES, ReadOnlyError, "Check its owner and mode"),
        (errno.EPERM, ReadOnlyError, "Check its owner and mode"),
        (errno.EROFS, ReadOnlyError, "Check its owner and mode"),
        (errno.EMFILE, StoreError, "too many open files"),
        (errno.ENFILE, StoreError, "too many open files"),
        (errno.EIO, StoreError, "Input/output error"),
    ],
)
def test_each_error_of_the_disk_has_a_name(number, kind, told):
    """The system's number chooses the class; the message names the path and what to do."""
    error = disk_error(OSError(number, os.strerror(number)), "notes/1.vec")
    assert type(error) is kind
    assert "notes/1.vec" in str(error)
    assert told in str(error)
    assert error.where == "notes/1.vec"


def test_an_error_without_a_reason_tells_itself():
    """A bare OSError has no strerror, so its own text is told."""
    assert str(disk_error(OSError("odd"), "notes")) == "notes: odd."


def test_disk_errors_turns_only_the_disks_errors():
    """An OSError becomes ours with the cause kept; anything else passes as it is."""
    with pytest.raises(ReadOnlyError) as raised, disk_errors("notes"):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert isinstance(raised.value.__cause__, PermissionError)
    with pytest.raises(ZeroDivisionError), disk_errors("notes"):
        raise ZeroDivisionError
    with pytest.raises(VicinalError, match="mine"), disk_errors("notes"):
        raise VicinalError("mine")
