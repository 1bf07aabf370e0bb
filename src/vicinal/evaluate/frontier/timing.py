"""How long one query takes in each way to store vectors: the program's own kernels, one thread, everything in memory.

There is no kernel for 4 bits: NumPy stands in, many times slower, and the option says so (``is_native``).
Letters: T timed documents, d dimensions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vicinal import kernels
from vicinal.evaluate.frontier.shapes import Coder
from vicinal.evaluate.frontier.storage import Storage
from vicinal.kernels.engine import LARGEST_DIM
from vicinal.types import Floats

TIMED_QUERIES = 15
PROTOTYPE_QUERIES = 3
PORTION_ROWS = 4096
HALF_BYTE = 4

Search = Callable[[Floats], object]


def latencies(
    storages: Sequence[Storage], vectors: Floats, queries: Floats, coder: Coder, *, k: int, candidates: int
) -> Iterator[tuple[Storage, float, bool]]:
    """Go through the ways of one shape with the milliseconds of a query (median) and whether native kernels served.

    Parameters
    ----------
    storages : sequence of Storage
        All of one cut and dim.
    vectors : float32 array of shape (T, d)
    queries : float32 array of shape (Q, d), 1 <= Q
        The first 15 are timed, after one that is not; 3 where NumPy is.
    coder : Coder
        Of the shape.
    k, candidates : int
        Neighbours that are wanted, and rows that are put in order where a way says so.

    Notes
    -----
    Times are those of the thread on the processor: what other processes take of it is no part of a query.
    Memory: what one precision takes for T vectors at a time, beside the floats.
    """
    is_native = kernels.implementation() == "native"
    for precision in dict.fromkeys(one.precision for one in storages):
        ways = [one for one in storages if one.precision == precision]
        if precision == "4bit" or (not precision.startswith("float") and vectors.shape[1] > LARGEST_DIM):
            ms = _median_ms(_prototype(vectors, coder, k), queries[:PROTOTYPE_QUERIES])
            yield from ((way, ms, False) for way in ways)
            continue
        if precision.startswith("float"):
            search_of = _floats(precision, vectors, coder, k)
        else:
            search_of = _codes(precision, vectors, coder, k, candidates)
        yield from ((way, _median_ms(search_of(way.rescored), queries[:TIMED_QUERIES]), is_native) for way in ways)


def _floats(precision: str, vectors: Floats, coder: Coder, k: int) -> Callable[[str], Search]:
    """Return what gives an exhaustive search over rows of 32 or 16 bits."""
    rows = vectors.astype(precision, copy=False)

    def search(query: Floats) -> object:
        return kernels.top_k(rows, query, k=k, metric=coder.metric)  # type: ignore[arg-type]  # a space's metric

    return lambda _: search


def _codes(precision: str, vectors: Floats, coder: Coder, k: int, candidates: int) -> Callable[[str], Search]:
    """Return what gives a search over int8 rows or 1-bit codes, whose later stages read what a way says.

    The last rows are always put in order by floats, which hold 10 or 100 more products: the kernels know no other end.
    """
    values, scales = kernels.encode_int8(vectors, coder.center, normalize=coder.metric == "cosine")
    funnel = kernels.Funnel(
        vectors.shape[1],
        coder.metric,  # type: ignore[arg-type]  # a space's metric
        coder.center,
        coder.rotation,
        runs=[_run(vectors, coder)] if precision == "1bit" else [],
        int8_parts=[(0, values, scales)],
        float_parts=[(0, vectors)],
    )
    everything = np.arange(len(vectors), dtype=np.int64)

    def by_int8(rescored: str) -> Search:
        last = candidates if rescored else k
        return lambda query: funnel.search_rows(query, everything, k=k, rescored=last)

    def by_bits(rescored: str) -> Search:
        first = candidates if rescored else k
        last = candidates if rescored == "float16" else k
        return lambda query: funnel.search(query, k=k, candidates=first, rescored=last)

    return by_bits if precision == "1bit" else by_int8


def _run(vectors: Floats, coder: Coder) -> kernels.Run:
    """Return the 1-bit codes of the vectors."""
    turned = coder.turned(vectors)
    codes, factors = kernels.encode_codes(turned, np.zeros(turned.shape[1], dtype=np.float32))
    bias = kernels.encode_bias(vectors, coder.center) if coder.metric == "l2" else None
    return kernels.Run(codes=codes, factors=factors, count=len(vectors), bias=bias)


def _median_ms(search: Search, queries: Floats) -> float:
    """Return the median processor time of a query in milliseconds, after one that warms up."""
    search(queries[:1])
    times = []
    for place in range(len(queries)):
        begun = time.thread_time()  # what other processes take of the processor is no part of a query
        search(queries[place : place + 1])
        times.append(time.thread_time() - begun)
    return float(np.median(times)) * 1000


def _prototype(vectors: Floats, coder: Coder, k: int) -> Search:
    """Return a search by 4 bits in NumPy: two components a byte, read back a portion at a time."""
    steps, factors = coder.grid(coder.turned(vectors), "4bit")
    whole = (steps + np.float32(8)).astype(np.uint8)
    packed = (whole[:, 0::2] << HALF_BYTE) | np.pad(whole[:, 1::2], ((0, 0), (0, whole.shape[1] % 2)))

    def search(query: Floats) -> object:
        asked = kernels.turned(query, coder.rotation)[0]
        scores = np.empty(len(packed), dtype=np.float32)
        for start in range(0, len(packed), PORTION_ROWS):
            part = packed[start : start + PORTION_ROWS]
            high = np.einsum("nd,d->n", (part >> HALF_BYTE).astype(np.float32), asked[0::2])
            low = np.einsum("nd,d->n", (part[:, : len(asked[1::2])] & 15).astype(np.float32), asked[1::2])
            scores[start : start + PORTION_ROWS] = high + low
        scores = (scores - np.float32(7.5) * asked.sum()) * factors
        return np.argpartition(-scores, min(k, len(scores)) - 1)[:k]

    return search
