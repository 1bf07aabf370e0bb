"""A collection in fewer dimensions holds what the first one held, without a call of its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vicinal
from model_worlds import write_model
from vicinal.errors import AlreadyExistsError, RangeError, UnknownNameError
from vicinal.testing import ToyEncoder

TEXTS = [f"{'Cat ' * (n % 5)}number {n}, {'a.' * (n % 3)} word {n * n}" for n in range(60)]


@pytest.fixture
def db(tmp_path: Path):
    """Sixty records of the toy encoder, one of them replaced and one deleted."""
    with vicinal.open(tmp_path / "db") as database:
        notes = database.collection("notes", model=ToyEncoder())
        notes.add([{"id": f"r{n}", "text": text, "n": n} for n, text in enumerate(TEXTS)])
        notes.upsert([{"id": "r3", "text": "Another text.", "n": 3}])
        notes.delete(["r4"])
        yield database


@pytest.fixture
def notes(db):
    """The collection of these records."""
    return db.collection("notes", model=ToyEncoder())


@pytest.mark.parametrize("kind", ["pca", "rotation"])
def test_records_and_fields_are_the_same(notes, kind):
    """Ids, texts, fields and chunks; only the vectors are others."""
    small = notes.project("small", dim=4, kind=kind)
    assert list(small.ids()) == list(notes.ids())
    assert all(small.get(one) == notes.get(one) for one in notes.ids())
    assert (small.space.dim, small.space.full_dim) == (4, 8)
    assert small.search("Cat number", where={"n": {"$lt": 10}}).items


def test_the_vectors_are_those_of_the_projected_encoder(notes):
    """As if the texts had been encoded again."""
    small = notes.project("small", dim=3)
    hits = small.search(TEXTS[7], k=1)
    expected = (
        np.asarray(small.encoder.encode_queries([TEXTS[7]]))
        @ np.asarray(small.encoder.encode_documents([small.get(hits[0].id).text])).T
    )
    assert abs(hits[0].score - float(expected[0, 0])) < 1e-6


def test_the_model_is_not_called_for_the_records(tmp_path):
    """Only for the probe texts: as many batches as making a canary takes."""
    encoder = ToyEncoder(batch=1000)
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=encoder)
        notes.add([{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
        before = encoder.batches
        notes.project("small", dim=4)
        assert encoder.batches == before + 2


def test_a_projected_collection_opens_by_the_name_of_its_model(tmp_path):
    """The projection lies in the database, and the model is loaded behind it."""
    model = str(write_model(tmp_path / "m", window=24))
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=model).add([{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
        hits = [hit.id for hit in db.collection("notes").project("small", dim=6).search("cat number")]
    with vicinal.open(tmp_path / "db") as db:
        small = db.collection("small")
        assert small.space.projection
        assert [hit.id for hit in small.search("cat number")] == hits
        db.check()


@pytest.mark.filterwarnings("ignore::vicinal.errors.DimensionWarning")
def test_a_cut_collection_is_projected_and_opened_again(tmp_path):
    """The cut stands before the projection, also when only the database says so."""
    encoder = vicinal.load(str(write_model(tmp_path / "m", window=24)), dim=10, force=True)
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=encoder)
        notes.add([{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
        hits = [hit.id for hit in notes.project("small", dim=6).search("cat number")]
    with vicinal.open(tmp_path / "db") as db:
        assert [hit.id for hit in db.collection("small").search("cat number")] == hits


def test_all_dimensions_keep_the_order(notes):
    """A rotation changes nothing but the axes."""
    turned = notes.project("turned", dim=8, kind="rotation", seed=3)
    for text in TEXTS[:5]:
        before, after = notes.search(text, k=5), turned.search(text, k=5)
        assert np.allclose([hit.score for hit in before], [hit.score for hit in after], atol=1e-5)


def test_what_is_common_is_taken_out(notes):
    """All dimensions stay, and texts that shared one direction lie further apart."""
    other = notes.project("other", kind="common")
    assert other.space.dim == notes.space.dim
    texts = TEXTS[:10]

    def mean_cosine(encoder):
        array = np.asarray(encoder.encode_documents(texts))
        return float((array @ array.T).mean())

    assert mean_cosine(other.encoder) < mean_cosine(notes.encoder) - 0.3
    with pytest.raises(RangeError, match="keeps all 8"):
        notes.project("third", kind="common", dim=4)


def test_what_cannot_be_is_refused_and_nothing_is_made(db, notes):
    """A name that is taken, a dimension beyond, an unknown kind, too few vectors."""
    with pytest.raises(AlreadyExistsError):
        notes.project("notes", dim=4)
    with pytest.raises(RangeError):
        notes.project("small", dim=9)
    with pytest.raises(UnknownNameError):
        notes.project("small", dim=4, kind="umap")
    few = db.collection("few", model=ToyEncoder())
    few.add([{"id": "a", "text": "one"}])
    with pytest.raises(RangeError, match="random rotation"):
        few.project("small", dim=4)
    assert sorted(db.collections()) == ["few", "notes"]
