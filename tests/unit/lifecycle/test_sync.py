"""Sync: the ledger decides what is encoded, what is gone goes, and a hole is never a success."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import vicinal
from vicinal.errors import NotFoundError, SpaceMismatchError
from vicinal.lifecycle.sync import origin_of
from vicinal.testing import ToyEncoder
from vicinal.types import SyncReport


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with a folder of texts."""
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    for number in range(5):
        (docs / f"{number}.txt").write_text(f"This is text number {number}.\n\nIt says {number} things.")
    (docs / "deep/a.md").write_text("# Title\n\nA deep text about owls.")
    (docs / "rows.jsonl").write_text(
        "".join(json.dumps({"id": f"row{n}", "text": f"row {n} of owls", "n": n}) + "\n" for n in range(3))
    )
    return tmp_path


def run(world: Path, *sources: str, encoder: ToyEncoder | None = None) -> tuple[SyncReport, list[str]]:
    """Sync some sources of the world into its database; return the report and the ids that are then stored."""
    with vicinal.open(world / "notes.vicinal") as db:
        notes = db.collection("main", model=encoder or ToyEncoder())
        report = notes.sync(*(world / source for source in sources))
        return report, list(notes.ids())


def counts(report: SyncReport) -> tuple[int, int, int, int]:
    """Return (new, changed, unchanged, removed)."""
    return report.new, report.changed, report.unchanged, report.removed


def test_the_first_run_stores_everything(world: Path) -> None:
    """Every file and row is a record, named by its path."""
    report, ids = run(world, "docs")
    assert counts(report) == (9, 0, 0, 0)
    assert report.complete
    assert ids == [
        *(f"docs/{n}.txt" for n in range(5)),
        "docs/deep/a.md",
        *(f"docs/rows.jsonl#row{n}" for n in range(3)),
    ]


def test_a_second_run_encodes_nothing(world: Path) -> None:
    """The model is not called for what has not changed: only for the probe texts, once for each role."""
    run(world, "docs")
    encoder = ToyEncoder()
    report, _ = run(world, "docs", encoder=encoder)
    assert counts(report) == (0, 0, 9, 0)
    assert report.chunks == 0
    assert encoder.batches == 2


def test_exactly_what_changed_is_encoded_again(world: Path) -> None:
    """One changed text, one new, one gone, one row with only a new field."""
    run(world, "docs")
    (world / "docs/1.txt").write_text("Another text.")
    (world / "docs/new.txt").write_text("A new text.")
    (world / "docs/2.txt").unlink()
    rows = (world / "docs/rows.jsonl").read_text().replace('"n": 1', '"n": 11')
    (world / "docs/rows.jsonl").write_text(rows)
    report, ids = run(world, "docs")
    assert counts(report) == (1, 2, 6, 1)
    assert report.chunks == 2
    assert "docs/2.txt" not in ids
    with vicinal.open(world / "notes.vicinal") as db:
        notes = db.collection("main", model=ToyEncoder())
        assert notes.get("docs/1.txt").text == "Another text."
        assert notes.get("docs/rows.jsonl#row1").fields["n"] == 11
        assert {hit.id for hit in notes.search("Another text.", k=50)} == set(ids)


def test_only_the_named_source_is_cleaned(world: Path) -> None:
    """Syncing one folder removes nothing that came from elsewhere, or from add()."""
    run(world, "docs")
    with vicinal.open(world / "notes.vicinal") as db:
        db.collection("main", model=ToyEncoder()).add([{"id": "mine", "text": "my own text"}])
    (world / "docs/0.txt").unlink()
    (world / "docs/deep/a.md").unlink()
    (world / "docs/deep/b.md").write_text("Another deep text.")
    report, ids = run(world, "docs/deep")
    assert counts(report) == (1, 0, 0, 1)
    assert "docs/0.txt" in ids
    report, ids = run(world, "docs")
    assert report.removed == 1
    assert "mine" in ids
    assert "docs/0.txt" not in ids


def test_sources_that_overlap_store_once(world: Path) -> None:
    """A file that two sources hold is one record."""
    report, ids = run(world, "docs", "docs/deep", "docs/1.txt")
    assert report.new == len(ids) == len(set(ids)) == 9


def test_what_cannot_be_read_is_kept_and_told(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file is a hole: the run is not complete, and the record of yesterday stays."""
    run(world, "docs")
    (world / "docs/3.txt").write_bytes(b"\xff\xfe\xff" + b"\xd8\x00" * 3)
    (world / "docs/rows.jsonl").write_text('{"id": "row0", "text": "row 0 of owls", "n": 0}\n{broken\n')
    report, ids = run(world, "docs")
    assert not report.complete
    assert {Path(one.source.split("#")[0].split(":")[0]).name for one in report.failed} >= {"rows.jsonl"}
    assert {"docs/3.txt", "docs/rows.jsonl#row1", "docs/rows.jsonl#row2"} <= set(ids)


def test_a_missing_source_does_nothing(world: Path) -> None:
    """A path that is not there is an error before anything is written or removed."""
    _, before = run(world, "docs")
    with pytest.raises(NotFoundError):
        run(world, "docs", "nowhere")
    assert run(world, "docs")[1] == before


def test_odd_names_are_sound(world: Path) -> None:
    """Names with spaces, umlauts, line ends and bytes that are no UTF-8 do not end a run with a foreign error."""
    (world / "docs/ä ö\n.txt").write_text("A text with an odd name.")
    Path(os.fsdecode(os.fsencode(world / "docs") + b"/\xff.txt")).write_text("A text with a name that is no text.")
    report, ids = run(world, "docs")
    assert "docs/ä ö\n.txt" in ids
    assert report.new + len(report.failed) >= 11


def test_an_encoder_of_another_space_is_refused(world: Path) -> None:
    """A collection cannot be fed by another encoder of the same dimension."""
    run(world, "docs")
    with pytest.raises(SpaceMismatchError, match="max_tokens"):
        run(world, "docs", encoder=ToyEncoder(max_tokens=7))


def test_origins_are_relative_to_the_base() -> None:
    """Inside of the base a path is relative, outside absolute; schemes stay."""
    base = Path("/a/b")
    assert origin_of("/a/b/c.txt", base) == "c.txt"
    assert origin_of("/a/b", base) == "."
    assert origin_of("/x/y", base) == "/x/y"
    assert origin_of("pydoc:", base) == "pydoc:"
    assert origin_of("-", base) == "-"


def test_a_base_that_cannot_be_listed_removes_nothing(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the folder itself fails to be listed, nothing in it is taken for gone, and the run is not complete."""
    _, before = run(world, "docs", ".")
    scan = os.scandir

    def failing(path: str | Path) -> object:
        if Path(path) == world:
            raise OSError(5, "Input/output error")
        return scan(path)

    monkeypatch.setattr(os, "scandir", failing)
    report, after = run(world, ".")
    assert (report.removed, report.complete) == (0, False)
    assert after == before


def test_a_table_that_looks_torn_keeps_its_rows(world: Path) -> None:
    """A file that turned binary since yesterday may be half-written: what was stored of it stays."""
    run(world, "docs")
    (world / "docs/rows.jsonl").write_bytes(b'{"id": "row0", "text": "row 0 of owls", "n": 0}\n' + bytes(50))
    report, ids = run(world, "docs")
    assert report.removed == 0
    assert {"docs/rows.jsonl#row1", "docs/rows.jsonl#row2"} <= set(ids)


def test_a_file_behind_a_linked_folder_is_removed_too(world: Path) -> None:
    """The ledger knows a source by the name that its documents have, whatever links lead to it."""
    (world.parent / "link").symlink_to(world)
    run(world, "docs")
    (world / "docs/0.txt").unlink()
    with vicinal.open(world / "notes.vicinal") as db:
        report = db.collection("main", model=ToyEncoder()).sync(world.parent / "link" / "docs")
    assert report.removed == 1
