"""Snapshots in object stores: the library's own stores in memory and on disk, and a server that speaks S3 on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest

import store_worlds
from vicinal.errors import CorruptSnapshotError, MissingExtraError, RemoteError
from vicinal.lifecycle import snapshots as s
from vicinal.store import Store

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
STORES = ("memory", "local")
START_S = 20.0


@pytest.fixture(params=STORES)
def place(request, tmp_path):
    """An object store as a place."""
    from vicinal.lifecycle.snapshots._obstore import ObjectPlace  # noqa: PLC0415 - it needs the library

    if request.param == "memory":
        return ObjectPlace(obstore.store.MemoryStore(), "memory:///")
    return ObjectPlace(obstore.store.LocalStore(tmp_path / "objects", mkdir=True), "local")


@pytest.fixture
def folder(tmp_path):
    """A database of some commits, closed."""
    store_worlds.make(tmp_path / "db")
    return tmp_path / "db"


def taken(folder, place):
    """Open a database, take a snapshot, close it."""
    store = Store.open(folder)
    try:
        return s.take(store, place)
    finally:
        store.close()


def whole_life(folder, place, new):
    """Take, take again, restore both, damage, verify, prune."""
    first, before = taken(folder, place), store_worlds.contents(folder)
    store = Store.open(folder)
    store_worlds.put(store, store_worlds.records(range(40), version=9), 9)
    store.close()
    second = taken(folder, place)
    assert second.written_bytes > 0
    assert [one.sequence for one in s.snapshots(place)] == [first.sequence, second.sequence]
    s.restore(place, new / "first", at=first.sequence)
    s.restore(place, new / "second")
    assert store_worlds.contents(new / "first") == before
    assert store_worlds.contents(new / "second") == store_worlds.contents(folder)
    verified = s.verify(place)
    assert verified.sequences == (first.sequence, second.sequence)
    assert s.prune(place, grace_s=0).sequences == (first.sequence,)
    assert s.verify(place).pieces < verified.pieces
    [piece, *_] = place.names("blocks")
    place.put(piece.name, b"other")
    with pytest.raises(CorruptSnapshotError, match=piece.name):
        s.verify(place)


def test_a_whole_life_in_an_object_store(place, folder, tmp_path):
    """What holds of a folder holds of an object store."""
    whole_life(folder, place, tmp_path)


def test_names_and_bounds(place):
    """Names below a folder are listed with their lengths, no more is read than was asked for, what is absent is None."""
    place.put("blocks/a", b"12345")
    place.put("blocks/deeper/b", b"1")
    place.put("blocksmith/c", b"1")
    assert [(one.name, one.size_bytes) for one in place.names("blocks")] == [("blocks/a", 5)]
    assert abs(time.time() - next(iter(place.names("blocks"))).written_at) < 60
    assert place.get("blocks/a", most_bytes=3) == b"123"
    assert place.get("blocks/a", most_bytes=5) == b"12345"
    assert place.get("blocks/none", most_bytes=5) is None
    place.delete("blocks/none")
    place.delete("blocks/a")
    assert list(place.names("blocks")) == []


def test_memory_by_url():
    """The URL of a memory store opens one; each is its own."""
    place = s.open_place("memory:///")
    place.put("blocks/a", b"x")
    assert place.get("blocks/a", most_bytes=9) == b"x"
    assert s.open_place("memory:///").get("blocks/a", most_bytes=9) is None


def test_a_server_that_is_not_there_is_an_error_with_a_name(folder, monkeypatch):
    """A closed port gives a RemoteError that names the place and no secret."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    for name, value in {"ACCESS_KEY_ID": "known", "SECRET_ACCESS_KEY": "hidden", "REGION": "eu-central-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    from vicinal.lifecycle.snapshots import _obstore  # noqa: PLC0415 - it needs the library

    settings = {"retry_config": {"max_retries": 0}}
    place = _obstore.ObjectPlace(obstore.store.from_url("s3://bucket/x", **settings), "s3://bucket/x")
    with pytest.raises(RemoteError, match="s3://bucket/x") as told:
        taken(folder, place)
    assert "hidden" not in str(told.value)
    assert "known" not in str(told.value)


def test_a_missing_library_is_told(monkeypatch):
    """Without obstore the error has the command that installs it."""
    monkeypatch.delitem(sys.modules, "vicinal.lifecycle.snapshots._obstore", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delattr(s, "_obstore", raising=False)
    with pytest.raises(MissingExtraError, match=r"vicinal\[s3\]"):
        s.open_place("s3://bucket/x")


@pytest.fixture
def s3(monkeypatch):
    """A server that speaks S3 on this machine, with a bucket; its address and keys in the environment."""
    pytest.importorskip("moto.server", reason="moto is not installed")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_S
        while True:
            with suppress(OSError):
                request = urllib.request.Request(f"{url}/bucket", method="PUT")
                urllib.request.urlopen(request, timeout=5).close()
                break
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.1)
        for name, value in {
            "ACCESS_KEY_ID": "a",
            "SECRET_ACCESS_KEY": "b",
            "REGION": "us-east-1",
            "ENDPOINT_URL": url,
            "ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield "s3://bucket/backups/notes"
    finally:
        server.terminate()
        server.wait()


@pytest.mark.network
def test_a_whole_life_over_s3(s3, folder, tmp_path):
    """What holds of a folder holds of a bucket behind a server, below a prefix, found by its URL."""
    whole_life(folder, s.open_place(s3), tmp_path)
    assert s.open_place("s3://bucket/backups/other").get("blocks/x", most_bytes=1) is None
