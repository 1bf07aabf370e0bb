"""Every store keeps the contract of ``vicinal.testing.check_store``, and the suite catches those that do not."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plain_store import PlainStore
from vicinal.errors import AlreadyExistsError
from vicinal.space import Vectors
from vicinal.store import Store
from vicinal.testing.store import CAPABILITIES, STORE_CHECKS, STORE_NEEDS, check_store, declared

CHECKS = {check.__name__: check for check in STORE_CHECKS}
FAULTY: set[str] = set()
"""Checks that the embedded store does not pass yet; the strict mark tells when one does."""


class Embedded(Store):
    """The embedded store, with all that it declares."""

    can = Store.can | frozenset(CAPABILITIES)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, marks=pytest.mark.xfail(strict=True, reason="a put that is refused has removed records"))
        if name in FAULTY
        else check
        for name, check in CHECKS.items()
    ],
    ids=lambda check: check.__name__,
)
def test_the_embedded_store_keeps_the_contract(check):
    """The store of a folder, check by check."""
    check(Embedded.open)


def test_a_store_of_dictionaries_keeps_the_contract_that_it_declares():
    """What is asked of every store can be had without files; what is not declared is left out, and listed."""
    skipped = check_store(PlainStore.open)
    assert skipped == {check.__name__: needed for check, needed in STORE_NEEDS.items() if needed not in PlainStore.can}
    assert set(STORE_NEEDS.values()) == set(CAPABILITIES)


@pytest.mark.parametrize("can", [frozenset(CAPABILITIES) - {"compact"}, frozenset(), ["compact", "mmap"]])
def test_a_store_declares_what_it_has(can):
    """Who has a method and does not declare it would leave out checks in silence."""

    class Silent(Store):
        """The embedded store, declared wrongly."""

    Silent.can = can
    with pytest.raises(AssertionError, match=r"declare|frozenset"):
        declared(Silent.open)


# A mutant: the name of a method of a store, a snapshot or a write → what is done in its place, given the right one.
Fault = Callable[..., Any]


class Faulty:
    """A store, a snapshot or a write of which some methods are wrong."""

    def __init__(self, right: Any, faults: Mapping[str, Fault]) -> None:
        self.right, self.faults = right, faults

    def __getattr__(self, name: str) -> Any:
        """Return the wrong method where there is one."""
        found = getattr(self.right, name)
        if name in {"snapshot", "write"}:
            found = partial(self._inside, found)
        if name not in self.faults:
            return found
        fault = self.faults[name]
        return partial(fault, found) if callable(found) else fault(found)

    @contextlib.contextmanager
    def _inside(self, begin: Fault) -> Iterator[Faulty]:
        with begin() as inside:
            yield Faulty(inside, self.faults)

    def view(self, snapshot: Any, lane: Any) -> Any:
        """Return the view, of the snapshot that is right."""
        right = self.right.view(getattr(snapshot, "right", snapshot), lane)
        return self.faults["view"](right) if "view" in self.faults else right


def faulty(**faults: Fault) -> Fault:
    """Return what opens the embedded store with some methods wrong; ``opening`` wraps the opening itself."""

    def open_store(place: Path, **how: bool) -> Any:
        opened = faults["opening"](Embedded.open, place, **how) if "opening" in faults else Embedded.open(place, **how)
        return Faulty(opened, faults)

    return open_store


def altered(**changes: Callable[[Any], Any]) -> Fault:
    """Return a ``put`` that changes parts of records."""

    def put(right: Fault, lane: Any, records: Any, vectors: Any, **how: Any) -> Any:
        new = [
            dataclasses.replace(one, **{name: change(getattr(one, name)) for name, change in changes.items()})
            for one in records
        ]
        return right(lane, new, vectors, **how)

    return put


def of_vectors(change: Callable[[np.ndarray], Any]) -> Fault:
    """Return a ``put`` that changes the vectors."""

    def put(right: Fault, lane: Any, records: Any, vectors: Vectors, **how: Any) -> Any:
        return right(lane, records, Vectors(change(np.asarray(vectors)), vectors.space), **how)

    return put


@contextlib.contextmanager
def leaky(right: Fault) -> Iterator[Any]:
    """Commit what was written before an error as well."""
    error = None
    with right() as inside:
        try:
            yield inside
        except Exception as raised:  # noqa: BLE001 - whatever it is
            error = raised
    if error is not None:
        raise error


@contextlib.contextmanager
def every_tenth_lost(count: Iterator[int], right: Fault) -> Iterator[Any]:
    """Acknowledge each tenth write without doing it."""
    with contextlib.suppress(InterruptedError), right() as inside:
        yield inside
        if next(count) % 10 == 9:
            raise InterruptedError


def lost_at_the_end(opened: dict[Path, Any]) -> dict[str, Fault]:
    """Return a store that keeps the last write of each opening to itself: the next opening has not got it."""

    def opening(right: Fault, place: Path, **how: bool) -> Any:
        store = right(place, **how)
        opened[place] = store
        return store

    def close(right: Fault) -> None:
        for store in opened.values():
            with contextlib.suppress(Exception), store.write() as writes:
                for name in writes.collection_names():
                    writes.delete(writes.lane(name), list(writes.ids(writes.lane(name)))[-1:])
        right()

    return {"opening": opening, "close": close}


def forgetful(right: Fault, lane: Any, *ids: Any) -> Any:
    """Say that records were deleted, and leave the last of them."""
    found = right(lane, *[list(one)[:-1] for one in ids])
    return found + 1


def merged_upsert(right: Fault, lane: Any, records: Any, vectors: Any, **how: Any) -> Any:
    """Keep the fields of the record that is replaced."""
    inside = right.__self__
    old = {one: place.record.fields for one, place in inside.chunks_of(lane, [one.id for one in records]).items()}
    new = [dataclasses.replace(one, fields={**old.get(one.id, {}), **one.fields}) for one in records]
    return right(lane, new, vectors, **how)


def put_anyway(right: Fault, lane: Any, records: Any, vectors: Any, *, replace_existing: bool) -> Any:
    """Take an id that is stored as an upsert."""
    return right(lane, records, vectors, replace_existing=True)


def in_any_space(right: Fault, lane: Any, records: Any, vectors: Vectors, **how: Any) -> Any:
    """Take vectors for those of the lane."""
    return right(lane, records, Vectors(np.asarray(vectors), lane.space), **how)


def half_a_call(right: Fault, lane: Any, records: Any, vectors: Any, **how: Any) -> Any:
    """Write the first record of a call that is refused."""
    try:
        return right(lane, records, vectors, **how)
    except AlreadyExistsError:
        count = len(records[0].spans)
        right(lane, records[:1], vectors[:count], **how)
        raise


def with_new_rows(right: Fault, lane: Any, fields: Any, **how: Any) -> int:
    """Write the vectors again when fields change."""
    inside, count = right.__self__, right(lane, fields, **how)
    for one, place in inside.chunks_of(lane, list(fields)).items():
        lines = {line.id: line.new_record(lane.chunker) for line in inside._lines_of(lane, [one])}
        vectors = Vectors(inside.vectors_at(lane, np.array(list(place.rows), dtype=np.int64)), lane.space)
        inside.put(inside.lane(lane.name), [lines[one]], vectors, replace_existing=True)
    return count


def kept_fields(given: list[Any], right: Fault, lane: Any, fields: Any, **how: Any) -> int:
    """Change what the caller gave."""
    given.extend(fields.values())
    count = right(lane, fields, **how)
    for one in fields.values():
        with contextlib.suppress(TypeError):
            one["stored"] = True
    return count


class Moving(Faulty):
    """A store whose snapshots read whatever is there now."""

    @contextlib.contextmanager
    def _inside(self, begin: Fault) -> Iterator[Any]:
        if begin.__name__ == "write":
            with begin() as inside:
                yield inside
        else:
            yield Now(self.right)


class Now:
    """The reads of the latest commit, whichever it is at each call."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def sequence(self) -> int:
        """The latest."""
        with self.store.snapshot() as reads:
            return reads.sequence

    def __getattr__(self, name: str) -> Any:
        """Return a read that begins a snapshot of its own."""

        def read(*given: Any, **named: Any) -> Any:
            with self.store.snapshot() as reads:
                given = tuple(reads.lane(one.name) if hasattr(one, "next_row") else one for one in given)
                found = getattr(reads, name)(*given, **named)
                return list(found) if isinstance(found, Iterator) else found

        return read


def first_ones(right: Fault, *given: Any) -> Any:
    """Leave out the last of what is found."""
    return list(right(*given))[:-1]


def undead(right: Fault, name: str, **how: Any) -> Any:
    """Bring a deleted record back when compacting."""
    store, found = right.__self__, right(name, **how)
    with store.write() as writes:
        lane = writes.lane(name)
        old = writes._lines_of(lane, ["r0"])[0].new_record(lane.chunker)
        vectors = Vectors(np.zeros((len(old.spans), lane.space.dim), np.float32), lane.space)
        writes.put(lane, [dataclasses.replace(old, id="r1")], vectors, replace_existing=True)
    return found


def shuffled(right: Fault, name: str, **how: Any) -> Any:
    """Give two records each other's vectors when compacting."""
    store, found = right.__self__, right(name, **how)
    with store.write() as writes:
        lane = writes.lane(name)
        for change in list(writes.changes(lane, 0)):
            vectors = Vectors(change.vectors[::-1].copy(), lane.space)
            writes.put(writes.lane(name), change.records, vectors, replace_existing=True)
    return found


def every_row(view: Any) -> Any:
    """Take all rows for living ones: the tombstones are forgotten."""
    alive = view.alive.copy()
    for first, vectors in view.parts:
        for row in range(first, first + len(vectors)):
            alive[row // 64] |= np.uint64(1 << (row % 64))
    return dataclasses.replace(view, alive=alive)


def unsorted_rows(right: Fault, lane: Any, rows: Any) -> Any:
    """Give vectors in the order of the file."""
    return right(lane, np.sort(rows))


def overwritten(right: Fault, name: str, value: str) -> None:
    """Keep the first value of a setting."""
    if right.__self__.setting(name) is None:
        right(name, value)


@contextlib.contextmanager
def reopening(right: Fault) -> Iterator[Any]:
    """Read a closed store all the same."""
    store = right.args[0].__self__
    if not store._closed:
        with right() as inside:
            yield inside
        return
    with contextlib.closing(Embedded.open(store.folder)) as again, again.snapshot() as inside:
        yield inside


def delete_everywhere(right: Fault, lane: Any, ids: Any) -> int:
    """Delete the records of an id from all collections."""
    inside = right.__self__
    return sum(right(inside.lane(name), ids) for name in inside.collection_names())


def rounded(array: np.ndarray) -> np.ndarray:
    """Return the numbers as 16 bits keep them."""
    with np.errstate(over="ignore"):
        return np.nan_to_num(array.astype(np.float16).astype(np.float32))


class Careless(Store):
    """A store that makes itself wherever it is opened, and writes whatever it was opened for."""

    can = Embedded.can

    @classmethod
    def open(cls, folder: Path, *, create: bool = True, read_only: bool = False) -> Store:
        """Open it for writing."""
        return super().open(folder)


def unguarded(place: Path, **how: bool) -> Any:
    """Open a store in which a second writer is let in at once: what it writes waits, unacknowledged, for the first."""
    store = Embedded.open(place, **how)
    waiting: list[Any] = []

    class Unguarded(Faulty):
        @contextlib.contextmanager
        def _inside(self, begin: Fault) -> Iterator[Any]:
            if begin.__name__ == "write" and waiting:
                yield Ignored(self.right)
                return
            waiting.append(begin)
            try:
                with begin() as inside:
                    yield inside
            finally:
                waiting.remove(begin)

    return Unguarded(store, {})


class Ignored:
    """A write of which nothing comes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def lane(self, name: str) -> Any:
        """Return the lane as of before."""
        with self.store.snapshot() as reads:
            return reads.lane(name)

    def put(self, lane: Any, *given: Any, **named: Any) -> Any:
        """Write nothing."""
        return lane


MUTANTS: dict[str, Fault] = {
    "check_a_new_store_is_empty": faulty(collection_names=lambda right: [*right(), "default"]),
    "check_a_store_is_made_only_when_asked_for": Careless.open,
    "check_empty_in_empty_out_of_a_store": faulty(
        vectors_at=lambda right, lane, rows: right(lane, rows) if len(rows) else np.empty((0, 0), np.float32)
    ),
    "check_acknowledged_is_there_after_reopening": faulty(**lost_at_the_end({})),
    "check_acknowledged_is_seen_by_another_opening": faulty(
        ids=lambda right, lane: [one for one in right(lane) if one != "late"]
    ),
    "check_records_come_back_as_given": faulty(
        put=altered(fields=lambda old: {k: v for k, v in old.items() if v != 0})
    ),
    "check_ids_of_any_unicode_are_told_apart": faulty(
        delete=lambda right, lane, ids: right(lane, [*ids, *(unicodedata.normalize("NFC", one) for one in ids)])
    ),
    "check_vectors_come_back_bit_for_bit": faulty(put=of_vectors(rounded)),
    "check_many_records_come_back": faulty(chunks_of=lambda right, lane, ids: right(lane, ids[:1000])),
    "check_a_failed_write_changes_nothing": faulty(write=leaky),
    "check_a_refused_write_changes_nothing": faulty(put=put_anyway),
    "check_a_refused_call_leaves_the_rest_of_its_write": faulty(put=half_a_call),
    "check_two_spaces_never_meet": faulty(put=in_any_space),
    "check_a_collection_keeps_what_it_was_made_with": faulty(
        create_collection=lambda right, name, **how: right(name, **{**how, "chunker": ""})
    ),
    "check_collections_are_apart": faulty(delete=delete_everywhere),
    "check_settings_survive": faulty(put_setting=overwritten),
    "check_canaries_and_projections_survive": faulty(
        put_canary=lambda right, space, probes: right(space, sorted(probes, key=lambda one: one.text))
    ),
    "check_a_closed_store_is_closed": faulty(snapshot=reopening),
    "check_upsert_replaces_whole_records": faulty(put=merged_upsert),
    "check_deleted_is_gone_everywhere": faulty(delete=forgetful),
    "check_absent_ids_are_no_error": faulty(has=lambda right, lane, one: right(lane, one.lower())),
    "check_delete_by_rows_deletes_whole_records": faulty(delete_rows=lambda right, lane, rows: right(lane, rows[:1])),
    "check_fields_change_and_vectors_stay": faulty(set_fields=with_new_rows),
    "check_relabelling_leaves_text_and_vectors": faulty(
        relabel=lambda right, lane, records: right(lane, [dataclasses.replace(one, origin="") for one in records])
    ),
    "check_origins_are_found_by_folder": faulty(
        ids_from=lambda right, lane, origin: [
            found for found in right(lane, "") + right(lane, ".") if found[1].startswith(origin.rstrip("/"))
        ]
    ),
    "check_ids_come_in_order": faulty(ids=lambda right, lane: sorted(right(lane), key=str.casefold)),
    "check_counts_are_those_of_the_records": faulty(counts=lambda right, lane: {**right(lane), "cut_chunks": 0}),
    "check_chunks_are_found_by_their_rows": faulty(vectors_at=unsorted_rows),
    "check_a_write_reads_itself": faulty(setting=lambda right, name: None),
    "check_inputs_are_not_modified_by_a_store": faulty(set_fields=partial(kept_fields, [])),
    "check_the_sequence_only_grows": faulty(sequence=lambda right: right // 9),
    "check_random_steps_agree_with_a_dictionary": faulty(write=partial(every_tenth_lost, itertools.count())),
    "check_a_second_writer_waits_or_is_told": unguarded,
    "check_no_write_of_many_threads_is_lost": unguarded,
    "check_threads_share_a_store": lambda place, **how: Moving(Embedded.open(place, **how), {}),
    "check_a_snapshot_does_not_move": lambda place, **how: Moving(Embedded.open(place, **how), {}),
    "check_read_only_refuses_writes": Careless.open,
    "check_compaction_changes_no_answer": faulty(compact=shuffled),
    "check_the_dead_stay_dead_after_compaction": faulty(compact=undead),
    "check_a_view_is_of_the_living_rows": faulty(view=every_row),
    "check_the_feed_leads_from_any_commit_to_the_last": faulty(deletions_since=first_ones),
    "check_texts_and_fields_follow_the_rows": faulty(relabelled_since=lambda right, lane, since: iter(())),
}


def test_there_is_a_mutant_for_every_check():
    """No check is left without a store that it must refuse."""
    assert set(MUTANTS) == set(CHECKS)


@pytest.mark.parametrize("name", MUTANTS)
def test_each_check_catches_its_mutant(name):
    """A store with one fault does not pass the check that is named for it."""
    with pytest.raises(AssertionError, match=r"\w+ \w+"):
        CHECKS[name](MUTANTS[name])
