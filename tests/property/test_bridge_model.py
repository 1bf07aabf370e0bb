"""A cascade beside writers: whatever they do while the model reads, an answer is the plain twin's of what is there then."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_worlds import WORDS, WordEncoder, World, question, texts
from vicinal.search import compile_filter

STEPS = int(os.environ.get("LONG_STEPS", "0"))
NAMES = [f"r{place}" for place in range(12)]
TEXTS = texts(24, seed=3, least=3, most=14)
FILTERS = (None, {"third": 1}, {"third": {"$ne": 2}})

changes = st.one_of(
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("change"), st.sampled_from(NAMES), st.sampled_from(TEXTS)),
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.sampled_from(TEXTS)),
    st.tuples(st.just("both"), st.sampled_from(NAMES), st.sampled_from(TEXTS)),
    st.tuples(st.just("fields"), st.sampled_from(NAMES), st.integers(0, 3)),
)
asks = st.tuples(
    st.just("ask"),
    st.sampled_from(WORDS),
    st.lists(changes, max_size=4),
    st.sampled_from(FILTERS),
    st.integers(1, 6),
    st.sampled_from([0, 3, 100]),
    st.booleans(),
)


@contextmanager
def opened(*, is_twin: bool) -> Iterator[World]:
    """Give a world with the twelve records."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "db", is_twin=is_twin)
        world.put({name: (TEXTS[place], {"third": place % 3}) for place, name in enumerate(NAMES)})
        yield world
        world.close()


def apply(world: World, change: tuple) -> None:
    """Do what a writer does."""
    what, name, value = change
    if what == "delete":
        world.delete(name, both=value)
    elif what == "change":
        world.change(name, value, {"third": len(value) % 3})
    elif what == "put":
        world.put({name: (value, {"third": len(value) % 3})})
    elif what == "both":
        world.put({name: (value, {"third": 1})})
        world.put({name: (value, {"third": 1})}, to="new")
    else:
        world.fields(name, {"third": value})


def fields_of(world: World) -> dict[str, dict]:
    """Return the fields of all records of the old collection."""
    with world.store.snapshot() as snapshot:
        lane = snapshot.lane("old")
        return {
            name: dict(one.record.fields) for name, one in snapshot.chunks_of(lane, list(snapshot.ids(lane))).items()
        }


def passes(fields: dict, where) -> bool:
    """Return what a filter says, as a person reads it."""
    if where is None:
        return True
    wanted = where["third"]
    return fields.get("third") != 2 if isinstance(wanted, dict) else fields.get("third") == wanted


@settings(max_examples=max(15, STEPS))
@given(st.lists(st.one_of(changes, asks), min_size=1, max_size=10), st.booleans(), st.booleans())
def test_an_answer_is_that_of_what_is_there(steps: list[tuple], exhaustive: bool, is_twin: bool) -> None:
    """Ids, scores, fields and texts are the plain twin's over the true records of the new collection; none is brought back.

    What a writer does to both collections keeps the new one a part of the old; a writer that knows only of the old one
    leaves stale records there, which are no answers. The cascade itself never adds a stale one.
    """
    with opened(is_twin=is_twin) as world:
        cascade = None
        for step in steps:
            if step[0] != "ask":
                apply(world, step)
                continue
            if len(world.held("old")) < 2:
                continue
            _, query, meanwhile, where, k, most, with_words = step
            cascade = world.cascade(candidates=50 if exhaustive else 4, most_encoded=most)
            before = stale(world)
            pending = list(meanwhile)

            def during(pending: list[tuple] = pending) -> None:
                while pending:
                    apply(world, pending.pop())

            world.new.during = during
            condition = None if where is None else compile_filter(where)
            mode = "hybrid" if with_words else "dense"
            (found,) = cascade.ask([query], question(k=k, condition=condition, mode=mode))
            world.new.during = None
            done = [one[1] for one in meanwhile if one not in pending]
            assert stale(world) <= before | set(done)
            assert not (is_twin and stale(world))
            if with_words:
                require_true(world, found.found, where)
            else:
                compare(world, found.found, query, where, k)


def require_true(world: World, found, where) -> None:
    """Require that each hit is of a record that is there, with this text, and that the filter lets through."""
    fields, truth, held = fields_of(world), world.held("old"), world.held("new")
    with world.store.snapshot() as snapshot:
        stored = snapshot.chunks_of(snapshot.lane("old"), list(truth))
    for hit in found.items:
        assert truth[hit.id] == held[hit.id]
        assert passes(fields[hit.id], where)
        assert dict(hit.fields) == fields[hit.id]
        assert hit.text == stored[hit.id].record.text[hit.start : hit.end]


def stale(world: World) -> set[str]:
    """Return the records of the new collection that the old one does not have with the same text."""
    truth = world.held("old")
    return {name for name, digest in world.held("new").items() if truth.get(name) != digest}


def compare(world: World, found, query: str, where, k: int) -> None:
    """Hold an answer against the plain twin."""
    truth, fields = world.held("old"), fields_of(world)
    true = [name for name, digest in world.held("new").items() if truth.get(name) == digest]
    seen = with_new_fields(world, [name for name in true if passes(fields[name], where)], where)
    expected = world.twin(query, seen, k)
    assert [hit.id for hit in found.items] == [name for name, _, _ in expected]
    np.testing.assert_allclose([hit.score for hit in found.items], [score for *_, score in expected], atol=2e-5)
    assert all(dict(hit.fields) == fields[hit.id] for hit in found.items)
    if found.complete:
        every = [name for name in truth if passes(fields[name], where)]
        assert world.twin(query, every, k) == expected


def with_new_fields(world: World, names: list[str], where) -> list[str]:
    """Return those of some records that the filter lets through in the new collection as well."""
    with world.store.snapshot() as snapshot:
        stored = snapshot.chunks_of(snapshot.lane(world.target), names)
    return [name for name in names if passes(dict(stored[name].record.fields), where)]


@pytest.mark.parametrize("is_twin", [False, True])
def test_readers_and_writers_at_once_bring_nothing_back(is_twin: bool) -> None:
    """Threads ask and write for a while: no question fails, and in the end the new collection is a part of the old one."""
    rounds = max(60, STEPS)
    with opened(is_twin=is_twin) as world:
        cascade = world.cascade(candidates=8, most_encoded=100)
        failed: list[BaseException] = []
        over = threading.Event()

        def ask() -> None:
            chance = np.random.default_rng(threading.get_ident() % 1000)
            mine = WordEncoder("later", max_tokens=9)
            try:
                while not over.is_set():
                    (found,) = type(cascade)(
                        store=world.store,
                        old="old",
                        new=world.target,
                        encoder=mine,
                        fitted=cascade.fitted,
                        candidates=8,
                    ).ask([str(chance.choice(WORDS))], question())
                    assert all(hit.id in NAMES for hit in found.found.items)
            except BaseException as error:  # noqa: BLE001 - told by the test itself
                failed.append(error)

        readers = [threading.Thread(target=ask) for _ in range(3)]
        for one in readers:
            one.start()
        chance = np.random.default_rng(1)
        for _ in range(rounds):
            name, text = str(chance.choice(NAMES)), str(chance.choice(TEXTS))
            if chance.random() < 0.4:
                world.delete(name)
            else:
                world.change(name, text, {"third": len(text) % 3})
        over.set()
        for one in readers:
            one.join()
        assert failed == []
        assert stale(world) == set()
