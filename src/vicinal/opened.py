"""A collection as it stands open: which it is, where its records lie, and the encoder of its space, proven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vicinal import encode
from vicinal._arrays import is_encodable
from vicinal.chunk import Chunker
from vicinal.errors import CanaryMismatchError, ModelNotFoundError, ReadOnlyError, ReplicaError
from vicinal.lifecycle import WHOLE, canary, equivalence, history, projection_of
from vicinal.lifecycle.question import recall_setting
from vicinal.rerank import Reranker
from vicinal.search.background import Background
from vicinal.search.cache import Answers
from vicinal.space import Encoder, Space
from vicinal.store import Store
from vicinal.types import Hits

DEFAULT_RECALL = 0.98


class Opened:
    """What every verb of a collection needs: its store, its name, its space, its encoder."""

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
        self.name = name
        self._store = store
        self._base = base
        self._given = encoder
        self._runtime = runtime
        self._is_proven = proven
        self._guard = threading.RLock()
        self._rerankers: dict[str, Reranker] = {}
        self._answers: Answers[Hits] | None = None
        self._background: tuple[int, int, int, Background] | None = None
        self._loaded: Encoder | None = None
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            kept_recall = snapshot.setting(recall_setting(lane.collection))
            served = snapshot.setting(equivalence.model_setting(lane.collection))
        self.recall = float(kept_recall) if kept_recall else DEFAULT_RECALL
        self.space: Space = lane.space
        self.model: str = served or lane.model
        self._chunker_id = lane.chunker
        self._number = lane.collection
        if encoder is not None:
            self._given = self._in_space(encoder, what=f"the encoder given for collection {name!r}")

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
        with self._guard:
            if self._loaded is None:
                self._loaded = self._proven(self._bare())
            return self._loaded

    def _bare(self) -> Encoder:
        """Return the encoder that was given, or that the model's name loads: in this space, and not yet proven."""
        return self._given if self._given is not None else self._load()

    def _in_space(self, encoder: Encoder, *, what: str) -> Encoder:
        """Return the encoder, standing in where it was proven to be the same as that of this space; else refuse it."""
        with self._store.snapshot() as snapshot:
            is_same = encoder.space != self.space and equivalence.is_recorded(snapshot, self.space, encoder.space)
        if not is_same:
            self.space.require(encoder.space, what=what)
        return encode.stand_in(encoder, self.space, name=self.model)

    def _load(self) -> Encoder:
        """Return the encoder of the model's name, in the settings and the projection of this space."""
        if not self.model:
            raise ModelNotFoundError(
                f"Collection {self.name!r} was made with an encoder of your own; give it again: collection({self.name!r}, model=encoder).",
                where=self.name,
            )
        with self._store.snapshot() as snapshot:
            projection = projection_of(snapshot, self.space)
        loaded = encode.load_for(self.model, self.space, projection=projection, runtime=self._runtime)
        return self._in_space(loaded, what=f"the model {self.model!r} as it loads now")

    def _proven(self, encoder: Encoder) -> Encoder:
        """Return the encoder once its canary lies where it lay; a collection from before there were canaries gets one."""
        with self._store.snapshot() as snapshot:
            probes = snapshot.canary(self.space)
        if not (self._is_proven and probes):  # else it has just made this collection, and its canary
            found = canary.settle(self._store, encoder, collection=self.name)
            if not probes and not self._store.read_only:
                with suppress(ReadOnlyError, ReplicaError), self._store.write() as transaction:
                    transaction.put_canary(self.space, found)
            probes = found
        return encode.cached(encoder, proof=canary.proof_of(probes, encode.made_in(encoder))) if self.model else encoder

    def _require_unmoved(self) -> None:
        """Refuse vectors that were made elsewhere while the last check of the canary stands that found another encoder.

        Whoever made them may have asked the same one. A later check that finds it the same lets them in again.
        """
        with self._store.snapshot() as snapshot:
            checks = history.entries(snapshot, self._number, canary.HISTORY, store=self._store)
        if checks and not checks[-1].get("same", True):
            raise CanaryMismatchError(
                f"The last check of the canary of collection {self.name!r}, at {checks[-1].get('checked_at')}, found another "
                f"encoder than the one that made its vectors, so no vectors made elsewhere are taken. {canary.WAY_OUT} "
                "Then run vicinal canary check.",
                expected=f">= {canary.LEAST_COSINE}",
                got=checks[-1].get("worst"),
                where=self.name,
            )

    @property
    def usage(self) -> dict[str, float] | None:
        """What the model's provider was asked for since the collection was opened, None for a model of this machine.

        ``requests``, ``retries``, ``tokens``, ``estimated_tokens``, and ``cost`` where the price is known.
        """
        return None if self._loaded is None else encode.usage_of(self._loaded)

    @property
    def chunker(self) -> Chunker | None:
        """What cuts documents up, or None where each document is one chunk."""
        return None if self._chunker_id == WHOLE else Chunker.from_id(self._chunker_id)

    def __len__(self) -> int:
        """Return how many records there are."""
        with self._store.snapshot() as snapshot:
            return snapshot.lane(self.name).records

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record of that id is stored."""
        with self._store.snapshot() as snapshot:
            return (
                isinstance(record_id, str)
                and is_encodable(record_id)
                and snapshot.has(snapshot.lane(self.name), record_id)
            )

    def ids(self) -> Iterator[str]:
        """Return the ids of all records as of now, sorted."""
        with self._store.snapshot() as snapshot:
            return iter(list(snapshot.ids(snapshot.lane(self.name))))
