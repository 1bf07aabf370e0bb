"""A database that follows another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from vicinal.errors import LockedError, RangeError, ReplicaError, VicinalError
from vicinal.lifecycle.replica.carry import Carried, carry
from vicinal.lifecycle.replica.source import FolderSource, PlaceSource, Source
from vicinal.lifecycle.replica.state import State, put_state, state_of
from vicinal.lifecycle.snapshots import EPOCH, Place, open_place
from vicinal.lifecycle.snapshots.manifest import MANIFESTS
from vicinal.lifecycle.snapshots.place import path_of
from vicinal.lifecycle.snapshots.prune import require_seconds
from vicinal.store import Snapshot, Store, Transaction
from vicinal.store.format import SQLITE_NAME
from vicinal.types import Progress

SEEN_NAME = "vicinal.replica"
"""An empty file whose time of change says when the replica last equalled its primary. Losing it loses that alone."""

LONGEST_PAUSE_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What one step did: the commit of the primary that the replica equals now, and what was written for it.

    ``lag`` is the number of commits that the primary is ahead of that by the end of the step.
    """

    sequence: int
    records: int = 0
    deleted: int = 0
    lag: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """How a replica stands to its primary.

    ``lag`` is in commits. ``lag_s`` is the most that it can be behind, in seconds: how long ago it last equalled the
    primary; 0.0 where it does now. Both are None where the primary cannot be asked or followed (``step`` tells why),
    and for one that was promoted.
    """

    primary: str
    applied: int
    lag: int | None
    lag_s: float | None
    promoted: bool
    history: tuple[tuple[str, int], ...]


class Replica:
    """A database folder that follows a primary. Made by ``Replica.open``; a context manager.

    Readers of the folder see commits of the primary, whole and in their order; some may be left out.
    Whatever kills it, it stands at one of them and goes on from there.
    """

    def __init__(self, store: Store, source: Source | None) -> None:
        self._store = store
        self._given = source

    @classmethod
    def open(cls, folder: str | Path, primary: Place | str | Path | None = None, *, create: bool = True) -> Replica:
        """Return the replica in a folder; it is made where there is none, empty until its first step.

        Parameters
        ----------
        folder : str or Path
            Of the replica. From now on nobody else can write to it, until it is promoted.
        primary : Place, str or Path, optional
            The folder of the primary, on this machine; or a place of its snapshots (see ``snapshots.open_place``),
            which may be anywhere. Without it the replica can tell its status and be promoted, and no more.
        create : bool
            Whether to make it where there is none; never without a primary.

        Raises
        ------
        DtypeError, RangeError
            An argument is no path or place.
        DatabaseNotFoundError
            There is none, and it is not to be made.
        ReplicaError
            What is in the folder is no replica, or was promoted and a primary is named, or is the primary.
        StoreError
            It is damaged or cannot be written.
        """
        folder = path_of(folder, "folder")
        if isinstance(primary, str | Path) and path_of(primary, "primary") == folder:
            raise ReplicaError(f"{folder} cannot follow itself.", where=str(folder))
        source = None if primary is None else _source(primary, folder)
        store = Store.open(folder, create=create and source is not None)
        try:
            if source is None:
                with store.snapshot() as snapshot:
                    _required(snapshot, folder, promoted=True)
            else:
                _begin(store)
        except BaseException:
            store.close()
            raise
        return cls(store, source)

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._store.folder

    @property
    def store(self) -> Store:
        """Its store, for reading."""
        return self._store

    def __enter__(self) -> Self:
        """Return the replica itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it and let go of the primary. Closing twice is no error."""
        if self._given is not None:
            self._given.close()
        self._store.close()

    @property
    def _source(self) -> Source:
        if self._given is None:
            raise ReplicaError(
                f"{self.path} was opened without its primary; name it to follow it.", where=str(self.path)
            )
        return self._given

    def step(self, *, progress: Progress | None = None) -> Applied:
        """Bring the replica to the primary's newest commit, in one commit of its own.

        Parameters
        ----------
        progress : callable, optional
            Called with (records written, records of the primary).

        Raises
        ------
        ReplicaError
            The replica was promoted; the primary is another database or was restored; or it has forgotten what was
            deleted since. Nothing was changed; ``resync`` copies the primary anew where that is what is wanted.
        LockedError
            Another process is stepping this replica.
        StoreError
            One of the two is damaged, or the disk refused. Nothing was changed.

        Notes
        -----
        Cost: what changed since the last step. Memory: 2,000 records with their vectors.
        """
        seen_at = time.time()
        with self._source.snapshot() as origin:
            state = self._state()
            self._require_follows(state, origin)
            if state.primary and origin.sequence == state.applied:
                carried = Carried()
            else:
                with self._changing(state) as transaction:
                    carried = carry(origin, transaction, since=state.applied, progress=progress)
                    put_state(transaction, _at(origin, state.history))
            sequence = origin.sequence
        self._note(seen_at)
        return Applied(sequence=sequence, records=carried.records, deleted=carried.deleted, lag=self._lag(sequence))

    def resync(self, *, progress: Progress | None = None) -> Applied:
        """Copy the primary anew, whatever it is, in one commit: readers see the old state until the new one is whole.

        Raises
        ------
        ReplicaError
            The replica was promoted.
        StoreError
            One of the two is damaged, or the disk refused. Nothing was changed.
        """
        seen_at = time.time()
        with self._source.snapshot() as origin:
            state = self._state()
            with self._changing(state) as transaction:
                for alias in transaction.aliases():
                    transaction.drop_alias(alias)
                for name in transaction.collection_names():
                    transaction.drop_collection(name)
                carried = carry(origin, transaction, since=0, progress=progress)
                put_state(transaction, _adopted(state, origin))
            sequence = origin.sequence
        self._note(seen_at)
        return Applied(sequence=sequence, records=carried.records, deleted=carried.deleted, lag=self._lag(sequence))

    def follow(
        self,
        *,
        poll_s: float = 1.0,
        until: Callable[[Applied], bool] | None = None,
        progress: Progress | None = None,
    ) -> Applied:
        """Step again and again.

        Parameters
        ----------
        poll_s : float, 0 < poll_s <= 86,400
            How long to wait after a step that reached the primary.
        until : callable, optional
            Called with each step's outcome; a true answer ends it. Without it only an error does, or Ctrl-C, which
            leaves the replica at its last step.
        progress : callable, optional
            As for ``step``.

        Raises
        ------
        DtypeError, RangeError
            ``poll_s`` is no number, or out of its range.
        ReplicaError, StoreError
            As for ``step``. A lock that another process holds is waited for.
        """
        require_seconds(poll_s, "poll_s")
        if not 0 < poll_s <= LONGEST_PAUSE_S:
            allowed = f"above 0 and at most {LONGEST_PAUSE_S}"
            raise RangeError(f"poll_s must be {allowed}, got {poll_s}.", expected=allowed, got=poll_s, where="poll_s")
        while True:
            with suppress(LockedError):
                done = self.step(progress=progress)
                if until is not None and until(done):
                    return done
                if done.lag:
                    continue
            time.sleep(poll_s)

    def status(self) -> ReplicaStatus:
        """Return how far the replica is; the primary is asked if it is there."""
        state = self._state(promoted=True)
        lag = lag_s = None
        if not state.promoted:
            with suppress(VicinalError):
                with self._source.snapshot() as origin:
                    self._require_follows(state, origin)
                    lag = origin.sequence - state.applied
                lag_s = self._lag_s() if lag else 0.0
        return ReplicaStatus(
            primary=state.primary,
            applied=state.applied,
            lag=lag,
            lag_s=lag_s,
            promoted=state.promoted,
            history=state.history,
        )

    def promote(self) -> ReplicaStatus:
        """Make the replica a primary: from now on it takes writes, and follows nobody, for good.

        It keeps its own id, so what follows the old primary does not take it for that one. The primary is not asked:
        what it committed after the last step is not here.

        Raises
        ------
        ReplicaError
            It was promoted before, or never made a step.
        """
        state = self._state()
        if not state.primary:
            raise ReplicaError(
                f"{self.path} has not followed anything yet; there is nothing to promote.", where=str(self.path)
            )
        with self._changing(state) as transaction:
            put_state(
                transaction, replace(state, promoted=True, history=(*state.history, (state.primary, state.applied)))
            )
        return self.status()

    def _state(self, *, promoted: bool = False) -> State:
        with self._store.snapshot() as snapshot:
            return _required(snapshot, self.path, promoted=promoted)

    @contextmanager
    def _changing(self, state: State) -> Iterator[Transaction]:
        """Write one commit of the replica, which must stand where it stood."""
        with self._store.write(following=True) as transaction:
            if _required(transaction, self.path) != state:
                raise LockedError(f"Another process is stepping {self.path}.", where=str(self.path))
            yield transaction

    def _require_follows(self, state: State, origin: Snapshot) -> None:
        """Refuse a primary from which this state does not lead on."""
        if not state.primary:
            return
        about = f"{self.path} follows database {state.primary} and stands at its commit {state.applied}"
        told = ""
        if origin.database.hex() != state.primary:
            told = f"{self._source.url} is database {origin.database.hex()}"
        elif origin.sequence < state.applied:
            told = f"{self._source.url} was set back to commit {origin.sequence}"
        elif _epoch(origin) != state.epoch:
            told = f"{self._source.url} is another history of it: one of the two began with a restored snapshot"
        elif origin.oldest_feed() > state.applied:
            told = f"{self._source.url} knows only what was deleted after commit {origin.oldest_feed()}"
        if told:
            raise ReplicaError(
                f"{about}; {told}. Nothing was changed; resync copies it anew.",
                expected=state.primary,
                got=origin.database.hex(),
                where=str(self.path),
            )

    def _lag(self, sequence: int) -> int:
        """Return how many commits the primary is ahead of one."""
        with self._source.snapshot() as origin:
            return max(0, origin.sequence - sequence)

    def _lag_s(self) -> float | None:
        try:
            return max(0.0, time.time() - (self.path / SEEN_NAME).stat().st_mtime)
        except OSError:
            return None

    def _note(self, seen_at: float) -> None:
        """Note when the replica equalled its primary. It is derived, and for people: a full disk does not matter."""
        with suppress(OSError):
            path = self.path / SEEN_NAME
            path.touch()
            os.utime(path, (seen_at, seen_at))


def _source(primary: Place | str | Path, folder: Path) -> Source:
    """Return what a replica follows: a place of snapshots where it is one, else a folder."""
    if isinstance(primary, str | Path) and "://" not in str(primary):
        path = Path(primary).absolute()
        is_place = (path / MANIFESTS).is_dir() and not (path / SQLITE_NAME).exists()
        return PlaceSource(open_place(path), folder) if is_place else FolderSource(path)
    return PlaceSource(open_place(primary), folder)


def _begin(store: Store) -> None:
    """Mark a new database as a replica before anybody can write to it.

    Raises
    ------
    ReplicaError
        It has a life of its own already.
    """
    with store.snapshot() as snapshot:
        if state_of(snapshot, store.folder) is not None:
            _required(snapshot, store.folder)
            return
    with store.write(following=True) as transaction:
        state = state_of(transaction, store.folder)
        if state is None and (transaction.sequence > 1 or transaction.collection_names()):
            raise ReplicaError(
                f"{store.folder} is a database of its own; a replica begins in a new folder.", where=str(store.folder)
            )
        if state is None:
            put_state(transaction, State())


def _required(snapshot: Snapshot, folder: Path, *, promoted: bool = False) -> State:
    """Return the state of a replica.

    Raises
    ------
    ReplicaError
        It is none, or was promoted and ``promoted`` does not allow that.
    """
    state = state_of(snapshot, folder)
    if state is None:
        raise ReplicaError(f"{folder} is no replica.", where=str(folder))
    if state.promoted and not promoted:
        raise ReplicaError(
            f"{folder} was promoted and is a primary itself; make a new replica instead.", where=str(folder)
        )
    return state


def _adopted(state: State, origin: Snapshot) -> State:
    """Return the state after a resync; a primary that was left is noted."""
    left = state.primary not in {"", origin.database.hex()}
    history = (*state.history, (state.primary, state.applied)) if left else state.history
    return _at(origin, history)


def _at(origin: Snapshot, history: tuple[tuple[str, int], ...]) -> State:
    """Return the state of a replica that equals its primary at a commit."""
    return State(primary=origin.database.hex(), applied=origin.sequence, epoch=_epoch(origin), history=history)


def _epoch(origin: Snapshot) -> str:
    return origin.setting(EPOCH) or ""
