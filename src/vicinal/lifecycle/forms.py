"""Documents in the form of each lane of a collection: made before the commit, and written in one.

While a collection is migrated its records stand in two lanes, each with its own encoder and chunker. What is written is
made ready for both beforehand, for encoding takes time and a commit must not. Whoever cannot make the second form leaves a
hole in the lane beside, which the migration fills; where the lanes changed places meanwhile, the forms are chosen anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from vicinal.chunk import Chunker
from vicinal.errors import RangeError, StoreError, VicinalError
from vicinal.lifecycle.ingest import WHOLE, cut_up, new_record, prepare
from vicinal.lifecycle.reads import reads_of
from vicinal.space import Encoder, Space, Vectors
from vicinal.store import BESIDE, Form, Lane, Store
from vicinal.types import Document, Progress

TRIES = 10
"""How often the forms are made anew where the collection is cut over and back under a write."""


class _MovedError(Exception):
    """No form fits the lane that the name leads to by now: the transaction ends without a commit."""


@dataclass(frozen=True, slots=True)
class Making:
    """What makes documents ready for one lane."""

    encoder: Encoder
    chunker: Chunker | None

    @property
    def chunker_id(self) -> str:
        """The chunker's id, as lanes have it."""
        return WHOLE if self.chunker is None else self.chunker.id

    def alone(self, lane: Lane) -> Making | None:
        """Return this for any lane but one beside: who knows no other encoder leaves holes there."""
        return None if lane.name.startswith(BESIDE) else self


class Makers(Protocol):
    """Who knows what makes documents ready for a lane."""

    def __call__(self, lane: Lane, /) -> Making | None:
        """Return it; None for a lane beside whose model cannot be had."""
        ...


Make = Callable[[Making, Progress | None], Form]
"""Makes records ready for one lane."""


def form_of(
    documents: Sequence[Document], origins: Sequence[str], making: Making, progress: Progress | None = None
) -> Form:
    """Return documents cut up and encoded for a lane."""
    chunks = cut_up(documents, making.encoder, making.chunker)
    made = prepare(
        documents, chunks, encoder=making.encoder, chunker=making.chunker_id, origins=origins, progress=progress
    )
    return Form(records=made.records, vectors=made.vectors, chunker=making.chunker_id)


def ready(documents: Sequence[Document], vectors: Vectors) -> Form:
    """Return documents with vectors that were made elsewhere, each one chunk."""
    new = tuple([new_record(one, ((0, len(one.text)),), chunker=WHOLE) for one in documents])
    return Form(records=new, vectors=vectors)


def require_texts(documents: Sequence[Document]) -> None:
    """Refuse to encode records that have nothing but vectors.

    Raises
    ------
    RangeError
        A text is empty, or white space.
    """
    blank = [one.id for one in documents if not one.text.strip()]
    if blank:
        raise RangeError(
            f"{len(blank)} records have no text that another model could encode, {blank[0]!r} first.", where=blank[0]
        )


def write(
    store: Store,
    name: str,
    make: Make,
    makers: Makers,
    *,
    replace_existing: bool,
    first: Form | None = None,
    progress: Progress | None = None,
) -> Form:
    """Write records in one commit, in the form of each lane of a collection; return the form that its name led to.

    Parameters
    ----------
    store : Store
    name : str
        The collection.
    make : callable
        Makes the records ready for a lane.
    makers : callable
        Says what makes them ready.
    replace_existing : bool
        As ``Transaction.put``.
    first : Form, optional
        What is made already, for the lane that the name led to a moment ago.
    progress : callable, optional
        Told of the encoding for that lane.

    Raises
    ------
    VicinalError
        What makes or writes them failed; nothing is written. A failure beside leaves a hole there, and is no error here.
    """
    forms = [] if first is None else [first]
    for turn in range(TRIES):
        is_sure = first is None or turn > 0  # else the commit itself sees whether what is ready is all that is needed
        if is_sure:
            _complete(forms, store, name, make, makers, progress)
        try:
            return _write(store, name, forms, replace_existing=replace_existing, holes=is_sure)
        except _MovedError:
            continue
    raise StoreError(f"Collection {name!r} changed under each of {TRIES} tries to write to it.", where=name)


def _complete(
    forms: list[Form], store: Store, name: str, make: Make, makers: Makers, progress: Progress | None
) -> None:
    """Add the forms that are missing for the lanes of a collection."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        twin = snapshot.twin(lane)
    if _fitting(forms, lane) is None:
        making = makers(lane)
        assert making is not None  # noqa: S101 - for the lane itself there is one, or an error
        forms.append(make(making, progress))
    if twin is not None and _fitting(forms, twin) is None:
        made = _made_beside(make, makers, twin)
        forms += [] if made is None else [made]


def _made_beside(make: Make, makers: Makers, twin: Lane) -> Form | None:
    """Return the form of the lane beside; None where it cannot be made: the record is missing there then, and never stale."""
    try:
        making = makers(twin)
        return None if making is None else make(making, None)
    except VicinalError:
        return None


def _write(
    store: Store,
    name: str,
    forms: Sequence[Form],
    *,
    replace_existing: bool,
    holes: bool,
) -> Form:
    """Write what fits in one commit; ``holes`` says whether the lane beside may be left without."""
    with store.write() as transaction:
        lane = transaction.lane(name)
        form, twin = _fitting(forms, lane), transaction.twin(lane)
        if form is None or not (holes or twin is None or _fitting(forms, twin)):
            raise _MovedError
        transaction.put(lane, form.records, form.vectors, replace_existing=replace_existing, others=forms)
        reads_of(store, name).save(transaction, name)
        return form


def _fitting(forms: Sequence[Form], lane: Lane) -> Form | None:
    return next((one for one in forms if one.fits(lane.space, lane.chunker)), None)


def offer(store: Store, encoder: Encoder) -> None:
    """Let all who open collections of this store in this process have an encoder that nothing loads by its name."""
    store.kept[f"encoder of {encoder.space.id}"] = encoder


def offered(store: Store, space: Space) -> Encoder | None:
    """Return the encoder of a space that was offered; None where there is none."""
    return cast("Encoder | None", store.kept.get(f"encoder of {space.id}"))
