"""Vectors to codes, int8 rows and cells: both implementations, and every instruction set that the machine has."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import kernels
from vicinal.errors import DtypeError, RangeError, ShapeError, UnknownNameError
from vicinal.kernels import codes as twin

NEEDS_NATIVE = pytest.mark.skipif(kernels.native.module is None, reason="the native kernels were not built")


@pytest.fixture(params=["native", "numpy"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each implementation."""
    if request.param == "native" and kernels.native.module is None:
        pytest.skip("the native kernels were not built")
    monkeypatch.setenv("VICINAL_KERNELS", request.param)
    return request.param


def matrix(*rows: list[float]) -> np.ndarray:
    """Return rows as the kernels take them."""
    return np.array(rows, dtype=np.float32)


def spread(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Return vectors of very different lengths, a zero one and equal ones among them."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, dim)).astype(np.float32)
    rows *= (10.0 ** random.integers(-12, 12, count)).astype(np.float32)[:, None]
    rows[::7] = rows[:1]
    rows[3::11] = 0
    return rows


def test_code_by_hand(chosen: str) -> None:
    """Bit d says that component d is above the center; the factor is ||r||^2 / ||r||_1."""
    codes, factors = kernels.encode_codes(matrix([2, 0, 1, 1, 1, 1, 1, 1, 5], [1] * 9), np.ones(9, dtype=np.float32))
    assert codes.shape == (1, 2, 64)
    assert codes[0, :, 0].tolist() == [1, 1]  # r = (1, -1, 0 … 0, 4)
    assert codes[0, :, 1].tolist() == [0, 0]  # r = 0
    assert not codes[0, :, 2:].any()
    assert factors.tolist() == [18 / 6, 0]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65])
def test_shapes_are_of_whole_blocks(chosen: str, count: int) -> None:
    """N rows make ceil(N / 64) blocks and N factors, also none of each."""
    codes, factors = kernels.encode_codes(np.ones((count, 20), np.float32), np.zeros(20, np.float32))
    assert codes.shape == (-(-count // 64), 3, 64)
    assert factors.shape == (count,)
    values, scales = kernels.encode_int8(np.ones((count, 20), np.float32), np.zeros(20, np.float32))
    assert (values == 127).all()
    assert values.shape == (count, 20)
    assert np.array_equal(scales, np.full(count, np.float32(1) / np.float32(127)))


def test_code_at_its_position(chosen: str) -> None:
    """Each vector's code goes to its own position, with its own cell's center; all other bytes stay."""
    codes = np.full((2, 1, 64), 0xAA, dtype=np.uint8)
    factors = np.full(128, -1, dtype=np.float32)
    kernels.encode_codes_into(
        codes,
        factors,
        np.array([70, 2], dtype=np.int64),
        matrix([1, 1], [1, 1]),
        matrix([0, 0], [2, 0]),
        cell_of=np.array([0, 1], dtype=np.int32),
    )
    assert codes[1, 0, 6] == 0b11
    assert codes[0, 0, 2] == 0b10
    assert (codes == 0xAA).sum() == 126
    assert factors[[70, 2]].tolist() == [1, 1]
    assert (factors == -1).sum() == 126


def test_int8_brings_a_vector_back(chosen: str) -> None:
    """``values * scale + center`` is within half a scale of each component, and the largest one is 127."""
    rows = np.random.default_rng(0).standard_normal((50, 33)).astype(np.float32)
    center = rows.mean(0)
    values, scales = kernels.encode_int8(rows, center)
    assert np.abs(values).max(axis=1).tolist() == [127] * 50
    assert (np.abs(values * scales[:, None] + center - rows) <= scales[:, None] * 0.5001).all()


def test_int8_of_what_has_no_scale(chosen: str) -> None:
    """A zero vector, one below the normal numbers and one beyond float32 have the scale 0 and zeros."""
    rows = matrix([0, 0], [1e-44, 0], [3e38, -1])
    values, scales = kernels.encode_int8(rows, matrix([-3e38, 0])[0] * np.float32([0, 1]))
    assert scales[:2].tolist() == [0, 0]
    values, scales = kernels.encode_int8(matrix([3e38, -1]), matrix([-3e38, 0])[0])
    assert scales.tolist() == [0]
    assert not values.any()


def test_normalize_makes_length_meaningless(chosen: str) -> None:
    """With ``normalize`` a vector and four times that vector have the same int8 row; zeros stay zeros."""
    rows = np.random.default_rng(1).standard_normal((9, 40)).astype(np.float32)
    rows[4] = 0
    center = np.full(40, 0.01, dtype=np.float32)
    once, four = (kernels.encode_int8(rows * times, center, normalize=True) for times in (1, 4))
    assert all(np.array_equal(a, b) for a, b in zip(once, four, strict=True))


@pytest.mark.parametrize("dim", [1, 2, 8, 20, 100, 384])
def test_rotation_keeps_lengths_and_angles(dim: int) -> None:
    """A rotation is orthonormal: all dot products stay, and the same seed gives the same rotation."""
    rows = np.random.default_rng(dim).standard_normal((12, dim)).astype(np.float32)
    rotation = kernels.Rotation(dim=dim, seed=5)
    turned = kernels.turned(rows, rotation)
    assert np.allclose(turned @ turned.T, rows @ rows.T, atol=1e-4 * dim)
    assert np.array_equal(turned, kernels.turned(rows, kernels.Rotation(dim=dim, seed=5)))
    assert dim < 8 or not np.array_equal(turned, kernels.turned(rows, kernels.Rotation(dim=dim, seed=6)))


def test_rotation_is_the_same_for_ever() -> None:
    """The signs are bits of SHAKE-256, which no library draws differently tomorrow."""
    assert kernels.Rotation(dim=8, seed=0).signs.astype(int).tolist() == [
        [1, -1, 1, -1, 1, -1, -1, 1],
        [-1, 1, 1, -1, -1, -1, 1, -1],
        [-1, -1, -1, -1, 1, -1, 1, 1],
        [-1, 1, -1, -1, 1, 1, 1, 1],
    ]


def test_rotation_spreads_one_component() -> None:
    """A vector of one component has none above a third of its length after the turn, though 300 is no power of two."""
    turned = kernels.turned(np.eye(300, dtype=np.float32), kernels.Rotation(dim=300))
    assert np.abs(turned).max() < 1 / 3


def test_projection_keeps_its_directions(chosen: str) -> None:
    """A projection gives the products with its rows, and says how many components it takes and gives."""
    rows = np.random.default_rng(0).standard_normal((9, 20)).astype(np.float32)
    projection = kernels.Projection(matrix=np.eye(20, dtype=np.float32)[3:8])
    assert (projection.dim, projection.code_dim) == (20, 5)
    assert np.array_equal(kernels.turned(rows, projection), rows[:, 3:8])
    assert kernels.turned(rows, None) is rows


@NEEDS_NATIVE
@pytest.mark.parametrize("dim", [1, 8, 9, 64, 100, 384])
@pytest.mark.parametrize("normalize", [False, True])
def test_every_instruction_set_gives_the_same_bytes(dim: int, *, normalize: bool) -> None:
    """Codes, factors, int8 values and scales of all levels are those of the twin, bit for bit."""
    rows = spread(200, dim, seed=dim)
    with np.errstate(all="ignore"):
        center = np.nan_to_num(rows.mean(0))
        codes, factors = np.zeros((4, -(-dim // 8), 64), np.uint8), np.empty(200, np.float32)
        places = np.random.default_rng(0).permutation(200)
        twin.encode_codes_into(codes, factors, places, rows, center[None], None)
        values, scales = twin.encode_int8(rows, center, normalize=normalize)
    native = kernels.native.module
    for level in native.funnel_levels():
        got = np.zeros_like(codes), np.empty_like(factors), np.empty_like(values), np.empty_like(scales)
        native.encode_codes(*got[:2], places, rows, center[None], None, 2, level)
        native.encode_int8(*got[2:], rows, center, normalize, 2, level)
        for mine, theirs in zip(got, (codes, factors, values, scales), strict=True):
            assert mine.tobytes() == theirs.tobytes(), level


@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
def test_assign_names_the_nearest(chosen: str, metric: str) -> None:
    """Each vector gets the center of the best score; centers far apart leave no doubt."""
    random = np.random.default_rng(3)
    centers = np.eye(40, dtype=np.float32)[:30] * np.float32(3)
    wanted = random.integers(0, 30, 500).astype(np.int32)
    rows = centers[wanted] + random.standard_normal((500, 40)).astype(np.float32) * np.float32(0.1)
    assert np.array_equal(kernels.assign(rows, centers, metric=metric, threads=2), wanted)


@NEEDS_NATIVE
@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
def test_assign_misses_by_no_more_than_rounding(metric: str) -> None:
    """Where a level names another center than the twin, its score is within a hundredth of the best."""
    random = np.random.default_rng(4)
    rows = random.standard_normal((1500, 50)).astype(np.float32)
    centers = random.standard_normal((130, 50)).astype(np.float32)
    rows[3], centers[5] = 0, 0
    best = kernels.top_k(centers, rows, k=1, metric=metric)[1][:, 0]
    for level in kernels.native.module.funnel_levels():
        found = np.full(1500, -1, dtype=np.int32)
        kernels.native.module.assign(rows, centers, metric, found, 1, level)
        scores = np.array(
            [kernels.exact.scores_of(centers[c][None], row, metric)[0] for c, row in zip(found, rows, strict=True)]
        )
        assert (best - scores <= 0.01 * np.maximum(1, np.abs(best))).all(), level
        assert (best - scores <= 1e-5).mean() > 0.99, level


def test_bias_is_the_negative_squared_distance(chosen: str) -> None:
    """The bias of (3, 4) around the origin is -25."""
    assert kernels.encode_bias(matrix([3, 4], [0, 0]), matrix([0, 0])[0]).tolist() == [-25, 0]


def test_wrong_arguments_are_errors_with_a_name(chosen: str) -> None:
    """Types, shapes, positions, cells and names that do not fit are refused."""
    rows, center = np.ones((3, 4), np.float32), np.zeros(4, np.float32)
    codes, factors = np.zeros((1, 1, 64), np.uint8), np.zeros(64, np.float32)
    places = np.arange(3)
    with pytest.raises(ShapeError, match="center"):
        kernels.encode_codes(rows, center[:3])
    with pytest.raises(RangeError, match="cell_of must be 0 to 0"):
        kernels.encode_codes(rows, center[None], cell_of=np.array([0, 0, 1], np.int32))
    with pytest.raises(RangeError, match="positions must be 0 to 63"):
        kernels.encode_codes_into(codes, factors, places + 62, rows, center)
    with pytest.raises(ShapeError, match="positions must have the length 3"):
        kernels.encode_codes_into(codes, factors, places[:2], rows, center)
    with pytest.raises(ShapeError, match="codes must be contiguous"):
        kernels.encode_codes_into(np.zeros((1, 2, 64), np.uint8), factors, places, rows, center)
    with pytest.raises(ShapeError, match="turn must take 4"):
        kernels.turned(rows, kernels.Rotation(dim=5))
    with pytest.raises(ShapeError, match="turn must take 4"):
        kernels.turned(rows, kernels.Projection(matrix=np.ones((5, 4), np.float32)))
    with pytest.raises(DtypeError, match="turn"):
        kernels.turned(rows, 3)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="vectors must be"):
        kernels.encode_int8(rows.astype(np.float64), center)
    with pytest.raises(RangeError, match="threads"):
        kernels.encode_int8(rows, center, threads=0)
    with pytest.raises(ShapeError, match="centers"):
        kernels.assign(rows, rows[:0], metric="dot")
    with pytest.raises(UnknownNameError, match="metric"):
        kernels.assign(rows, rows, metric="angle")  # type: ignore[arg-type]


@NEEDS_NATIVE
def test_native_side_refuses_what_it_could_not_read() -> None:
    """Called without its checks, the native module still reads and writes nothing beyond an array."""
    native = kernels.native.module
    rows, centers = np.ones((3, 4), np.float32), np.zeros((1, 4), np.float32)
    codes, factors = np.zeros((1, 1, 64), np.uint8), np.zeros(64, np.float32)
    places = np.arange(3)
    wrong = [
        (codes, factors[:2], places, rows, centers, None),
        (codes, factors, places - 1, rows, centers, None),
        (codes, factors, places[:2], rows, centers, None),
        (codes, factors, places, rows, centers[:0], None),
        (codes, factors, places, rows, centers, np.array([0, 1, 0], np.int32)),
        (np.zeros((1, 2, 64), np.uint8), factors, places, rows, centers, None),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match=r"\w"):
            native.encode_codes(*arguments, threads=1)
    with pytest.raises(ValueError, match="shape"):
        native.encode_int8(
            np.zeros((2, 4), np.int8), np.zeros(3, np.float32), rows, centers[0], normalize=False, threads=1
        )
    with pytest.raises(ValueError, match=r"\w"):
        native.assign(rows, centers[:0], "dot", np.zeros(3, np.int32), 1)
    with pytest.raises(ValueError, match="level"):
        native.assign(rows, centers, "dot", np.zeros(3, np.int32), 1, "abacus")
