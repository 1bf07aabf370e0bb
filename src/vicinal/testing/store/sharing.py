"""Checks: many may read and one may write at a time, and what is declared beside (compaction, views, the feed) holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np

from vicinal.errors import DatabaseNotFoundError, LockedError, ReadOnlyError, VicinalError
from vicinal.testing.demand import require
from vicinal.testing.store.protocol import CompactableStore, OpenStore, StoreReads, WritableStore
from vicinal.testing.store.worlds import (
    NAME,
    SPACE,
    Contents,
    create,
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
    vectors_of,
)
from vicinal.types import Floats, Mask

THREADS = 4
ROUNDS = 12
LOOKS = 3
"""How often each reader looks at least while one writes."""
PATIENCE_S = 60.0
"""How long a check waits for a thread: nothing that a store does here takes as long."""
PAUSE_S = 0.01
"""How long a reader waits between two looks at one snapshot: long enough that a writer commits meanwhile."""
BLOCKED_S = 0.2
"""How long a second writer must be seen to wait."""


def check_a_snapshot_does_not_move(open_store: OpenStore) -> None:
    """Require that a snapshot reads the same, all of it, while others add, replace, delete, set, drop and compact."""
    with new_place() as place, opened(open_store, place) as store, opened(open_store, place) as other:
        create(store)
        expected = put(store, some(12))
        with store.snapshot() as reads:
            sequence, first = reads.sequence, read(reads)
            for writer in (store, other):
                put(writer, [given("r1", version=1), given("new")], 1)
                with writer.write() as writes:
                    writes.delete(writes.lane(NAME), ["r2", "new"])
                    writes.set_fields(writes.lane(NAME), {"r3": {"set": 1}})
                    writes.put_setting("late", "1")
                require(read(reads) == first == expected, "a snapshot must not move while others write")
            require(reads.sequence == sequence and reads.setting("late") is None, "a snapshot must stay at its commit")
            require(
                reads.counts(reads.lane(NAME))["records"] == len(expected), "the counts of a snapshot must not move"
            )
            with store.write() as writes:
                writes.drop_collection(NAME)
            require(read(reads) == first, "a snapshot must not move when its collection is dropped")
        with store.snapshot() as reads:
            require(reads.collection_names() == [], "the next snapshot must see what was written meanwhile")


def check_a_second_writer_waits_or_is_told(open_store: OpenStore) -> None:
    """Require that of two writers the second waits for the first or gets LockedError, and that no write is lost."""
    with new_place() as place, opened(open_store, place) as store, opened(open_store, place) as other:
        create(store)
        expected: Contents = {}
        for turn, second in enumerate((store, other)):  # of the same opening, and of another
            done, told = threading.Event(), list[VicinalError]()
            records = [given(f"second {turn}")]
            thread = threading.Thread(target=_write_to, args=(second, records, done, told))
            with store.write() as writes:
                first = [given(f"first {turn}"), given("both", version=turn)]
                vectors = vectors_of(first, turn)
                writes.put(writes.lane(NAME), first, vectors, replace_existing=True)
                thread.start()
                waited = not done.wait(BLOCKED_S)
            thread.join(PATIENCE_S)
            require(not thread.is_alive(), "a second writer must go on when the first is done")
            require(waited or bool(told), "a second writer must wait for the first, or be told with LockedError")
            expected |= kept_of(first, vectors)
            if not told:
                expected |= kept_of(records, vectors_of(records))
            require_contents(store, expected, f"two writers, turn {turn}")


def _write_to(store: WritableStore, records: list[Any], done: threading.Event, told: list[VicinalError]) -> None:
    """Write records, and say that it is done, or that it was refused."""
    try:
        put(store, records)
    except LockedError as error:
        told.append(error)
    finally:
        done.set()


def check_no_write_of_many_threads_is_lost(open_store: OpenStore) -> None:
    """Require that what several threads write at once is all there, where they are not told that it is not."""
    with new_store(open_store) as store:
        expected: Contents = {}
        together = threading.Barrier(THREADS, timeout=PATIENCE_S)

        def write(number: int) -> Contents:
            kept: Contents = {}
            together.wait()
            for turn in range(ROUNDS // 2):
                try:
                    kept |= put(store, [given(f"r{number} {turn}")], 100 * number + turn)
                except LockedError:
                    continue
            return kept

        with ThreadPoolExecutor(THREADS) as pool:
            for kept in pool.map(write, range(THREADS)):
                expected |= kept
        require_contents(store, expected, f"{THREADS} threads that write")


def check_threads_share_a_store(open_store: OpenStore) -> None:
    """Require that threads that read beside a writer see whole commits: two records that change together agree."""
    with new_store(open_store) as store:
        _put_pair(store, 0)
        stop, looks = threading.Event(), [0] * (THREADS - 1)

        def readings(place: int) -> list[str]:
            wrong: list[str] = []
            while not stop.is_set():
                with store.snapshot() as reads:
                    wrong += _seen_to_be_half(reads)
                looks[place] += 1
            return wrong

        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(readings, place) for place in range(THREADS - 1)]
            try:
                end, version = time.monotonic() + PATIENCE_S, 1
                while (version < ROUNDS or min(looks) < LOOKS) and time.monotonic() < end:
                    _put_pair(store, version)
                    version += 1
            finally:
                stop.set()
            wrong = [one for future in running for one in future.result(PATIENCE_S)]
        require(not wrong, f"a reader beside a writer must see whole commits, saw {wrong[:1]}")


def _seen_to_be_half(reads: StoreReads) -> list[str]:
    """Return what is wrong with one snapshot: it moves, or has one of two records that are always written together."""
    found = read(reads)
    time.sleep(PAUSE_S)
    if read(reads) != found:
        return [f"two contents of commit {reads.sequence}"]
    left, right = (found.get(one) for one in ("left", "right"))
    if left is None or right is None or (left.ledger, left.vectors) != (right.ledger, right.vectors):
        return [f"half of commit {reads.sequence}"]
    return []


def _put_pair(store: WritableStore, version: int) -> None:
    """Write two records with the same vectors, in one commit but two calls."""
    for_both = vectors_of([given("left")], version)
    with store.write() as writes:
        for one in ("left", "right"):
            writes.put(writes.lane(NAME), [given(one, version=version)], for_both, replace_existing=True)


def check_read_only_refuses_writes(open_store: OpenStore) -> None:
    """Require, where it can be opened so, that every write is refused and changes nothing, and that reading works."""
    with new_place() as place:
        require_refused(lambda: open_store(place, read_only=True), DatabaseNotFoundError, "reading what is not there")
        with opened(open_store, place) as store:
            create(store)
            expected = put(store, some(5))
        with opened(open_store, place, read_only=True) as store:
            require_contents(store, expected, "opened for reading")
            require_refused(
                lambda: put(store, some(1, version=1)), ReadOnlyError, "writing to what is open for reading"
            )
            require_refused(lambda: _enter_write(store), ReadOnlyError, "beginning a write of nothing")
            require_contents(store, expected, "after a refused write")
        _require_same_after(open_store, place, expected)


def _enter_write(store: WritableStore) -> None:
    with store.write():
        pass


def _require_same_after(open_store: OpenStore, place: Path, expected: Contents) -> None:
    """Require some contents of a place, opened once more and checked."""
    with opened(open_store, place) as store:
        require_contents(store, expected, "opened again")
        store.check()


def check_compaction_changes_no_answer(open_store: OpenStore) -> None:
    """Require, where it can compact, the same contents afterwards, for a reader from before and after reopening."""
    with new_place() as place:
        with opened(open_store, place) as store:
            expected = _sparse(store)
            with store.snapshot() as reads:
                cast("CompactableStore", store).compact(NAME, sparse=0.01)
                require(read(reads) == expected, "compaction must not move a snapshot from before it")
            require_contents(store, expected, "compacted")
            cast("CompactableStore", store).compact(NAME, sparse=0.01)
            expected |= put(store, [given("r1", version=9), given("later")], 9)
            require_contents(store, expected, "compacted twice, and written to")
        _require_same_after(open_store, place, expected)


def check_the_dead_stay_dead_after_compaction(open_store: OpenStore) -> None:
    """Require, where it can compact, that no read knows what was deleted before, at once and after reopening."""
    with new_place() as place:
        with opened(open_store, place) as store:
            expected = _sparse(store)
            cast("CompactableStore", store).compact(NAME, sparse=0.01)
            _require_only(store, expected)
            with store.write() as writes:
                writes.delete(writes.lane(NAME), ["r5"])
            expected.pop("r5")
            cast("CompactableStore", store).compact(NAME, sparse=0.01)
            _require_only(store, expected)
        with opened(open_store, place) as store:
            _require_only(store, expected)
            store.check()


def _sparse(store: WritableStore) -> Contents:
    """Write records of which few are left, some replaced, some with other fields; return what is left."""
    create(store)
    expected = put(store, some(60))
    expected |= put(store, [given(f"r{number}", version=1, chunks=3) for number in range(0, 60, 10)], 1)
    with store.write() as writes:
        writes.delete(writes.lane(NAME), [f"r{number}" for number in range(60) if number % 5])
    return {one: expected[one] for one in (f"r{number}" for number in range(0, 60, 5))}


def _require_only(store: WritableStore, expected: Contents) -> None:
    """Require that ids, counts, rows and, where there is one, the view know the same living records and no other."""
    require_contents(store, expected, "compacted")
    with store.snapshot() as reads:
        lane = reads.lane(NAME)
        chunks = sum(len(kept.spans) for kept in expected.values())
        require(reads.counts(lane)["chunks"] == chunks, "compaction must not change the number of chunks")
        require(not any(reads.has(lane, f"r{number}") for number in (1, 2, 3, 4)), "the deleted must not come back")
        if "mmap" in store.can:
            _require_view(store, reads, chunks)


def check_a_view_is_of_the_living_rows(open_store: OpenStore) -> None:
    """Require, where vectors are mapped, that a view has exactly the living rows, with the vectors of their records."""
    with new_place() as place:
        with opened(open_store, place) as store:
            create(store)
            _require_view_now(store)
            put(store, [given(f"r{number}", chunks=number % 4) for number in range(40)])
            _require_view_now(store)
            with store.snapshot() as before:
                old = before.counts(before.lane(NAME))["chunks"]
                put(store, some(10, version=1), 1)
                with store.write() as writes:
                    writes.delete(writes.lane(NAME), ["r1", "r11", "r12"])
                _require_view_now(store)
                _require_view(store, before, old)  # of an older commit than the one that is kept
            _require_view_now(store)
        with opened(open_store, place) as store:
            _require_view_now(store)


def _require_view_now(store: WritableStore) -> None:
    with store.snapshot() as reads:
        _require_view(store, reads, reads.counts(reads.lane(NAME))["chunks"])


def _require_view(store: WritableStore, reads: StoreReads, chunks: int) -> None:
    """Require that the view of a snapshot is of its living rows."""
    lane = reads.lane(NAME)
    view = cast("Any", store).view(reads, lane)
    alive = _mask(view.alive, view.next_row)
    rows = np.flatnonzero(alive)
    require(len(rows) == chunks, f"a view must have {chunks} living rows, has {len(rows)}")
    require(view.sequence == reads.sequence, "a view must be of the commit of its snapshot")
    require(not alive.any() or not any(one.flags.writeable for _, one in view.parts), "a view must be read only")
    require(sorted(reads.chunks_at(lane, rows.tolist())) == rows.tolist(), "each living row must have its chunk")
    mapped: dict[int, Floats] = {
        first + place: vector for first, vectors in view.parts for place, vector in enumerate(vectors)
    }
    right = reads.vectors_at(lane, rows)
    same = all(mapped[row].tobytes() == vector.tobytes() for row, vector in zip(rows.tolist(), right, strict=True))
    require(same, "a view must have the vector of each living row")


def _mask(bits: Any, count: int) -> Mask:  # noqa: ANN401 - Bits
    """Return a bitmap as booleans: row r is bit r % 64 of word r // 64."""
    found = np.unpackbits(np.asarray(bits, dtype="<u8").view(np.uint8), bitorder="little")[:count]
    return found.astype(np.bool_)


def check_the_feed_leads_from_any_commit_to_the_last(open_store: OpenStore) -> None:
    """Require, where it has a feed, that deletions and changes since a commit make of what stood then what stands now."""
    with new_place() as place, opened(open_store, place) as store:
        create(store)
        stood = [_stand(store)]
        changes: list[Callable[[], object]] = [
            lambda: put(store, some(12), 1),
            lambda: put(store, [given("r1", version=1), given("new")], 2),
            lambda: _delete(store, ["r2", "new", "nobody"]),
            lambda: _set(store, {"r3": {"set": 1}, "r1": {"set": 2}}),
            lambda: put(store, [given("r2", version=3), given("empty", chunks=0)], 3),
            lambda: _compacted(store),
            lambda: _delete(store, ["r5"]),
        ]
        for change in changes:
            change()
            stood.append(_stand(store))
        with store.snapshot() as reads:
            now = read(reads)
            for sequence, contents in stood:
                require(
                    _followed(reads, sequence, contents) == now, f"the feed since commit {sequence} must lead to now"
                )


def check_texts_and_fields_follow_the_rows(open_store: OpenStore) -> None:
    """Require, where it has a feed, that going through the rows from any of them on tells what each living one has now."""
    with new_store(open_store) as store:
        put(store, [given(f"r{number}", chunks=number % 4) for number in range(20)])
        before, _ = _stand(store)
        put(store, some(5, version=1), 1)
        _delete(store, ["r6", "r11"])
        _set(store, {"r7": {"set": 1}, "r1": {"set": 2}, "r8": {"set": 3}})  # r8 has no rows
        with store.snapshot() as reads:
            lane, feed = reads.lane(NAME), cast("Any", reads)
            places = reads.chunks_of(lane, list(reads.ids(lane)))
            rows = sorted(row for place in places.values() for row in place.rows)
            for first in (0, rows[0], rows[len(rows) // 2], rows[-1], rows[-1] + 1):
                _require_told(places, first, list(feed.texts_from(lane, first)), list(feed.fields_from(lane, first)))
            told = {first: dict(fields) for first, _, fields in feed.relabelled_since(lane, before)}
            right = {places[one].rows[0]: dict(places[one].record.fields) for one in ("r7", "r1")}
            require(told == right, "relabelled_since must tell the records whose fields changed in place, and no other")
            require(list(feed.relabelled_since(lane, reads.sequence)) == [], "nothing can have changed since now")


def _require_told(places: Any, first: int, texts: list[Any], fields: list[Any]) -> None:  # noqa: ANN401 - a mapping of places
    """Require the texts and the fields of all living rows at or behind a row; the dead may be among them."""
    order = [row for row, _ in texts]
    require(
        order == sorted(set(order)) and min(order, default=first) >= first, "rows must ascend from the one asked for"
    )
    found, told = dict(texts), {row: (count, dict(inside)) for row, count, inside in fields}
    for place in places.values():
        spans = zip(place.rows, place.record.spans, strict=True)
        right = {row: place.record.text[start:end] for row, (start, end) in spans if row >= first}
        require({row: found.get(row) for row in right} == right, "texts_from must give the text of each living row")
        if place.rows and place.rows[0] >= first:
            same = told.get(place.rows[0]) == (len(place.rows), dict(place.record.fields))
            require(same, "fields_from must give the fields of each living record as they are now")


def _stand(store: WritableStore) -> tuple[int, Contents]:
    with store.snapshot() as reads:
        return reads.sequence, read(reads)


def _delete(store: WritableStore, ids: list[str]) -> None:
    with store.write() as writes:
        writes.delete(writes.lane(NAME), ids)


def _set(store: WritableStore, fields: dict[str, dict[str, Any]]) -> None:
    with store.write() as writes:
        writes.set_fields(writes.lane(NAME), fields)


def _compacted(store: WritableStore) -> None:
    if "compact" in store.can:
        cast("CompactableStore", store).compact(NAME, sparse=0.01)


def _followed(reads: StoreReads, since: int, stood: Contents) -> Contents:
    """Return what stood at a commit with what the feed tells of since."""
    feed, found = cast("Any", reads), dict(stood)
    for deletion in feed.deletions_since(since):
        if deletion.collection == NAME:
            found.pop(deletion.id, None)
    for change in feed.changes(reads.lane(NAME), since):
        vectors = np.asarray(change.vectors)
        first = 0
        for one in change.records:
            count = 0 if change.in_place else len(one.spans)
            part = vectors[first : first + count]
            first += count
            kept = kept_of([one], _Rows(part))[one.id]  # type: ignore[arg-type]  # rows and a space
            if change.in_place:
                kept = _with_vectors(kept, found[one.id].vectors)
            found[one.id] = kept
    return found


def _with_vectors(kept: Any, vectors: bytes) -> Any:  # noqa: ANN401 - Kept
    return type(kept)(kept.text, kept.source, kept.fields, kept.spans, vectors, kept.ledger)


class _Rows:
    """Vectors as ``kept_of`` reads them."""

    space = SPACE

    def __init__(self, array: Floats) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: ANN401 - NumPy's own protocol
        return np.array(self._array, dtype=dtype, copy=copy)
