"""FAISS: an index made from a factory string, taught, filled, asked, written and read.

Bytes that FAISS reads can make it crash or worse, so ``read`` is given only what this program wrote and has just
compared with its checksum. Files of other people are parsed by ``vicinal.exchange``, which does not load FAISS.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import UnsupportedError, VicinalError
from vicinal.types import Floats, Rows

faiss: Any = importlib.import_module("faiss")  # some builds bring types that lack half of the library
VERSION = str(faiss.__version__)
GROUP = 16
"""Queries of one call: from 20 on FAISS multiplies matrices, which rounds otherwise than one query alone."""
TOLD = re.compile(r"(?:Error: (?:'.*?' failed:? ?)?|\.cpp:\d+: )(?!Error: )(.*)", re.DOTALL)
"""Where, in a message of FAISS, the sentence begins: its functions and source lines come before."""


@contextmanager
def refusals(factory: str, doing: str) -> Iterator[None]:
    """Turn what FAISS raises into an error that names the factory string.

    Raises
    ------
    UnsupportedError
        FAISS refused; the message holds its reason.
    """
    try:
        yield
    except VicinalError:
        raise
    except (RuntimeError, MemoryError, AssertionError, ValueError, TypeError) as error:
        found = TOLD.search(str(error))
        said = (found[1] if found else str(error)).strip().splitlines() or [type(error).__name__]
        raise UnsupportedError(
            f"FAISS cannot be used with the factory string {factory!r}: {doing} failed ({said[0][:200].rstrip('.')}). "
            "Choose another string, such as HNSW32 or IVF256,Flat, or the built-in index.",
            got=factory,
            where="factory",
        ) from error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let FAISS use some threads in calls of this thread; its own setting is put back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def made(dim: int, factory: str, *, dot: bool, seed: int) -> Any:  # noqa: ANN401 - the library has no types
    """Return an empty index for dot products, or for squared distances."""
    index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT if dot else faiss.METRIC_L2)
    _seed(index, seed)
    return index


def _seed(index: Any, seed: int) -> None:  # noqa: ANN401 - as above
    """Settle the chance in the teaching of an index and of those within it; keep it from printing warnings."""
    for one in (*_nested(index), getattr(_innermost(index), "pq", None)):
        if hasattr(one, "cp"):
            one.cp.seed = seed + 1
            one.cp.min_points_per_centroid = 1


def _nested(index: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Return the index and those that it wraps, the outermost first."""
    found = [faiss.downcast_index(index)]
    while inner := _within(found[-1]):
        found.append(faiss.downcast_index(inner))
    return found


def _within(index: Any) -> Any:  # noqa: ANN401 - as above
    """Return the index that one hands its queries to, None if it answers alone."""
    if isinstance(index, faiss.IndexPreTransform):
        return index.index
    return index.base_index if isinstance(index, faiss.IndexRefine) else None


def _innermost(index: Any) -> Any:  # noqa: ANN401 - as above
    return _nested(index)[-1]


def knob_of(index: Any) -> tuple[str, int]:  # noqa: ANN401 - as above
    """Return the name and the highest value of what makes a search wider: ``efSearch``, ``nprobe``, or ``""``."""
    inner = _innermost(index)
    if isinstance(inner, faiss.IndexIVF):
        return "nprobe", int(inner.nlist)
    if isinstance(inner, faiss.IndexHNSW):
        return "efSearch", max(1, int(inner.ntotal))
    return "", 0


def grows(index: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether vectors may be added after the first time."""
    return not isinstance(_innermost(index), faiss.IndexNSG)


def nests(index: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether a search for few places finds the first of what one for many finds, the knob being the same."""
    return len(_nested(index)) == 1 and bool(knob_of(index)[0])


def train(index: Any, sample: Floats, *, threads: int) -> None:  # noqa: ANN401 - as above
    """Teach an index its cells and codes."""
    with _threads(threads):
        index.train(sample)


def add(index: Any, vectors: Floats, *, threads: int) -> None:  # noqa: ANN401 - as above
    """Append vectors; their positions count on from those before."""
    with _threads(threads):
        index.add(vectors)


def copied(index: Any) -> Any:  # noqa: ANN401 - as above
    """Return a copy that can be added to while others search the original."""
    return faiss.clone_index(index)


def search(
    index: Any,  # noqa: ANN401 - as above
    queries: Floats,
    count: int,
    *,
    knob: int = 0,
    allowed: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> tuple[Floats, Rows]:
    """Return what FAISS finds: its numbers (Q, count) and the positions, -1 in unused places.

    Parameters
    ----------
    index, queries, count
        The index, float32 (Q, D), and how many places.
    knob : int
        The value of what ``knob_of`` names.
    allowed : uint8 array, optional
        The positions that may be answers: position p is bit p % 8 of byte p // 8.
    threads : int, 1 <= threads
        How many share the queries.
    """
    chosen = None if allowed is None else faiss.IDSelectorBitmap(allowed)
    parameters = _parameters(index, knob, chosen)
    numbers = np.empty((len(queries), count), dtype=np.float32)
    positions = np.empty((len(queries), count), dtype=np.int64)
    with _threads(threads):
        for start in range(0, len(queries), GROUP):
            group = slice(start, start + GROUP)
            index.search(queries[group], count, params=parameters, D=numbers[group], I=positions[group])
    return numbers, positions


def _parameters(index: Any, knob: int, chosen: Any) -> Any:  # noqa: ANN401 - as above
    """Return the parameters of one search, for this kind and those within it; None where there is nothing to say."""
    index = faiss.downcast_index(index)
    inner = _within(index)
    if inner is not None:
        below = _parameters(inner, knob, chosen)
        if below is None:
            return None
        if isinstance(index, faiss.IndexPreTransform):
            return faiss.SearchParametersPreTransform(index_params=below)
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=below)
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=chosen, nprobe=max(1, knob))
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=chosen, efSearch=max(1, knob))
    return None if chosen is None else faiss.SearchParameters(sel=chosen)


def selects(index: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether a filled index keeps to the positions that it is allowed, by trying it.

    Some kinds refuse to be told, and for them more is asked for and what may not be is left out.
    """
    count = int(index.ntotal)
    probe = np.ones((1, index.d), dtype=np.float32)
    allowed = np.packbits(np.arange(count) % 2 == 0, bitorder="little")
    try:
        found = search(index, probe, min(count, 8), knob=count, allowed=allowed)[1]
    except RuntimeError:
        return False
    return bool(((found % 2 == 0) | (found < 0)).all())


def write(index: Any, take: Callable[[bytes], None]) -> None:  # noqa: ANN401 - as above
    """Hand the bytes of an index on, piece after piece."""

    def taken(piece: bytes) -> int:
        take(piece)
        return len(piece)

    writer = faiss.BufferedIOWriter(faiss.PyCallbackIOWriter(taken), 1 << 20)
    faiss.write_index(index, writer)
    del writer  # flushes


def read(content: memoryview) -> Any:  # noqa: ANN401 - as above
    """Return the index of some bytes. They must be ours and whole: FAISS does not defend itself against others."""
    place = 0

    def given(length: int) -> bytes:
        nonlocal place
        piece = content[place : place + length]
        place += len(piece)
        return bytes(piece)

    return faiss.read_index(faiss.PyCallbackIOReader(given))
