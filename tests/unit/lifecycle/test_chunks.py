"""Samples of chunks are read a hundred records at a time, whoever draws them."""

from __future__ import annotations

import numpy as np
import pytest

import vicinal
from vicinal.errors import InputError
from vicinal.lifecycle import chunks
from vicinal.store import Snapshot


def letters(texts):
    """Return how often each vowel is in a text, and how long it is."""
    return [[1 + text.count(letter) for letter in "aeiou"] + [len(text) / 10] for text in texts]


def encoder(name="letters"):
    """Return an encoder of one's own by a name."""
    return vicinal.FunctionEncoder(letters, name=name, version="1", dim=6)


@pytest.fixture
def notes(tmp_path):
    """A collection of 300 records."""
    with vicinal.open(tmp_path / "db") as db:
        found = db.collection("notes", model=encoder())
        found.add([{"id": str(n), "text": f"{'aei' * (n % 7)} sea {n}", "n": n} for n in range(300)])
        yield found


def test_every_row_comes_once_in_its_order(notes):
    """With its chunk, and None where there is none."""
    with notes._store.snapshot() as snapshot:
        lane = snapshot.lane("notes")
        found = list(chunks.in_turn(snapshot, lane, np.array([*range(250), 400])))
    assert [row for row, _ in found] == [*range(250), 400]
    assert [chunks.text_of(one) for _, one in found[:2]] == ["sea 0", "aei sea 1"]
    assert found[-1] == (400, None)
    assert chunks.text_of(None) == ""


@pytest.mark.parametrize(
    "use",
    [
        lambda db, notes: notes.doctor(samples=10),
        lambda db, notes: notes.drift(reference={"n": {"$lt": 150}}, current={"n": {"$gte": 150}}),
        lambda db, notes: db.assert_same("notes", encoder("other"), samples=200),
    ],
    ids=["doctor", "drift", "assert_same"],
)
def test_no_sample_is_held_with_all_its_records(notes, tmp_path, monkeypatch, use):
    """A record may have millions of letters, and a sample has thousands of them."""
    most, read = [], Snapshot.chunks_at

    def counted(self, lane, rows):
        most.append(len(rows))
        return read(self, lane, rows)

    monkeypatch.setattr(Snapshot, "chunks_at", counted)
    with vicinal.open(tmp_path / "db") as db:
        use(db, db.collection("notes", model=encoder()))
    assert most
    assert max(most) <= chunks.RECORDS_AT_ONCE


def test_what_was_encoded_with_headings_proves_nothing_by_its_text_alone(notes, tmp_path):
    """The text is not what was encoded, so another vector says nothing against a model, and the same one nothing for it."""
    assert chunks.has_context("structure-200-30-c40-v2")
    assert not chunks.has_context("structure-200-30-v2")
    with vicinal.open(tmp_path / "db") as db:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vicinal.lifecycle.equivalence.has_context", lambda _: True)
            with pytest.raises(InputError, match="as it was encoded"):
                db.assert_same("notes", encoder("other"))
        assert db.assert_same("notes", encoder("other")).texts == 200
