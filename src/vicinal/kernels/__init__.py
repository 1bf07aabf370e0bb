"""The inner loops: native where a compiler was at the installation, else their NumPy twins, with the same answers.

Step: 6 of 11, inside index and encode.
Takes: float32 rows (N, D) with queries (Q, D) and the rows that may answer, or with the ids of rows; codes of columns.
Gives: the numbers and scores of the k nearest rows, exactly or through codes; codes, cells, means and sets of rows.
Never: knows a space, a file, a text or a record.
"""

from __future__ import annotations

from vicinal.kernels import exact, native
from vicinal.kernels.bitmaps import (
    bits_of_mask,
    bits_of_range,
    bits_of_rows,
    bits_of_table,
    count_bits,
    mask_of_bits,
    rows_of_bits,
)
from vicinal.kernels.codes import BLOCK_ROWS, Projection, Rotation
from vicinal.kernels.encoding import (
    assign,
    empty_codes,
    encode_bias,
    encode_codes,
    encode_codes_into,
    encode_int8,
    turned,
)
from vicinal.kernels.engine import Funnel
from vicinal.kernels.exhaustive import mean_rows, top_k
from vicinal.kernels.funnel import FOREMOST, Metric, Run, leading_cells, sure_candidates
from vicinal.kernels.native import implementation

__all__ = [
    "BLOCK_ROWS",
    "FOREMOST",
    "Funnel",
    "Metric",
    "Projection",
    "Rotation",
    "Run",
    "assign",
    "bits_of_mask",
    "bits_of_range",
    "bits_of_rows",
    "bits_of_table",
    "count_bits",
    "empty_codes",
    "encode_bias",
    "encode_codes",
    "encode_codes_into",
    "encode_int8",
    "exact",
    "implementation",
    "leading_cells",
    "mask_of_bits",
    "mean_rows",
    "native",
    "rows_of_bits",
    "sure_candidates",
    "top_k",
    "turned",
]

_native = native.module
"""The native module, or None where the package was built without a compiler."""
