"""A collection as it stands open: which it is, where its records lie, and the encoder of its space, proven.

What was opened by an alias follows it: each verb begins by asking what the alias stands for, and stays with that.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, Self, TypeVar, cast

from vicinal import encode
from vicinal._arrays import is_encodable
from vicinal.chunk import Chunker
from vicinal.errors import (
    CanaryMismatchError,
    CorruptStoreError,
    ModelNotFoundError,
    ReadOnlyError,
    ReplicaError,
    StoreError,
    VicinalError,
)
from vicinal.lifecycle import canary, equivalence, mismatch, projection_of
from vicinal.lifecycle.bridge.cascade import Cascade, cascade_of
from vicinal.lifecycle.derived import forget
from vicinal.lifecycle.forms import Making, offer, offered
from vicinal.lifecycle.ingest import chunker_of
from vicinal.lifecycle.migrate.state import BRIDGED, state_of
from vicinal.lifecycle.mismatch import Mismatch
from vicinal.lifecycle.question import recall_setting
from vicinal.rerank import Reranker
from vicinal.search.background import Background
from vicinal.search.cache import Answers
from vicinal.space import Encoder, Space
from vicinal.store import BESIDE, Lane, Snapshot, Store
from vicinal.store.format import FOLLOWS
from vicinal.types import Hits

DEFAULT_RECALL = 0.98


TRIES = 5
"""How often a question is asked anew where the collection was cut over to another space meanwhile."""
REST_S = 60.0
"""How long a model that could not be loaded, to write beside, is not tried again."""

P = ParamSpec("P")
R = TypeVar("R")


class Stand:
    """One lane as it was found under a collection's name, and what is loaded for it. Its space never changes."""

    def __init__(self, lane: Lane, model: str) -> None:
        self.lane = lane
        self.model = model
        self.encoder: Encoder | None = None
        self.mismatch = ""  # the token of the last one that the encoder was proven after
        self.has_moved = False
        self.rerankers: dict[str, Reranker] = {}
        self.background: tuple[int, int, int, Background] | None = None
        self.failed_at: float | None = None
        self.crossing: tuple[int, str, Cascade | None] | None = None

    @property
    def chunker(self) -> Chunker | None:
        """What cuts documents up, or None where each document is one chunk."""
        return chunker_of(self.lane.chunker)


def following(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a verb run in one space from beginning to end, and again in the new one where the collection was cut over.

    The verb is called on a copy that keeps to one lane. Where that lane no longer answers for the name, what it asks is
    refused as a mismatch of spaces; then it is called on a copy that keeps to the lane that does. Any other error counts
    for nothing as well where the name leads elsewhere by now.
    """

    @functools.wraps(verb)
    def followed(*args: P.args, **kwargs: P.kwargs) -> R:
        opened = cast("Opened", args[0])
        call = cast("Callable[..., R]", verb)
        for _ in range(TRIES):
            pinned = opened._pinned()  # noqa: SLF001 - of this module
            try:
                return call(pinned, *args[1:], **kwargs)
            except VicinalError:  # a mismatch of spaces, or the old model is gone by now
                if pinned is opened or not opened._moved_from(pinned):  # noqa: SLF001 - of this module
                    raise
        return verb(*args, **kwargs)

    return followed


class Opened:
    """What every verb of a collection needs: its store, its name, its space, its encoder.

    The space is that of the lane to which the name leads. A migration that is cut over, here or in another process, lets
    it lead to another one; who asks is then refused, follows, and asks again: see ``following``. An alias is asked for what
    it stands for as each verb begins.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        base: Path,
        encoder: Encoder | None = None,
        runtime: str | None = None,
        proven: bool = False,
    ) -> None:
        self._store = store
        self._base = base
        self._given = encoder
        self._runtime = runtime
        self._is_proven = proven
        self._is_pinned = False
        self._crosses = True
        self._guard = threading.RLock()
        self._answers: Answers[Hits] | None = None
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            twin = snapshot.twin(lane)
            self.recall = _kept_recall(snapshot, lane)
        self._target = lane.name
        self._alias = None if lane.name == name else name
        self._stand = self._found(lane)
        self._stands: dict[int, Stand] = {lane.number: self._stand}
        if encoder is not None and twin is not None and encoder.space == twin.space:
            offer(store, encoder)  # that of a migration under way: whoever has the collection open here may need it
        elif encoder is not None:
            self._given = self._in_space(encoder, self._stand, what=f"the encoder given for collection {name!r}")

    @property
    def alias(self) -> str | None:
        """The alias that it was opened by and that it follows, None where it was opened by its own name."""
        return self._alias

    @property
    def name(self) -> str:
        """The collection that it is; where it was opened by an alias, the one that this stands for now."""
        _ = self._now()
        return self._target

    @property
    def space(self) -> Space:
        """The space that its vectors are in, as of the last question or write."""
        return self._now().lane.space

    @property
    def model(self) -> str:
        """The name that loads its encoder, ``""`` for one that was given as an object."""
        return self._now().model

    @property
    def _named(self) -> str:
        """What leads to its lane: the alias that it follows, or its own name."""
        return self._target if self._is_pinned or self._alias is None else self._alias

    @property
    def _number(self) -> int:
        return self._now().lane.collection

    @property
    def _chunker_id(self) -> str:
        return self._now().lane.chunker

    def _now(self) -> Stand:
        """Return where it stands; an alias is followed first (some 20 µs), as long as the database is open."""
        if self._alias is not None and not self._is_pinned:
            with suppress(StoreError):
                self._follow()
        return self._stand

    def _pinned(self) -> Self:
        """Return a copy that keeps to the lane of now."""
        if self._is_pinned:
            return self
        if self._alias is not None:
            self._follow()
        pinned = self._alike()
        pinned._is_pinned = True  # noqa: SLF001 - of this class
        return pinned

    def _alike(self) -> Self:
        """Return a copy with the same of everything (``copy.copy`` takes 5 µs for it)."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def _uncrossed(self) -> Self:
        """Return a copy that answers by its own lane, also where a bridge answers for others."""
        plain = self._alike()
        plain._crosses = False  # noqa: SLF001 - of this class
        return plain

    def _by_own_name(self) -> Self:
        """Return what follows no alias: itself, or a copy that keeps to the collection that its alias stands for now."""
        if self._alias is None:
            return self
        self._follow()
        named = self._alike()
        named._alias = None  # noqa: SLF001 - of this class
        return named

    def _moved_from(self, pinned: Opened) -> bool:
        """Follow the name, and return whether it leads elsewhere than it did for a copy."""
        self._follow()
        return self._stand is not pinned._stand

    def _follow(self) -> Lane:
        """Stand where the name leads as of the last commit; return the lane."""
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._named)
            recall = None if lane.name == self._target else _kept_recall(snapshot, lane)
            others = [one.lane for one in tuple(self._stands.values()) if one.lane.number != lane.number]
            gone = [one for one in others if snapshot.lane_numbered(one.number) is None]
        if lane.number != self._stand.lane.number and not self._is_pinned:
            self._stand = self._stand_of(lane)
        for one in gone:  # a migration is over: its other model, and what was made of its vectors, are needed no more
            self._stands.pop(one.number, None)
            forget(self._store, one)
        if recall is not None:  # the alias stands for another collection by now
            self._target, self.recall = lane.name, recall
        return lane

    def _stand_of(self, lane: Lane) -> Stand:
        """Return what is loaded for a lane, the same each time."""
        with self._guard:
            if lane.number not in self._stands:
                self._stands[lane.number] = self._found(lane)
            return self._stands[lane.number]

    def _found(self, lane: Lane) -> Stand:
        """Return a lane as it is found, with the model that serves it: its own, or one that was proven the same."""
        with self._store.snapshot() as snapshot:
            return Stand(lane, snapshot.setting(equivalence.model_setting(lane)) or lane.model)

    @property
    def encoder(self) -> Encoder:
        """The encoder of this collection, loaded when it is first needed, its space and its canary compared.

        Raises
        ------
        SpaceMismatchError
            What loads under the model's name now is in another space than the collection.
        CanaryMismatchError
            It says that it is in the same space, but gives the probe texts other vectors.
        ModelNotFoundError
            The model is not there, or the collection was made with an encoder object and none was given now.
        """
        return self._encoder_of(self._now())

    def _encoder_of(self, stand: Stand) -> Encoder:
        """Return the encoder of a lane, proven; anew where a mismatch was found meanwhile, by whomever."""
        with self._guard:
            known = self._mismatch(stand)
            token = "" if known is None else known.token
            if stand.encoder is None or token not in {"", stand.mismatch}:
                bare = self._bare(stand) if stand.encoder is None else encode.uncached(stand.encoder)
                self._is_proven = self._is_proven and not token
                stand.encoder = None
                try:
                    stand.encoder = self._proven(bare, stand)
                except CanaryMismatchError:
                    stand.has_moved = True
                    raise
                stand.mismatch, stand.has_moved = token, False
            return stand.encoder

    def _mismatch(self, stand: Stand) -> Mismatch | None:
        """Return the last time that an encoder of a lane's space was found to be another one, as of the last commit."""
        try:
            with self._store.snapshot() as snapshot:
                return mismatch.of(snapshot, stand.lane.space)
        except CorruptStoreError:
            raise
        except StoreError:  # it is closed: an encoder that was proven can still be used by itself
            return None

    def _bare(self, stand: Stand) -> Encoder:
        """Return the encoder of a lane, given or loaded: in its space, and not yet proven."""
        return self._own(stand) or self._load(stand)

    def _own(self, stand: Stand) -> Encoder | None:
        """Return the encoder object that was given for a lane; None where its model's name must do."""
        if self._given is not None and self._given.space == stand.lane.space:
            return self._given
        return None if stand.model else offered(self._store, stand.lane.space)

    def _in_space(self, encoder: Encoder, stand: Stand, *, what: str) -> Encoder:
        """Return the encoder, standing in where it was proven to be the same as that of a lane's space; else refuse it."""
        space = stand.lane.space
        with self._store.snapshot() as snapshot:
            is_same = encoder.space != space and equivalence.is_recorded(snapshot, space, encoder.space)
        if not is_same:
            space.require(encoder.space, what=what)
        return encode.stand_in(encoder, space, name=stand.model)

    def _making(self, lane: Lane) -> Making | None:
        """Return what makes documents ready for a lane; None where it is one beside and its model cannot be had."""
        stand = self._stand_of(lane)
        if not lane.name.startswith(BESIDE):
            return Making(self._encoder_of(stand), stand.chunker)
        if stand.failed_at is not None and time.monotonic() < stand.failed_at + REST_S:
            return None
        try:
            return Making(self._encoder_of(stand), stand.chunker)
        except VicinalError:  # the migration says what it lacks; who writes goes on
            stand.failed_at = time.monotonic()
            return None

    def _making_of(self, lane: Lane) -> Making:
        """Return what makes documents ready for a lane, also for one beside, or raise what stands against it."""
        stand = self._stand_of(lane)
        return Making(self._encoder_of(stand), stand.chunker)

    def _crossing(self) -> Cascade | None:
        """Return what answers in the new space while a migration with a bridge fills it; None where the lane itself does."""
        if not self._crosses:
            return None
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._named)
            twin = snapshot.twin(lane)
            state = None if twin is None else state_of(snapshot, lane.name)
            if twin is None or state is None or not state.bridge or state.stage not in BRIDGED:
                return None
            if snapshot.setting(FOLLOWS) is not None:
                return None  # a replica can keep nothing of what a question would have encoded each time
        stand = self._stand
        if lane.number != stand.lane.number:
            return None  # it was cut over meanwhile: what is asked then says so
        making = self._making(twin)
        if making is None:
            return None  # the new model cannot be had here: the old vectors answer, as they do without a bridge
        if stand.crossing is None or stand.crossing[:2] != (twin.number, state.bridge):
            stand.crossing = (twin.number, state.bridge, cascade_of(self._store, lane.name, making.encoder))
        return stand.crossing[2]

    def _load(self, stand: Stand) -> Encoder:
        """Return the encoder of the model's name, in the settings and the projection of a lane's space."""
        if not stand.model:
            name = self.name.removeprefix(BESIDE)
            whose = (
                f"Space {stand.lane.space.id}, of the migration of {name!r},"
                if stand.lane.name.startswith(BESIDE)
                else ""
            )
            raise ModelNotFoundError(
                f"{whose or f'Collection {name!r}'} was made with an encoder of your own; give it again: "
                f"collection({name!r}, model=encoder).",
                where=name,
            )
        with self._store.snapshot() as snapshot:
            projection = projection_of(snapshot, stand.lane.space)
        loaded = encode.load_for(stand.model, stand.lane.space, projection=projection, runtime=self._runtime)
        return self._in_space(loaded, stand, what=f"the model {stand.model!r} as it loads now")

    def _proven(self, encoder: Encoder, stand: Stand) -> Encoder:
        """Return the encoder once its canary lies where it lay; a collection from before there were canaries gets one."""
        lane = stand.lane
        with self._store.snapshot() as snapshot:
            probes = snapshot.canary(lane.space)
        if not (self._is_proven and probes):  # else it has just made this collection, and its canary
            found = canary.settle(self._store, encoder, collection=self.name.removeprefix(BESIDE))
            if not probes and not self._store.read_only:
                with suppress(ReadOnlyError, ReplicaError), self._store.write() as transaction:
                    transaction.put_canary(lane.space, found)
            probes = found
        return (
            encode.cached(encoder, proof=canary.proof_of(probes, encode.made_in(encoder))) if stand.model else encoder
        )

    def _require_unmoved(self) -> None:
        """Refuse vectors that were made elsewhere, to be stored or to be asked with, after a mismatch of the canary.

        Whoever made them may have asked the same encoder. They are let in where that of this collection is at hand and
        lies where it lay, and from a check on that finds it the same.
        """
        stand = self._now()
        known = self._mismatch(stand)
        is_suspect = known is not None and known.stands and known.token != stand.mismatch
        if not (is_suspect or stand.has_moved):
            return
        try:
            self._encoder_of(stand)
        except VicinalError as error:
            when = "" if known is None else f", at {known.checked_at},"
            raise CanaryMismatchError(
                f"The last check of the canary of collection {self.name!r}{when} found another encoder than the one that "
                f"made its vectors, so no vectors made elsewhere are taken or answered. {canary.WAY_OUT} Then run vicinal "
                "canary check.",
                expected=f">= {canary.LEAST_COSINE}",
                got=None if known is None else known.worst,
                where=self.name,
            ) from error

    @property
    def usage(self) -> dict[str, float] | None:
        """What the model's provider was asked for since the collection was opened, None for a model of this machine.

        ``requests``, ``retries``, ``tokens``, ``estimated_tokens``, and ``cost`` where the price is known.
        """
        loaded = self._stand.encoder
        return None if loaded is None else encode.usage_of(loaded)

    @property
    def chunker(self) -> Chunker | None:
        """What cuts documents up, or None where each document is one chunk."""
        return self._now().chunker

    def __len__(self) -> int:
        """Return how many records there are."""
        with self._store.snapshot() as snapshot:
            return snapshot.lane(self._named).records

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record of that id is stored."""
        with self._store.snapshot() as snapshot:
            return (
                isinstance(record_id, str)
                and is_encodable(record_id)
                and snapshot.has(snapshot.lane(self._named), record_id)
            )

    def ids(self) -> Iterator[str]:
        """Return the ids of all records as of now, sorted."""
        with self._store.snapshot() as snapshot:
            return iter(list(snapshot.ids(snapshot.lane(self._named))))


def _kept_recall(snapshot: Snapshot, lane: Lane) -> float:
    """Return the recall that a collection keeps for searches that say none."""
    kept = snapshot.setting(recall_setting(lane.collection))
    return float(kept) if kept else DEFAULT_RECALL
