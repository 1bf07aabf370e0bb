"""A collection as it stood after an earlier commit: what it answers, and no verb that writes."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from vicinal.errors import RecordNotFoundError
from vicinal.exchange import ExportReport, write_vectors
from vicinal.lifecycle.past import WORDS_AT_ONCE
from vicinal.lifecycle.records import checked_id
from vicinal.opened import Opened, Stand
from vicinal.questioning import Told
from vicinal.search.hybrid import Mode
from vicinal.searches import Searches
from vicinal.space import Encoder
from vicinal.store.history.past import PastStore
from vicinal.transfer import batches_of
from vicinal.types import Progress, Record


class CollectionAt(Searches):
    """A collection as it stood after a commit, read-only. Made by ``Collection.at``.

    It has the questions of a collection, and gives the answers of then: every vector of then is compared, and no other.
    A question in text asks words as well where there are at most 20,000 chunks, or where ``mode`` says so; their
    index is made in memory with the first of them.
    """

    sequence: int
    _origin: Opened

    @classmethod
    def of(cls, now: Opened, store: PastStore) -> Self:
        """Return the view of an open collection."""
        with store.snapshot() as snapshot:
            name = store.lane_name
            found = cls(store, snapshot.lane(name).name, base=now._base, runtime=now._runtime)  # noqa: SLF001 - of this class
        found.sequence, found._origin = store.sequence, now
        return found

    def __repr__(self) -> str:
        """Tell name and commit."""
        return f"CollectionAt({self.name!r}, sequence {self.sequence})"

    def _encoder_of(self, stand: Stand) -> Encoder:
        """Return the encoder of the collection as it is open, if it is still in the space of then."""
        return self._origin.encoder if self._origin.space == stand.lane.space else super()._encoder_of(stand)

    def _require_unmoved(self) -> None:
        """Refuse vectors where the collection of now does, if it is still in the space of then."""
        if self._origin.space == self.space:
            self._origin._require_unmoved()  # noqa: SLF001 - of the facade
        else:
            super()._require_unmoved()

    def get(self, record_id: str) -> Record:
        """Return a record as it was then.

        Raises
        ------
        RecordNotFoundError
            There was none of that id.
        CommitNotFoundError
            The commit is outside of the window by now.
        """
        wanted = checked_id(record_id, "id")
        with self._store.snapshot() as snapshot:
            found = snapshot.record(snapshot.lane(self.name), wanted)
        if found is None:
            raise RecordNotFoundError(
                f"Collection {self.name!r} had no record {wanted!r} after commit {self.sequence}.",
                got=wanted,
                where=self.name,
            )
        return found

    def export(
        self,
        path: str | Path,
        *,
        format: str = "npy",  # noqa: A002 - the word of users
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write all chunks of then with their vectors to a new folder; as ``Collection.export``.

        Raises
        ------
        AlreadyExistsError
            There is something at the path.
        StoreError
            The disk refused; nothing is left behind.
        """
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self.name)
            batches = batches_of(snapshot, lane)
            return write_vectors(path, batches, self.space, format, progress=progress, total=lane.rows)

    def _usual_mode(self, told: Told, *, is_fused: bool) -> Mode:
        """Return the mode: vectors alone where nobody asks for both, and an index of the words would take long."""
        usual = super()._usual_mode(told, is_fused=is_fused)
        if usual == "dense" or is_fused:
            return usual
        with self._store.snapshot() as snapshot:
            return "dense" if snapshot.lane(self.name).rows > WORDS_AT_ONCE else usual
