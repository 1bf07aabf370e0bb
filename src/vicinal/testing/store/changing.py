"""Checks: what replaces, deletes and relabels does just that, and what tells of it tells the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from vicinal.errors import RecordNotFoundError
from vicinal.space import Vectors
from vicinal.testing.demand import require
from vicinal.testing.store.protocol import OpenStore, StoreReads
from vicinal.testing.store.worlds import (
    AWKWARD,
    NAME,
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
    read,
    require_contents,
    require_refused,
    some,
    spelt,
)
from vicinal.types import Fields, FieldValue

STEPS = 80
"""Random steps against a dictionary: each kind of step comes some eight times or more."""


def check_upsert_replaces_whole_records(open_store: OpenStore) -> None:
    """Require that nothing of a replaced record is left: no field, no chunk, no origin, no ledger entry."""
    with new_store(open_store) as store:
        rich = given("x", chunks=5, fields={"old": 1, "both": 1}, origin="folder/x", cut_chunks=2, source="old")
        put(store, [rich, given("y")])
        expected = put(store, [given("x", version=1, chunks=1, fields={"both": 2}), given("new")], 1)
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            require(reads.ids_from(lane, "folder") == [], "the origin of a replaced record must be gone")
        found = contents(store)
        for one, kept in expected.items():
            require(found[one] == kept, f"record {one!r} must be what was written last, whole")
        require(set(found) == {"x", "y", "new"}, "upsert must leave all other records")


def _rows(snapshot: object, *ids: str) -> list[int]:
    """Return the rows of some records as of now."""
    with snapshot() as reads:  # type: ignore[operator]  # a store's method
        places = reads.chunks_of(reads.lane(NAME), ids)
        return [row for one in ids for row in places[one].rows]


def check_deleted_is_gone_everywhere(open_store: OpenStore) -> None:
    """Require that no read knows a deleted record, in the same write, in the next snapshot, and after reopening."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            expected = put(store, [given(f"r{number}", origin=f"folder/{number}") for number in range(10)])
            rows = _rows(store.snapshot, "r3", "r7")
            with store.write() as writes:
                require(writes.delete(writes.lane(NAME), ["r3", "r7"]) == 2, "delete must say how many there were")  # noqa: PLR2004 - as above
                _require_gone(writes, ["r3", "r7"], rows)
            with store.snapshot() as reads:
                _require_gone(reads, ["r3", "r7"], rows)
            expected.pop("r3"), expected.pop("r7")
            require_contents(store, expected, "two deleted")
        with opened(open_store, place) as store:
            with store.snapshot() as reads:
                _require_gone(reads, ["r3", "r7"], rows)
            require_contents(store, expected, "two deleted, opened again")


def _require_gone(reads: StoreReads, ids: Sequence[str], rows: Sequence[int]) -> None:
    """Require that records are known to no read."""
    lane = reads.lane(NAME)
    for one in ids:
        require(not reads.has(lane, one) and reads.record(lane, one) is None, "a deleted record must not be read")
    require(not set(ids) & set(reads.ids(lane)), "a deleted record must not be among the ids")
    require(dict(reads.chunks_of(lane, ids)) == {}, "a deleted record must have no chunks")
    require(dict(reads.ledger(lane, ids)) == {}, "a deleted record must not be in the ledger")
    origins = {one for one, _ in reads.ids_from(lane, "folder")}
    require(not origins & set(ids), "a deleted record must not come from an origin")
    found = {chunk.record.id for chunk in reads.chunks_at(lane, rows).values()}
    living = {row for place in reads.chunks_of(lane, list(found)).values() for row in place.rows}
    require(not living & set(rows), "the rows of a deleted record must be given to no other")


def check_absent_ids_are_no_error(open_store: OpenStore) -> None:
    """Require that deleting, changing and asking for what is not stored is no error, and changes nothing."""
    with new_store(open_store) as store:
        expected = put(store, some(3))
        with store.write() as writes:
            lane = writes.lane(NAME)
            require(writes.delete(lane, ["nobody", *AWKWARD]) == 0, "deleting what is not there must delete nothing")
            require(
                writes.set_fields(lane, {"nobody": {"a": 1}}) == 0, "fields of what is not there must change nothing"
            )
            require(writes.delete(lane, ["r1", "nobody"]) == 1, "delete must count those that were there")
        expected.pop("r1")
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            require(set(reads.chunks_of(lane, ["r0", "nobody", ""])) == {"r0"}, "ids not stored must be left out")
            require(set(reads.ledger(lane, ["r0", "nobody", "r0"])) == {"r0"}, "ids not stored must be left out")
            require(not reads.has(lane, "R0"), "an id must be matched to the letter")
        require_contents(store, expected, "absent ids")


def check_delete_by_rows_deletes_whole_records(open_store: OpenStore) -> None:
    """Require that deleting one row of a record deletes all of it."""
    with new_store(open_store) as store:
        expected = put(store, some(8, chunks=3))
        rows = _rows(store.snapshot, "r2")[1:2] + _rows(store.snapshot, "r5")
        with store.write() as writes:
            deleted = writes.delete_rows(writes.lane(NAME), rows)
            require(deleted == len(["r2", "r5"]), "two records must be deleted by four of their rows")
        expected.pop("r2"), expected.pop("r5")
        require_contents(store, expected, "two deleted by their rows")


def check_fields_change_and_vectors_stay(open_store: OpenStore) -> None:
    """Require that new fields, merged or replaced, touch neither text, vectors, rows nor ledger, and last."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            expected = put(store, [given(f"r{number}", fields={"a": 1, "b": [1]}) for number in range(6)])
            before = _rows(store.snapshot, *expected)
            with store.write() as writes:
                lane = writes.lane(NAME)
                told: dict[str, Fields] = {"r1": {"b": None, "c": True}, "r2": {}, "nobody": {"a": 2}}
                require(writes.set_fields(lane, told) == 2, "set_fields must count the records that were there")  # noqa: PLR2004 - as told
                writes.set_fields(lane, {"r3": {"c": 1.0}, "r4": {}}, merge=False)
            with store.write() as writes:
                writes.set_fields(writes.lane(NAME), {"r1": {"d": "é"}})
            left: dict[str, Fields] = {"r1": {"a": 1, "b": None, "c": True, "d": "é"}, "r3": {"c": 1.0}, "r4": {}}
            for one, fields in left.items():
                expected[one] = replace(expected[one], fields=spelt(fields))
            require_contents(store, expected, "fields set")
            require(_rows(store.snapshot, *expected) == before, "new fields must leave the rows where they are")
        with opened(open_store, place) as store:
            require_contents(store, expected, "fields set, opened again")
            expected |= put(store, [given("r1", version=1)], 1)
            require_contents(store, expected, "replaced after its fields were set")


def check_relabelling_leaves_text_and_vectors(open_store: OpenStore) -> None:
    """Require that source, fields and origin can be written anew, for records that are there only."""
    with new_store(open_store) as store:
        expected = put(store, [given(f"r{number}", origin="old/place") for number in range(4)])
        new = given("r2", source="new", fields={"n": 1}, origin="new/place", fields_digest="new", text="not this")
        with store.write() as writes:
            writes.relabel(writes.lane(NAME), [new])
        before = expected["r2"]
        ledger = ("new/place", before.ledger[1], "new", *before.ledger[3:])
        expected["r2"] = replace(before, source="new", fields=spelt({"n": 1}), ledger=ledger)
        require_contents(store, expected, "relabelled")
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            require(
                reads.ids_from(lane, "new") == [("r2", "new/place")], "a relabelled record must have its new origin"
            )
            require("r2" not in dict(reads.ids_from(lane, "old")), "a relabelled record must not have its old origin")

        def relabel() -> None:
            with store.write() as writes:
                writes.relabel(writes.lane(NAME), [given("r1", fields={}), given("nobody")])

        require_refused(relabel, RecordNotFoundError, "relabelling what is not there")
        require_contents(store, expected, "relabelling refused")


def check_origins_are_found_by_folder(open_store: OpenStore) -> None:
    """Require that a folder means what lies in it, to the letter, not what its name begins with."""
    origins = ("docs", "docs/a", "docs/b/c", "docs2/a", "docs_/a", "Docs/a", "docs-a", "", "doc%/a")
    with new_store(open_store) as store:
        put(store, [given(f"r{number}", origin=origin) for number, origin in enumerate(origins)])
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            for asked, wanted in (
                ("docs", {0, 1, 2}),
                ("docs/", {1, 2}),
                ("docs/a", {1}),
                ("docs/b", {2}),
                ("docs_", {4}),
                ("doc%", {8}),
                ("nowhere", set()),
            ):
                found = reads.ids_from(lane, asked)
                right = [(f"r{number}", origins[number]) for number in sorted(wanted)]
                require(sorted(found) == right, f"origin {asked!r} must give what lies in it, gave {sorted(found)}")


def check_ids_come_in_order(open_store: OpenStore) -> None:
    """Require ids sorted by code points, whatever order they were written in, and each once."""
    with new_store(open_store) as store:
        order = sorted(AWKWARD, key=lambda one: one[::-1])
        put(store, [given(one, chunks=1) for one in order])
        put(store, [given(one, chunks=1, version=1) for one in order[::3]], 1)
        with store.snapshot() as reads:
            require(list(reads.ids(reads.lane(NAME))) == sorted(AWKWARD), "ids must come sorted by their code points")


def check_counts_are_those_of_the_records(open_store: OpenStore) -> None:
    """Require that the sums of a collection are those of its living records after writes of every kind."""
    with new_store(open_store) as store:
        put(store, [given(f"r{number}", chunks=number % 4, cut_chunks=number % 2) for number in range(20)])
        put(store, [given(f"r{number}", chunks=3, cut_chunks=2, version=1) for number in range(0, 20, 5)], 1)
        with store.write() as writes:
            writes.delete(writes.lane(NAME), ["r0", "r1", "r2"])
        failing(store, lambda writes: writes.delete(writes.lane(NAME), ["r7"]))
        found = contents(store)
        cut = [kept.ledger[-1] for kept in found.values() if kept.ledger[-1]]
        sums = {
            "records": len(found),
            "chunks": sum(len(kept.spans) for kept in found.values()),
            "cut_records": len(cut),
            "cut_chunks": sum(cut),
        }
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            counts = reads.counts(lane)
            require({name: counts[name] for name in sums} == sums, f"the counts must be {sums}")
            require((lane.records, lane.rows) == (sums["records"], sums["chunks"]), "a lane must count the same")


def check_chunks_are_found_by_their_rows(open_store: OpenStore) -> None:
    """Require that each row leads to its record and span, that no two chunks share a row, and that order is no matter."""
    with new_store(open_store) as store:
        put(store, [given(f"r{number}", chunks=number % 4) for number in range(30)])
        put(store, [given(f"r{number}", chunks=2, version=1) for number in range(0, 30, 4)], 1)
        with store.snapshot() as reads:
            lane = reads.lane(NAME)
            places = reads.chunks_of(lane, list(reads.ids(lane)))
            spans = {
                row: (place.record, span)
                for place in places.values()
                for row, span in zip(place.rows, place.record.spans, strict=True)
            }
            require(len(spans) == reads.counts(lane)["chunks"], "no two chunks may have the same row")
            for rows in (sorted(spans), sorted(spans, reverse=True)):
                chunks = reads.chunks_at(lane, rows)
                found = {row: (chunk.record, (chunk.start, chunk.end)) for row, chunk in chunks.items()}
                require(found == spans, "chunks_at must give the record and the span of each row")
            order = np.random.default_rng(4).permutation(sorted(spans))
            right = {row: vector.tobytes() for row, vector in zip(order, reads.vectors_at(lane, order), strict=True)}
            again = reads.vectors_at(lane, np.sort(order))
            require(
                [right[row] for row in np.sort(order)] == [one.tobytes() for one in again],
                "vectors_at must give vectors in the order of the rows asked for",
            )


def check_a_write_reads_itself(open_store: OpenStore) -> None:
    """Require that within a write its own changes are read, before they are visible to anyone else."""
    with new_store(open_store) as store:
        expected = put(store, some(5))
        with store.write() as writes:
            new = [given("r1", version=1), given("new")]
            writes.put(writes.lane(NAME), new, drawn(4, 8), replace_existing=True)
            writes.delete(writes.lane(NAME), ["r2"])
            writes.set_fields(writes.lane(NAME), {"r3": {"more": 1}})
            writes.put_setting("own", "seen")
            within = dict(expected) | kept_of(new, drawn(4, 8))
            within.pop("r2")
            within["r3"] = replace(within["r3"], fields=spelt({"version": 0, "more": 1}))
            require(read(writes) == within, "a write must read what it wrote, replaced, deleted and set")
            require(writes.setting("own") == "seen", "a write must read its own settings")
            require(writes.counts(writes.lane(NAME))["records"] == len(within), "a write must count its own records")
        require_contents(store, within, "written")


def check_inputs_are_not_modified_by_a_store(open_store: OpenStore) -> None:
    """Require that what a store is given stays as it is, and that what is done to it, or to an answer, is not stored."""
    listed = [1, 2]
    fields: dict[str, FieldValue] = {"list": listed, "a": 1}
    record = given("x", fields=fields)
    array = np.asarray(drawn(2, 3)).copy()
    before, asked = array.copy(), ["x", "nobody"]
    with new_store(open_store) as store:
        with store.write() as writes:
            writes.put(writes.lane(NAME), [record], Vectors(array, SPACE), replace_existing=True)
            writes.set_fields(writes.lane(NAME), {"x": fields})
            require(writes.delete(writes.lane(NAME), asked[1:]) == 0, "nobody is there")
        require(fields == {"list": [1, 2], "a": 1} and asked == ["x", "nobody"], "fields and ids must not be changed")
        require(np.array_equal(array, before), "vectors must not be changed")
        expected = kept_of([given("x", fields={"list": [1, 2], "a": 1})], Vectors(before, SPACE))
        listed.append(3)
        fields["b"] = 2
        array[:] = 0
        require_contents(store, expected, "what was given was changed afterwards")
        with store.snapshot() as reads:
            found = reads.record(reads.lane(NAME), "x")
            require(found is not None, "the record must be there")
            _spoil(found)
        require_contents(store, expected, "an answer was changed")


def _spoil(record: object) -> None:
    """Change the fields of an answer, where they can be changed."""
    fields = record.fields  # type: ignore[attr-defined]  # it is a record
    if isinstance(fields, dict):
        fields["spoilt"] = True
        fields["list"].append(4)


def check_the_sequence_only_grows(open_store: OpenStore) -> None:
    """Require that each commit has a greater number than those before it, after failures and reopening too."""
    seen: list[int] = []
    with new_place() as place:
        for version in range(3):
            with opened(open_store, place) as store:
                if not version:
                    create(store)
                for number in range(4):
                    put(store, some(2, version=version), number)
                    failing(store, lambda writes: writes.delete(writes.lane(NAME), ["r1"]))
                    with store.write() as writes:
                        within = writes.sequence
                        writes.delete(writes.lane(NAME), ["r0"])
                    with store.snapshot() as reads, store.snapshot() as again:
                        require(reads.sequence == again.sequence == within, "a snapshot must be of the last commit")
                        seen.append(reads.sequence)
    require(all(one < other for one, other in pairwise(seen)), f"the sequence must grow: {seen}")


def check_random_steps_agree_with_a_dictionary(open_store: OpenStore) -> None:
    """Require after random writes of every kind, failures and reopenings what a dictionary says."""
    chance, model = np.random.default_rng(5), Contents()
    with new_place() as place:
        store = open_store(place)
        try:
            create(store)
            for step in range(STEPS):
                names = [f"r{number}" for number in chance.choice(25, size=int(chance.integers(1, 6)), replace=False)]
                kind = int(chance.integers(0, 10))
                if kind < 4:  # noqa: PLR2004 - the shares of the steps
                    records = [given(one, version=step, chunks=int(chance.integers(0, 4))) for one in names]
                    model |= put(store, records, step)
                elif kind < 6:  # noqa: PLR2004 - the same
                    with store.write() as writes:
                        writes.delete(writes.lane(NAME), names)
                    model = {one: kept for one, kept in model.items() if one not in names}
                elif kind < 8:  # noqa: PLR2004 - the same
                    _set_step(store, names, step, model)
                elif kind < 9:  # noqa: PLR2004 - the same
                    failing(store, lambda writes, names=names: writes.delete(writes.lane(NAME), names))  # type: ignore[misc]
                else:
                    store.close()
                    store = open_store(place)
                require_contents(store, model, f"step {step}")
            store.check()
        finally:
            store.close()


def _set_step(store: object, names: Sequence[str], step: int, model: Contents) -> None:
    """Replace the fields of some records, in the store and in the dictionary."""
    with store.write() as writes:  # type: ignore[attr-defined]  # it is a store
        writes.set_fields(writes.lane(NAME), {one: {"set": step} for one in names}, merge=False)
    for one in names:
        if one in model:
            model[one] = replace(model[one], fields=spelt({"set": step}))
