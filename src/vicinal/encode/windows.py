"""Token ids beyond the window → windows: cut, or split into parts of even size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


def split(ids: Ids, room: int, head: Ids) -> Iterator[Ids]:
    """Go through the windows of one text: at most ``room`` tokens each, all tokens once, sizes differing by at most one.

    Parameters
    ----------
    ids : int32 array of shape (T,)
        The tokens of prompt and text, special ones left out.
    room : int, 1 <= room
        What the window leaves beside the special tokens.
    head : int32 array
        The tokens of the prompt. Where the text's own begin with them, every window does.
    """
    if len(ids) <= room:
        yield ids
        return
    kept = _common(ids, head) if len(head) < room else 0
    body = ids[kept:]
    count = -(-len(body) // (room - kept))
    edges = [len(body) * part // count for part in range(count + 1)]
    for start, end in pairwise(edges):
        yield np.concatenate([ids[:kept], body[start:end]]) if kept else body[start:end]


def _common(ids: Ids, head: Ids) -> int:
    """Return how many tokens at the start are the same."""
    length = min(len(ids), len(head))
    differing = np.nonzero(ids[:length] != head[:length])[0]
    return int(differing[0]) if len(differing) else length
