"""A cascade answers in the new space alone, keeps what it had to encode, and never from what is gone, changed or kept out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge_worlds import WORDS, WordEncoder, World, question, texts
from vicinal.errors import InputError, RangeError, ShapeError, SpaceMismatchError, UnsupportedError
from vicinal.lifecycle.asking import ask
from vicinal.lifecycle.bridge import cascade_of, fit_pairs, keep, kept, sample_pairs
from vicinal.search import compile_filter
from vicinal.search.shape import Shape
from vicinal.store import Store

QUERY = " ".join(WORDS[:4])
RECORDS = 60


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Sixty records of one to three chunks of the new model, none of which the new collection has."""
    made = World(tmp_path / "db")
    made.put({f"r{place:02d}": (text, {"third": place % 3}) for place, text in enumerate(texts(RECORDS))})
    yield made
    made.close()


def answers(found) -> list[tuple[str, float]]:
    """Return ids and scores."""
    return [(hit.id, round(hit.score, 5)) for hit in found.items]


def expected(world: World, ids: list[str], k: int = 5) -> list[tuple[str, float]]:
    """Return what the plain twin says of some records."""
    return [(name, round(score, 5)) for name, _, score in world.twin(QUERY, ids, k)]


def test_all_candidates_make_a_full_re_embedding(world: World) -> None:
    """With as many candidates as chunks and no bound, the answer is that of all records encoded anew, and says so."""
    (found,) = world.cascade(candidates=RECORDS + 1, most_encoded=1000).ask([QUERY], question())
    assert answers(found.found) == expected(world, list(world.held("old")))
    assert found.found.complete
    assert found.found.recall_estimate == 1.0
    assert (found.fetched, found.encoded, found.stored, found.held, found.left_out) == (60, 60, 60, 0, 0)
    assert world.held("new") == world.held("old")


def test_what_was_fetched_is_ranked_by_the_new_model(world: World) -> None:
    """The answer is the plain twin's over the ids that the old index gives for the carried question."""
    cascade = world.cascade(candidates=10)
    (found,) = cascade.ask([QUERY], question())
    assert (found.fetched, found.encoded, found.stored) == (10, 10, 10)
    assert answers(found.found) == expected(world, list(world.held("new")))
    assert not found.found.complete


def test_a_miss_costs_once(world: World) -> None:
    """The same question again finds all that it needs kept: nothing is read, and the answer is the same."""
    cascade = world.cascade(candidates=20)
    (first,) = cascade.ask([QUERY], question())
    world.new.read.clear()
    (again,) = cascade.ask([QUERY], question())
    assert answers(again.found) == answers(first.found)
    assert world.new.read == []
    assert (again.held, again.encoded, again.stored) == (20, 0, 0)


def test_what_the_new_collection_has_takes_part(world: World) -> None:
    """A record that no fetch gives is an answer all the same, if the new collection has it."""
    with world.store.snapshot() as snapshot:
        best = world.twin(QUERY, list(snapshot.ids(snapshot.lane("old"))), 1)[0][0]
    text = dict(zip((f"r{place:02d}" for place in range(RECORDS)), texts(RECORDS), strict=True))[best]
    world.put({best: (text, {})}, to="new")
    (found,) = world.cascade(candidates=1, most_encoded=0).ask([QUERY], question(k=1))
    assert found.found.items[0].id == best


@pytest.mark.parametrize("most", [0, 1, 5, 17])
def test_the_budget_bounds_what_is_encoded(world: World, most: int) -> None:
    """No more chunks than that are read; what is left out is counted, and the answer says that it is not complete."""
    world.fitted()
    cascade = world.cascade(candidates=RECORDS + 1, most_encoded=most)
    world.new.read.clear()
    (found,) = cascade.ask([QUERY], question())
    assert len(world.new.read) <= most
    assert found.left_out == RECORDS - found.encoded
    assert not found.found.complete
    assert answers(found.found) == expected(world, list(world.held("new")))


def test_the_clock_bounds_what_is_begun(world: World) -> None:
    """With no time at all, one batch is read and no other is begun."""
    cascade = world.cascade(candidates=RECORDS, most_encoded=1000, budget_ms=0.0)
    world.new.read.clear()
    (found,) = cascade.ask([QUERY], question())
    assert 0 < len(world.new.read) < 32
    assert found.left_out > 0


@pytest.mark.parametrize("where", [{"third": 1}, {"third": {"$in": [0, 2]}}, {"third": 7}])
def test_filters_hold_on_both_sides(world: World, where) -> None:
    """Candidates and answers are of the records that the filter lets through, however few are left."""
    condition = compile_filter(where)
    (found,) = world.cascade(candidates=RECORDS, most_encoded=1000).ask([QUERY], question(condition=condition))
    wanted = [
        f"r{place:02d}"
        for place in range(RECORDS)
        if place % 3 in (where["third"].get("$in") if isinstance(where["third"], dict) else [where["third"]])
    ]
    assert found.fetched == len(wanted)
    assert answers(found.found) == expected(world, wanted)
    assert found.found.complete


def test_fields_are_those_of_the_old_collection(world: World) -> None:
    """Fields that were changed there alone are the ones that the filter sees and the hits carry."""
    cascade = world.cascade(candidates=RECORDS, most_encoded=1000)
    cascade.ask([QUERY], question())
    best = expected(world, list(world.held("old")), 1)[0][0]
    world.fields(best, {"third": 9, "said": "so"})
    (found,) = cascade.ask([QUERY], question())
    assert found.found.items[0].fields == {"third": 9, "said": "so"}
    (kept_out,) = cascade.ask([QUERY], question(condition=compile_filter({"third": {"$lt": 3}})))
    assert best not in {hit.id for hit in kept_out.found.items}


@pytest.mark.parametrize("happens", ["delete", "delete_old", "change", "change_old", "fields", "arrive", "other"])
def test_what_happens_while_the_model_reads_is_in_the_answer(world: World, happens: str) -> None:
    """A record that is deleted or changed between fetch and write is not brought back, and not answered from."""
    best, text = None, " ".join(WORDS[30:36])
    with world.store.snapshot() as snapshot:
        best = world.twin(QUERY, list(snapshot.ids(snapshot.lane("old"))), 1)[0][0]
    happened = []
    own = _texts_of(world, [best])[0]
    does = {
        "delete": lambda: world.delete(best),
        "delete_old": lambda: world.delete(best, both=False),
        "change": lambda: world.change(best, text),
        "change_old": lambda: world.put({best: (text, {})}),
        "fields": lambda: world.fields(best, {"late": True}),
        "arrive": lambda: world.put({best: (own, {})}, to="new"),
        "other": lambda: world.put({best: (QUERY, {})}),
    }

    def now() -> None:
        if not happened:
            happened.append(best)
            does[happens]()

    cascade = world.cascade(candidates=RECORDS, most_encoded=1000)
    world.new.during = now
    (found,) = cascade.ask([QUERY], question(k=8))
    world.new.during = None
    assert happened
    held, truth = world.held("new"), world.held("old")
    assert all(truth.get(name) == digest for name, digest in held.items())
    hits = {hit.id: hit for hit in found.found.items}
    if happens in {"delete", "delete_old", "change", "change_old", "other"}:
        assert best not in hits
        assert best not in held
        assert not found.found.complete or best not in truth
    else:
        assert best in hits
    if happens == "fields":
        assert hits[best].fields == {"late": True}
        with world.store.snapshot() as snapshot:
            assert snapshot.record(snapshot.lane("new"), best).fields == {"late": True}
    for name, hit in hits.items():
        assert hit.text in _texts_of(world, [name])[0]


def _texts_of(world: World, ids: list[str]) -> list[str]:
    with world.store.snapshot() as snapshot:
        found = snapshot.chunks_of(snapshot.lane("old"), ids)
        return [found[name].record.text for name in ids]


def test_a_cutover_meanwhile_mixes_no_spaces(tmp_path: Path) -> None:
    """Where both lanes change places while the model reads, the question fails by name, and nothing is written to either."""
    made = World(tmp_path / "db", new=WordEncoder("later"), is_twin=True)
    made.put({f"r{place:02d}": (text, {}) for place, text in enumerate(texts(30))})
    cascade = made.cascade(candidates=10, most_encoded=1000)

    def cut_over() -> None:
        made.new.during = None
        with made.store.write() as transaction:
            transaction.exchange("old")

    made.new.during = cut_over
    with pytest.raises(SpaceMismatchError):
        cascade.ask([QUERY], question())
    with made.store.snapshot() as snapshot:
        assert snapshot.lane("old").records == 0
        assert snapshot.lane(made.target).records == 30
    with pytest.raises(SpaceMismatchError):
        cascade.ask([QUERY], question())
    with made.store.write() as transaction:
        transaction.exchange("old")
    (found,) = cascade.ask([QUERY], question())
    assert found.stored == 10
    made.close()


def test_stale_records_of_the_new_collection_are_passed_over(world: World) -> None:
    """What is there under another text, or of a record that is gone, is no answer; those behind it are."""
    cascade = world.cascade(candidates=RECORDS, most_encoded=1000)
    cascade.ask([QUERY], question())
    order = [name for name, _ in expected(world, list(world.held("old")), 100)]
    wrong = list(dict.fromkeys(order))[:25]
    for name in wrong[:12]:
        world.delete(name, both=False)
    for name in wrong[12:]:
        world.put({name: ("other words", {})})
    (found,) = cascade.ask([QUERY], question())
    assert answers(found.found) == expected(world, [name for name in world.held("old") if name not in wrong])
    assert not found.found.complete  # changed ones have no vector of their new text yet


def test_a_store_that_cannot_be_written_answers_the_same(world: World, tmp_path: Path) -> None:
    """What is encoded takes part in the one answer, under any shape, and is not kept."""
    fitted = world.fitted()
    shapes = [Shape(), Shape(per_record=1), Shape(most_similarity=0.95), Shape(diversity=0.5), Shape(overlapping=False)]
    with world.store.write() as transaction:
        keep(transaction, transaction.lane("new"), transaction.lane("old"), fitted)
    world.put({"r00": (_texts_of(world, ["r00"])[0], {})}, to="new")
    world.store.close()
    store = Store.open(tmp_path / "db", read_only=True)
    written, world.store = world.store, store
    every = {"candidates": 30, "fitted": fitted, "most_encoded": 1000}
    closed = [world.cascade(**every).ask([QUERY], question(shape=shape))[0] for shape in shapes]
    assert {one.stored for one in closed} == {0}
    assert {one.encoded for one in closed} <= {29, 30}
    assert list(world.held("new")) == ["r00"]
    store.close()
    world.store = Store.open(tmp_path / "db")
    for shape, one in zip(shapes, closed, strict=True):
        (found,) = world.cascade(**every).ask([QUERY], question(shape=shape))
        assert answers(found.found) == answers(one.found)
        assert [hit.text for hit in found.found.items] == [hit.text for hit in one.found.items]
        assert [hit.source for hit in found.found.items] == [hit.source for hit in one.found.items]
    assert written is not world.store


@pytest.mark.parametrize("where", [None, {"third": 1}])
@pytest.mark.parametrize("writable", [True, False])
def test_words_are_those_of_the_old_collection(tmp_path: Path, where, writable: bool) -> None:
    """With all encoded, a hybrid answer is that of a search of the finished new collection: ids, scores, and both ranks."""
    made = World(tmp_path / "db", new=WordEncoder("later"))
    records = {f"r{place:02d}": (text, {"third": place % 3}) for place, text in enumerate(texts(40))}
    made.put(records)
    fitted = made.fitted()
    condition = None if where is None else compile_filter(where)
    asked = question(k=8, condition=condition, mode="hybrid", texts=(QUERY,))
    if not writable:
        made.store.close()
        made.store = Store.open(tmp_path / "db", read_only=True)
    (found,) = made.cascade(candidates=50, most_encoded=1000, fitted=fitted).ask([QUERY], asked)
    assert found.stored == (0 if not writable else found.encoded)
    made.store.close()
    made.store = Store.open(tmp_path / "db")
    made.put(records, to="new")
    (finished,) = ask(made.store, "new", made.new.encode_queries([QUERY]), asked)
    assert answers(found.found) == answers(finished)
    told, expected_ranks = ([hit.ranks for hit in one.items] for one in (found.found, finished))
    for one, other in zip(told, expected_ranks, strict=True):  # equal scores have their ranks by who was written first
        assert [rank.side for rank in one] == [rank.side for rank in other]
        np.testing.assert_allclose([rank.score for rank in one], [rank.score for rank in other], atol=1e-4)
    assert found.found.mode == "hybrid"
    made.close()


def test_words_fetch_what_vectors_do_not(world: World) -> None:
    """A record that has a rare word of the question is encoded and answered, however far its vector is."""
    world.put({"rare": (" ".join(["zebra", *WORDS[20:26]]), {})})
    cascade = world.cascade(candidates=1, most_encoded=1000)
    (dense,) = cascade.ask(["zebra"], question(k=60))
    (both,) = cascade.ask(["zebra"], question(k=60, mode="hybrid"))
    assert "rare" in {hit.id for hit in both.found.items}
    assert both.fetched >= dense.fetched
    assert all({one.side for one in hit.ranks} >= {"lexical"} for hit in both.found.items if hit.id == "rare")


def test_a_text_that_the_model_refuses_stands_in_no_way(world: World) -> None:
    """The other candidates are encoded and answered; the refused one is left out and counted."""
    cascade = world.cascade(candidates=RECORDS, most_encoded=1000)
    refused = set(_texts_of(world, ["r03"])[0].split())
    world.new.refused = lambda text: set(text.split()) <= refused
    (found,) = cascade.ask([QUERY], question())
    assert found.left_out == 1
    assert found.encoded == RECORDS - 1
    assert "r03" not in world.held("new")


def test_pairs_come_from_the_store_where_they_are(world: World) -> None:
    """Vectors that the new collection has of the same chunk are taken, and the model reads the others only."""
    whole = World(world.store.folder.parent / "whole", new=WordEncoder("later"))
    records = {f"r{place}": (text, {}) for place, text in enumerate(texts(30))}
    whole.put(records)
    whole.put(dict(list(records.items())[:20]), to="new")
    alone = sample_pairs(whole.store, "old", encoder=whole.new)
    shared = sample_pairs(whole.store, "old", encoder=whole.new, new="new")
    assert (alone.encoded, shared.encoded) == (30, 10)
    assert alone.places == shared.places
    np.testing.assert_allclose(np.asarray(shared.new), np.asarray(alone.new), atol=1e-6)
    assert len(sample_pairs(whole.store, "old", encoder=whole.new, sample=7).places) == 7
    whole.close()


def test_a_bridge_is_kept_beside_the_new_collection(world: World) -> None:
    """It comes back to the last bit, is replaced by a later one, and is gone with the collection."""
    first, later = world.fitted(), world.fitted(sample=30)
    for one in (first, later):
        with world.store.write() as transaction:
            keep(transaction, transaction.lane("new"), transaction.lane("old"), one)
        with world.store.snapshot() as snapshot:
            assert kept(snapshot, snapshot.lane("new"), snapshot.lane("old")) == one
            assert kept(snapshot, snapshot.lane("old"), snapshot.lane("new")) is None
    with world.store.write() as transaction:
        lanes = transaction.lane("new"), transaction.lane("old")
        transaction.drop_collection("new")
    with world.store.snapshot() as snapshot:
        assert kept(snapshot, *lanes) is None


def test_a_migration_finds_its_cascade(tmp_path: Path) -> None:
    """It is there once a bridge is kept for the collection and the lane beside it, goes with that lane, and comes back."""
    made = World(tmp_path / "db", new=WordEncoder("later"), is_twin=True)
    made.put({f"r{place:02d}": (text, {}) for place, text in enumerate(texts(30))})
    assert cascade_of(made.store, "old", made.new) is None
    fitted = made.fitted()
    with made.store.write() as transaction:
        keep(transaction, transaction.lane(made.target), transaction.lane("old"), fitted)
    assert cascade_of(made.store, "old", made.old) is None
    found = cascade_of(made.store, "old", made.new)
    assert found is not None
    assert found.fitted == fitted
    (answer,) = found.ask([QUERY], question())
    assert answer.stored > 0
    for there in (False, True):
        with made.store.write() as transaction:
            transaction.exchange("old")
        assert (cascade_of(made.store, "old", made.new) is not None) is there
    with made.store.write() as transaction:
        transaction.drop_collection(made.target)
    assert cascade_of(made.store, "old", made.new) is None
    made.close()


def test_what_is_kept_is_checked(world: World) -> None:
    """A bridge of other spaces is not kept, and damaged bytes are not taken for one."""
    fitted = world.fitted()
    with world.store.write() as transaction:
        with pytest.raises(SpaceMismatchError):
            keep(transaction, transaction.lane("old"), transaction.lane("new"), fitted)
        new, old = transaction.lane("new"), transaction.lane("old")
        transaction.put_setting(f"collection {new.collection} bridge {old.collection}", "no bridge")
    with world.store.snapshot() as snapshot, pytest.raises(InputError):
        kept(snapshot, snapshot.lane("new"), snapshot.lane("old"))


def test_what_a_bridge_cannot_answer_is_refused(world: World) -> None:
    """Words, several queries as one, pages, vectors of the old space, and numbers out of their range."""
    cascade = world.cascade()
    for said in ({"mode": "lexical", "texts": (QUERY,)}, {"together": True}, {"paged": True}):
        with pytest.raises(UnsupportedError):
            cascade.ask([QUERY], question(**said))
    with pytest.raises(ShapeError):
        cascade.ask(world.new.encode_queries([QUERY]), question(mode="hybrid"))
    with pytest.raises(SpaceMismatchError):
        cascade.ask(world.old.encode_queries([QUERY]), question())
    for said in ({"candidates": 0}, {"candidates": 10_001}, {"most_encoded": -1}):
        with pytest.raises(RangeError):
            world.cascade(**said)
    with pytest.raises(RangeError):
        fit_pairs(world.store, "new", encoder=world.old)


def test_empty_collections_answer_nothing(tmp_path: Path) -> None:
    """An old collection without records has no answers, and that is complete."""
    made = World(tmp_path / "other")
    made.put({"a": (QUERY, {}), "b": ("word", {})})
    cascade = made.cascade()
    made.delete("a")
    made.delete("b")
    (found,) = cascade.ask([QUERY], question())
    assert list(found.found.items) == []
    assert found.found.complete
    assert cascade.ask([], question()) == []
    made.close()
