"""Vectors to codes, int8 rows and cells: checked here, done by the native loops or by NumPy (``codes.py``).

Letters: N rows, D components, M cells, W = ceil(D / 8).
"""

from __future__ import annotations

import numpy as np

from vicinal._arrays import one_of, whole_number
from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.kernels import codes as twin
from vicinal.kernels import native
from vicinal.kernels.checked import checked_line, checked_matrix, checked_type
from vicinal.kernels.codes import BLOCK_ROWS, Cells, Codes, Int8, Projection, Turn
from vicinal.kernels.funnel import METRICS, Metric
from vicinal.types import Floats, Rows

CODE_AXES = 3


def turned(vectors: Floats, turn: Turn | None) -> Floats:
    """Return vectors (N, D) in the space of codes, (N, d): rotated, projected, or without either as they are.

    Raises
    ------
    DtypeError, ShapeError
        The vectors are no float32 matrix of the dimension that is turned.

    Notes
    -----
    Cost: ``ROUNDS * D * log2(D)`` additions a vector for a rotation, d * D products for a projection, done by NumPy's
    BLAS: its sums may differ by rounding from one processor to another.
    """
    vectors = checked_matrix(vectors, "vectors")
    check_turn(turn, vectors.shape[1])
    if turn is None:
        return vectors
    if isinstance(turn, Projection):
        with np.errstate(over="ignore", invalid="ignore"):
            return vectors @ turn.matrix.T
    serving = native.serving()
    if serving is None:
        return twin.rotated(vectors, turn)
    found = vectors.copy()
    serving.rotate(found, turn.signs)
    return found


def empty_codes(blocks: int, dim: int) -> Codes:
    """Return codes of no vectors, zeros of shape (blocks, W, 64), on large pages of memory where the system has them.

    Raises
    ------
    DtypeError, RangeError
        A size is no whole number of at least 0, or of at least 1.
    """
    blocks, dim = whole_number(blocks, "blocks", low=0), whole_number(dim, "dim", low=1)
    codes = np.zeros((blocks, -(-dim // 8), BLOCK_ROWS), dtype=np.uint8)
    serving = native.serving()
    if serving is not None:
        serving.advise_large_pages(codes)
    return codes


def encode_codes(
    vectors: Floats,
    center: Floats,
    *,
    cell_of: Cells | None = None,
    threads: int = 1,
) -> tuple[Codes, Floats]:
    """Return the 1-bit codes and the factors of vectors, in their order.

    Parameters
    ----------
    vectors : float32 array of shape (N, D), contiguous
        Finite, in the space of codes (``turned``).
    center : float32 array of shape (D,), or (M, D) together with ``cell_of``
        What is taken away from each vector: the center, or that of its cell.
    cell_of : int32 array of shape (N,), optional
        The cell of each vector, 0 to M - 1.
    threads : int, 1 <= threads
        How many share the work; the answer is the same.

    Returns
    -------
    codes : uint8 array of shape (ceil(N / 64), W, 64)
        Byte ``[b, w, i]`` holds components 8w … 8w + 7 of row 64b + i, the lowest bit first: 1 where positive.
    factors : float32 array of shape (N,)
        ``||r||^2 / ||r||_1`` of what was coded; 0 for zeros.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.
    RangeError
        A cell is none of the centers, or ``threads`` is below 1.

    Notes
    -----
    Every processor and both implementations give the same bytes.
    Cost: one read of the vectors.

    References
    ----------
    Gao, Long 2024, "RaBitQ", arXiv 2405.12497, section 3. Differs: the rotation may be left out
    or be a projection, and the factor is that of the estimator for dot products, so no length is stored.
    """
    vectors = checked_matrix(vectors, "vectors")
    blocks = -(-len(vectors) // BLOCK_ROWS)
    codes = empty_codes(blocks, vectors.shape[1])
    factors = np.empty(len(vectors), dtype=np.float32)
    encode_codes_into(
        codes,
        factors,
        np.arange(len(vectors), dtype=np.int64),
        vectors,
        center,
        cell_of=cell_of,
        threads=threads,
    )
    return codes, factors


def encode_codes_into(
    codes: Codes,
    factors: Floats,
    positions: Rows,
    vectors: Floats,
    center: Floats,
    *,
    cell_of: Cells | None = None,
    threads: int = 1,
) -> None:
    """Write the code and the factor of each vector to its position; other positions stay as they are.

    Parameters
    ----------
    codes : uint8 array of shape (B, W, 64), contiguous
        Position p is row p % 64 of block p // 64.
    factors : float32 array of shape (F,)
    positions : int64 array of shape (N,)
        Where each vector goes: below 64 * B and below F, no two alike.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.
    RangeError
        A position or a cell is outside of its array, or ``threads`` is below 1.

    See Also
    --------
    encode_codes : the other parameters.
    """
    vectors = checked_matrix(vectors, "vectors")
    centers = checked_centers(center, vectors, cell_of)
    check_codes(codes, vectors.shape[1])
    factors = checked_line(factors, np.float32, "factors")
    positions = _checked_numbers(positions, np.int64, "positions", min(len(codes) * BLOCK_ROWS, len(factors)))
    _check_length(positions, len(vectors), "positions")
    threads = whole_number(threads, "threads", low=1)
    serving = native.serving()
    if serving is None:
        twin.encode_codes_into(codes, factors, positions, vectors, centers, cell_of)
        return
    serving.encode_codes(codes, factors, positions, vectors, centers, cell_of, threads)


def encode_int8(vectors: Floats, center: Floats, *, normalize: bool = False, threads: int = 1) -> tuple[Int8, Floats]:
    """Return vectors as whole numbers from -127 to 127 around a center, and the scale of each.

    Parameters
    ----------
    vectors : float32 array of shape (N, D), contiguous
    center : float32 array of shape (D,)
    normalize : bool
        Whether each vector is first divided by its length.
    threads : int, 1 <= threads

    Returns
    -------
    values : int8 array of shape (N, D)
    scales : float32 array of shape (N,)
        ``values * scale + center`` is the vector, each component within half a scale.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.
    RangeError
        ``threads`` is below 1.
    """
    vectors = checked_matrix(vectors, "vectors")
    center = checked_center(center, vectors.shape[1])
    threads = whole_number(threads, "threads", low=1)
    serving = native.serving()
    if serving is None:
        return twin.encode_int8(vectors, center, normalize=normalize)
    values = np.empty(vectors.shape, dtype=np.int8)
    scales = np.empty(len(vectors), dtype=np.float32)
    serving.encode_int8(values, scales, vectors, center, normalize, threads)
    return values, scales


def encode_bias(vectors: Floats, center: Floats) -> Floats:
    """Return ``-||x - center||^2`` of each vector, float32 (N,): the bias of a run for l2.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.
    """
    vectors = checked_matrix(vectors, "vectors")
    center = checked_center(center, vectors.shape[1])
    serving = native.serving()
    if serving is None:
        return twin.encode_bias(vectors, center)
    biases = np.empty(len(vectors), dtype=np.float32)
    serving.encode_bias(vectors, center, biases)
    return biases


def assign(vectors: Floats, centers: Floats, *, metric: Metric, threads: int = 1) -> Cells:
    """Return the number of the nearest center of each vector.

    Parameters
    ----------
    vectors : float32 array of shape (N, D), contiguous
    centers : float32 array of shape (M, D), contiguous, 1 <= M
    metric : {"dot", "cosine", "l2"}
        The largest <x, c>, the largest cosine, the smallest distance.
    threads : int, 1 <= threads

    Returns
    -------
    int32 array of shape (N,)

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape, or there is no center.
    RangeError
        ``threads`` is below 1.
    UnknownNameError
        The metric is none of those.

    Notes
    -----
    The native kernel compares by int8 and decides among the best by float32: of centers whose scores differ by less
    than the rounding of int8, now and then another than the nearest is named. The twin compares by float32.
    """
    vectors, centers = checked_matrix(vectors, "vectors"), checked_matrix(centers, "centers")
    one_of(metric, "metric", METRICS)
    threads = whole_number(threads, "threads", low=1)
    if not len(centers) or centers.shape[1] != vectors.shape[1]:
        raise ShapeError(
            f"centers must have the shape (M, {vectors.shape[1]}) with M of at least 1, got {centers.shape}.",
            expected=f"(M, {vectors.shape[1]})",
            got=centers.shape,
            where="centers",
        )
    serving = native.serving()
    if serving is None:
        return twin.assign(vectors, centers, metric=metric)
    found = np.empty(len(vectors), dtype=np.int32)
    serving.assign(vectors, centers, metric, found, threads)
    return found


def checked_center(center: Floats, dim: int) -> Floats:
    """Return a center of the dimension."""
    center = checked_line(center, np.float32, "center")
    _check_length(center, dim, "center")
    return center


def checked_centers(center: Floats, vectors: Floats, cell_of: Cells | None) -> Floats:
    """Return the centers as a matrix, if they and the cells fit the vectors."""
    if cell_of is None:
        return checked_center(center, vectors.shape[1])[None]
    centers = checked_matrix(center, "center")
    if centers.shape[1] != vectors.shape[1]:
        raise ShapeError(
            f"center must have {vectors.shape[1]} components, got {centers.shape[1]}.",
            expected=vectors.shape[1],
            got=centers.shape[1],
            where="center",
        )
    _check_length(_checked_numbers(cell_of, np.int32, "cell_of", len(centers)), len(vectors), "cell_of")
    return centers


def _checked_numbers(numbers: Rows | Cells, kind: type[np.generic], name: str, end: int) -> Rows:
    """Return a line of numbers, each 0 to end - 1."""
    line: Rows = checked_line(numbers, kind, name)
    if len(line) and not 0 <= line.min() <= line.max() < end:
        raise RangeError(
            f"{name} must be 0 to {end - 1}, got {line.min()} to {line.max()}.",
            expected=f"0 to {end - 1}",
            got=f"{line.min()} to {line.max()}",
            where=name,
        )
    return line


def _check_length(line: Floats | Rows | Cells, length: int, name: str) -> None:
    """Refuse a line of another length."""
    if len(line) != length:
        raise ShapeError(
            f"{name} must have the length {length}, got {len(line)}.", expected=length, got=len(line), where=name
        )


def check_turn(turn: Turn | None, dim: int) -> None:
    """Refuse what does not turn vectors of the dimension."""
    if turn is None:
        return
    if not isinstance(turn, Turn):
        raise DtypeError(
            f"turn must be a Rotation or a Projection, got {type(turn).__name__}.",
            expected="Rotation or Projection",
            got=type(turn).__name__,
            where="turn",
        )
    if isinstance(turn, Projection):
        checked_matrix(turn.matrix, "matrix")
    if turn.dim != dim or not 1 <= turn.code_dim <= dim:
        raise ShapeError(
            f"turn must take {dim} components and give no more, got {turn.dim} to {turn.code_dim}.",
            expected=dim,
            got=(turn.dim, turn.code_dim),
            where="turn",
        )


def check_codes(codes: Codes, dim: int) -> None:
    """Refuse what is no array of codes of the dimension."""
    checked_type(codes, "codes", np.uint8)
    width = -(-dim // 8)
    if codes.ndim != CODE_AXES or codes.shape[1:] != (width, BLOCK_ROWS) or not codes.flags.c_contiguous:
        raise ShapeError(
            f"codes must be contiguous with the shape (blocks, {width}, {BLOCK_ROWS}), got {codes.shape}.",
            expected=f"(blocks, {width}, {BLOCK_ROWS})",
            got=codes.shape,
            where="codes",
        )
