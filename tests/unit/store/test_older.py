"""Databases of older formats: read as they are, brought up by the first write, and refused where they are damaged."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from store_worlds import SPACE, contents, make, put, records
from vicinal.errors import CorruptStoreError
from vicinal.store import Store
from vicinal.store.format import FORMAT_VERSION

GROUPS_SINCE = 3
"""The version since which the commits of deletions and changes are known."""
LAST_DELETION = 3
"""The commit of it in the fixture of version 3, the fifth and last of which only adds."""
FIXTURES = Path(__file__).parents[2] / "fixtures" / "store"


@pytest.fixture(params=["v1", "v2", "v3"])
def folder(request, tmp_path: Path) -> Path:
    """A copy of a database that was written by the program of that time."""
    shutil.copytree(FIXTURES / request.param, tmp_path / "db")
    return tmp_path / "db"


def version(folder: Path) -> int:
    """Return the format version that SQLite's file says."""
    connection = sqlite3.connect(f"file:{folder}/vicinal.sqlite?mode=ro", uri=True)
    try:
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def same_as_new(folder: Path, tmp_path: Path) -> None:
    """Compare with what the present program makes of the same writes."""
    make(tmp_path / "new", 40)
    assert contents(folder) == contents(tmp_path / "new")


def test_an_older_database_is_read_without_being_changed(folder: Path, tmp_path: Path) -> None:
    """Reading leaves every byte, also for one who may write."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    old = version(folder)
    same_as_new(folder, tmp_path)
    assert version(folder) == old < FORMAT_VERSION
    assert {path: path.read_bytes() for path in before} == before


def test_the_first_write_brings_it_up(folder: Path, tmp_path: Path) -> None:
    """All that was there is there, the check passes, and readers that were open see the new commit."""
    reader, store, old = Store.open(folder), Store.open(folder), version(folder)
    with reader.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert snapshot.counts(lane)["records"] == len(contents(folder)) + 1  # one has no chunk
        sequence = snapshot.sequence
    put(store, records([1000]), 9)
    assert version(folder) == FORMAT_VERSION
    with reader.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert snapshot.record(lane, "r1000") is not None
        assert snapshot.record(lane, "r100").spans == ()
        assert snapshot.sequence == sequence + 1
        assert snapshot.oldest_feed() == (sequence if old < GROUPS_SINCE else 0)
        assert snapshot.collection_names() == ["empty", "main"]
        assert {one.origin for one in snapshot.ledger(lane, ["r3", "r1000"]).values()} == {"file3.txt", "file6.txt"}
        assert {record_id for record_id, _ in snapshot.ids_from(lane, "file3.txt")} >= {"r3", "r17"}
        assert [change.records[-1].id for change in snapshot.changes(lane, sequence)] == ["r1000"]
    store.close()
    reader.close()
    assert set(contents(folder)) - {"r1000"} == set(_new(tmp_path))


def _new(tmp_path: Path) -> dict[str, tuple[str, bytes]]:
    make(tmp_path / "new", 40)
    return contents(tmp_path / "new")


def test_canary_and_projection_are_kept(tmp_path: Path) -> None:
    """What version 2 knew of spaces goes along."""
    shutil.copytree(FIXTURES / "v2", tmp_path / "db")
    store = Store.open(tmp_path / "db")
    for _ in range(2):
        with store.snapshot() as snapshot:
            (probe,) = snapshot.canary(SPACE)
            np.testing.assert_array_equal(probe.vector, np.arange(8, dtype=np.float32))
            assert snapshot.projection("ab" * 32) == b"projection"
        put(store, records([1000]), 9)
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET text = 'x' WHERE number = 3",
        "UPDATE ledger SET cut_chunks = 7 WHERE record = 3",
        "UPDATE chunks SET start = 2 WHERE row = 5",
        "UPDATE blocks SET data_crc = 1",
        "UPDATE manifest SET sequence = 1",
        "DELETE FROM blocks",
    ],
)
def test_a_damaged_row_of_an_older_database_is_refused(tmp_path: Path, statement: str) -> None:
    """Each row is compared with its own checksum before it is written anew."""
    folder = tmp_path / "db"
    shutil.copytree(FIXTURES / "v2", folder)
    (folder / "vicinal.seal").unlink()
    connection = sqlite3.connect(folder / "vicinal.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(CorruptStoreError, match=r"vicinal\.sqlite"):
        Store.open(folder)


def test_nothing_before_the_upgrade_can_be_told(folder: Path) -> None:
    """A format without groups does not say when something died or changed: the window begins with the present one."""
    old = version(folder)
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        before = snapshot.sequence if old < GROUPS_SINCE else LAST_DELETION
        assert snapshot.first_told(snapshot.lane("main")) == before
    put(store, records([1000]), 9)
    with store.snapshot() as snapshot:
        assert snapshot.first_told(snapshot.lane("main")) == before
        assert snapshot.sequence == (before + 1 if old < GROUPS_SINCE else 6)
    store.close()
