"""Sync beyond folders: other sources, what is set aside, what moved, plans, files that declare, and watching."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from migration_worlds import Hashed, vector_of
from vicinal.corpus import declared_sources, find_declared
from vicinal.encode.providers import Usage
from vicinal.errors import (
    DtypeError,
    EncodeError,
    InputError,
    NotFoundError,
    RangeError,
    RemoteError,
    TooLongError,
    UnknownNameError,
)
from vicinal.lifecycle.sync import aside as aside_module
from vicinal.lifecycle.sync import run as sync_run
from vicinal.lifecycle.sync.watch import watch
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Source, SyncReport


class Fussy(ToyEncoder):
    """The toy encoder, which fails for texts with some words, and counts its calls."""

    def __init__(self, *poison: str, error: Exception | None = None, **options: Any) -> None:
        super().__init__(max_tokens=40, **options)
        self.poison = set(poison)
        self.error = error or EncodeError("This text gives no vector.")
        self.is_down = False
        self.calls = 0
        self.texts: list[str] = []

    def encode_documents(self, texts: Sequence[str], **options: Any) -> Vectors:
        """Return the vectors of texts, or fail."""
        self.calls += 1
        if self.is_down or any(self.poison.intersection(text.split()) for text in texts):
            raise self.error
        self.texts += texts
        return super().encode_documents(texts, **options)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[vicinal.Database, Path]]:
    """A database beside a folder of ten texts."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(10):
        (docs / f"{number}.txt").write_text(f"text {number} of the world")
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        yield db, docs


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    """Return (new, changed, moved, unchanged, removed)."""
    return report.new, report.changed, report.moved, report.unchanged, report.removed


def test_poison_is_set_aside_and_tried_again(world: tuple[vicinal.Database, Path]) -> None:
    """One text that cannot be encoded stops no other; it is kept with its error, and gone when it can be."""
    db, docs = world
    (docs / "3.txt").write_text("poison in here")
    encoder = Fussy("poison")
    notes = db.collection("main", model=encoder)
    for tries in (1, 2):
        report = notes.sync(docs)
        assert not report.complete
        assert (report.aside, len(notes)) == (1, 9)
        (kept,) = notes.aside()
        assert (kept.source, kept.origin, kept.reason, kept.tries) == ("docs/3.txt", "docs", "encode", tries)
        assert "poison" not in kept.detail
    (docs / "3.txt").write_text("mended now")
    report = notes.sync(docs)
    assert report.complete
    assert counts(report) == (1, 0, 0, 9, 0)
    assert notes.aside() == ()


def test_what_was_stored_stays_while_its_text_is_poison(world: tuple[vicinal.Database, Path]) -> None:
    """A record whose new text cannot be encoded is neither lost nor taken for the new one."""
    db, docs = world
    notes = db.collection("main", model=Fussy("poison"))
    notes.sync(docs)
    (docs / "3.txt").write_text("poison in here")
    assert not notes.sync(docs).complete
    assert notes.get("docs/3.txt").text == "text 3 of the world"
    (docs / "3.txt").unlink()
    report = notes.sync(docs)
    assert report.complete
    assert counts(report) == (0, 0, 0, 9, 1)
    assert notes.aside() == ()


def test_each_poison_among_many_is_found(world: tuple[vicinal.Database, Path]) -> None:
    """Several of them in one batch; about 2 log2(N) calls each, and each with a call that proves the model well."""
    db, docs = world
    for number in range(10, 64):
        (docs / f"{number}.txt").write_text(f"poison {number}" if number in {17, 40} else f"text {number}")
    encoder = Fussy("poison")
    notes = db.collection("main", model=encoder)
    encoder.encode_documents([])
    report = notes.sync(docs)
    assert (report.new, report.aside, len(notes)) == (64, 2, 62)
    assert encoder.calls <= 4 * 2 * 6 + 4


def test_an_encoder_that_is_down_is_no_poison(world: tuple[vicinal.Database, Path]) -> None:
    """The run ends with its error; nothing is set aside, and what was committed stays."""
    db, docs = world
    encoder = Fussy(error=RemoteError("The server is down.", status=503))
    notes = db.collection("main", model=encoder)
    notes.sync(docs)
    (docs / "new.txt").write_text("a new text")
    encoder.is_down = True
    with pytest.raises(RemoteError, match="down"):
        notes.sync(docs)
    assert notes.aside() == ()
    encoder.is_down = False
    assert counts(notes.sync(docs)) == (1, 0, 0, 10, 0)


def test_an_error_of_another_kind_tells_only_its_name(world: tuple[vicinal.Database, Path]) -> None:
    """An encoder of the user's own may raise anything, and quote the text."""
    db, docs = world
    (docs / "3.txt").write_text("poison secret")
    notes = db.collection("main", model=Fussy("poison", error=ValueError("cannot do: poison secret")))
    notes.sync(docs)
    assert notes.aside()[0].detail == "ValueError"


def test_texts_that_are_too_long_are_set_aside(world: tuple[vicinal.Database, Path]) -> None:
    """Under the overflow rule error each is told of, however many stand in a row."""
    db, docs = world
    for number in range(8):
        (docs / f"{number}.txt").write_text("word " * 60)
    encoder = ToyEncoder(max_tokens=40, overflow="error")
    notes = db.collection("main", model=encoder)
    report = notes.sync(docs)
    assert (report.aside, len(notes)) == (8, 2)
    with pytest.raises(TooLongError):
        encoder.encode_documents(["word " * 60])


def test_what_is_kept_of_holes_is_bounded(
    world: tuple[vicinal.Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first are kept, all are told of by the report."""
    db, docs = world
    monkeypatch.setattr(aside_module, "MOST_ASIDE", 3)
    notes = db.collection("main", model=Fussy("text"))
    report = notes.sync(docs)
    assert (report.aside, len(report.failed), len(notes.aside())) == (10, 10, 3)


def test_what_moved_keeps_its_vectors(world: tuple[vicinal.Database, Path]) -> None:
    """Renamed, moved, swapped and copied texts are not encoded; their vectors are those of before, bit for bit."""
    db, docs = world
    encoder = Fussy()
    notes = db.collection("main", model=encoder)
    notes.sync(docs)
    encoder.texts.clear()
    (docs / "deep").mkdir()
    (docs / "0.txt").rename(docs / "deep/zero.txt")
    (docs / "1.txt").rename(docs / "a.txt")
    (docs / "2.txt").rename(docs / "b.txt")
    (docs / "3.txt").rename(docs / "2.txt")
    (docs / "copy.txt").write_text((docs / "4.txt").read_text())
    first, second = (docs / name for name in ("5.txt", "6.txt"))
    one, other = first.read_text(), second.read_text()
    first.write_text(other), second.write_text(one)
    report = notes.sync(docs)
    assert encoder.texts == []
    assert counts(report) == (2, 3, 2, 4, 1)
    assert report.reused_chunks == 7
    for path in sorted(docs.rglob("*.txt")):
        name = f"docs/{path.relative_to(docs)}"
        text = path.read_text()
        hits = notes.search(ToyEncoder(max_tokens=40).encode_documents([text]), k=20)
        assert name in {hit.id for hit in hits if hit.score > 1 - 1e-6}
        assert notes.get(name).text == text


def test_what_moves_along_a_chain_keeps_its_vectors(
    world: tuple[vicinal.Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text whose record was replaced a commit ago is still known: its rows are dead, and there."""
    db, docs = world
    monkeypatch.setattr(sync_run, "LOOKED_UP_AT_ONCE", 1)
    encoder = Fussy()
    notes = db.collection("main", model=encoder)
    notes.sync(docs)
    encoder.texts.clear()
    texts = [(docs / f"{number}.txt").read_text() for number in range(10)]
    for number in range(10):
        (docs / f"{number}.txt").write_text(texts[number - 1])
    assert notes.sync(docs).changed == 10
    assert encoder.texts == []
    assert [notes.get(f"docs/{number}.txt").text for number in range(10)] == [texts[n - 1] for n in range(10)]
    assert notes.verify().findings == ()


def test_rows_that_were_compacted_away_are_made_again(
    world: tuple[vicinal.Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the rows of a text are gone when its turn comes, it is encoded."""
    db, docs = world
    encoder = Fussy()
    notes = db.collection("main", model=encoder)
    notes.sync(docs)
    encoder.texts.clear()
    (docs / "0.txt").rename(docs / "z.txt")
    monkeypatch.setattr("vicinal.store.snapshot.Snapshot.has_rows", lambda *_: False)
    assert counts(notes.sync(docs)) == (1, 0, 0, 9, 1)
    assert encoder.texts == ["text 0 of the world"]


def test_what_moves_while_a_collection_is_migrated(world: tuple[vicinal.Database, Path]) -> None:
    """Both lanes keep the vectors of their own space under the new names; what one lacks goes there and is encoded later."""
    db, docs = world
    one, two = Hashed("one"), Hashed("two")
    notes = db.collection("main", model=one)
    notes.sync(docs)
    migration = notes.migrate(two)
    migration.begin()
    migration.backfill()
    with notes._store.write() as transaction:  # a hole beside, as a model that was down leaves it
        twin = transaction.twin(transaction.lane("main"))
        assert twin is not None
        transaction.delete(twin, ["docs/1.txt"])
    one.calls = two.calls = 0
    (docs / "0.txt").rename(docs / "a.txt")
    (docs / "1.txt").rename(docs / "b.txt")
    assert counts(notes.sync(docs)) == (0, 0, 2, 8, 0)
    assert one.calls == two.calls == 0
    with notes._store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        twin = snapshot.twin(lane)
        assert twin is not None
        assert set(snapshot.ids(lane)) - set(snapshot.ids(twin)) == {"docs/b.txt"}
        for name, place in (("one", lane), ("two", twin)):
            for found in snapshot.chunks_of(place, list(snapshot.ids(place))).values():
                vectors = snapshot.vectors_at(place, np.array(found.rows))
                np.testing.assert_array_equal(vectors, [vector_of(name, found.record.text)])
    assert notes.verify().findings == ()


def test_documents_of_a_program(world: tuple[vicinal.Database, Path]) -> None:
    """They are what there is under their name; a wrong one is a hole, and files are not touched."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    notes.sync(docs)
    rows: list[dict[str, Any]] = [{"id": f"row{n}", "text": f"row {n}", "n": n} for n in range(4)]
    assert counts(notes.sync(documents=iter(rows), name="crm")) == (4, 0, 0, 0, 0)
    rows[1]["n"], rows[2]["text"] = 7, "another"
    assert counts(notes.sync(documents=rows[1:], name="crm")) == (0, 2, 0, 1, 1)
    assert notes.get("row1").fields == {"n": 7}
    report = notes.sync(documents=[{"id": "row1", "text": 5}, {"text": "no id"}, *rows[2:]], name="crm")
    assert not report.complete
    assert {"row1", "row2", "row3"} <= set(notes.ids())
    report = notes.sync(documents=[rows[2], rows[2]], name="crm")
    assert [one.reason for one in report.skipped] == ["duplicate id"]
    assert "row3" not in notes
    assert len(notes) == 11
    assert notes.verify().unchecked == 1


@pytest.mark.parametrize("documents", ["text", {"id": "a"}, 5])
def test_documents_are_an_iterable_of_mappings(world: tuple[vicinal.Database, Path], documents: Any) -> None:
    """One record alone, a string or a number are the caller's error."""
    with pytest.raises(DtypeError):
        world[0].collection("main", model=ToyEncoder()).sync(documents=documents)


def test_names_that_could_be_paths_are_refused(world: tuple[vicinal.Database, Path]) -> None:
    """And a name without documents."""
    notes = world[0].collection("main", model=ToyEncoder())
    for name in ("./docs", "/docs", "docs:", "-", ""):
        with pytest.raises(InputError):
            notes.sync(documents=[], name=name or "-")
    with pytest.raises(InputError, match="name is for documents"):
        notes.sync(world[1], name="crm")


def test_several_sources_in_one_collection(world: tuple[vicinal.Database, Path], tmp_path: Path) -> None:
    """Each is cleaned by itself; without a name all that are known are read again."""
    db, docs = world
    with sqlite3.connect(tmp_path / "n.db") as rows:
        rows.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        rows.executemany("INSERT INTO notes(body) VALUES (?)", [("an owl",), ("a fox",)])
    notes = db.collection("main", model=ToyEncoder())
    table = Source(place=f"sqlite:{tmp_path}/n.db", table="notes", text_field="body")
    assert counts(notes.sync(docs, table)) == (12, 0, 0, 0, 0)
    assert [one.table for one in notes.sources()] == [None, "notes"]
    rows.execute("DELETE FROM notes WHERE id = 1")
    rows.commit()
    rows.close()
    (docs / "1.txt").unlink()
    assert counts(notes.sync(docs)) == (0, 0, 0, 9, 1)
    assert counts(notes.sync()) == (0, 0, 0, 10, 1)
    assert "n.db:notes#2" in notes
    assert notes.verify().findings == ()


def test_a_known_source_that_is_gone_is_a_hole(world: tuple[vicinal.Database, Path], tmp_path: Path) -> None:
    """A folder that is not there now is not a folder without files: nothing is removed, the others are read."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.txt").write_text("more words")
    notes.sync(docs, tmp_path / "more")
    docs.rename(tmp_path / "elsewhere")
    (tmp_path / "more/b.txt").write_text("and more")
    report = notes.sync()
    assert not report.complete
    assert counts(report) == (1, 0, 0, 1, 0)
    assert len(notes) == 12
    with pytest.raises(NotFoundError):
        notes.sync(docs)


def test_a_source_is_forgotten_with_what_only_it_gave(world: tuple[vicinal.Database, Path]) -> None:
    """What another source gives as well stays, and so does what has no source."""
    db, docs = world
    notes = db.collection("main", model=Fussy("poison"))
    (docs / "deep").mkdir()
    (docs / "deep/a.txt").write_text("a deep text")
    (docs / "deep/b.txt").write_text("poison")
    notes.add([{"id": "mine", "text": "my own"}])
    notes.sync(docs, docs / "deep")
    notes.sync(documents=[{"id": "row", "text": "a row"}], name="crm")
    assert notes.forget(docs / "deep") == 0
    assert notes.forget(docs) == 11
    assert notes.sources() == notes.aside() == ()
    assert list(notes.ids()) == ["mine", "row"]
    assert notes.forget(name="crm") == 1
    assert notes.forget("nothing that is known") == 0
    assert notes.verify().findings == ()


def test_without_any_source_there_is_nothing_to_sync(world: tuple[vicinal.Database, Path]) -> None:
    """The message says what to do."""
    with pytest.raises(InputError, match="name one"):
        world[0].collection("main", model=ToyEncoder()).sync()


def test_patterns_choose_files(world: tuple[vicinal.Database, Path]) -> None:
    """What is excluded later is removed; a link that leads nowhere in an excluded place is no hole."""
    db, docs = world
    (docs / "drafts").mkdir()
    (docs / "drafts/d.md").write_text("a draft")
    (docs / "keep.md").write_text("to be kept")
    (docs / "drafts/broken").symlink_to("nowhere")
    notes = db.collection("main", model=ToyEncoder())
    assert not notes.sync(docs).complete
    assert len(notes) == 12
    report = notes.sync(Source(place=str(docs), include=("*.md",), exclude=("drafts/",)))
    assert report.complete
    assert list(notes.ids()) == ["docs/keep.md"]


def test_a_plan_says_what_a_run_does(world: tuple[vicinal.Database, Path]) -> None:
    """The same counts as the run that follows, with tokens, bytes and a time; and nothing is written."""
    db, docs = world
    encoder = Fussy()
    notes = db.collection("main", model=encoder)
    notes.sync(docs)
    (docs / "0.txt").rename(docs / "zero.txt")
    (docs / "1.txt").write_text("changed " * 50)
    (docs / "2.txt").unlink()
    (docs / "new.txt").write_text("three new words")
    before = notes.info()["sequence"]
    found = notes.plan_sync(docs)
    assert notes.info()["sequence"] == before
    encoder.texts.clear()
    report = notes.sync(docs)
    assert (found.new, found.changed, found.moved, found.unchanged, found.removed) == counts(report)
    assert (found.chunks, found.reused_chunks) == (report.chunks, report.reused_chunks)
    assert found.tokens == sum(len(text.split()) for text in encoder.texts)
    text_bytes = len("changed " * 50) + len("three new words") + len("text 0 of the world")
    assert found.disk_bytes == text_bytes + (found.chunks + found.reused_chunks) * 8 * 4
    assert found.estimated_s is not None
    assert found.estimated_s >= 0
    assert found.complete


def test_a_plan_tells_what_a_provider_costs(
    world: tuple[vicinal.Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens times the price; the provider is not asked to measure it, so that the time is not known."""
    db, docs = world

    class Paid(Fussy):
        usage = Usage()

    monkeypatch.setenv("VICINAL_PRICE_PER_MILLION", "20")
    encoder = Paid()
    notes = db.collection("main", model=encoder)
    encoder.texts.clear()
    found = notes.plan_sync(docs)
    assert (found.tokens, found.cost, found.estimated_s) == (50, 50 * 20 / 1e6, None)
    asked = [text for text in encoder.texts if "of the world" in text]
    assert asked == []


def test_a_plan_names_what_cannot_be_read(world: tuple[vicinal.Database, Path]) -> None:
    """A hole of the run is a hole of the plan."""
    db, docs = world
    (docs / "3.txt").write_bytes(b"\xff\xfe\xff" + b"\xd8\x00" * 3)
    assert not db.collection("main", model=ToyEncoder()).plan_sync(docs).complete


def test_a_file_declares_sources(tmp_path: Path) -> None:
    """Several collections, each with its model; relative places are relative to the file."""
    path = tmp_path / "vicinal.toml"
    path.write_text(
        '[[sources]]\nplace = "docs"\nexclude = ["drafts/"]\n'
        '[[sources]]\ncollection = "rows"\nplace = "sqlite:n.db?table=notes"\ntext_field = "body"\n'
        '[[sources]]\nplace = "https://example.org/"\nother_sites = true\n'
        '[collections.rows]\nmodel = "some-model"\n'
    )
    main, rows = declared_sources(path)
    assert (main.collection, rows.collection, rows.model) == ("main", "rows", "some-model")
    assert main.sources == (
        Source(place=str(tmp_path / "docs"), exclude=("drafts/",)),
        Source(place="https://example.org/", other_sites=True),
    )
    assert rows.sources == (Source(place=f"sqlite:{tmp_path}/n.db?table=notes", text_field="body"),)
    (tmp_path / "deep").mkdir()
    assert find_declared(tmp_path / "deep") == path


@pytest.mark.parametrize(
    ("content", "error", "word"),
    [
        ("", InputError, "no source"),
        ("nonsense", InputError, "no TOML"),
        ("[[sources]]\n", InputError, "no place"),
        ("[sources]\nplace='a'\n", InputError, "no source"),
        ("[[sources]]\nplace='a'\nplaces='b'\n", UnknownNameError, "'places'"),
        ("[[sources]]\nplace=5\n", DtypeError, "must be str"),
        ("[[sources]]\nplace=''\n", RangeError, "at least"),
        ("[[sources]]\nplace='a'\nmost_pages=0\n", RangeError, "at least"),
        ("[[sources]]\nplace='a'\nprivate=1\n", DtypeError, "must be bool"),
        ("[[sources]]\nplace='a'\ninclude=[1]\n", DtypeError, "list of strings"),
        ("[[sources]]\nplace='a'\n[collections.b]\nmodel='m'\n", InputError, "no [[sources]]"),
        ("[[sources]]\nplace='a'\n[more]\n", UnknownNameError, "'more'"),
    ],
)
def test_what_a_file_cannot_say(tmp_path: Path, content: str, error: type[Exception], word: str) -> None:
    """The error names the table and the key."""
    (tmp_path / "vicinal.toml").write_text(content)
    with pytest.raises(error) as told:
        declared_sources(tmp_path / "vicinal.toml")
    assert word in str(told.value)


def test_watching_syncs_when_files_come_to_rest(tmp_path: Path) -> None:
    """The first time at once, then once for each change that is over, and not while it goes on."""
    (tmp_path / "a.txt").write_text("one")
    steps: list[Any] = [
        lambda: None,
        lambda: (tmp_path / "b.txt").write_text("two"),
        lambda: (tmp_path / "b.txt").write_text("two and more"),
        lambda: None,
        (tmp_path / "a.txt").unlink,
        lambda: None,
        lambda: None,
    ]
    turns = iter(steps)
    over = threading.Event()

    def pause(_: float) -> None:
        step = next(turns, None)
        step() if step is not None else over.set()

    assert list(watch([Source(place=str(tmp_path))], every_s=1, stopped=over.is_set, pause=pause)) == [0, 1, 2]


def test_a_folder_that_never_rests_is_read_all_the_same(tmp_path: Path) -> None:
    """After so many looks, so that a log which is written all the time does not stop everything."""
    turn = 0

    def pause(_: float) -> None:
        nonlocal turn
        turn += 1
        (tmp_path / "log.txt").write_text("x" * turn)

    turns = watch([Source(place=str(tmp_path))], every_s=1, pause=pause)
    assert [next(turns), next(turns)] == [0, 1]
    assert turn == 21
    turns.close()


def test_a_collection_watches(world: tuple[vicinal.Database, Path]) -> None:
    """Each report is that of a sync; closing it ends it, and what cannot be watched is refused."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    stop = threading.Event()
    with pytest.raises(InputError, match="watched"):
        notes.watch("https://example.org/")
    with pytest.raises(RangeError):
        notes.watch(docs, every_s=0)
    reports = notes.watch(docs, every_s=0.05, stop=stop)
    assert next(reports).new == 10
    (docs / "new.txt").write_text("a new text")
    assert next(reports).new == 1
    stop.set()
    assert list(reports) == []


def test_no_password_is_remembered(world: tuple[vicinal.Database, Path]) -> None:
    """What a collection knows of its sources has none."""
    db, _ = world
    notes = db.collection("main", model=ToyEncoder())
    pytest.importorskip("psycopg", reason="PostgreSQL is read through psycopg")
    report = notes.sync("postgresql://me:secret@127.0.0.1:1/db?table=x")
    assert not report.complete
    assert "secret" not in json.dumps([one.place for one in notes.sources()] + [one.detail for one in notes.aside()])


def test_one_folder_by_two_patterns(world: tuple[vicinal.Database, Path]) -> None:
    """Both are remembered, so that neither removes what the other gave."""
    db, docs = world
    (docs / "a.md").write_text("a page")
    notes = db.collection("main", model=ToyEncoder())
    two = [Source(place=str(docs), include=(pattern,)) for pattern in ("*.md", "*.txt")]
    assert notes.sync(*two, two[0]).new == 11
    assert notes.sources() == tuple(two)
    assert counts(notes.sync()) == (0, 0, 0, 11, 0)
    assert notes.verify().findings == ()
    assert notes.sync(two[0]).removed == 10
    assert notes.sources() == (two[0],)
    assert notes.forget(docs) == 1
    assert notes.sources() == ()


def test_what_another_source_gives_is_not_removed(world: tuple[vicinal.Database, Path]) -> None:
    """A folder is synced without a part that another source has: the part stays, but not a file of it that is gone."""
    db, docs = world
    (docs / "deep").mkdir()
    for name in "ab":
        (docs / f"deep/{name}.txt").write_text(f"deep {name}")
    notes = db.collection("main", model=ToyEncoder())
    notes.sync(docs / "deep")
    (docs / "deep/b.txt").unlink()
    shallow = Source(place=str(docs), exclude=("deep/",))
    assert notes.plan_sync(shallow).removed == 1
    assert counts(notes.sync(shallow)) == (10, 0, 0, 0, 1)
    assert "docs/deep/a.txt" in notes
    assert notes.verify().findings == ()


def test_what_another_run_stored_meanwhile_is_not_removed(world: tuple[vicinal.Database, Path]) -> None:
    """Two runs at the same time: the one that read the folder earlier leaves what the later one found in it."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    notes.sync(docs)
    added: list[int] = []

    def meanwhile(_: object) -> None:
        if not added:
            (docs / "new.txt").write_text("a new text")
            with vicinal.open(docs.parent / "notes.vicinal") as other:
                added.append(other.collection("main", model=ToyEncoder()).sync(docs).new)

    report = notes.sync(docs, progress=meanwhile)
    assert (added, report.removed) == ([1], 0)
    assert "docs/new.txt" in notes
    assert notes.verify().findings == ()


def test_a_file_that_looks_torn_is_a_hole(world: tuple[vicinal.Database, Path]) -> None:
    """What it gave before is kept, and no run says that all is well; one that never gave anything is none."""
    db, docs = world
    (docs / "picture").write_bytes(b"\0\1\2" * 50)
    notes = db.collection("main", model=ToyEncoder())
    assert notes.sync(docs).complete
    (docs / "1.txt").write_bytes(b"\0\1\2" * 50)
    assert not notes.plan_sync(docs).complete
    report = notes.sync(docs)
    assert [(one.source, one.reason) for one in report.failed] == [("docs/1.txt", "binary")]
    assert [one.source for one in notes.aside()] == ["docs/1.txt"]
    assert "docs/1.txt" in notes
    assert [(one.kind, one.where) for one in notes.verify().findings] == [("unreadable", "docs/1.txt")]
    (docs / "1.txt").write_text("whole again")
    assert notes.sync(docs).complete
    assert notes.aside() == ()


def test_what_waits_is_bounded_by_its_length(
    world: tuple[vicinal.Database, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long documents are looked up a few at a time, however many would do at once by their number."""
    db, docs = world
    monkeypatch.setattr(sync_run, "PENDING_CHARS", 45)
    sizes: list[int] = []
    real = sync_run._stale

    def counted(run: Any, documents: Any) -> Any:
        sizes.append(len(documents))
        return real(run, documents)

    monkeypatch.setattr(sync_run, "_stale", counted)
    assert db.collection("main", model=ToyEncoder()).sync(docs).new == 10
    assert sizes == [3, 3, 3, 1]  # of 19 characters each


def test_names_that_no_text_can_hold_are_set_aside(world: tuple[vicinal.Database, Path]) -> None:
    """An id of a program with half of a surrogate pair, or one without end, is a hole and not the end of the run."""
    notes = world[0].collection("main", model=ToyEncoder())
    rows = [{"id": "\ud800", "text": "a"}, {"id": "x" * 100_000, "text": 5}, {"id": "good", "text": "a good one"}]
    report = notes.sync(documents=rows, name="crm")
    assert (report.new, len(report.failed)) == (1, 2)
    assert [(one.source[:6], len(one.source)) for one in notes.aside()] == [("\\ud800", 6), ("xxxxxx", 4096)]
    notes.sync(documents=rows, name="crm")
    assert [one.tries for one in notes.aside()] == [2, 2]


def test_an_id_of_a_program_that_a_file_has(world: tuple[vicinal.Database, Path]) -> None:
    """Only one of the two can be stored: the other is told, in the plan as well; a file that is named twice is not."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    rows = [{"id": "docs/1.txt", "text": "of the program"}, {"id": "c1", "text": "another"}]
    for found in (
        notes.plan_sync(docs, docs / "1.txt", documents=rows, name="crm"),
        notes.sync(docs, docs / "1.txt", documents=rows, name="crm"),
    ):
        assert [(one.source, one.reason) for one in found.failed] == [("docs/1.txt", "duplicate id")]
        assert found.new == 11
    assert notes.get("docs/1.txt").text == "text 1 of the world"


def test_a_folder_that_is_a_database_is_a_hole(tmp_path: Path) -> None:
    """No run that read nothing of what was named says that all is well."""
    (tmp_path / "a.txt").write_text("words")
    with vicinal.open(tmp_path) as db:
        report = db.collection("main", model=ToyEncoder()).sync(tmp_path)
    assert [(one.reason, one.failed) for one in report.skipped] == [("database", True)]


def test_a_folder_that_goes_away_does_not_end_the_watch(world: tuple[vicinal.Database, Path]) -> None:
    """It is a hole until it is there again, and nothing of it is removed."""
    db, docs = world
    notes = db.collection("main", model=ToyEncoder())
    with closing(notes.watch(docs, every_s=0.05)) as reports:
        assert next(reports).new == 10
        docs.rename(docs.parent / "away")
        report = next(reports)
        assert (report.complete, report.removed) == (False, 0)
        (docs.parent / "away").rename(docs)
        assert counts(next(reports)) == (0, 0, 0, 10, 0)
