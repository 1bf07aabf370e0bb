"""fvecs, bvecs and ivecs: each row is its length and its components.

::

    0       4                     4 + D s
    ├───────┼─────────────────────┤ and so on; little-endian
    │ D i32 │ D components of s   │ s = 4 (f: float32, i: int32) or 1 (b: uint8)
    └───────┴─────────────────────┘

References
----------
Jégou, Douze, Schmid 2011, "Product quantization for nearest neighbor search"; the sets of http://corpus-texmex.irisa.fr.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vicinal.exchange.source import Block, VectorSource, block_rows, checked_shape, damaged

KINDS = {"fvecs": "<f4", "ivecs": "<i4", "bvecs": "u1"}
HEAD_BYTES = 4


def read(path: Path, kind: str, size_bytes: int) -> VectorSource:
    """Return a file of one of the three kinds, its first length and its size checked.

    Raises
    ------
    InputError
        The lengths do not fit the size of the file.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        raise damaged(path, "it is empty")
    dim, _ = checked_shape(int.from_bytes(head, "little", signed=True), 0, path)
    row_bytes = HEAD_BYTES + dim * np.dtype(KINDS[kind]).itemsize
    count, rest = divmod(size_bytes, row_bytes)
    if rest:
        raise damaged(path, f"its {size_bytes} bytes are no whole number of rows of {row_bytes}")

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        if first_row >= count:
            return
        rows = np.memmap(path, dtype=np.uint8, mode="r", shape=(count, row_bytes))
        step = block_rows(row_bytes, most)
        for start in range(first_row, count, step):
            block = np.array(rows[start : start + step])
            said = block[:, :HEAD_BYTES].copy().view("<i4")[:, 0]
            if bool((said != dim).any()):
                raise damaged(
                    path, f"row {start + int(np.argmax(said != dim))} has another length than the first, {dim}"
                )
            yield Block(vectors=block[:, HEAD_BYTES:].copy().view(KINDS[kind]))

    return VectorSource(path=path, format=kind, dim=dim, count=count, blocks=blocks)
