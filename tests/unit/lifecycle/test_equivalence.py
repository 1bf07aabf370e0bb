"""Two spaces are one only where every vector says so: proven, recorded with the evidence, proven again, taken back."""

from __future__ import annotations

import json

import numpy as np
import pytest

import vicinal
from vicinal import encode
from vicinal.encode.cache import EncodingCache
from vicinal.encode.cache import cached as cached_by
from vicinal.errors import (
    CanaryMismatchError,
    CorruptStoreError,
    DtypeError,
    InputError,
    NotFoundError,
    RangeError,
    SpaceMismatchError,
)
from vicinal.lifecycle import equivalence

RECORDS = [{"id": str(number), "text": f"{'cat dog ' * (number % 7)}sits in room {number}"} for number in range(60)]


def letters(texts):
    """Return how often each vowel is in a text, and how long it is."""
    return [[1 + text.count(letter) for letter in "aeiou"] + [len(text) / 10] for text in texts]


def encoder(name="letters", function=letters, **settings):
    """Return an encoder of one's own by a name: another name is another space."""
    return vicinal.FunctionEncoder(function, name=name, version="1", dim=6, **settings)


class Moving:
    """The function of a model that can be changed behind its name."""

    def __init__(self):
        self.turned = False

    def __call__(self, texts):
        """Return the vectors, turned round where the model was changed."""
        return [row[::-1] if self.turned else row for row in letters(texts)]


@pytest.fixture
def db(tmp_path):
    """A database with a collection in the space of ``letters``."""
    with vicinal.open(tmp_path / "db") as opened:
        opened.collection("notes", model=encoder()).add(RECORDS)
        yield opened


def test_without_proof_the_other_is_refused(db):
    """As ever: the message names the field that differs."""
    with pytest.raises(SpaceMismatchError) as caught:
        db.collection("notes", model=encoder("other"))
    assert caught.value.fields == ("weights",)


def test_a_proven_one_serves(db):
    """It writes and answers, and its vectors are the collection's."""
    proof = db.assert_same("notes", encoder("other"), samples=40)
    assert (proof.probes, proof.texts) == (11, 40)
    assert proof.worst > 0.99999
    assert proof.differing == ("weights",)
    notes = db.collection("notes", model=encoder("other"))
    notes.add([{"id": "new", "text": "uuu iii"}])
    assert notes.search("uuu iii", mode="dense")[0].id == "new"
    assert notes.encoder.space == notes.space == encoder().space
    assert db.collection("notes", model=encoder()).search("uuu iii", mode="dense")[0].id == "new"


def test_the_evidence_is_kept(db):
    """With the worst cosine, how many texts, and when, for whoever opens the database later."""
    proof = db.assert_same(encoder().space.id, encoder("other"), samples=10)
    (space,) = db.spaces()
    assert space["id"] == encoder().space.id
    assert space["collections"] == ["notes"]
    assert space["same"] == [proof]
    assert proof.asserted_at.endswith("+00:00")


def test_another_model_is_not_proven(db):
    """Nothing is recorded, and the message has the worst cosine."""
    with pytest.raises(SpaceMismatchError, match="lie elsewhere") as caught:
        db.assert_same("notes", encoder("other", lambda texts: [row[::-1] for row in letters(texts)]))
    assert caught.value.got < 0.999
    assert db.spaces()[0]["same"] == []
    with pytest.raises(SpaceMismatchError):
        db.collection("notes", model=encoder("other"))


def test_one_stored_text_elsewhere_is_enough(db):
    """A model that agrees on every probe and differs in long texts only is found by the longest stored ones."""

    def cuts(texts):
        return letters([text[:90] for text in texts])

    db.collection("notes", model=encoder()).add([{"id": "long", "text": "u " * 45 + "i " * 200}])
    with pytest.raises(SpaceMismatchError, match="stored ones"):
        db.assert_same("notes", encoder("cuts", cuts), samples=20)


@pytest.mark.parametrize(
    "settings",
    [{"overflow": "cut"}, {"max_tokens": 64}, {"query_prompt": "ask: "}, {"normalized": False}],
    ids=lambda settings: next(iter(settings)),
)
def test_how_vectors_are_used_is_never_proven(db, settings):
    """Window, overflow rule, prompts and length must be equal: probes cannot show them all."""
    with pytest.raises(SpaceMismatchError, match="cannot be the same") as caught:
        db.assert_same("notes", encoder("other", **settings))
    assert set(settings) <= set(caught.value.fields)


def test_the_canary_proves_it_again_at_each_opening(db):
    """The model behind the other name changes later: nothing is written and nothing answered."""
    model = Moving()
    db.assert_same("notes", encoder("other", model))
    model.turned = True
    notes = db.collection("notes", model=encoder("other", model))
    with pytest.raises(CanaryMismatchError, match="vicinal migrate"):
        notes.search("cat")
    with pytest.raises(CanaryMismatchError):
        notes.add([{"id": "new", "text": "cat"}])
    assert len(notes) == len(RECORDS)


def test_withdrawn_it_serves_no_more(db):
    """By its name or by the id of its space; twice is an error that lists what there is."""
    db.assert_same("notes", encoder("other"))
    gone = db.withdraw_same("notes", encoder("other").space.id)
    assert gone.other == encoder("other").space.id
    with pytest.raises(SpaceMismatchError):
        db.collection("notes", model=encoder("other"))
    with pytest.raises(NotFoundError, match="none"):
        db.withdraw_same("notes", encoder("other").space.id)


def test_it_holds_one_way_and_for_one_space(db):
    """The other's own collections are not served by this one, and a third model by neither."""
    db.assert_same("notes", encoder("other"))
    db.collection("others", model=encoder("other")).add(RECORDS[:3])
    with pytest.raises(SpaceMismatchError):
        db.collection("others", model=encoder())
    with pytest.raises(SpaceMismatchError):
        db.collection("notes", model=encoder("third"))


def test_the_space_itself_needs_no_proof(db):
    """Nor does an unknown one get any."""
    with pytest.raises(InputError, match="itself"):
        db.assert_same("notes", encoder())
    with pytest.raises(NotFoundError, match="spaces list"):
        db.assert_same("nothing", encoder("other"))


def test_nothing_to_prove_it_by_is_refused(tmp_path):
    """An empty collection from before there were canaries says nothing about any model."""
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=encoder())
        with db._store.write() as transaction:
            transaction.put_canary(encoder().space, ())
        with pytest.raises(InputError, match="neither a canary nor a stored text"):
            db.assert_same("notes", encoder("other"))


def test_only_a_named_model_serves_by_itself(db):
    """An object must be given again each time, so it cannot."""
    with pytest.raises(DtypeError, match="name"):
        db.assert_same("notes", encoder("other"), serve=True)


def test_damaged_evidence_is_named(db):
    """It is a part of the truth like every other row."""
    with db._store.write() as transaction:
        transaction.put_setting(equivalence.SETTING, json.dumps([{"space": "x"}]))
    with pytest.raises(CorruptStoreError, match="equivalences"):
        db.spaces()


def test_an_encoder_behind_the_cache_is_asked_itself(db, tmp_path):
    """What the cache keeps was made before, and proves nothing now; and what a stand-in makes is kept as its own."""
    model = Moving()
    with EncodingCache(tmp_path / "cache.sqlite", limit_bytes=1 << 20) as kept:
        other = cached_by(encoder("other", model), kept)
        db.assert_same("notes", other)
        standing = encode.stand_in(other, encoder().space)
        assert encode.made_in(encode.uncached(standing)) == encoder("other").space
        assert encode.uncached(standing).encoder is encode.uncached(other)
        model.turned = True
        with pytest.raises(CanaryMismatchError):
            db.collection("notes", model=other).search("cat")


def test_a_stand_in_gives_the_vectors_and_counts_of_the_other():
    """Nothing but the space differs; vectors of a third space are refused."""
    other = encoder("other")
    standing = encode.stand_in(other, encoder().space)
    assert np.array_equal(np.asarray(standing.encode_queries(["aei"])), np.asarray(other.encode_queries(["aei"])))
    assert standing.encode_documents(["aei"]).space == encoder().space
    assert standing.count_tokens(["a b"]).tolist() == other.count_tokens(["a b"]).tolist()
    assert standing.max_tokens == other.max_tokens
    assert encode.stand_in(other, other.space) is other
    assert encode.name_of(encode.stand_in(other, encoder().space, name="letters")) == "letters"


def test_projected_collections_need_their_own_proof(db):
    """A projection is a part of the space: the proof of the full space says nothing about it."""
    db.collection("notes", model=encoder()).project("short", dim=3)
    db.assert_same("notes", encoder("other"))
    with pytest.raises(SpaceMismatchError):
        db.collection("short", model=encoder("other"))


def test_probes_alone_prove_nothing_of_stored_vectors(tmp_path):
    """Vectors without texts: what cuts at 90 characters would pass. An empty collection has nothing to lose."""
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=encoder())
        assert db.assert_same("notes", encoder("other")).texts == 0
        db.withdraw_same("notes", encoder("other").space.id)
        notes.add([{"id": "a", "text": ""}], vectors=encoder().encode_documents(["aei"]))
        with pytest.raises(InputError, match="too little"):
            db.assert_same("notes", encoder("other"))
        assert db.spaces()[0]["same"] == []


@pytest.mark.filterwarnings("ignore::vicinal.errors.UnknownTextWarning")
def test_vectors_of_zero_prove_nothing(tmp_path):
    """Two models that know none of the texts agree on all of them."""

    def nothing(texts):
        return [[0.0] * 6 for _ in texts]

    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=encoder(function=nothing)).add(RECORDS)
        with pytest.raises(InputError, match="other than zero"):
            db.assert_same("notes", encoder("other", nothing))


def test_fewer_than_ten_stored_texts_may_not_be_asked_for(db):
    """Evidence has a least size."""
    with pytest.raises(RangeError, match="samples"):
        db.assert_same("notes", encoder("other"), samples=0)
