"""The spaces of a database: which there are, and which two of them were proven to be one."""

from __future__ import annotations

from typing import Any

from vicinal import encode
from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, NotFoundError
from vicinal.lifecycle import equivalence, projection_of
from vicinal.lifecycle.equivalence import Equivalence
from vicinal.lifecycle.records import checked_id
from vicinal.space import Encoder, Space, mapping_of
from vicinal.store import BESIDE, Lane, Snapshot, Store

SAMPLES = 200
LEAST_SAMPLES, MOST_SAMPLES = 10, 10_000


class Spaces:
    """The verbs of a database on its spaces."""

    _store: Store

    def spaces(self) -> list[dict[str, Any]]:
        """Return each space that a collection is in: its fields, its collections, its probes, and what may stand in for it.

        A collection that is being migrated is in two of them.
        """
        with self._store.snapshot() as snapshot:
            known = equivalence.recorded(snapshot)
            lanes = [snapshot.lane(name) for name in snapshot.collection_names()]
            found = {lane.space.id: lane.space for lane in lanes}
            return [
                {
                    **mapping_of(space),
                    "collections": sorted({lane.name.removeprefix(BESIDE) for lane in lanes if lane.space == space}),
                    "models": sorted({lane.model for lane in lanes if lane.space == space}),
                    "probes": len(snapshot.canary(space)),
                    "same": [one for one in known if one.space == space.id],
                }
                for space in found.values()
            ]

    def assert_same(
        self, space: str, model: str | Encoder, *, samples: int = SAMPLES, serve: bool = False, seed: int = 0
    ) -> Equivalence:
        """Prove that an encoder gives the vectors of a space that is stored here, and record it with the evidence.

        For the same weights under another name: another provider, a server of one's own, a file that was written anew.
        From then on that encoder may serve the collections of the space; at each opening it is proven again by the
        canary.

        Parameters
        ----------
        space : str
            The id of the space that is stored, or the name of a collection in it.
        model : str or Encoder
            The other one: a name, which is loaded in the space's own settings, or an encoder.
        samples : int, 10 <= samples <= 10,000
            Stored texts that it must put where they lie, beside the probe texts, or all where there are fewer. Cost: their
            encoding.
        serve : bool
            Whether the collections of the space (the one collection, where one was named) load this model by
            themselves from now on. It needs a name.
        seed : int
            Of the texts that are drawn.

        Returns
        -------
        Equivalence

        Raises
        ------
        SpaceMismatchError
            They are not the same: a field differs that no vector proves, or a text lies elsewhere. Nothing is recorded.
        InputError
            Both are one space already, or there is too little to prove it by: where vectors are stored without texts, or
            all that are compared are zero.
        NotFoundError
            There is no such space or collection.
        ReadOnlyError
            The database was opened for reading.
        """
        samples = whole_number(samples, "samples", low=LEAST_SAMPLES, high=MOST_SAMPLES)
        seed = whole_number(seed, "seed", low=0)
        with self._store.snapshot() as snapshot:
            stored, lanes = _lanes_meant(snapshot, space)
            projection = projection_of(snapshot, stored)
        if isinstance(model, str):
            encoder = encode.load_for(model, stored, projection=projection, named_by_user=True)
            name = encode.name_of(encoder) or model
        else:
            encoder, name = encode.uncached(model), encode.name_of(model)
        if serve and not name:
            raise DtypeError("Only a model with a name can serve by itself; give it by its name.", where="model")
        proof = equivalence.prove(self._store, stored, encoder, model=name, samples=samples, seed=seed)
        with self._store.write() as transaction:
            equivalence.record(transaction, proof)
            if serve:
                equivalence.serve(transaction, lanes, name)
        return proof

    def withdraw_same(self, space: str, model: str) -> Equivalence:
        """Forget that an encoder may stand in for a space; collections that it serves load their own model again.

        Parameters
        ----------
        space : str
            As in ``assert_same``.
        model : str
            The name of the other, or the id of its space.

        Returns
        -------
        Equivalence
            What was recorded.

        Raises
        ------
        NotFoundError
            It is not recorded.
        """
        model = checked_id(model, "model")
        with self._store.write() as transaction:
            stored, _ = _lanes_meant(transaction, space)
            return equivalence.withdraw(transaction, stored.id, model)


def _lanes_meant(snapshot: Snapshot, named: str) -> tuple[Space, list[Lane]]:
    """Return the space that a name means, and its collections: the one of that name, or all of the space of that id."""
    named = checked_id(named, "space")
    if snapshot.knows(named):
        lane = snapshot.lane(named)
        return lane.space, [lane]
    lanes = equivalence.lanes_of(snapshot, named)
    if not lanes:
        raise NotFoundError(
            f"There is no space or collection {named!r} here; vicinal spaces list shows what there is.", where=named
        )
    return lanes[0].space, lanes
