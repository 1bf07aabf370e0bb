"""What answers for a collection as it stood after an earlier commit: made in memory, of nothing but the store.

The indexes on disk are of now: the keyword index has no postings for what died, and the columns have the fields of now.
Vectors are compared one by one, where they stand.
"""

from __future__ import annotations

import datetime as dt
import math
import threading

from vicinal.errors import CommitNotFoundError, DtypeError, InputError, NonFiniteError, RangeError
from vicinal.index import FunnelIndex
from vicinal.lexical import LexicalIndex
from vicinal.lifecycle.derived import MADE_BY, Derived, texts_of
from vicinal.search import Columns
from vicinal.store import Lane, LaneView, Snapshot, Store
from vicinal.store.bits import is_in
from vicinal.store.history.past import PastStore, require_told
from vicinal.types import History

WORDS_AT_ONCE = 20_000
"""Chunks up to which a question in text asks words as well where it does not say so: their index is made for it."""


class PastDerived(Derived):
    """The index and the columns of a lane as of one commit. Each is made when it is first asked for, and kept."""

    def __init__(self, store: Store, lane: Lane) -> None:
        super().__init__(store, lane)
        self._making = threading.Lock()
        self._made: dict[str, tuple[LaneView, object]] = {}

    def index(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> FunnelIndex:  # noqa: ARG002 - as of now
        """Return an index that compares every vector."""
        with self._making:
            known = self._known("vectors", view)
            if not isinstance(known, FunnelIndex):
                known = FunnelIndex.build((), lane.space).extended(view.parts, at_most=0)
                self._made["vectors"] = (view, known)
            return known

    def columns(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> Columns:
        """Return the columns. Cost: reading every record, once."""
        with self._making:
            known = self._known("fields", view)
            if not isinstance(known, Columns):
                labelled = (one for one in snapshot.fields_from(lane) if is_in(view.alive, one[0]))
                known = Columns.empty().advanced(view.next_row, labelled, ())
                self._made["fields"] = (view, known)
            return known

    def words(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> LexicalIndex:
        """Return the keyword index, in memory. Cost: reading every text, once."""
        with self._making:
            known = self._known("words", view)
            if not isinstance(known, LexicalIndex):
                known = LexicalIndex.build(texts_of(snapshot, lane, view, 0), end=view.next_row)
                self._made["words"] = (view, known)
            return known

    def _known(self, what: str, view: LaneView) -> object:
        """Return what was made of a view; the rows may have moved since it was made of another."""
        of, known = self._made.get(what, (None, None))
        return known if of is view else None

    @property
    def words_sequence(self) -> int:
        """No commit: it is led on to none."""
        return -1

    def words_behind(self, snapshot: Snapshot, lane: Lane, view: LaneView) -> int:  # noqa: ARG002 - as of now
        """Return 0: it is made where it is asked for."""
        return 0

    def is_due(self) -> bool:
        """Return false: what was needs no upkeep."""
        return False


def past_store(store: Store, name: str, *, sequence: int | None, time: dt.datetime | float | None) -> PastStore:
    """Return the reads of a collection as it stood after a commit, or at a time.

    Raises
    ------
    InputError
        Neither or both were given, or one of them is no number.
    CommitNotFoundError
        The collection cannot be told as of then.
    """
    if (sequence is None) == (time is None):
        raise InputError("Say as of when: a sequence, or a time; one of the two.", where="sequence")
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        wanted = sequence if time is None else _commit_at(snapshot, lane, _seconds(time))
        if type(wanted) is not int:
            raise DtypeError(
                f"sequence must be a whole number, got {type(wanted).__name__}.",
                expected="int",
                got=type(wanted).__name__,
                where="sequence",
            )
        require_told(snapshot, lane, wanted)
    found = PastStore(store, lane, wanted)
    found.kept[MADE_BY] = PastDerived
    return found


def _seconds(time: object) -> float:
    """Return a time in seconds since 1970; one that names no zone is of this machine's."""
    if isinstance(time, dt.datetime | int) and not isinstance(time, bool):
        try:
            return time.timestamp() if isinstance(time, dt.datetime) else float(time)
        except (ValueError, OverflowError, OSError) as error:
            raise RangeError(
                f"time must be a moment that this machine can tell in seconds since 1970, got {time!s:.40}.",
                expected="datetime or float",
                got=f"{time!s:.40}",
                where="time",
            ) from error
    if not isinstance(time, float):
        raise DtypeError(
            f"time must be a datetime or seconds since 1970, got {type(time).__name__}.",
            expected="datetime or float",
            got=type(time).__name__,
            where="time",
        )
    if math.isnan(time):
        raise NonFiniteError("time must be a number of seconds, got NaN.", got="NaN", where="time")
    return float(time)


def _commit_at(snapshot: Snapshot, lane: Lane, time: float) -> int:
    """Return the commit whose state was that of a time.

    Raises
    ------
    CommitNotFoundError
        Times are not known, or not so far back.
    """
    found, begun = snapshot.commit_at(lane, time), snapshot.begun(lane)
    if found is not None:
        return found
    since = "" if begun is None else f"; they are since {_told(begun.time)}"
    raise CommitNotFoundError(
        f"What collection {lane.name!r} held at {_told(time)} is not known: the times of its commits are kept where its "
        f"past is{since}. Database.keep_history(days=7) keeps it from then on; snapshots.at(PLACE) tells when each was taken.",
        got=_told(time),
        where=lane.name,
    )


def _told(time: float) -> str:
    """Return a time as people write it."""
    try:
        return dt.datetime.fromtimestamp(time, dt.UTC).isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{time:g} s"


def history_of(store: Store, name: str) -> History:
    """Return how far back a collection can be told, and the commits that changed it."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        return History(
            collection=lane.name,
            first=snapshot.first_told(lane),
            last=snapshot.sequence,
            days=snapshot.kept_days(),
            commits=tuple(snapshot.commits(lane)),
        )
