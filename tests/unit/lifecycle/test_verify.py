"""Verify: each kind of disagreement is found and named, and repair leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal.errors import CorruptStoreError, DamagedIndexWarning, DtypeError, EncodeError, RangeError
from vicinal.lexical import LexicalIndex
from vicinal.lifecycle.ingest import new_record
from vicinal.lifecycle.verify import KINDS
from vicinal.lifecycle.verify import finding as findings_module
from vicinal.space import Vectors
from vicinal.store.format import HEADER_BYTES
from vicinal.testing import ToyEncoder
from vicinal.types import Document, Source


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """A collection of a folder of eight texts, some of several chunks, and of two records of its own."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(8):
        (docs / f"{number}.txt").write_text("\n\n".join(f"part {part} of text {number}." for part in range(1 + number)))
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        found = db.collection("main", model=ToyEncoder(max_tokens=12))
        found.sync(docs)
        found.add([{"id": "mine", "text": "my own text"}, {"id": "other", "text": "another one", "n": 1}])
        yield found


def kinds(notes: vicinal.Collection, **options: Any) -> list[tuple[str, str]]:
    """Return (kind, where) of what is found, sorted."""
    return sorted((one.kind, one.where) for one in notes.verify(**options).findings)


def spoil(notes: vicinal.Collection, record_id: str, **changes: Any) -> None:
    """Write a record anew with something wrong about it."""
    with notes._store.write() as transaction:
        lane = transaction.lane("main")
        record = transaction.record(lane, record_id)
        entry = transaction.ledger(lane, [record_id])[record_id]
        vectors = changes.pop("vectors", None)
        document = Document(id=record_id, text=record.text, source=record.source, fields=record.fields)
        new = new_record(document, changes.pop("spans", record.spans), chunker=entry.chunker, origin=entry.origin)
        values = {name: getattr(new, name) for name in new.__slots__}
        values |= {"text_digest": entry.text_digest, "fields_digest": entry.fields_digest, **changes}
        if vectors is None:
            vectors = np.eye(8, dtype=np.float32)[[0] * len(new.spans)]
        transaction.put(lane, [type(new)(**values)], Vectors(vectors, lane.space), replace_existing=True)


def test_nothing_is_found_where_nothing_is_wrong(notes: vicinal.Collection) -> None:
    """After syncs, updates, deletes, searches and compaction."""
    notes.update({"docs/1.txt": {"stars": 5}})
    notes.delete(["other"])
    notes.search("text")
    notes.compact()
    told: list[tuple[int, int]] = []
    found = notes.verify(progress=lambda done, total: told.append((done, total)))
    assert found.findings == ()
    assert found.sound
    assert (found.records, found.documents, found.unchecked) == (9, 8, 0)
    assert found.chunks == notes.info()["chunks"]
    assert all(done <= total for done, total in told)
    assert told


def test_sources_that_changed_are_found_both_ways(notes: vicinal.Collection, tmp_path: Path) -> None:
    """What a source has more, less or otherwise; and a repair is a sync."""
    docs = tmp_path / "docs"
    (docs / "new.txt").write_text("a new text")
    (docs / "1.txt").write_text("another text")
    (docs / "2.txt").unlink()
    assert kinds(notes) == [("missing", "docs/new.txt"), ("orphan", "docs/2.txt"), ("stale", "docs/1.txt")]
    found = notes.verify(repair=True)
    assert found.sound
    assert found.found == {"missing": 1, "orphan": 1, "stale": 1}
    assert "1 new, 1 changed, 0 moved, 1 removed" in found.mended[0]
    assert kinds(notes) == []
    assert "mine" in notes


def test_records_of_a_file_that_nobody_names_any_more(notes: vicinal.Collection, tmp_path: Path) -> None:
    """A record whose file is gone is an orphan, though its source is none that is known."""
    (tmp_path / "alone.txt").write_text("alone")
    notes.sync(tmp_path / "alone.txt")
    with notes._store.write() as transaction:
        transaction.remove_setting(f"collection {notes._number} sources")
    assert notes.verify().unchecked == 9
    (tmp_path / "alone.txt").unlink()
    assert kinds(notes) == [("orphan", "alone.txt")]
    assert notes.verify(repair=True).mended == ("1 records deleted whose source is gone",)
    assert kinds(notes) == []


def test_a_source_that_cannot_be_read_hides_nothing(notes: vicinal.Collection, tmp_path: Path) -> None:
    """It is told of, and its records are no orphans: nobody knows."""
    (tmp_path / "docs").rename(tmp_path / "away")
    found = notes.verify(repair=True)
    assert [(one.kind, one.where) for one in found.left] == [("unreadable", "docs")]
    assert len(notes) == 10


def test_what_was_set_aside_is_found(notes: vicinal.Collection, tmp_path: Path) -> None:
    """With its error and how often it was tried, not as missing."""

    class Fussy(ToyEncoder):
        def encode_documents(self, texts: Any, **options: Any) -> Vectors:
            if any("poison" in text for text in texts):
                raise ValueError
            return super().encode_documents(texts, **options)

    (tmp_path / "docs/3.txt").write_text("poison")
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        fussy = db.collection("main", model=Fussy(max_tokens=12))
        fussy.sync(tmp_path / "docs")
        found = fussy.verify(repair=True)
    assert [(one.kind, one.where, one.detail) for one in found.left] == [
        ("aside", "docs/3.txt", "encode, tried 2 times: ValueError")
    ]
    assert not found.sound
    assert notes.verify(repair=True).sound
    assert notes.aside() == ()


def test_a_text_that_is_not_the_ledgers(notes: vicinal.Collection) -> None:
    """The digest tells; the record is made anew from its source, or from its text where it has none."""
    spoil(notes, "docs/1.txt", text_digest="0" * 32)
    spoil(notes, "mine", text_digest="0" * 32)
    assert kinds(notes) == [("stale", "docs/1.txt"), ("text", "docs/1.txt"), ("text", "mine")]
    assert notes.verify(repair=True).sound
    assert kinds(notes) == []
    assert notes.get("mine").text == "my own text"


def test_spans_that_lie_outside_of_their_text(notes: vicinal.Collection) -> None:
    """They are cut anew."""
    spoil(notes, "mine", spans=((0, 99),))
    assert kinds(notes) == [("span", "mine")]
    assert notes.verify(repair=True).sound
    assert notes.get("mine").spans == ((0, 11),)


def test_vectors_that_are_none(notes: vicinal.Collection) -> None:
    """Not of unit length in a space that says so; the repair encodes the text, and it is found again."""
    spoil(notes, "mine", vectors=np.full((1, 8), 3, dtype=np.float32))
    (found,) = notes.verify().findings
    assert (found.kind, found.where) == ("vector", "mine")
    assert "its length is 8.4853, not 1" in found.detail
    assert notes.verify(repair=True).mended == ("1 records encoded again from their texts",)
    assert kinds(notes) == []
    assert notes.search(ToyEncoder(max_tokens=12).encode_queries(["my own text"]), k=1)[0].score > 0.9


def test_vectors_that_are_not_finite(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """No way leads into the store for them, so they are planted where they are read."""
    from vicinal.store import Snapshot  # noqa: PLC0415 - patched here

    read = Snapshot.vectors_at

    def planted(self: Snapshot, lane: Any, rows: Any) -> Any:
        found = read(self, lane, rows)
        found[:1] = np.inf
        return found

    monkeypatch.setattr(Snapshot, "vectors_at", planted)
    (found,) = notes.verify().findings
    assert found.kind == "vector"
    assert "NaN or infinity" in found.detail


def test_a_record_of_another_chunker_is_stale(notes: vicinal.Collection) -> None:
    """Whatever its text says: one notion of stale."""
    spoil(notes, "docs/1.txt", chunker="whole")
    assert set(kinds(notes)) == {("stale", "docs/1.txt")}
    assert notes.verify(repair=True).sound


def test_a_damaged_file_is_named_and_nothing_else_is_looked_at(notes: vicinal.Collection) -> None:
    """Nothing can be mended from what does not match its checksum; the row is one that the file alone has."""
    (path,) = (notes._store.folder / "vectors").rglob("*.vec")
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + 3] ^= 1
    path.write_bytes(content)
    found = notes.verify(repair=True)
    assert [(one.kind, one.where) for one in found.left] == [("damaged", str(path))]
    with pytest.raises(CorruptStoreError):
        notes._store.check()


def test_a_keyword_index_that_lacks_rows_or_has_too_many(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is named, and the repair builds it anew; where words were never asked nothing is built."""
    assert kinds(notes) == []
    notes.search("text", mode="lexical")
    notes.compact()
    notes.search("text", mode="lexical")
    rows = LexicalIndex.rows
    count = notes.info()["chunks"]
    assert len(rows(_words(notes))) == count
    with monkeypatch.context() as patch:
        patch.setattr(LexicalIndex, "rows", lambda self: np.append(rows(self)[1:], [1000, 1000]))
        found = notes.verify()
        assert [one.detail for one in found.findings] == [
            "row 0 has no postings",
            "row 1000 has postings, and was never given out",
            "row 1000 has postings, and was never given out",
            "1 rows stand in it more than once",
        ]
    assert kinds(notes) == []


def _words(notes: vicinal.Collection) -> LexicalIndex:
    from vicinal.lifecycle.derived import derived_of  # noqa: PLC0415 - for one test

    with notes._store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        return derived_of(notes._store, lane).words(snapshot, lane, notes._store.view(snapshot, lane))


@pytest.mark.slow
def test_an_index_of_another_state_is_found_and_built_anew(tmp_path: Path) -> None:
    """An index of vectors whose codes were swapped has other codes than what is stored gives."""
    from vicinal.index import FunnelIndex  # noqa: PLC0415 - for one test
    from vicinal.lifecycle.derived import derived_of  # noqa: PLC0415 - the same

    chance = np.random.default_rng(5)
    lines = chance.standard_normal((5000, 8)).astype(np.float32)
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    encoder = ToyEncoder()
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        notes = db.collection("main", model=encoder)
        records = [{"id": str(number), "text": f"text {number}"} for number in range(5000)]
        notes.add(records, vectors=Vectors(lines, encoder.space))
        notes.compact()
        assert notes.info()["index"]["kind"] != "exact"
        assert kinds(notes) == []
        with notes._store.snapshot() as snapshot:
            lane = snapshot.lane("main")
            derived = derived_of(notes._store, lane)
            view = notes._store.view(snapshot, lane)
        other = FunnelIndex.build([(0, lines[::-1].copy())], encoder.space)
        derived._index, derived._seen = other, view
        assert kinds(notes) == [("index", "main")]
        assert "codes that are not of their vectors" in notes.verify().findings[0].detail
        derived._index, derived._seen = FunnelIndex.build([(0, lines[:100])], encoder.space), view
        assert "it has 100 rows, and the store 5000" in notes.verify().findings[0].detail
        assert notes.verify(repair=True).sound


def test_a_damaged_index_on_the_disk_is_told_of(notes: vicinal.Collection, recwarn: pytest.WarningsRecorder) -> None:
    """Answers are exact without it; the finding has the words of the warning."""
    import warnings  # noqa: PLC0415 - for one test

    from vicinal.lifecycle.derived import Derived  # noqa: PLC0415 - the same

    real = Derived.index

    def damaged(self: Derived, *given: Any) -> Any:
        warnings.warn("a file is damaged", DamagedIndexWarning, stacklevel=2)
        return real(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Derived, "index", damaged)
        (found,) = notes.verify().findings
    assert (found.kind, found.detail) == ("index", "a file is damaged")
    assert not recwarn.list


def test_findings_are_bounded(notes: vicinal.Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted; the first of each kind are named."""
    monkeypatch.setattr(findings_module, "MOST_KEPT", 3)
    for number in range(5):
        (tmp_path / f"docs/new{number}.txt").write_text(f"new {number}")
    found = notes.verify()
    assert found.found == {"missing": 5}
    assert len(found.findings) == 3
    assert set(found.found) <= set(KINDS)


def test_a_source_that_is_named_is_compared_too(notes: vicinal.Collection, tmp_path: Path) -> None:
    """Beside those that the collection was made of, in either form."""
    (tmp_path / "more.txt").write_text("more")
    assert kinds(notes) == []
    for given in (tmp_path / "more.txt", Source(place=str(tmp_path / "more.txt"))):
        assert [one.kind for one in notes.verify(given).findings] == ["missing"]


def test_vectors_that_crowd_are_no_fault_of_the_index(tmp_path: Path) -> None:
    """Codes of eight bits cannot tell a crowd apart, and are what they should be."""
    chance = np.random.default_rng(3)
    lines = (np.eye(8)[0] + 0.2 * chance.standard_normal((6000, 8))).astype(np.float32)
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    encoder = ToyEncoder()
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        notes = db.collection("main", model=encoder)
        notes.add(
            [{"id": str(row), "text": f"text {row}"} for row in range(6000)], vectors=Vectors(lines, encoder.space)
        )
        assert kinds(notes) == []


def test_a_file_of_markdown_is_mended_in_its_form(tmp_path: Path) -> None:
    """The form is part of the digest: what is encoded again from the text is what the source gives, at once."""
    (tmp_path / "a.md").write_text("# One\n\nthe first part\n\n# Two\n\nthe second part")
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        notes = db.collection("main", model=ToyEncoder(max_tokens=12))
        notes.sync(tmp_path / "a.md")
        before = notes.get("a.md").spans
        digest = _digest_of(notes, "a.md")
        long = np.full((len(before), 8), 3, dtype=np.float32)
        spoil(notes, "a.md", vectors=long)
        found = notes.verify(repair=True, samples=0)
        assert found.found == {"vector": 1}
        assert found.left == ()
        assert (notes.get("a.md").spans, _digest_of(notes, "a.md")) == (before, digest)
        spoil(notes, "a.md", text="another text than the digest says")
        assert notes.verify(repair=True).left == ()
        assert notes.get("a.md").text.startswith("# One")


def _digest_of(notes: vicinal.Collection, record_id: str) -> str:
    with notes._store.snapshot() as snapshot:
        return snapshot.ledger(snapshot.lane("main"), [record_id])[record_id].text_digest


def test_a_vector_that_is_another_texts_is_found_by_its_model(notes: vicinal.Collection) -> None:
    """Of unit length and sound in all else: only the model can tell, and the repair asks it."""
    assert notes.verify().sampled == 16
    assert notes.verify(samples=0).sampled == 0
    count = len(notes.get("docs/7.txt").spans)
    turned = np.eye(8, dtype=np.float32)[np.full(count, 7)]
    spoil(notes, "docs/7.txt", vectors=turned)
    assert kinds(notes, samples=0) == []
    found = notes.verify(repair=True, samples=100)
    assert found.found == {"encoded": count}
    assert {(one.kind, one.where) for one in found.findings} == {("encoded", "docs/7.txt")}
    assert found.mended == ("1 records encoded again from their texts",)
    assert found.sound
    assert kinds(notes, samples=100) == []


def test_a_sample_mends_what_it_has_and_no_more(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the repair others are drawn, so that a collection whose vectors are all wrong is not called sound."""
    monkeypatch.setattr("vicinal.corpus.secrets.randbits", lambda _: 5)
    for record_id in notes.ids():
        count = len(notes.get(record_id).spans)
        spoil(notes, record_id, vectors=np.eye(8, dtype=np.float32)[np.full(count, 7)])
    found = notes.verify(repair=True, samples=1)
    assert (found.found, found.sound) == ({"encoded": 1}, False)
    assert {one.kind for one in found.left} == {"encoded"}
    assert notes.verify(repair=True, samples=100).sound


def test_what_is_encoded_again(tmp_path: Path) -> None:
    """Not what came with vectors of its own; a model that fails is an error only where it was asked for."""

    class Broken(ToyEncoder):
        is_down = False

        def encode_documents(self, texts: Any, **options: Any) -> Vectors:
            if self.is_down:
                raise EncodeError("It is down.")
            return super().encode_documents(texts, **options)

    encoder = Broken(max_tokens=12)
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        notes = db.collection("main", model=encoder)
        vectors = Vectors(np.eye(8, dtype=np.float32)[:3], encoder.space)
        notes.add([{"id": str(number), "text": "given"} for number in range(3)], vectors=vectors)
        assert (notes.verify(samples=9).sampled, kinds(notes, samples=9)) == (0, [])
        notes.add([{"id": "made", "text": "made here"}])
        assert notes.verify(samples=9).sampled == 1
        encoder.is_down = True
        assert notes.verify().sampled == 0
        with pytest.raises(EncodeError):
            notes.verify(samples=9)
        for wrong in (-1, 2**20, 1.5):
            with pytest.raises((RangeError, DtypeError)):
                notes.verify(samples=wrong)  # type: ignore[arg-type]  # what is refused
