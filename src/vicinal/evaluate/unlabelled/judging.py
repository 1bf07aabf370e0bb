"""Which documents a person should judge, in an order that hides which system found them.

References
----------
Spärck Jones, van Rijsbergen 1975, "Report on the need for and provision of an 'ideal' information retrieval test
collection" (the pool); the depth of TREC's pools is 100, and 10 to 20 for a collection of one's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from vicinal._arrays import whole_number


def pool(rankings: Iterable[Sequence[str]], *, depth: int = 10, query_id: str = "", seed: int = 0) -> tuple[str, ...]:
    """Return the documents that any system found among its first, each once.

    Parameters
    ----------
    rankings : iterable of sequence of str
        Of one query: the documents of each system, best first.
    depth : int, 1 <= depth
        How many of each are taken.
    query_id : str
        Of the query: together with the seed and the id it decides the place of a document.
    seed : int, 0 <= seed
        Another order for another person.

    Returns
    -------
    tuple of str
        In an order that says nothing of systems or ranks, and is the same in each session: by a digest.

    Notes
    -----
    What no system found is not judged, and counts as not relevant. So a system that was not in the pool may be better
    than its numbers say: judge its documents as well before it is refused.
    """
    depth, seed = whole_number(depth, "depth", low=1), whole_number(seed, "seed", low=0)
    found = {document for ranking in rankings for document in ranking[:depth]}
    return tuple(sorted(found, key=lambda document: (_place(seed, query_id, document), document)))


def _place(seed: int, query_id: str, document: str) -> bytes:
    told = f"{seed}\0{query_id}\0{document}"
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()
