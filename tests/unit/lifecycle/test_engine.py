"""A collection answers through its index and its columns: the same as the slow way, after every kind of change."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal.collection import Collection
from vicinal.encode import FunctionEncoder
from vicinal.errors import (
    DamagedIndexWarning,
    DtypeError,
    InputError,
    RangeError,
    RecallWarning,
    RecordNotFoundError,
    SpaceMismatchError,
    UnknownNameError,
)
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.doctor import index
from vicinal.space import Vectors

DIM = 24
MANY = 6_000
"""Above the size from which rows have codes."""


def ones(texts: list[str]) -> np.ndarray:
    """Give every text the same vector; the tests bring vectors of their own."""
    return np.ones((len(texts), DIM), dtype=np.float32)


ENCODER = FunctionEncoder(ones, name="ones", version="1", dim=DIM)


def clustered(count: int, seed: int) -> Vectors:
    """Return unit vectors about 40 centers, which are always the same, as those of texts are."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((40, DIM))
    rows = centers[random.integers(0, 40, count)] + 0.4 * random.standard_normal((count, DIM))
    return Vectors((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), ENCODER.space)


def records(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return records with a number, a group of a hundred, and a word."""
    return [
        {"id": f"r{row}", "text": "", "number": row, "group": row % 100, "word": "even" if row % 2 == 0 else "odd"}
        for row in range(first, first + count)
    ]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens in the background."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of many records, indexed and closed."""
    folder = tmp_path_factory.mktemp("engine") / "many.vicinal"
    with vicinal.open(folder) as db:
        many = db.collection("many", model=ENCODER)
        many.add(records(MANY), vectors=clustered(MANY, 1))
        many.compact()
    return folder


@pytest.fixture
def many(prepared: Path, tmp_path: Path, quiet: None) -> Iterator[Collection]:
    """The collection of a copy of that database."""
    shutil.copytree(prepared, tmp_path / "many.vicinal")
    with vicinal.open(tmp_path / "many.vicinal") as db:
        yield db.collection("many", model=ENCODER)


def ids(hits: vicinal.Hits) -> list[str]:
    """Return the ids in their order."""
    return [hit.id for hit in hits]


def shared(collection: Collection, queries: Vectors, **how: Any) -> float:
    """Return the share of the exact ten nearest that are found, on average."""
    found = 0
    for place in range(len(queries)):
        query = queries[place : place + 1]
        exact = collection.search(query, exact=True, **how)
        found += len(set(ids(collection.search(query, **how))) & set(ids(exact))) / max(1, len(exact))
    return found / len(queries)


def test_the_index_serves_and_says_how_well(many: Collection) -> None:
    """Codes answer with exact scores, at the recall that was asked for; exact is one flag away."""
    queries = clustered(40, 2)
    assert many.info()["index"]["kind"] == "funnel"
    hits, exact = many.search(queries[:1]), many.search(queries[:1], exact=True)
    assert (hits.complete, exact.complete, exact.recall_estimate) == (False, True, 1.0)
    assert 0.9 < hits.recall_estimate < 1
    assert {hit.id: hit.score for hit in hits}.items() & {hit.id: hit.score for hit in exact}.items()
    assert exact.work == MANY
    assert shared(many, queries) >= 0.97


@pytest.mark.parametrize(
    "where",
    [
        {"word": "odd"},
        {"group": {"$lt": 10}},
        {"group": 7},
        {"number": {"$in": [3, 5, 8]}},
        {"$and": [{"word": "even"}, {"$not": {"group": {"$gte": 4}}}]},
    ],
)
def test_a_filter_gives_the_true_nearest_of_what_it_lets_through(many: Collection, where: dict[str, Any]) -> None:
    """At half, a tenth, a hundredth and three of them, the hits are those of the exact search, and all obey."""
    assert shared(many, clustered(12, 3), where=where) >= 0.97
    for hit in many.search(clustered(1, 4), where={"group": 7}):
        assert hit.fields["group"] == 7


def test_what_is_written_is_found_by_the_next_question(many: Collection) -> None:
    """Added, replaced, relabelled and deleted: each shows at once, through the index and through filters."""
    vector = clustered(1, 5)
    many.add([{"id": "new", "text": "", "group": 1000}], vectors=vector)
    assert ids(many.search(vector, k=1)) == ["new"]
    assert ids(many.search(vector, where={"group": 1000})) == ["new"]
    assert many.update({"new": {"group": 1001, "extra": True}}) == 1
    assert not many.search(vector, where={"group": 1000})
    assert many.search(vector, where={"extra": True})[0].fields == {"group": 1001, "extra": True}
    many.update({"new": {"group": 1002}}, replace=True)
    assert many.get("new").fields == {"group": 1002}
    many.upsert([{"id": "new", "text": "", "group": 7}], vectors=clustered(1, 6))
    assert not many.search(vector, where={"group": 1002})
    assert many.delete(["new"]) == 1
    assert "new" not in ids(many.search(clustered(1, 6), k=5))


def test_deleting_by_filter(many: Collection) -> None:
    """Exactly the records that it lets through go."""
    assert many.delete(where={"group": {"$gte": 50}}) == MANY // 2
    assert len(many) == MANY // 2
    assert not many.search(clustered(1, 7), where={"group": 60})
    assert many.delete(where={"group": {"$gte": 50}}) == 0
    for wrong in ({"ids": ["a"], "where": {"group": 1}}, {}):
        with pytest.raises(InputError, match="one of the two"):
            many.delete(**wrong)
    with pytest.raises(UnknownNameError):
        many.delete(where={"grup": 1})
    assert len(many) == MANY // 2


def test_compaction_gives_room_back_and_changes_no_answer(many: Collection) -> None:
    """After half is deleted, files shrink, rows get new numbers, and questions are answered as before."""
    many.delete(where={"group": {"$gte": 50}})
    queries = clustered(5, 8)
    before = [many.search(queries[i : i + 1], exact=True) for i in range(5)]
    told = many.info()
    report = many.compact()
    after = many.info()
    assert report.moved_rows == MANY // 2
    assert (told["dead_rows"], after["dead_rows"]) == (MANY // 2, 0)
    assert after["vector_bytes"] < told["vector_bytes"]
    assert [ids(many.search(queries[i : i + 1], exact=True)) for i in range(5)] == [ids(one) for one in before]
    assert not many.search(queries[:1], where={"group": 60})
    assert shared(many, queries, where={"group": {"$lt": 5}}) >= 0.97


def test_several_questions_at_once_are_the_single_ones(many: Collection) -> None:
    """The same hits in the same order; none for none."""
    queries = clustered(7, 9)
    together = many.search_many(queries, k=5, where={"word": "odd"}, exact=True)
    assert [ids(one) for one in together] == [
        ids(many.search(queries[i : i + 1], k=5, where={"word": "odd"}, exact=True)) for i in range(7)
    ]
    assert many.search_many(queries[:0]) == []
    assert len(many.search_many(["one", "two"], k=3)) == 2
    with pytest.raises(RangeError):
        many.search_many(["one", " "])


@pytest.mark.parametrize(
    ("recall", "error"), [(0, RangeError), (1.5, RangeError), ("much", DtypeError), (float("nan"), RangeError)]
)
def test_a_recall_is_a_share(many: Collection, recall: object, error: type[Exception]) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(error):
        many.search(clustered(1, 1), recall=recall)
    with pytest.raises(error):
        many.keep_recall(recall)


def test_the_recall_of_a_collection_is_kept(tmp_path: Path, quiet: None) -> None:
    """What was said once holds for the next who opens it, and for that collection alone."""
    with vicinal.open(tmp_path / "n.vicinal") as db:
        assert db.collection("a", model=ENCODER, recall=0.9).recall == 0.9
        assert db.collection("b", model=ENCODER).recall == 0.98
    with vicinal.open(tmp_path / "n.vicinal", read_only=True) as db:
        assert db.collection("a", model=ENCODER).recall == 0.9


def test_another_process_opens_what_was_built(many: Collection, tmp_path: Path) -> None:
    """The index is mapped, not built; fields and rows that came later are followed."""
    many.add(records(3, MANY), vectors=clustered(3, 10))
    many.update({"r5": {"group": 4242}})
    with vicinal.open(tmp_path / "many.vicinal", read_only=True) as other:
        seen = other.collection("many", model=ENCODER)
        info = seen.info()["index"]
        assert (info["coded_rows"], info["waiting_rows"]) == (MANY, 3)
        assert ids(seen.search(clustered(1, 1), where={"group": 4242})) == ["r5"]
        assert ids(seen.search(clustered(3, 10)[2:3], k=1)) == [f"r{MANY + 2}"]


def test_a_damaged_index_is_left_aside(many: Collection, tmp_path: Path) -> None:
    """Its file is named, the answers are those of the exact search, and the next build is sound again."""
    queries = clustered(3, 11)
    expected = [ids(many.search(queries[i : i + 1], exact=True)) for i in range(3)]
    for file in sorted((tmp_path / "many.vicinal" / "index").rglob("*.bin")):
        content = bytearray(file.read_bytes())
        if content:
            content[len(content) // 2] ^= 0xFF
            file.write_bytes(content)
    with vicinal.open(tmp_path / "many.vicinal") as db:
        again = db.collection("many", model=ENCODER)
        where = {"number": {"$gte": 0}}
        with pytest.warns(DamagedIndexWarning, match=r"\.bin"):
            found = [ids(again.search(queries[i : i + 1], where=where, exact=True)) for i in range(3)]
        assert found == expected
        again.compact()
        assert shared(again, queries) >= 0.9


def test_the_index_of_other_rows_is_not_taken(many: Collection, tmp_path: Path, quiet: None) -> None:
    """A database that was set back and filled anew does not answer through codes of vectors that it never had."""
    other = tmp_path / "other.vicinal"
    with vicinal.open(other) as db:
        db.collection("many", model=ENCODER).add(records(MANY), vectors=clustered(MANY, 99))
    shutil.copytree(tmp_path / "many.vicinal" / "index", other / "index")
    with vicinal.open(other) as db:
        assert db.collection("many", model=ENCODER).info()["index"]["waiting_rows"] == 0
        assert shared(db.collection("many", model=ENCODER), clustered(5, 12)) >= 0.9


def test_the_background_builds_what_many_rows_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many for whoever asks: answered exactly at first, through codes when the background is done."""
    monkeypatch.setattr("vicinal.lifecycle.derived.AT_ONCE", 1000)
    with vicinal.open(tmp_path / "n.vicinal") as db:
        collection = db.collection("n", model=ENCODER)
        collection.add(records(MANY), vectors=clustered(MANY, 13))
        assert collection.search(clustered(1, 14)).complete
        with db._store.snapshot() as snapshot:
            derived_of(db._store, snapshot.lane("n")).wait()
        assert not collection.search(clustered(1, 14)).complete
        assert any((tmp_path / "n.vicinal" / "index").rglob("manifest.json"))


def test_closing_stops_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it does, closing waits for a moment only, and no thread is left."""
    monkeypatch.setattr("vicinal.lifecycle.derived.AT_ONCE", 1000)
    with vicinal.open(tmp_path / "n.vicinal") as db:
        collection = db.collection("n", model=ENCODER)
        collection.add(records(MANY), vectors=clustered(MANY, 13))
        collection.search(clustered(1, 14))
    assert not [one for one in threading.enumerate() if one.name.startswith("vicinal upkeep")]
    with vicinal.open(tmp_path / "n.vicinal") as db:
        assert len(db.collection("n", model=ENCODER).search(clustered(1, 14))) == 10


def test_the_doctor_measures(many: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recall lies in its interval and is what was asked for; one that is missed is warned of, with what to do."""
    found = many.doctor(samples=50).check("recall")
    assert found.details["low"] <= found.value <= found.details["high"]
    assert found.value >= 0.95
    assert (found.state, found.advice) == ("ok", "")
    many.add(records(MANY, MANY), vectors=clustered(MANY, 15))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecallWarning)  # of an index that is half as large as the collection, no wonder
        assert "vicinal compact" in many.doctor(samples=10).check("index age").advice
    poor = type("Poor", (), {"recall": 0.5, "low": 0.4, "high": 0.6, "queries": 10, "k": 10})
    monkeypatch.setattr("vicinal.index.FunnelIndex.measure", lambda *_, **__: poor)
    with pytest.warns(RecallWarning, match=r"0\.5000 are found"):
        assert many.doctor(samples=10).check("recall").state == "alarm"


def test_every_reason_to_build_has_an_advice() -> None:
    """What the index says of itself can be told to a person."""
    assert set(index.ADVICE) == {"grown", "tail", "dead", "uncalibrated"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"r1": {"text": "x"}}, DtypeError),
        ({"r1": {"$x": 1}}, RangeError),
        ({"r1": 3}, DtypeError),
        ({3: {}}, DtypeError),
        ("r1", DtypeError),
        ({"r1": {"a": 1}, "nobody": {"a": 1}}, RecordNotFoundError),
    ],
)
def test_wrong_updates_change_nothing(many: Collection, fields: object, error: type[Exception]) -> None:
    """Checked as a whole before anything is written."""
    before = many.get("r1").fields
    with pytest.raises(error):
        many.update(fields)
    assert many.get("r1").fields == before


def test_a_collection_is_dropped(many: Collection, tmp_path: Path) -> None:
    """With all that was in it; another of its name begins empty and finds nothing old."""
    with vicinal.open(tmp_path / "many.vicinal") as db:
        assert db.drop("many") == MANY
        again = db.collection("many", model=ENCODER)
        assert (len(again), list(again.search(clustered(1, 1)))) == (0, [])
        again.add(records(2), vectors=clustered(2, 16))
        assert len(again.search(clustered(1, 1), where={"number": {"$gte": 0}})) == 2


def test_export_and_import_are_each_other(many: Collection, tmp_path: Path) -> None:
    """Records and vectors come back into another collection of the space; a collection of another space refuses."""
    report = many.export(tmp_path / "out")
    assert report.rows == MANY
    with vicinal.open(tmp_path / "again.vicinal") as db:
        again = db.collection("again", model=ENCODER)
        assert again.import_vectors(tmp_path / "out").rows == MANY
        assert again.get("r17").fields == many.get("r17").fields
        query = clustered(1, 17)
        assert ids(again.search(query, exact=True)) == ids(many.search(query, exact=True))
        with pytest.raises(InputError, match="space of the vectors must be told"):
            again.import_vectors(tmp_path / "out" / "vectors.npy")
        other = db.collection("other", model=FunctionEncoder(ones, name="ones", version="2", dim=DIM))
        with pytest.raises(SpaceMismatchError):
            other.import_vectors(tmp_path / "out")
        with pytest.raises(SpaceMismatchError):
            other.import_vectors(tmp_path / "out" / "vectors.npy", space=ENCODER)
        assert len(other) == 0


def test_a_collection_that_was_dropped_and_made_anew_has_nothing_of_the_old(many: Collection, tmp_path: Path) -> None:
    """Neither codes nor fields nor files: its questions, filters and deletions are its own, in every process."""
    folder = tmp_path / "many.vicinal"
    with vicinal.open(folder) as db:
        old = db.collection("many", model=ENCODER)
        old.search(clustered(1, 1), where={"group": 3})
        db.drop("many")
        new = db.collection("many", model=ENCODER)
        new.add([{**one, "group": -1} for one in records(MANY)], vectors=clustered(MANY, 77))
        for one in (many, old, new):
            assert shared(one, clustered(5, 78)) >= 0.9
            assert len(one.search(clustered(1, 1), where={"group": -1})) == 10
            assert not one.search(clustered(1, 1), where={"group": 3})
        assert new.delete(where={"group": 3}) == 0
        db.drop("many")
        other = FunctionEncoder(lambda texts: np.ones((len(texts), 8), dtype=np.float32), name="n", version="1", dim=8)
        db.collection("many", model=other).add([{"id": "a", "text": "b"}])
        with pytest.raises(SpaceMismatchError):
            new.search(clustered(1, 1))


def test_what_is_approximate_never_says_that_it_is_complete(many: Collection) -> None:
    """Also where the measurement missed nothing: a sample proves nothing of other questions."""
    hits = many.search(clustered(1, 3), recall=0.999)
    assert not hits.complete
    assert hits.recall_estimate < 1


def test_readers_of_different_commits_do_not_undo_each_other(many: Collection) -> None:
    """A reader that began before a write is served by what is known of its commit; nothing is read in anew."""
    store = many._store
    query = clustered(1, 3)
    with store.snapshot() as before:
        lane = before.lane("many")
        view = store.view(before, lane)
        derived = derived_of(store, lane)
        first = derived.columns(before, lane, view)
        many.update({"r5": {"group": 4242}})
        assert ids(many.search(query, where={"group": 4242})) == ["r5"]
        assert derived.columns(before, lane, view) is first
    assert ids(many.search(query, where={"group": 4242})) == ["r5"]


def test_upkeep_that_was_due_while_the_background_rested_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next question starts it, though nothing was written since."""
    monkeypatch.setattr("vicinal.lifecycle.derived.AT_ONCE", 1000)
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    with vicinal.open(tmp_path / "n.vicinal") as db:
        collection = db.collection("n", model=ENCODER)
        collection.add(records(MANY), vectors=clustered(MANY, 13))
        assert collection.search(clustered(1, 14)).complete
        monkeypatch.setenv("VICINAL_MAINTENANCE", "1")
        assert collection.search(clustered(1, 14)).complete
        with collection._store.snapshot() as snapshot:
            derived_of(collection._store, snapshot.lane("n")).wait()
        assert not collection.search(clustered(1, 14)).complete


def test_an_export_keeps_sources_and_the_chunks_of_records_apart(tmp_path: Path) -> None:
    """A record of several chunks gives ids that no other record has; sources come back."""
    toy = vicinal.testing.ToyEncoder(max_tokens=8)
    with vicinal.open(tmp_path / "n.vicinal") as db:
        notes = db.collection("notes", model=toy)
        notes.add([{"id": "a", "text": "one two three. " * 8}, {"id": "a#0", "text": "x", "source": "file.txt"}])
        count = notes.export(tmp_path / "out").rows
        assert count > 2
        again = db.collection("again", model=toy)
        assert again.import_vectors(tmp_path / "out").rows == len(again) == count
        assert again.get("a#0").source == "file.txt"


def test_a_wrong_recall_makes_no_collection(tmp_path: Path) -> None:
    """It is looked at before anything is written."""
    with vicinal.open(tmp_path / "n.vicinal") as db:
        with pytest.raises(RangeError):
            db.collection("a", model=ENCODER, recall=7)
        assert db.collections() == []


def test_a_folder_that_was_set_back_by_hand_has_nothing_of_the_later_history(tmp_path: Path, quiet: None) -> None:
    """Other records with the same vectors, under the same numbers: the columns that lie there are not taken for theirs."""
    folder, older = tmp_path / "n.vicinal", tmp_path / "older"
    with vicinal.open(folder) as db:
        db.collection("n", model=ENCODER)
    shutil.copytree(folder, older)
    with vicinal.open(folder) as db:
        collection = db.collection("n", model=ENCODER)
        collection.add([{"id": "a", "text": "", "group": "old"}], vectors=clustered(1, 1))
        collection.compact()
    shutil.copytree(folder / "index", older / "index")
    with vicinal.open(older) as db:
        collection = db.collection("n", model=ENCODER)
        collection.add([{"id": "a", "text": "", "group": "new"}], vectors=clustered(1, 1))
        assert ids(collection.search(clustered(1, 1), where={"group": "new"})) == ["a"]
