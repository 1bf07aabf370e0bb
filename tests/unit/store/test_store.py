"""The store: commits, snapshots, states, and what it refuses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from store_worlds import SPACE, contents, make, put, records, vectors
from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    CorruptStoreError,
    DatabaseNotFoundError,
    FormatVersionError,
    LockedError,
    NoSpaceLeftError,
    ReadOnlyError,
    ShapeError,
    SpaceMismatchError,
    StoreError,
)
from vicinal.space import Space, Vectors
from vicinal.store import Store, lock, rows_of, segment
from vicinal.store.format import FORMAT_VERSION


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed database of 300 records, some replaced, some deleted."""
    made = tmp_path / "notes.vicinal"
    make(made)
    return made


def test_what_was_written_is_read_after_opening_again(tmp_path: Path) -> None:
    """Texts, fields, spans and vectors come back as they were given."""
    store = Store.open(tmp_path / "db")
    new = records(range(5))
    put(store, new, 7)
    store.close()
    store = Store.open(tmp_path / "db")
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        got = snapshot.record(lane, "r3")
        rows = store.view(snapshot, lane).parts[0][1]
        assert got is not None
        assert (got.text, got.source, dict(got.fields), got.spans) == (
            new[3].text,
            new[3].source,
            dict(new[3].fields),
            new[3].spans,
        )
        np.testing.assert_array_equal(rows, np.asarray(vectors(10, 7)))
        assert snapshot.record(lane, "nobody") is None
    store.close()


def test_replacing_buries_the_old_rows(folder: Path) -> None:
    """A replaced record has only its new chunks; its old rows are dead."""
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        counts = snapshot.counts(lane)
        alive = snapshot.alive(lane)
        assert snapshot.record(lane, "r10").spans == ((0, 5), (1, 6), (2, 7))
        assert snapshot.record(lane, "r25") is None
    # 300 records of 2; 30 of them replaced by 3; of the 12 deleted, 6 had 3 chunks and 6 had 2
    assert counts["records"] == 300 - 12
    assert counts["chunks"] == 600 + 30 - 6 * 3 - 6 * 2
    assert counts["dead_rows"] == 30 * 2 + 6 * 3 + 6 * 2
    assert len(rows_of(alive)) == counts["chunks"]
    store.close()


def test_a_failed_write_changes_nothing(folder: Path) -> None:
    """An exception inside of the block undoes all of it, and the next write is sound."""
    before = contents(folder)
    store = Store.open(folder)

    def fail_late() -> None:
        with store.write() as transaction:
            transaction.put(transaction.lane("main"), records([1000]), vectors(2), replace_existing=False)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    store.close()
    assert contents(folder) == before
    store = Store.open(folder)
    put(store, records([1000]), 3)
    store.close()
    assert set(contents(folder)) == {*before, "r1000"}


def test_an_id_that_is_there_is_refused_unless_replaced(folder: Path) -> None:
    """Adding a stored id is an error that names it, and nothing of the call is written."""
    before = contents(folder)
    store = Store.open(folder)
    with pytest.raises(AlreadyExistsError, match="'r1'"):
        put(store, records([999, 1]), replace_existing=False)
    store.close()
    assert contents(folder) == before


def test_vectors_of_another_space_are_refused(folder: Path) -> None:
    """The same dimension is not the same space."""
    other = Space.from_canonical(SPACE.canonical().replace('"mean"', '"cls"'))
    store = Store.open(folder)
    with pytest.raises(SpaceMismatchError, match="pooling") as caught, store.write() as transaction:
        transaction.put(
            transaction.lane("main"), records([1000]), Vectors(np.asarray(vectors(2)), other), replace_existing=False
        )
    assert caught.value.fields == ("pooling",)
    with pytest.raises(ShapeError), store.write() as transaction:
        transaction.put(transaction.lane("main"), records([1000]), vectors(3), replace_existing=False)
    store.close()


def test_a_snapshot_does_not_see_later_writes(folder: Path) -> None:
    """A reader keeps the commit that it began with; the next one sees the new commit at once."""
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        put(store, records([1000]), 3)
        assert snapshot.record(lane, "r1000") is None
        assert store.view(snapshot, lane).next_row == lane.next_row == 690
    with store.snapshot() as later:
        assert later.record(later.lane("main"), "r1000") is not None
        assert later.sequence == snapshot.sequence + 1
    store.close()


def test_blocks_and_files_fill_and_roll_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cross blocks and files, in uneven commits, are read back whole and pass the check."""
    monkeypatch.setattr("vicinal.store.rows.SEGMENT_ROWS", 2500)
    store = Store.open(tmp_path / "db")
    expected = []
    start = 0
    for count in (1, 1023, 1, 700, 1500, 3, 2600):
        put(store, records(range(start, start + count), spans=1), start)
        expected.append(np.asarray(vectors(count, start)))
        start += count
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        parts = store.view(snapshot, lane).parts
        assert [first for first, _ in parts] == [0, 2500, 5000]
        np.testing.assert_array_equal(np.concatenate([rows for _, rows in parts]), np.concatenate(expected))
    store.close()
    assert len(contents(tmp_path / "db")) == start


def test_a_closed_database_is_sealed_and_opens_without_reading_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a clean close no log and no head are left, and opening hashes nothing."""
    assert {path.name for path in folder.iterdir()} == {
        "vectors",
        "vicinal.sqlite",
        "vicinal.seal",
        "vicinal.lock",
        "vicinal.session",
    }
    monkeypatch.setattr("vicinal.store.seal.crc_of", lambda _: pytest.fail("the content was read"))
    monkeypatch.setattr(segment.Segment, "check_blocks", lambda *_: pytest.fail("the content was read"))
    Store.open(folder).close()


def test_reading_leaves_the_seal(folder: Path) -> None:
    """Opening, reading and closing does not open the database for writing."""
    seal = (folder / "vicinal.seal").read_bytes()
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        assert snapshot.collection_names() == ["main"]
    store.close()
    assert (folder / "vicinal.seal").read_bytes() == seal
    assert not (folder / "vicinal.head").exists()


def test_a_copied_database_opens(folder: Path, tmp_path: Path) -> None:
    """A copy has other stamps; its content is compared instead and is found sound."""
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    assert contents(copy) == contents(folder)


def test_a_deleted_seal_is_no_loss(folder: Path) -> None:
    """Without a seal everything is read and compared, and a new seal is written."""
    before = contents(folder)
    (folder / "vicinal.seal").unlink()
    assert contents(folder) == before
    assert (folder / "vicinal.seal").exists()


def test_the_short_reader_reads_it(folder: Path) -> None:
    """The reader of docs/reference/format.md gives every living vector with its id."""
    page = (Path(__file__).parents[3] / "docs/reference/format.md").read_text()
    code = page.split("<!-- test: reader -->\n```python\n")[1].split("```")[0]
    scope: dict[str, object] = {}
    exec(code, scope)
    read: dict[str, bytes] = {}
    for record_id, row in scope["read"](folder):
        read[record_id] = read.get(record_id, b"") + row.tobytes()
    assert read == {record_id: raw for record_id, (_, raw) in contents(folder).items()}
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 14


def test_there_is_no_database_where_none_is_asked_for(tmp_path: Path) -> None:
    """Opening without making says so; a file is no database; a gutted folder is damaged, not empty."""
    with pytest.raises(DatabaseNotFoundError):
        Store.open(tmp_path / "none", create=False)
    with pytest.raises(DatabaseNotFoundError):
        Store.open(tmp_path / "none", read_only=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        Store.open(tmp_path / "file")
    make(tmp_path / "db", 10)
    (tmp_path / "db/vicinal.sqlite").unlink()
    with pytest.raises(CorruptStoreError, match=r"vicinal.sqlite is damaged: it is missing"):
        Store.open(tmp_path / "db")


def test_an_unknown_collection_is_named_with_the_known(folder: Path) -> None:
    """The error lists what there is."""
    store = Store.open(folder)
    with pytest.raises(CollectionNotFoundError, match="It has: main"), store.snapshot() as snapshot:
        snapshot.lane("other")
    with pytest.raises(AlreadyExistsError), store.write() as transaction:
        transaction.create_collection("main", model="m", space=SPACE, chunker="c")
    store.close()


def test_a_later_format_is_refused(folder: Path) -> None:
    """A database of another version is named as such, not as damaged."""
    (folder / "vicinal.seal").unlink()
    with sqlite3.connect(folder / "vicinal.sqlite") as connection:
        connection.execute(f"PRAGMA user_version={FORMAT_VERSION + 1}")
    connection.close()
    with pytest.raises(FormatVersionError) as caught:
        Store.open(folder)
    assert caught.value.got == FORMAT_VERSION + 1


def test_a_foreign_sqlite_file_is_refused(folder: Path) -> None:
    """A sound database of another program in the place of ours is damage with a name."""
    (folder / "vicinal.seal").unlink()
    (folder / "vicinal.sqlite").unlink()
    with sqlite3.connect(folder / "vicinal.sqlite") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(CorruptStoreError, match="no database of Vicinal"):
        Store.open(folder)


def test_a_write_from_outside_is_noticed(folder: Path) -> None:
    """SQLite's file may be read by other programs; a change by them does not match the seal."""
    with sqlite3.connect(folder / "vicinal.sqlite") as connection:
        connection.execute("UPDATE groups SET texts = replace(texts, 'record 1', 'record 9')")
    connection.close()
    with pytest.raises(CorruptStoreError, match=r"vicinal\.sqlite"):
        Store.open(folder)


def test_a_read_only_store_refuses_to_write(folder: Path) -> None:
    """Opened read-only, reading works and writing says why not."""
    store = Store.open(folder, read_only=True)
    with pytest.raises(ReadOnlyError), store.write():
        pass
    store.close()
    with pytest.raises(StoreError, match="closed"), store.snapshot():
        pass
    store.close()


def test_a_folder_that_cannot_be_written_can_be_read(folder: Path) -> None:
    """A database on a read-only medium is read as a normal user; root ignores modes, so the process gives them up."""
    code = (
        "import mmap, os, sys\n"
        "from vicinal.store import Store\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "store = Store.open(sys.argv[1], read_only=True)\n"
        "with store.snapshot() as snapshot: print(snapshot.counts(snapshot.lane('main'))['records'])\n"
        "try:\n    Store.open(sys.argv[1]).write().__enter__()\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001 and os.getuid() == 0 and parent.is_relative_to("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if "Permission" in done.stderr and "vicinal" not in done.stderr.splitlines()[-1]:
        pytest.skip("the interpreter itself cannot be read by another user here")
    assert done.stdout.split() == ["288", "ReadOnlyError"], done.stderr


def test_one_writer_waits_for_another_and_gives_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one store writes, another's write waits; past its patience it says so."""
    monkeypatch.setattr(lock.FileLock.alone, "__defaults__", (0.05,), raising=False)
    monkeypatch.setattr(lock.FileLock.alone.__wrapped__, "__defaults__", (0.05,))
    first, second = Store.open(folder), Store.open(folder)
    with first.write(), pytest.raises(LockedError), second.write():
        pass
    put(second, records([1000]))
    first.close()
    second.close()
    assert "r1000" in contents(folder)


def test_a_session_that_cannot_begin_leaves_no_file_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process looks for a session for too long, a write fails, and takes nothing with it."""
    monkeypatch.setattr(lock.FileLock.together, "__defaults__", (0.01,))
    store = Store.open(folder)
    looking = lock.FileLock(folder / "vicinal.session", write=True)
    assert looking.try_alone()
    opened = []
    for _ in range(3):
        with pytest.raises(LockedError), store.write():
            pass
        opened.append(os.open(os.devnull, os.O_RDONLY))  # the least number that is free
        os.close(opened[-1])
    assert len(set(opened)) == 1
    looking.close()
    put(store, records([1000]))
    store.close()


def test_two_stores_of_one_folder_write_in_turn(folder: Path) -> None:
    """Two open stores see each other's commits, and the last one to close seals."""
    first, second = Store.open(folder), Store.open(folder)
    put(first, records([1000]))
    put(second, records([1001]))
    put(first, records([1002]))
    first.close()
    assert (folder / "vicinal.head").exists()
    second.close()
    assert not (folder / "vicinal.head").exists()
    assert {"r1000", "r1001", "r1002"} <= set(contents(folder))


def test_many_threads_read_while_one_writes(folder: Path) -> None:
    """Snapshots of many threads are whole: every living row has its chunk."""
    store = Store.open(folder)
    faults: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(30):
                with store.snapshot() as snapshot:
                    lane = snapshot.lane("main")
                    alive = rows_of(store.view(snapshot, lane).alive)
                    assert (
                        len(snapshot.chunks_at(lane, alive.tolist())) == len(alive) == snapshot.counts(lane)["chunks"]
                    )
        except BaseException as error:  # noqa: BLE001 - carried to the test
            faults.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(2, 30):
        put(store, records(range(version, version + 5), version=version), version)
    for thread in threads:
        thread.join()
    store.close()
    assert not faults


@pytest.mark.parametrize(("refused", "small_bytes"), [("fdatasync", 0), ("pwrite", 1 << 15)])
def test_a_full_disk_undoes_the_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, refused: str, small_bytes: int
) -> None:
    """When the vector file cannot be written or synced, the error has its name and nothing is visible."""
    monkeypatch.setattr("vicinal.store.rows.SMALL_BYTES", small_bytes)
    store = Store.open(folder)
    put(store, records([999]))  # the database is open for writing from here on

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"vicinal.store.segment.os.{refused}", full)
        with pytest.raises(NoSpaceLeftError, match=r"\.vec"):
            put(store, records([1000]))
    put(store, records([1001]))
    store.close()
    assert {"r999", "r1000", "r1001"} & set(contents(folder)) == {"r999", "r1001"}


def test_a_store_that_is_never_closed_is_sealed_at_the_end(tmp_path: Path) -> None:
    """Forgetting to close loses nothing: the end of the program seals."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from store_worlds import put, records\nfrom vicinal.store import Store\n"
        "store = Store.open(sys.argv[1]); put(store, records(range(3)))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "db"), str(Path(__file__).parents[2])], check=True)
    assert (tmp_path / "db/vicinal.seal").exists()
    assert set(contents(tmp_path / "db")) == {"r0", "r1", "r2"}


def test_a_forked_child_leaves_its_parents_store_alone(tmp_path: Path) -> None:
    """A child that ends in the usual way neither seals nor closes what its parent has open."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from store_worlds import contents, put, records\nfrom vicinal.store import Store\n"
        "store = Store.open(sys.argv[1]); put(store, records(range(3)))\n"
        "child = os.fork()\n"
        "if not child: sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert (store.folder / 'vicinal.head').exists() and not (store.folder / 'vicinal.seal').exists()\n"
        "put(store, records(range(3, 6)))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "db"), str(Path(__file__).parents[2])], check=True)
    assert set(contents(tmp_path / "db")) == {f"r{name}" for name in range(6)}


def test_relabelling_keeps_the_vectors(folder: Path) -> None:
    """New fields are written without a new row."""
    store = Store.open(folder)
    with store.write() as transaction:
        lane = transaction.lane("main")
        new = records([3])[0]
        transaction.relabel(lane, [replace(new, fields={"number": -3})])
    with store.snapshot() as snapshot:
        later = snapshot.lane("main")
        assert later.next_row == lane.next_row
        assert snapshot.record(later, "r3").fields == {"number": -3}
        assert snapshot.record(later, "r3").spans == new.spans
    store.close()


def test_origins_are_found_by_folder(tmp_path: Path) -> None:
    """A folder means what lies in it, not what its name begins with."""
    store = Store.open(tmp_path / "db")
    origins = ["docs/a", "docs/b/c", "docs2/a", "docs", "/abs/x", "", "pydoc:", "-"]
    new = [replace(one, origin=origin) for one, origin in zip(records(range(len(origins))), origins, strict=True)]
    put(store, new)
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")

        def found(origin: str) -> set[str]:
            return {came_from for _, came_from in snapshot.ids_from(lane, origin)}

        assert found("docs") == {"docs", "docs/a", "docs/b/c"}
        assert found("pydoc:") == {"pydoc:"}
        assert found("/") == {"/abs/x"}
        assert found(".") == {"docs", "docs/a", "docs/b/c", "docs2/a"}
    store.close()


def test_a_durable_commit_is_never_told_as_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only the note of it in the head fails, the write has happened and says so."""
    store = Store.open(folder)
    put(store, records([998]))

    def failing(*_: object) -> None:
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr("vicinal.store.seal.Head.note", failing)
        put(store, records([999]))
    store.close()
    assert {"r998", "r999"} <= set(contents(folder))


def test_the_check_sees_one_commit_beside_a_writer(folder: Path) -> None:
    """A full check while another store writes finds no damage."""
    writer, checker = Store.open(folder), Store.open(folder)
    done = threading.Event()

    def write() -> None:
        for version in range(2, 12):
            put(writer, records(range(version, version + 40), version=version), version)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        checker.check()
    thread.join()
    writer.close()
    checker.close()
    assert "r11" in contents(folder)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/dev/null/db"])
def test_a_path_that_no_folder_can_have_is_refused(path: str) -> None:
    """Whatever the system says of it, the error is one of the store's."""
    with pytest.raises(StoreError):
        Store.open(Path(path))
