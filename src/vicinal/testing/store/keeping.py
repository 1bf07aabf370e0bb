"""Checks: what was acknowledged is there, as it was given, and what was refused or failed is not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    DatabaseNotFoundError,
    RecordNotFoundError,
    ShapeError,
    SpaceMismatchError,
    StoreError,
)
from vicinal.space import Space, Vectors
from vicinal.testing.demand import require
from vicinal.testing.store.protocol import OpenStore, StoreWrites
from vicinal.testing.store.worlds import (
    AWKWARD,
    CHUNKER,
    DIM,
    FIELDS,
    MODEL,
    NAME,
    OTHER_SPACE,
    SPACE,
    Contents,
    contents,
    create,
    drawn,
    failing,
    given,
    kept_of,
    new_place,
    new_store,
    opened,
    put,
    require_contents,
    require_refused,
    some,
    vectors_of,
)

MANY = 1_200
"""Records of one write: more than any database takes in one statement."""


def check_a_new_store_is_empty(open_store: OpenStore) -> None:
    """Require that a new store has no collections, and names the one that it has not."""
    with new_place() as place, opened(open_store, place) as store, store.snapshot() as reads:
        require(reads.collection_names() == [], "a new store must have no collections")
        require_refused(lambda: reads.lane(NAME), CollectionNotFoundError, "a collection that is not there")
        require(reads.setting("nothing") is None, "a setting that was never kept must be None")


def check_a_store_is_made_only_when_asked_for(open_store: OpenStore) -> None:
    """Require that opening without making finds no store where there is none, and makes none."""
    with new_place() as place:
        for _ in range(2):
            require_refused(lambda: open_store(place, create=False), DatabaseNotFoundError, "a store that is not there")


def check_empty_in_empty_out_of_a_store(open_store: OpenStore) -> None:
    """Require that nothing written, deleted or asked for is no error and gives nothing."""
    with new_store(open_store) as store:
        with store.write() as writes:
            lane = writes.put(writes.lane(NAME), [], drawn(0), replace_existing=True)
            require(writes.delete(lane, []) == writes.set_fields(lane, {}) == 0, "nothing must change nothing")
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            require(list(reads.ids(lane)) == [], "an empty collection must have no ids")
            require(dict(reads.chunks_of(lane, [])) == dict(reads.ledger(lane, [])) == {}, "no ids must give nothing")
            require(dict(reads.chunks_at(lane, [])) == {}, "no rows must give no chunks")
            rows = np.empty(0, dtype=np.int64)
            require(reads.vectors_at(lane, rows).shape == (0, DIM), "no rows must give vectors of the shape (0, D)")


def check_acknowledged_is_there_after_reopening(open_store: OpenStore) -> None:
    """Require that every commit, the last one too, is there after closing and opening, as often as one likes."""
    with new_place() as place:
        expected: Contents = {}
        for version in range(4):
            with opened(open_store, place) as store:
                if version == 0:
                    create(store)
                require_contents(store, expected, f"opened {version} times again")
                expected |= put(store, some(20, version=version), version)
                expected |= put(store, [given(f"once {version}")], 10 + version)
        with opened(open_store, place) as store:
            require_contents(store, expected, "opened for the last time")
            store.check()


def check_acknowledged_is_seen_by_another_opening(open_store: OpenStore) -> None:
    """Require that a commit is there for who opens the same place while it is open, and at once for who has it open."""
    with new_place() as place, opened(open_store, place) as store:
        create(store)
        expected = put(store, some(10))
        with opened(open_store, place) as other:
            require_contents(other, expected, "opened beside")
            expected |= put(other, [given("late")], 1)
            require_contents(store, expected, "written by the other")


def check_records_come_back_as_given(open_store: OpenStore) -> None:
    """Require texts, sources, fields of every kind and spans to the letter, after reopening too."""
    long = "x" * 200_000 + "\U0001f642"
    records = [
        given("fields", fields=FIELDS),
        given("awkward", text="\0 tab\t cr\r\n \u2028 \x1f \x7f quote ' \" ", source="a\0b\n", fields={}),
        given("long", text=long, spans=((0, 100_000), (90_000, len(long)), (len(long), len(long)))),
        given("empty", text="", spans=((0, 0),)),
        given("none", spans=()),
        *(given(f"name {place}", fields={name: name}) for place, name in enumerate(AWKWARD)),
    ]
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            expected = put(store, records)
            require_contents(store, expected, "written")
        with opened(open_store, place) as store:
            require_contents(store, expected, "opened again")


def check_ids_of_any_unicode_are_told_apart(open_store: OpenStore) -> None:
    """Require that each of some awkward strings is an id of its own: to read, to replace, to delete."""
    with new_store(open_store) as store:
        expected = put(store, [given(one, text=one) for one in AWKWARD])
        require_contents(store, expected, "awkward ids")
        for place, one in enumerate(AWKWARD[::2]):
            expected |= put(store, [given(one, version=1)], 20 + place)
        require_contents(store, expected, "every second replaced")
        with store.write() as writes:
            require(writes.delete(writes.lane(NAME), AWKWARD[1::2]) == len(AWKWARD) // 2, "each must be deleted once")
        require_contents(store, {one: expected[one] for one in AWKWARD[::2]}, "every second deleted")


def check_vectors_come_back_bit_for_bit(open_store: OpenStore) -> None:
    """Require the same 32 bits of every component, of numbers that rounding or text would change."""
    high = np.finfo(np.float32)
    strange = np.array([0.0, -0.0, high.max, high.min, high.tiny, 1e-45, 1 / 3, 1 + high.eps, np.pi, 1e10, -1e-10, 7])
    array = np.concatenate([strange[None], strange[None, ::-1], np.asarray(drawn(62))]).astype(np.float32)
    records = [given(f"r{number}", chunks=1 + number % 3) for number in range(32)]
    array = np.resize(array, (sum(len(one.spans) for one in records), DIM))
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            vectors = Vectors(array, SPACE)
            with store.write() as writes:
                writes.put(writes.lane(NAME), records, vectors, replace_existing=False)
            expected = kept_of(records, vectors)
            require_contents(store, expected, "written")
        with opened(open_store, place) as store:
            require_contents(store, expected, "opened again")


def check_many_records_come_back(open_store: OpenStore) -> None:
    """Require that a write of more records than one statement takes is whole, and so is reading them."""
    with new_store(open_store) as store:
        expected = put(store, [given(f"r{number}", chunks=1) for number in range(MANY)])
        expected |= put(store, [given(f"r{number}", chunks=1, version=1) for number in range(0, MANY, 2)], 1)
        require_contents(store, expected, f"{MANY} records")
        with store.write() as writes:
            gone = [f"r{number}" for number in range(1, MANY, 2)]
            require(writes.delete(writes.lane(NAME), gone) == len(gone), "each must be deleted")
        left = {f"r{number}" for number in range(0, MANY, 2)}
        require_contents(store, {one: expected[one] for one in left}, "half deleted")


def check_a_failed_write_changes_nothing(open_store: OpenStore) -> None:
    """Require that after an error in the last moment of a write all is as before, and that the next write is sound."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            expected = put(store, some(20))
            with store.write() as writes:
                writes.put_setting("kept", "before")
            for change in (_add, _replace, _delete, _set, _drop, _configure):
                failing(store, change)
                require_contents(store, expected, f"after a failed write that would {change.__name__[1:]}")
            with store.snapshot() as reads:
                require(reads.collection_names() == [NAME], "a failed write must leave the collections")
                require(reads.setting("kept") == "before", "a failed write must leave the settings")
            expected |= put(store, [given("next")], 5)
            require_contents(store, expected, "written after failed writes")
        with opened(open_store, place) as store:
            require_contents(store, expected, "failed writes, opened again")
            store.check()


def _add(writes: StoreWrites) -> None:
    new = [given(f"new {number}") for number in range(50)]
    writes.put(writes.lane(NAME), new, vectors_of(new, 1), replace_existing=True)


def _replace(writes: StoreWrites) -> None:
    writes.put(writes.lane(NAME), some(10, version=1), vectors_of(some(10), 1), replace_existing=True)


def _delete(writes: StoreWrites) -> None:
    writes.delete(writes.lane(NAME), ["r3", "r4"])


def _set(writes: StoreWrites) -> None:
    writes.set_fields(writes.lane(NAME), {"r3": {"version": 9}})


def _drop(writes: StoreWrites) -> None:
    writes.drop_collection(NAME)
    writes.create_collection("another", model=MODEL, space=SPACE, chunker=CHUNKER)


def _configure(writes: StoreWrites) -> None:
    writes.put_setting("kept", "after")


def check_a_refused_write_changes_nothing(open_store: OpenStore) -> None:
    """Require a named error for what a store cannot take, and that nothing of such a write is there."""
    with new_store(open_store) as store:
        expected = put(store, some(5))
        two = [given("x"), given("x", version=1)]
        cases = (
            ("an id that is stored", [given("new"), given("r1")], drawn(4), AlreadyExistsError),
            ("an id that comes twice", two, drawn(4), AlreadyExistsError),
            ("fewer vectors than chunks", some(3, version=1), drawn(5), ShapeError),
            ("more vectors than chunks", [given("new")], drawn(3), ShapeError),
            ("vectors of another space", [given("new")], drawn(2, space=OTHER_SPACE), SpaceMismatchError),
        )
        for what, records, vectors, error in cases:

            def write(records: object = records, vectors: object = vectors) -> None:
                with store.write() as writes:
                    writes.put(writes.lane(NAME), records, vectors, replace_existing=False)  # type: ignore[arg-type]

            require_refused(write, error, what)
            require_contents(store, expected, f"after {what} was refused")


def check_a_refused_call_leaves_the_rest_of_its_write(open_store: OpenStore) -> None:
    """Require that what refuses a call leaves nothing of it, where the program goes on and commits the rest."""
    with new_store(open_store) as store:
        expected = put(store, some(5))
        with store.write() as writes:
            lane = writes.put(writes.lane(NAME), [given("before")], drawn(2, 7), replace_existing=False)
            for replace_existing, records in (
                (False, [given("new"), given("r1", version=1)]),
                (True, [given("r1", version=1), given("r1", version=2)]),
            ):
                again = partial(writes.put, lane, records, drawn(4), replace_existing=replace_existing)
                require_refused(again, AlreadyExistsError, "an id that is there, or comes twice")
            absent = [given("r2", fields={}), given("nobody")]
            require_refused(lambda: writes.relabel(lane, absent), RecordNotFoundError, "relabelling what is not there")
        expected |= kept_of([given("before")], drawn(2, 7))
        require_contents(store, expected, "the rest of a write of which two calls were refused")
        store.check()


def check_two_spaces_never_meet(open_store: OpenStore) -> None:
    """Require that vectors of another space are refused by the names of what differs, into an empty collection too."""
    with new_store(open_store) as store:
        for space, fields in ((OTHER_SPACE, {"pooling"}), (replace(SPACE, weights="w", max_tokens=9), {"weights"})):

            def write(space: Space = space) -> None:
                with store.write() as writes:
                    writes.put(writes.lane(NAME), [given("x")], drawn(2, space=space), replace_existing=True)

            error = require_refused(write, SpaceMismatchError, "vectors of another space")
            named = set(getattr(error, "fields", ()))
            require(fields <= named, f"SpaceMismatchError.fields must name {fields}, names {sorted(named)}")
        with store.snapshot() as reads:
            require(reads.lane(NAME).space == SPACE, "a collection must keep its space")


def check_a_collection_keeps_what_it_was_made_with(open_store: OpenStore) -> None:
    """Require name, model, space and chunker of a collection after reopening, and its names in order."""
    names = ["main", "Main", "ä", "a/b", "z"]
    with new_place() as place:
        with opened(open_store, place) as store:
            for number, name in enumerate(names):
                create(store, name, OTHER_SPACE if number % 2 else SPACE)
        with opened(open_store, place) as store, store.snapshot() as reads:
            require(reads.collection_names() == sorted(names), "the names of collections must come sorted")
            for number, name in enumerate(names):
                lane = reads.lane(name)
                require((lane.name, lane.model, lane.chunker) == (name, MODEL, CHUNKER), "a lane must keep its names")
                require(
                    lane.space == (OTHER_SPACE if number % 2 else SPACE), "a lane must keep its space, field by field"
                )


def check_collections_are_apart(open_store: OpenStore) -> None:
    """Require that collections of one store share no record, even of the same ids, and that one can be dropped."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            create(store, "other", OTHER_SPACE)
            expected = put(store, some(10))
            other = put(store, some(10, version=1), 1, name="other", space=OTHER_SPACE)
            with store.write() as writes:
                writes.delete(writes.lane("other"), ["r1", "r2"])
            other.pop("r1"), other.pop("r2")
            require_contents(store, expected, "the one")
            require_contents(store, other, "the other", "other")
            require_refused(lambda: create(store, "other"), AlreadyExistsError, "a second collection of one name")
            with store.write() as writes:
                require(writes.drop_collection("other") == len(other), "dropping must say how many records there were")
            create(store, "other")
            require_contents(store, {}, "made again after it was dropped", "other")
            require_contents(store, expected, "beside one that was dropped")
        with opened(open_store, place) as store:
            require_contents(store, {}, "made again, opened again", "other")
            require_contents(store, expected, "beside one that was dropped, opened again")


def check_settings_survive(open_store: OpenStore) -> None:
    """Require settings of any name and value, replaced, forgotten and after reopening; a collection's go with it."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            with store.write() as writes:
                own = f"collection {writes.lane(NAME).collection} recall"
                for one in (*AWKWARD, own):
                    writes.put_setting(one, f"{one}!")
            with store.write() as writes:
                writes.put_setting(AWKWARD[0], "")
                writes.remove_setting(AWKWARD[1])
                writes.remove_setting("never kept")
        with opened(open_store, place) as store:
            with store.snapshot() as reads:
                kept = [reads.setting(one) for one in (*AWKWARD, own)]
            require(
                kept == ["", None, *(f"{one}!" for one in (*AWKWARD[2:], own))], "settings must be as they were left"
            )
            with store.write() as writes:
                writes.drop_collection(NAME)
            with store.snapshot() as reads:
                require(reads.setting(own) is None, "the settings of a collection must go with it")
                require(reads.setting(AWKWARD[2]) is not None, "the settings of the store must stay")


def check_canaries_and_projections_survive(open_store: OpenStore) -> None:
    """Require probes in their order with the bits of their vectors, replaced as a whole, and projections byte for byte."""
    content = bytes(range(256)) * 40
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            with store.write() as writes:
                writes.put_canary(SPACE, _probes(5, seed=1))
                writes.put_canary(OTHER_SPACE, _probes(2, seed=2))
                writes.put_projection("digest", content)
            with store.write() as writes:
                writes.put_canary(SPACE, _probes(3, seed=3))
        with opened(open_store, place) as store, store.snapshot() as reads:
            for space, count, seed in ((SPACE, 3, 3), (OTHER_SPACE, 2, 2)):
                found = [(one.role, one.text, one.runtime, one.vector.tobytes()) for one in reads.canary(space)]
                wanted = [(one.role, one.text, one.runtime, one.vector.tobytes()) for one in _probes(count, seed=seed)]
                require(found == wanted, "a canary must be the last one that was kept of its space")
            require(
                tuple(reads.canary(replace(SPACE, weights="unknown"))) == (), "an unknown space must have no canary"
            )
            require(reads.projection("digest") == content, "a projection must come back byte for byte")


class _Probe:
    """A probe text of a space, as a store takes it."""

    def __init__(self, text: str, vector: object) -> None:
        self.role, self.text, self.runtime = "document", text, "a runtime"
        self.vector = np.asarray(vector, dtype=np.float32)


def _probes(count: int, *, seed: int) -> list[_Probe]:
    """Return probes with random vectors, the last of them first by name."""
    return [_Probe(f"probe {count - place} é", row) for place, row in enumerate(np.asarray(drawn(count, seed)))]


def check_a_closed_store_is_closed(open_store: OpenStore) -> None:
    """Require that a closed store refuses reads and writes with StoreError, and may be closed again."""
    with new_place() as place:
        store = open_store(place)
        create(store)
        expected = put(store, some(3))
        store.close()
        store.close()
        require_refused(lambda: contents(store), StoreError, "reading a closed store")
        require_refused(lambda: put(store, some(1, version=1)), StoreError, "writing to a closed store")
        with opened(open_store, place) as again:
            require_contents(again, expected, "closed twice and opened")
