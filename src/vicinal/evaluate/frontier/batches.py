"""Document vectors that come in batches, gone through several times: counted, sampled, and given out in blocks.

Letters: N documents, n of a block, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from vicinal.errors import DtypeError, NonFiniteError, ShapeError
from vicinal.types import Floats, Rows

BLOCK_ROWS = 4096
MATRIX_AXES = 2


class Batches:
    """Document vectors: an array (N, D), or anything that gives arrays (n, D) each time it is gone through.

    Raises
    ------
    DtypeError
        It can be gone through only once, as a generator can.
    """

    def __init__(self, documents: Floats | Iterable[Floats], dim: int) -> None:
        self._dim = dim
        self._batches: Iterable[Floats] = [documents] if isinstance(documents, np.ndarray) else documents
        if isinstance(self._batches, Iterator):
            raise DtypeError(
                "documents must be an array, or batches that can be gone through several times, got an iterator. "
                "Give a list, or an object whose __iter__ begins again.",
                expected="array or re-iterable",
                got=type(documents).__name__,
                where="documents",
            )

    def count(self) -> int:
        """Return N, each batch checked. Cost: one pass."""
        return sum(len(block) for _, block in self.blocks())

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Go through (number of the first row, rows) in blocks of at most ``BLOCK_ROWS``: float32, finite.

        Raises
        ------
        ShapeError, DtypeError, NonFiniteError
            A batch is no such matrix. The message names the row.
        """
        first = 0
        for batch in self._batches:
            found = np.asarray(batch)
            _check(found, self._dim, first)
            for start in range(0, len(found), BLOCK_ROWS):
                block = np.ascontiguousarray(found[start : start + BLOCK_ROWS], dtype=np.float32)
                finite = np.isfinite(block).all(axis=1)
                if not finite.all():
                    row = first + start + int(np.argmin(finite))
                    raise NonFiniteError(
                        f"Row {row} of the documents holds NaN or infinity.", expected="finite", where=row
                    )
                yield first + start, block
            first += len(found)

    def chosen(self, rows: Rows) -> Iterator[tuple[Rows, Floats]]:
        """Go through (numbers, rows) of the wanted rows, ascending, in blocks of at most ``BLOCK_ROWS``."""
        waiting: list[tuple[Rows, Floats]] = []
        for first, block in self.blocks():
            low, high = np.searchsorted(rows, [first, first + len(block)])
            if high > low:
                waiting.append((rows[low:high], block[rows[low:high] - first]))
            if sum(len(numbers) for numbers, _ in waiting) >= BLOCK_ROWS:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)

    def gathered(self, rows: Rows) -> Floats:
        """Return the wanted rows, ascending, as one array. Cost: one pass."""
        found = [np.empty((0, self._dim), dtype=np.float32), *(part for _, part in self.chosen(rows))]
        return np.concatenate(found)


def _joined(parts: list[tuple[Rows, Floats]]) -> tuple[Rows, Floats]:
    return np.concatenate([numbers for numbers, _ in parts]), np.concatenate([part for _, part in parts])


def _check(batch: np.ndarray, dim: int, first: int) -> None:
    """Refuse what is no matrix of floats (n, D)."""
    if batch.dtype.kind != "f":
        raise DtypeError(
            f"The documents must be float32, got {batch.dtype} from row {first} on.",
            expected="float32",
            got=str(batch.dtype),
            where="documents",
        )
    if batch.ndim != MATRIX_AXES or batch.shape[1] != dim:
        raise ShapeError(
            f"The documents must have the shape (n, {dim}), got {batch.shape} from row {first} on.",
            expected=f"(n, {dim})",
            got=batch.shape,
            where="documents",
        )


def spread(count: int, wanted: int) -> Rows:
    """Return so many numbers below a count, evenly spread: all of them where there are no more."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, wanted)).astype(np.int64))
