"""What is asked of a collection, in plain data."""

from __future__ import annotations

from dataclasses import dataclass

from vicinal.search import Filter
from vicinal.search.cursor import Cursor
from vicinal.search.hybrid import Fusion, Mode
from vicinal.search.shape import WHOLE, Shape

FUSION: Fusion = "convex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked beside the vectors. ``recall`` 1 compares every vector.

    ``mode`` says which sides answer: vectors, words (``texts``, one for each query), or both, fused by ``fusion`` with
    the weight ``weight`` for vectors (None: that of the fusion). ``or_dense``: vectors alone will do where the keyword index
    is far behind. ``shape`` says what of the ranking is shown; ``together`` that the queries are one question, whose
    rankings are fused by rank. ``apart_from`` names records that are no answers. ``paged``: the hits behind ``after`` are
    asked for, and where to go on; they are cut from a ranking of ``depth`` places. ``space`` is the id of the space that
    who asks takes the collection to be in; ``""`` where that is all one.
    """

    k: int
    recall: float
    condition: Filter | None = None
    mode: Mode = "dense"
    or_dense: bool = False
    texts: tuple[str, ...] = ()
    fusion: Fusion = FUSION
    weight: float | None = None
    shape: Shape = WHOLE
    together: bool = False
    apart_from: tuple[str, ...] = ()
    paged: bool = False
    depth: int = 0
    after: Cursor | None = None
    binding: str = ""
    space: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the best k of the ranking are the answer."""
        return self.shape.is_plain and not self.paged


def recall_setting(collection: int) -> str:
    """Return the name under which the database keeps the recall of a collection."""
    return f"collection {collection} recall"


def migration_setting(collection: int) -> str:
    """Return the name under which the database keeps where the migration of a collection stands."""
    return f"collection {collection} migration"
