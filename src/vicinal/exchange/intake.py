"""Taking vectors in: batch after batch into whatever writes them, counted, and to be gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vicinal.exchange.source import BATCH_ROWS, VectorBatch, VectorSource
from vicinal.space import Space
from vicinal.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What was taken in.

    ``rows`` were read and handed on, ``zero_rows`` of them have no length and are near nothing;
    ``next_row`` is where another call goes on; ``complete`` says that it is the end of the file.
    """

    rows: int
    zero_rows: int
    batches: int
    next_row: int
    complete: bool
    took_s: float


def import_vectors(
    source: VectorSource,
    space: Space,
    write: Callable[[VectorBatch], object],
    *,
    batch_rows: int = BATCH_ROWS,
    first_row: int = 0,
    progress: Progress | None = None,
) -> ImportReport:
    """Hand the rows of a file to ``write``, a checked batch at a time.

    Parameters
    ----------
    source : VectorSource
        What ``read_vectors`` gave.
    space : Space, or an encoder
        What the vectors are in; it must be told.
    write : callable
        Makes one batch durable, whole or not at all: one transaction. Its errors end the import.
    batch_rows : int, 1 <= batch_rows <= 100,000
        Rows of a transaction.
    first_row : int, 0 <= first_row
        Where to go on: the rows before are in already.
    progress : callable, optional
        Told of rows that were written, of all.

    Returns
    -------
    ImportReport

    Raises
    ------
    InputError
        As ``VectorSource.batches``. What was written before stays; the row that the error names is where to look.

    Notes
    -----
    After an interruption go on behind the last batch that ``write`` finished: it knows ``first_row`` and ``len`` of it,
    and keeps them in the same transaction. Rows that come twice are the same records again, for a writer that upserts.
    """
    start = time.perf_counter()
    rows = zero_rows = count = 0
    for batch in source.batches(space, batch_rows=batch_rows, first_row=first_row):
        write(batch)
        rows += len(batch)
        zero_rows += batch.zero_rows
        count += 1
        if progress is not None:
            progress(first_row + rows, source.count)
    return ImportReport(
        rows=rows,
        zero_rows=zero_rows,
        batches=count,
        next_row=first_row + rows,
        complete=first_row + rows == source.count,
        took_s=time.perf_counter() - start,
    )
