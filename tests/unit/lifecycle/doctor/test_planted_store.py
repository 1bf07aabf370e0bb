"""Faults of files, ledger, model, index and disk, each planted into a collection of its own: the doctor names it and does not fail."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import doctor_worlds as worlds
import vicinal
from vicinal.collection import Collection, Health
from vicinal.encode import FunctionEncoder
from vicinal.errors import CanaryMismatchError, RecallWarning
from vicinal.index import files
from vicinal.index.calibration import Setting
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.doctor import storage
from vicinal.space import Vectors
from vicinal.types import Floats

MANY = 4_200
"""Above the size from which rows have codes."""
WIDE = 24


def examined(collection: Collection, samples: int = 10) -> Health:
    """Return the health of a collection; the database is closed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecallWarning)
            return collection.doctor(samples=samples)
    finally:
        collection._store.close()


def flip(path: Path, place: int = -5) -> None:
    """Change one byte of a file in place."""
    with path.open("r+b") as file:
        file.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 255]))


def sql(collection: Collection, text: str) -> None:
    """Write past the store's own checks, in a commit of its own."""
    with collection._store.write() as transaction:
        transaction._connection.execute(text)


WIDE_ENCODER = FunctionEncoder(lambda texts: np.ones((len(texts), WIDE)), name="ones", version="1", dim=WIDE)


def clustered(count: int, seed: int) -> Vectors:
    """Return unit vectors about 40 centers, which are always the same."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((40, WIDE))
    rows = centers[random.integers(0, 40, count)] + 0.6 * random.standard_normal((count, WIDE))
    return Vectors((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), WIDE_ENCODER.space)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of many vectors without texts, its index built, measured and saved."""
    path = tmp_path_factory.mktemp("large") / "n.vicinal"
    with vicinal.open(path) as db:
        collection = db.collection("main", model=WIDE_ENCODER)
        collection.add([{"id": f"r{row}", "text": ""} for row in range(MANY)], vectors=clustered(MANY, 1))
        collection.compact()
    return path


@pytest.fixture
def large(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; nothing is mended in the background."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    return Path(shutil.copytree(built, tmp_path / "n.vicinal"))


def opened(path: Path) -> Collection:
    """Return the collection of such a copy."""
    return vicinal.open(path).collection("main", model=WIDE_ENCODER, create=False)


def test_a_damaged_vector_block_is_named(tmp_path: Path) -> None:
    """One byte of the vectors: the alarm names the file, and everything else is looked at all the same."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    flip(next((tmp_path / "n.vicinal" / "vectors").rglob("*.vec")), 5000)
    health = examined(collection)
    found = health.check("files and ledger")
    assert (found.state, found.details["code"]) == ("alarm", "corrupt_store")
    assert ".vec" in found.told
    assert health.checks[0] is found
    assert health.check("hubness").state == "ok"


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    """A checksum of the records' table: it is named, what needs the texts is skipped, and the vectors are looked at."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    sql(collection, "UPDATE groups SET crc = crc + 1")
    health = examined(collection)
    assert "a row of groups does not match" in health.check("files and ledger").told
    assert health.check("zero vectors").state == "ok"
    assert health.check("empty texts").state == "skipped"
    assert [one.name for one in health.alarms] == ["files and ledger"]


def test_a_damaged_lane_is_an_alarm(tmp_path: Path) -> None:
    """Where nothing can be looked at, the health is that one alarm."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    sql(collection, "UPDATE lanes SET crc = crc + 1")
    collection._store._known = None
    health = examined(collection)
    assert [one.name for one in health.checks] == ["files and ledger"]
    assert "a row of lanes does not match" in health.checks[0].told
    assert "✖ alarm" in health.html()


def test_a_missing_vector_file_is_named(tmp_path: Path) -> None:
    """Nothing can be sampled then; the alarm names the file."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    next((tmp_path / "n.vicinal" / "vectors").rglob("*.vec")).unlink()
    health = examined(collection)
    assert "it is missing" in health.check("files and ledger").told
    assert (health.sampled, health.check("mixed spaces").state) == (0, "skipped")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("DELETE FROM ids WHERE id = 'r3'", "are not those of its ids"),
        ("UPDATE ids SET number = number + 1 WHERE id = 'r799'", "are not those of its ids"),
        ("INSERT INTO origins SELECT collection, 'a.txt', number FROM ids WHERE id = 'r5'", "another record"),
    ],
)
def test_a_ledger_that_disagrees_is_found(tmp_path: Path, text: str, told: str) -> None:
    """Ids and origins say again what the records do; where they differ, it is an alarm."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    sql(collection, text)
    found = examined(collection).check("files and ledger")
    assert found.state == "alarm"
    assert told in found.told


def test_a_moved_canary_is_found(tmp_path: Path) -> None:
    """A function that gives other vectors from some time on, in a program that goes on running."""
    way: list[Callable[[list[str]], Floats]] = [worlds.function]

    def today(texts: list[str]) -> Floats:
        return way[0](texts)

    encoder = worlds.encoder(today)
    collection = vicinal.open(tmp_path / "n.vicinal").collection("main", model=encoder)
    collection.add([{"id": f"r{row}", "text": text} for row, text in enumerate(worlds.texts()[:300])])
    way[0] = worlds.other_function
    health = examined(collection)
    assert health.check("canary").state == "alarm"
    assert health.check("canary").value < 0.9
    assert health.check("encoded again").value == 1.0


def test_an_encoder_that_only_says_so_is_found(tmp_path: Path) -> None:
    """Of another process: what refuses to search is examined, and says why."""
    worlds.filled(tmp_path / "n.vicinal")._store.close()
    changed = vicinal.open(tmp_path / "n.vicinal").collection("main", model=worlds.encoder(worlds.other_function))
    with pytest.raises(CanaryMismatchError):
        changed.search("text")
    health = examined(changed)
    assert health.check("canary").state == "alarm"
    assert "is not the one that made its vectors" in health.check("canary").told


def test_an_encoder_that_is_not_there_is_no_alarm(tmp_path: Path) -> None:
    """Without the encoder object the model's checks are skipped, and say so."""
    worlds.filled(tmp_path / "n.vicinal")._store.close()
    health = examined(vicinal.open(tmp_path / "n.vicinal").collection("main", create=False))
    assert {health.check(name).state for name in ("space and pin", "canary", "encoded again")} == {"skipped"}
    assert health.state == "ok"


def test_cut_texts_are_found(tmp_path: Path) -> None:
    """What the model's window left out is counted for the whole collection."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collection = vicinal.open(tmp_path / "n.vicinal").collection(
            "main", model=worlds.encoder(max_tokens=20, overflow="cut")
        )
        collection.add([{"id": f"r{row}", "text": text} for row, text in enumerate(worlds.texts()[:100])])
        found = examined(collection).check("cut texts")
    assert (found.state, found.value) == ("alarm", 1.0)


def test_dead_rows_are_found(tmp_path: Path) -> None:
    """More than half of what is stored was deleted."""
    collection = worlds.filled(tmp_path / "n.vicinal")
    collection.delete([f"r{row}" for row in range(worlds.COUNT) if row % 5 < 3])
    found = examined(collection).check("dead rows")
    assert (found.state, found.value) == ("alarm", 0.6)
    assert "vicinal compact" in found.advice


@pytest.mark.parametrize(("room", "state"), [(1 << 20, "alarm"), (150 << 20, "notice"), (1 << 30, "ok")])
def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, state: str) -> None:
    """Room for less than a second database (100 MiB at least) is an alarm, for less than two a notice."""
    monkeypatch.setattr(storage, "room_of", lambda _: room)
    assert examined(worlds.filled(tmp_path / "n.vicinal")).check("disk").state == state


def test_little_memory_is_found(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hot part that does not fit, and a machine that does not say what it has."""
    collection = opened(large)
    monkeypatch.setattr(storage, "memory_bytes", lambda: 10_000)
    assert collection.doctor(samples=5).check("memory").state == "alarm"
    monkeypatch.setattr(storage, "memory_bytes", lambda: 0)
    assert examined(collection).check("memory").state == "ok"


def test_a_damaged_index_is_found(large: Path) -> None:
    """A file of the saved generation is named; recall is still full, since the search is exact then."""
    flip(max((large / "index").rglob("vectors/*/codes*"), key=lambda path: path.stat().st_size))
    health = examined(opened(large))
    assert health.check("index files").state == "alarm"
    assert "codes" in health.check("index files").told
    assert health.check("recall").value == 1.0


def test_a_recall_that_is_not_kept_is_found(large: Path) -> None:
    """A calibration that promises full recall of the narrowest search: what is measured is less than was asked for."""
    store = opened(large)._store
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        index = derived_of(store, lane).index(snapshot, lane, store.view(snapshot, lane))
    assert index.path is not None
    assert index.calibration is not None
    lie = Setting(probes=0, candidates=11, rescored=11, recall=1.0, low=1.0)
    files.keep_calibration(
        index.path, replace(index.calibration, fronts=dict.fromkeys(index.calibration.fronts, (lie,)))
    )
    store.close()
    collection = opened(large)
    with pytest.warns(RecallWarning, match="Of the true 10 nearest"):
        found = collection.doctor(samples=100).check("recall")
    collection._store.close()
    assert found.state == "alarm"
    assert found.value == found.details["recall"] < 0.95
    assert found.details["low"] <= found.value <= found.details["high"] < 0.98


def test_an_old_index_is_found(large: Path) -> None:
    """As many rows again came after the index was built."""
    collection = opened(large)
    assert collection.doctor(samples=5).check("index age").state == "ok"
    collection.add([{"id": f"n{row}", "text": ""} for row in range(MANY)], vectors=clustered(MANY, 2))
    found = examined(collection).check("index age")
    assert (found.state, found.details["why"]) == ("notice", "grown")
    assert "vicinal compact" in found.advice


def test_a_keyword_index_is_behind_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks many rows; then a file of it is damaged, and is named."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    collection = worlds.filled(tmp_path / "n.vicinal")
    collection.compact()
    assert collection.doctor(samples=5).check("keyword index").state == "ok"
    more = [{"id": f"n{row}", "text": text} for row, text in enumerate(worlds.texts())]
    collection.add(more, vectors=worlds.vectors())
    found = collection.doctor(samples=5).check("keyword index")
    assert (found.state, found.details["behind"]) == ("alarm", worlds.COUNT)
    collection._store.close()
    generation = next((tmp_path / "n.vicinal" / "index").rglob("words/*/"))
    flip(
        max(
            (one for one in generation.rglob("*") if one.is_file() and one.suffix != ".json"),
            key=lambda one: one.stat().st_size,
        )
    )
    health = examined(
        vicinal.open(tmp_path / "n.vicinal", read_only=True).collection("main", model=worlds.encoder(), create=False)
    )
    assert health.check("keyword index").state == "alarm"
    assert health.check("index files").state == "alarm"
    assert "words" in health.check("index files").told


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_a_few_records_are_no_fault(tmp_path: Path, count: int) -> None:
    """Nothing is alarmed about what is too small to say anything of; an empty collection is examined too."""
    collection = vicinal.open(tmp_path / "n.vicinal").collection("main", model=worlds.encoder())
    collection.add([{"id": f"r{row}", "text": text} for row, text in enumerate(worlds.texts()[:count])])
    health = examined(collection)
    assert [one for one in health.checks if one.state in {"alarm", "notice"}] == []
    assert health.html().startswith("<!doctype html>")
