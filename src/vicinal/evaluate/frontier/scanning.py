"""One pass over the documents: the best rows of every query, in each cut, dimension and precision at once.

Letters: Q queries, n documents of a block, W places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from vicinal.evaluate.frontier.batches import Batches
from vicinal.evaluate.frontier.choosing import Chosen
from vicinal.evaluate.frontier.nearest import Lists, Nearest
from vicinal.evaluate.frontier.shapes import Asked, Shape
from vicinal.evaluate.frontier.storage import Storage
from vicinal.types import Floats, Progress, Rows

ShapeName: TypeAlias = tuple[str, int]
"""Cut and dim."""
Way: TypeAlias = tuple[str, int, str]
"""Cut, dim and precision."""


def finer_of(ways: Sequence[Storage]) -> dict[Way, tuple[str, ...]]:
    """Return for each cut, dim and precision what may put its best in order."""
    found: dict[Way, tuple[str, ...]] = {}
    for way in ways:
        name = (way.cut, way.dim, way.precision)
        found[name] = found.get(name, ()) + ((way.rescored,) if way.rescored else ())
    return found


def scan(
    batches: Batches,
    chosen: Chosen,
    shapes: Mapping[ShapeName, tuple[Shape, Asked]],
    ways: Sequence[Storage],
    *,
    width: int,
    progress: Progress | None,
) -> dict[Way, Lists]:
    """Return the best of each cut, dim and precision.

    Parameters
    ----------
    batches : Batches
    chosen : Chosen
    shapes : mapping
        Full length first: its float32 scores are what all others are measured against.
    ways : sequence of Storage
        Of those shapes.
    width : int
        W.
    progress : callable, optional
        Called with (documents done, documents to do).

    Returns
    -------
    dict
        ``carried`` of each: the score by full float32, then those by each of ``finer_of``.
    """
    finer = finer_of(ways)
    kept = {way: Nearest(len(chosen.queries), width, 1 + len(extra)) for way, extra in finer.items()}
    done = 0
    for rows, vectors in batches.chosen(chosen.rows):
        exact: Floats | None = None
        for name, (shape, asked) in shapes.items():
            mine = {way[2]: extra for way, extra in finer.items() if way[:2] == name}
            found = asked.scores(
                shape.of(vectors), frozenset([*mine, *(one for extra in mine.values() for one in extra)])
            )
            if exact is None:
                exact = found["float32"]
            for precision, extra in mine.items():
                scores = found[precision]
                _leave_out(scores, rows, chosen.own)
                kept[*name, precision].offer(rows, scores, [exact, *(found[one] for one in extra)])
        done += len(rows)
        if progress is not None:
            progress(done, len(chosen.rows))
    return {way: one.lists() for way, one in kept.items()}


def _leave_out(scores: Floats, rows: Rows, own: Rows) -> None:
    """Take the document that a query is out of its scores (Q, n)."""
    queries = np.flatnonzero((own >= rows[0]) & (own <= rows[-1]))
    places = np.searchsorted(rows, own[queries])
    here = rows[places] == own[queries]
    scores[queries[here], places[here]] = -np.inf
