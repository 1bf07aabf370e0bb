"""What is made of a lane so that it answers fast: the index of its vectors, of its words, and the columns of its fields.

None is truth: all are made of the store, follow each commit, and are made again when they are lost. They lie in
``index/<space>/<lane>/vectors``, ``…/words`` and ``…/fields``, each a generation that is published whole.

A commit is followed by whoever asks next, at the cost of what changed. What costs more than a moment (coding many rows,
cells, calibration, compaction) is done in the background, and until it is done the rows are searched exactly.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vicinal import config
from vicinal.errors import RangeError, StoreError, VicinalError
from vicinal.index import FunnelIndex
from vicinal.lexical import LexicalIndex, LexicalText
from vicinal.lifecycle.snapshots.manifest import EPOCH
from vicinal.search import Columns
from vicinal.store import Lane, LaneView, Snapshot, Store
from vicinal.store.format import BLOCK_ROWS
from vicinal.types import Progress

AT_ONCE = 16_384
"""New rows that whoever asks codes at once, in less than 0.1 s; more of them are left to the background."""
WORDS_WAITING, WORDS_SHARE = 500, 0.25
"""Rows without postings that each process analyses for itself: so many, or this share of all."""
WORDS_AT_ONCE = 2_000
"""With more new rows than these it is looked whether another process has built the keyword index meanwhile."""
REST_S = 5.0
REST_TIMES = 4
"""The background rests after each run, so long at least and so many times as long as it ran: it takes a fifth of a core."""
MAX_NUMBER = 1 << 62
KEPT_COLUMNS = 4
"""Commits whose columns are kept: readers that began before a write are served beside those that began after it."""
SPARSE_ROWS = 10_000
"""Dead rows below which compaction does not pay."""
SPARSE_SHARE = 0.25


class _StoppedError(Exception):
    """The store is closing: whatever is being built is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What a run of upkeep did."""

    moved_rows: int = 0
    freed_bytes: int = 0
    indexed_rows: int = 0
    took_s: float = 0.0


class Derived:
    """The index and the columns of one lane, kept in this process and followed from commit to commit.

    Safe for many threads.
    """

    def __init__(self, store: Store, lane: Lane) -> None:
        self.name = lane.name
        self.lane = lane.number
        self._store = store
        self._guard = threading.RLock()
        self._building = threading.Lock()
        self._index: FunnelIndex | None = None
        self._seen: LaneView | None = None
        self._due = False
        self._columns = _KeptColumns(self._folder(lane) / "fields")
        self._words = _KeptWords(self._folder(lane) / "words")
        self._background = _Background(f"vicinal upkeep of {lane.name}")
        weakref.finalize(self, self._background.stop)  # also at the end of the program, before the store is closed

    def index(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> FunnelIndex:
        """Return the index as of a snapshot. Cost: what was written since the last call."""
        with self._guard:
            index, due = self._index, self._due
            if index is None or self._seen is not view:
                index = self._following(snapshot, lane, view)
                due = bool(index.stale(lane.rows)) or _is_sparse(snapshot, lane, view)
                if self._seen is None or self._seen.sequence <= view.sequence:
                    self._index, self._seen, self._due = index, view, due
        if due:
            self._start()
        return index

    def _following(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> FunnelIndex:
        """Return the index that is known, or one that another process has built, with what was written since."""
        index = _followed(self._index or self._opened(snapshot, lane, view) or FunnelIndex.build((), lane.space), view)
        if index.waiting_rows > AT_ONCE and self._index is not None:
            newer = self._opened(snapshot, lane, view)
            index = index if newer is None else _followed(newer, view)
        return index

    def columns(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> Columns:
        """Return the columns as of a snapshot. Cost: what was written since the last call."""
        return self._columns.at(snapshot, lane, view)

    def words(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> LexicalIndex:
        """Return the keyword index as of a snapshot. Cost: what was written since the last call."""
        self._words.asked = True
        words = self._words.at(snapshot, lane, view)
        if not self._store.read_only and words.stale(lane.rows):  # who cannot publish need not build
            self._start()
        return words

    @property
    def words_sequence(self) -> int:
        """The commit that the keyword index was led on to: of one before, rows that died since may have no postings."""
        return self._words.sequence

    def words_behind(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> int:
        """Return how many rows the keyword index lacks; upkeep is started where they are many."""
        self._words.asked = True
        behind = self._words.behind(snapshot, lane, view)
        if behind > AT_ONCE and not self._store.read_only:
            self._start()
        return behind

    def _lane(self, snapshot: Snapshot) -> Lane | None:
        """Return the lane, whatever its collection is called by now; None where it is gone."""
        return snapshot.lane_numbered(self.lane)

    @property
    def keeps_words(self) -> bool:
        """Whether there is a keyword index: words were asked here, or have been before."""
        return self._words.is_in_use

    def renew(self) -> None:
        """Forget the indexes of this process and build both anew, also where that does not seem due."""
        with self._guard:
            self._index = self._seen = None
        self._words.forget()
        self.upkeep(compact=False, words=False)

    def is_due(self) -> bool:
        """Return whether upkeep pays: many rows are not coded, or an index or its measurement is out of date."""
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
            if lane is None:
                return False
            view = self._store.view(snapshot, lane)
            if self.index(snapshot, lane, view).stale(lane.rows) or _is_sparse(snapshot, lane, view):
                return True
            return self._words.is_in_use and self._words.is_due(snapshot, lane, view)

    def upkeep(self, *, progress: Progress | None = None, compact: bool = True, words: bool = True) -> Upkeep:
        """Compact what is sparse, build the indexes anew, measure that of vectors, and save all for the next process.

        Parameters
        ----------
        progress : callable, optional
            Called with (steps done, steps to do) of each stage.
        compact : bool
            Whether files with many dead rows are rewritten.
        words : bool
            Whether the keyword index is built where there is none.

        Raises
        ------
        ReadOnlyError, NoSpaceLeftError, StoreError
            The disk refused; nothing is lost, and what was published before serves on.
        """
        begun = time.perf_counter()
        with self._building:
            moved, freed = self._compacted(progress) if compact and not self._store.read_only else (0, 0)
            rows = self._rebuilt(progress)
            if words or self._words.is_in_use:
                self._rebuild_words(progress)
            if compact and not self._store.read_only:
                _remove_strays(self._store)
        return Upkeep(moved_rows=moved, freed_bytes=freed, indexed_rows=rows, took_s=time.perf_counter() - begun)

    def _compacted(self, progress: Progress | None) -> tuple[int, int]:
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
        if lane is None:
            return 0, 0
        done = self._store.compact(lane.name, progress=progress)
        return done.moved_rows, done.dropped_bytes

    def _rebuilt(self, progress: Progress | None) -> int:
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
            if lane is None:
                return 0
            view = self._store.view(snapshot, lane)
            columns = self.columns(snapshot, lane, view).pruned(view.alive)
            marks = _marks(snapshot, lane)
        folder = None if self._store.read_only else self._folder(lane)
        built = FunnelIndex.build(
            view.parts,
            lane.space,
            alive=view.alive,
            threads=config.threads(),
            progress=progress,
            folder=None if folder is None else folder / "vectors",
            meta=marks,
        )
        built = built.with_calibration(built.calibrate(view.alive, threads=config.threads(), progress=progress))
        if folder is not None and view.next_row:
            columns.save(folder / "fields", {**marks, "sequence": view.sequence})
        with self._guard:
            self._index, self._seen = built, None
        return built.coded_rows

    def _rebuild_words(self, progress: Progress | None) -> None:
        """Build the keyword index anew where it is out of date, of the living rows, and publish it."""
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
            if lane is None or self._store.read_only:
                return
            view = self._store.view(snapshot, lane)
            if self._words.is_due(snapshot, lane, view):
                self._words.rebuild(snapshot, lane, view, progress)

    def _opened(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> FunnelIndex | None:
        accepts = _accepts(snapshot, _marks(snapshot, lane))
        return FunnelIndex.open(self._folder(lane) / "vectors", view.parts, lane.space, accepts)

    def saved(
        self, snapshot: Snapshot, lane: Lane, view: LaneView
    ) -> tuple[bool, FunnelIndex | None, bool, LexicalIndex | None]:
        """Return whether an index of vectors was ever published, the one that serves; the same of the keyword index.

        Warns
        -----
        DamagedIndexWarning
            A file is damaged; it is named.
        """
        folder, accepts = self._folder(lane), _accepts(snapshot, _marks(snapshot, lane))
        vectors, words = folder / "vectors", folder / "words"
        return vectors.exists(), self._opened(snapshot, lane, view), words.exists(), LexicalIndex.open(words, accepts)

    def _folder(self, lane: Lane) -> Path:
        return self._store.folder / "index" / lane.space.id / str(lane.number)

    def _start(self) -> None:
        """Let the background run, unless it does, rests, or is not wanted."""
        if config.maintenance():
            self._background.start(self._run)

    def _run(self) -> None:
        """Keep up, and be silent where that cannot be: exact search answers all the same."""
        with contextlib.suppress(_StoppedError, VicinalError):
            if self._is_adopted():
                if self._words.is_in_use:
                    self._rebuild_words(self._background.look)
            else:
                self.upkeep(progress=self._background.look, compact=self._pays(), words=False)

    def _is_adopted(self) -> bool:
        """Return whether another store or process has built what was due, and take it over then."""
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
            if lane is None:
                return True
            view = self._store.view(snapshot, lane)
            newer = self._opened(snapshot, lane, view)
        if newer is None or _is_sparse(snapshot, lane, view) or newer.extended(view.parts, at_most=0).stale(lane.rows):
            return False
        with self._guard:
            self._index, self._seen = newer, None
        return True

    def _pays(self) -> bool:
        with self._store.snapshot() as snapshot:
            lane = self._lane(snapshot)
            return lane is not None and _is_sparse(snapshot, lane, self._store.view(snapshot, lane))

    def wait(self) -> None:
        """Wait until the background has done what it began."""
        self._background.wait()

    def stop(self) -> None:
        """Give up what the background does, for good: the store is closing."""
        self._background.stop()


class _Background:
    """A thread that runs one task at a time, rests between them, and stops where the task looks."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._rests_until = 0.0

    def start(self, task: Callable[[], None]) -> None:
        """Run a task, unless one runs or ran a moment ago."""
        with self._guard:
            runs = self._thread is not None and self._thread.is_alive()
            if runs or self._stopped.is_set() or time.monotonic() < self._rests_until:
                return
            self._thread = threading.Thread(target=self._run, args=(task,), name=self._name, daemon=True)
            self._thread.start()

    def _run(self, task: Callable[[], None]) -> None:
        begun = time.monotonic()
        try:
            task()
        finally:
            ended = time.monotonic()
            self._rests_until = ended + max(REST_S, REST_TIMES * (ended - begun))

    def look(self, _done: int, _total: int) -> None:
        """Stop the task that calls this, if it is to stop."""
        if self._stopped.is_set():
            raise _StoppedError

    def wait(self) -> None:
        """Wait for the task that runs."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def stop(self) -> None:
        """Stop the task that runs, and let no other begin."""
        self._stopped.set()
        self.wait()


class _KeptColumns:
    """The columns of a lane as of the last commits that were asked for, each made of the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()  # of its own: reading them in takes a while, and searches without a filter go on
        self._kept: list[tuple[int, Columns]] = []

    def at(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> Columns:
        """Return the columns as of a snapshot, which may be older than what another thread has asked for."""
        with self._guard:
            past = [one for one in self._kept if one[0] <= snapshot.sequence]
            if past and past[-1][0] == snapshot.sequence:
                return past[-1][1]
            since, columns = past[-1] if past else self._opened(snapshot, lane)
            columns = columns.advanced(
                view.next_row,
                snapshot.fields_from(lane, columns.next_row),
                snapshot.relabelled_since(lane, since) if since >= 0 else (),
            )
            kept = [*self._kept, (snapshot.sequence, columns)]
            self._kept = sorted(kept, key=lambda one: one[0])[-KEPT_COLUMNS:]
            return columns

    def _opened(self, snapshot: Snapshot, lane: Lane) -> tuple[int, Columns]:
        """Return the columns that were saved, with their commit; empty ones where none fit."""
        belongs = _accepts(snapshot, _marks(snapshot, lane))
        sequence = -1

        def accepts(meta: Mapping[str, Any]) -> bool:
            nonlocal sequence
            said = meta.get("sequence")
            sequence = said if type(said) is int else -1
            return belongs(meta) and 0 <= sequence <= snapshot.sequence

        columns = Columns.open(self._folder, accepts)
        if columns is None or columns.next_row > lane.next_row:
            return -1, Columns.empty()
        return sequence, columns


class _KeptWords:
    """The keyword index of a lane as of the last commit that was asked for: rows only ever come behind the others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._index: LexicalIndex | None = None
        self.sequence = -1
        self.asked = False

    def forget(self) -> None:
        """Forget the index, in memory and on the disk: the next question makes it again."""
        with self._guard:
            self._index, self.sequence = None, -1
            if self._folder.exists():
                self.asked = True
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_in_use(self) -> bool:
        """Whether words were asked here, or have been before: who asks by vectors alone pays nothing for words."""
        return self.asked or self._folder.exists()

    def at(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> LexicalIndex:
        """Return the index with all rows of a snapshot, and perhaps later ones, which no mask of it lets through."""
        with self._guard:
            index = self._newest(snapshot, lane, view)
            try:
                if index.end < view.next_row:
                    self.sequence = max(self.sequence, snapshot.sequence)
                    index = index.extended(texts_of(snapshot, lane, view, index.end), end=view.next_row)
                _ = index.row_count  # what was added becomes part of the postings, or fails, here and not in a search
            except StoreError:
                self._index = None  # it is spent; the next question opens or makes another
                raise
            self._index = index
            return index

    def behind(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> int:
        """Return how many rows of a snapshot have no postings yet."""
        with self._guard:
            self._index = self._newest(snapshot, lane, view)
            return max(0, view.next_row - self._index.end)

    def is_due(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> bool:
        """Return whether the published index lacks so many rows, or has so many dead ones, that building it anew pays."""
        behind = self.behind(snapshot, lane, view)
        with self._guard:
            index = self._index
        if index is None or behind > max(WORDS_WAITING, WORDS_SHARE * lane.rows):
            return behind > 0
        return bool(index.stale(lane.rows))

    def _newest(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> LexicalIndex:
        """Return the index that is known, or a later one that another process has published."""
        index = self._index
        if index is None or view.next_row - index.end > WORDS_AT_ONCE:
            found = LexicalIndex.open(self._folder, _accepts(snapshot, _marks(snapshot, lane)))
            if found is not None and (index is None or found.end > index.end):
                index = found
        return LexicalIndex.build(()) if index is None else index

    def rebuild(self, snapshot: Snapshot, lane: Lane, view: LaneView, progress: Progress | None) -> None:
        """Build the index of the living rows and publish it; searches use that of before meanwhile."""
        built = LexicalIndex.build(
            texts_of(snapshot, lane, view, 0),
            folder=self._folder,
            meta=_marks(snapshot, lane),
            end=view.next_row,
            progress=progress,
        )
        with self._guard:
            self._index = built
            self.sequence = max(self.sequence, snapshot.sequence)


def texts_of(snapshot: Snapshot, lane: Lane, view: LaneView, first_row: int) -> Iterator[LexicalText]:
    """Go through the texts of living rows from a row on."""
    alive = view.alive
    for row, text in snapshot.texts_from(lane, first_row):
        if row < view.next_row and int(alive[row // 64]) >> (row % 64) & 1:
            yield LexicalText(row=row, text=text)


_KEEPING = threading.Lock()
MADE_BY = "derived by"
"""Under this a store may keep what makes its ``Derived``."""


def derived_of(store: Store, lane: Lane) -> Derived:
    """Return what is derived of a lane, the same for all who ask with the same open store in the same process."""
    key = f"{lane.number} in {os.getpid()}"  # a child that was forked has none of its parent's threads, and perhaps its locks
    found = store.kept.get(key)
    if not isinstance(found, Derived):
        with _KEEPING:
            found = store.kept.get(key)
            if not isinstance(found, Derived):
                made_by = cast("type[Derived]", store.kept.get(MADE_BY, Derived))
                found = store.kept[key] = made_by(store, lane)
    found.name = lane.name  # a migration that was cut over gives the lane another one
    return found


def forget(store: Store, lane: Lane) -> None:
    """Let go of what is derived of a lane that was dropped, in memory and on disk."""
    found = store.kept.pop(f"{lane.number} in {os.getpid()}", None)
    if isinstance(found, Derived):
        found.stop()
    store.forget(lane.number)
    if not store.read_only:
        shutil.rmtree(store.folder / "index" / lane.space.id / str(lane.number), ignore_errors=True)


def _remove_strays(store: Store) -> None:
    """Remove what is derived of lanes that are gone: whoever dropped one may have been killed before they could.

    A folder is made for a lane that is committed, and no number is given twice: one that is there before the lanes are read,
    and belongs to none of them, never will.
    """
    found = [path for path in (store.folder / "index").glob("*/*") if path.name.isdecimal()]
    with store.snapshot() as snapshot:
        gone = [path for path in found if snapshot.lane_numbered(int(path.name)) is None]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)


def stop_upkeep(store: Store) -> None:
    """Stop all that runs in the background of a store."""
    for one in list(store.kept.values()):
        if isinstance(one, Derived):
            one.stop()


def _followed(index: FunnelIndex, view: LaneView) -> FunnelIndex:
    """Return the index with the rows of a view; small additions are coded, large ones wait and are searched exactly."""
    try:
        return index.extended(view.parts, at_most=AT_ONCE)
    except RangeError:  # the index was built of a later commit than this view, after a compaction
        return FunnelIndex.build((), index.space).extended(view.parts, at_most=0)


def _is_sparse(snapshot: Snapshot, lane: Lane, view: LaneView) -> bool:
    """Return whether so many rows are dead, and not needed by a history, that rewriting their files pays."""
    rows = sum(len(vectors) for _, vectors in view.parts)
    dead = rows - lane.rows
    least = max(SPARSE_ROWS, SPARSE_SHARE * rows)
    return dead >= least and dead - snapshot.dead_kept(lane) >= least


def _marks(snapshot: Snapshot, lane: Lane) -> dict[str, Any]:
    """Return what derived files are known by: the database, the lane, and the checksums of the rows they were made of."""
    return {
        "database": snapshot.database.hex(),
        "epoch": snapshot.setting(EPOCH),
        "lane": lane.number,
        "segments": {
            str(segment.header.number): [
                crc for _, (count, crc) in sorted(snapshot.blocks(segment).items()) if count == BLOCK_ROWS
            ]
            for segment in snapshot.segments(lane)
        },
        "groups": [[number, crc] for number, crc in snapshot.last_groups(lane).items()],
    }


def _accepts(snapshot: Snapshot, now: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    """Return what says of a meta whether it is of this history: the vectors and the last records that both know agree.

    A folder that was set back by hand, to an older copy of the truth beside newer derived files, has other ones.
    """

    def accepts(meta: Mapping[str, Any]) -> bool:
        known = meta.get("segments")
        if not isinstance(known, dict) or any(meta.get(name) != now[name] for name in ("database", "epoch", "lane")):
            return False
        if not _shares_groups(snapshot, meta.get("groups")):
            return False
        shared = {name: sums for name, sums in known.items() if name in now["segments"]}
        return all(
            isinstance(sums, list) and now["segments"][name][: len(sums)] == sums for name, sums in shared.items()
        )

    return accepts


def _shares_groups(snapshot: Snapshot, said: object) -> bool:
    """Return whether some of the last groups of records are there still, and none is another."""
    if not isinstance(said, list) or not all(isinstance(one, list) and len(one) == 2 for one in said):  # noqa: PLR2004
        return False
    known = {number: crc for number, crc in said if type(number) is int and abs(number) < MAX_NUMBER}
    there = snapshot.checksums_of(list(known))
    return (bool(there) or not said) and all(known[number] == crc for number, crc in there.items())
