"""The two sides of a comparison: which texts, drawn evenly, one chunk of a record, each with its vector.

Letters: N texts of a side, D components.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from vicinal.errors import InputError, RangeError
from vicinal.lifecycle.chunks import in_turn, text_of
from vicinal.lifecycle.derived import derived_of
from vicinal.search import Filter
from vicinal.space import Encoder, Space, Vectors
from vicinal.store import Lane, Snapshot, Store, mask_of
from vicinal.types import Floats, Progress, Rows

LEAST_TEXTS = 20
"""Below it nothing but the coarsest change could be told from chance."""
LEDGER = re.compile(r"\s*(?:since:\s*(\d{1,18}))?\s*(?:until:\s*(\d{1,18}))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Records that commits after ``since`` wrote, up to and with ``until`` (None: the last)."""

    since: int = 0
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts that are not stored: a log of questions, or documents of elsewhere."""

    texts: tuple[str, ...]


Wanted: TypeAlias = Filter | Written | Texts
"""What a side is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side as it is compared.

    Parameters
    ----------
    name : str
        What the user called it.
    available : int
        How many records or texts it has; ``texts`` of them were drawn.
    ids : tuple of str
        Of the records; the number of the text, from 1, for those that are not stored.
    texts : tuple of str
    vectors : float32 array of shape (N, D)
    """

    name: str
    available: int
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Floats

    @property
    def digest(self) -> str:
        """What tells this side from another: a digest of its ids and texts."""
        told = hashlib.blake2b(digest_size=12)
        for one in (*self.ids, *self.texts):
            told.update(one.encode("utf-8", "surrogatepass") + b"\0")
        return told.hexdigest()


def parse_written(text: str) -> Written | None:
    """Return the range of the ledger that a text names, ``since:120``, ``until:120`` or both; None for anything else.

    Raises
    ------
    RangeError
        ``until`` is not behind ``since``.
    """
    found = LEDGER.fullmatch(text)
    if not text.strip() or found is None:
        return None
    since, until = (None if one is None else int(one) for one in found.groups())
    if until is not None and until <= (since or 0):
        raise RangeError(f"{text!r} holds no commit: until must be above since.", got=text, where="reference")
    return Written(since=since or 0, until=until)


def drawn(  # noqa: PLR0913 - what is compared, how many, by whom
    store: Store,
    name: str,
    *,
    reference: tuple[str, Wanted],
    current: tuple[str, Wanted],
    role: str,
    encoder: Callable[[], Encoder],
    samples: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Side, Side, int]:
    """Return both sides, and how many records were on both and count as current only.

    Parameters
    ----------
    reference, current : (str, Wanted)
        What the user called them, and what they are.
    role : {"document", "query"}
        In which texts that are not stored are encoded.
    encoder : callable
        Gives the collection's encoder; called only where there is something to encode.
    samples : int
        Texts of a side at most: drawn without replacement, each record as likely as any other.
    seed : int
    progress : callable, optional
        Called with (texts encoded, texts) of each side that is encoded.

    Raises
    ------
    RangeError
        A side has fewer than ``LEAST_TEXTS``.
    SpaceMismatchError
        The collection was cut over to another space meanwhile.
    """
    chance = np.random.default_rng(seed)
    told = {"reference": reference, "current": current}
    sides: dict[str, Side] = {}
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        rows = {
            which: _rows(store, snapshot, lane, wanted)
            for which, (_, wanted) in told.items()
            if not isinstance(wanted, Texts)
        }
        shared = 0
        if len(rows) == len(told):
            is_shared = np.isin(rows["reference"][:, 0], rows["current"][:, 0])
            shared = len(np.unique(rows["reference"][is_shared, 0]))
            rows["reference"] = rows["reference"][~is_shared]
        for which, found in rows.items():
            sides[which] = _stored(snapshot, lane, told[which][0], found, samples, chance)
    for which, (called, wanted) in told.items():
        if isinstance(wanted, Texts):
            sides[which] = _encoded(
                called, _some(wanted.texts, samples, chance), len(wanted.texts), role, encoder, lane.space, progress
            )
        _require_enough(sides[which], which)
    return sides["reference"], sides["current"], shared


def _rows(store: Store, snapshot: Snapshot, lane: Lane, wanted: Filter | Written) -> Rows:
    """Return (first row of the record, row) of all chunks of the wanted records: int64 (rows, 2)."""
    view = store.view(snapshot, lane)
    columns = derived_of(store, lane).columns(snapshot, lane, view)
    if isinstance(wanted, Written):
        rows = snapshot.rows_written(lane, wanted.since, wanted.until)
        rows = rows[mask_of(view.alive, lane.next_row)[rows]]
    else:
        rows = np.flatnonzero(mask_of(view.alive & wanted.bits(columns), lane.next_row))
    heads = np.flatnonzero(mask_of(columns.heads(), lane.next_row))
    first = heads[np.searchsorted(heads, rows, side="right") - 1] if len(rows) else rows
    return np.column_stack([first, rows]).astype(np.int64)


def _stored(
    snapshot: Snapshot, lane: Lane, called: str, found: Rows, samples: int, chance: np.random.Generator
) -> Side:
    """Return stored records, of each one chunk: chunks of one text are alike and no independent draws."""
    mixed = found[chance.permutation(len(found))]
    _, at = np.unique(mixed[:, 0], return_index=True)
    chosen = np.sort(mixed[chance.permutation(at)[:samples], 1])
    told = [
        ("", "") if chunk is None else (chunk.record.id, text_of(chunk)) for _, chunk in in_turn(snapshot, lane, chosen)
    ]
    return Side(
        name=called,
        available=len(at),
        ids=tuple(record_id for record_id, _ in told),
        texts=tuple(text for _, text in told),
        vectors=np.ascontiguousarray(snapshot.vectors_at(lane, chosen)),
    )


def _some(texts: Sequence[str], samples: int, chance: np.random.Generator) -> dict[str, str]:
    """Return some texts in their order, by their number from 1."""
    return {str(at + 1): texts[at] for at in np.sort(chance.permutation(len(texts))[:samples]).tolist()}


def _encoded(
    called: str,
    texts: Mapping[str, str],
    available: int,
    role: str,
    encoder: Callable[[], Encoder],
    space: Space,
    progress: Progress | None,
) -> Side:
    """Return texts with their vectors in a role."""
    vectors: Vectors | Floats = np.zeros((0, 1), np.float32)
    if texts:
        asked = encoder()
        encode = asked.encode_queries if role == "query" else asked.encode_documents
        vectors = encode(list(texts.values()), progress=progress)
        space.require(vectors.space, what="what the texts to be compared were encoded in")
    return Side(
        name=called,
        available=available,
        ids=tuple(texts),
        texts=tuple(texts.values()),
        vectors=np.asarray(vectors),
    )


def _require_enough(side: Side, which: str) -> None:
    if len(side.texts) < LEAST_TEXTS:
        raise RangeError(
            f"The side {which} ({side.name}) has {len(side.texts)} texts; a comparison needs {LEAST_TEXTS}, and some "
            "hundreds to find anything but the coarsest change.",
            expected=f">= {LEAST_TEXTS}",
            got=len(side.texts),
            where=which,
        )


def require_side(value: object, which: str) -> None:
    """Refuse a side that was not told."""
    if value is None:
        raise InputError(
            f"Say what is compared: {which} is missing. A filter, a file of texts, or a range of commits such as "
            "since:120.",
            where=which,
        )
