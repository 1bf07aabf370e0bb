"""Sets of rows: both implementations, on sets small enough to work by hand and on every length around a word."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import kernels
from vicinal.errors import DtypeError, RangeError, ShapeError

LENGTHS = (0, 1, 63, 64, 65, 1000)


@pytest.fixture(params=["native", "numpy"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each implementation."""
    if request.param == "native" and kernels.native.module is None:
        pytest.skip("the native kernels were not built")
    monkeypatch.setenv("VICINAL_KERNELS", request.param)
    return request.param


def words(count: int) -> np.ndarray:
    """Return a set to be written over, full of rubbish."""
    return np.full(-(-count // 64), 0xDEADBEEF, dtype=np.uint64)


def test_bit_of_a_row(chosen: str) -> None:
    """Row r is bit r % 64 of word r // 64: rows 0, 65 and 127 are 1, 2 and 2**63 of the words."""
    rows = np.array([127, 0, 65, 65], dtype=np.int64)
    held = kernels.bits_of_rows(rows, 130)
    assert held.tolist() == [1, 2 + 2**63, 0]
    assert kernels.rows_of_bits(held).tolist() == [0, 65, 127]
    assert kernels.count_bits(held) == 3


@pytest.mark.parametrize("count", LENGTHS)
def test_mask_and_bits_say_the_same(chosen: str, count: int) -> None:
    """A mask turned into bits and back is the mask; the bits behind its end are 0."""
    mask = np.random.default_rng(count).random(count) < 0.5
    held = kernels.bits_of_mask(mask)
    assert np.array_equal(kernels.mask_of_bits(held, count), mask)
    assert np.array_equal(kernels.rows_of_bits(held), np.flatnonzero(mask))
    assert kernels.count_bits(held) == mask.sum()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("count", LENGTHS)
def test_range_includes_both_ends(chosen: str, kind: type, count: int) -> None:
    """Codes within [low, high] are held, for every type, ends of the type and ranges beyond it included."""
    top = int(np.iinfo(kind).max)
    codes = np.random.default_rng(count).integers(0, top, count, dtype=kind, endpoint=True)
    codes[: count // 2] %= kind(7)
    for low, high in ((0, top), (2, 5), (5, 5), (6, 5), (top, top), (-3, 4), (3, top + 10), (-9, -1)):
        out = words(count)
        kernels.bits_of_range(codes, low, high, out)
        wanted = (codes.astype(np.int64) >= low) & (codes.astype(np.int64) <= high)
        assert np.array_equal(out, kernels.bits_of_mask(wanted))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("count", LENGTHS)
def test_table_says_which_codes_are_held(chosen: str, kind: type, count: int) -> None:
    """A row is held where its code's entry is not 0; a code behind the table has none."""
    codes = np.random.default_rng(count).integers(0, 200, count, dtype=kind)
    for size in (0, 1, 100, 200, 255):
        held = np.random.default_rng(size).integers(0, 3, size).astype(np.uint8)
        out = words(count)
        kernels.bits_of_table(codes, held, out)
        wanted = [code < size and held[code] != 0 for code in codes.tolist()]
        assert np.array_equal(out, kernels.bits_of_mask(np.array(wanted, dtype=np.bool_)))


def test_every_instruction_set_gives_the_same_range() -> None:
    """The ranges of all levels agree with the twin."""
    if kernels.native.module is None:
        pytest.skip("the native kernels were not built")
    codes = np.random.default_rng(0).integers(0, 256, 777).astype(np.uint16)
    wanted = words(777)
    kernels.bits.bits_of_range(codes, 3, 99, wanted)
    for level in (0, 1, 2):
        out = words(777)
        kernels.native.module.bits_of_range(codes, 3, 99, out, level)
        assert np.array_equal(out, wanted)


def test_wrong_arguments_are_errors_with_a_name(chosen: str) -> None:
    """Types, shapes and rows that do not fit are refused, and nothing is written."""
    codes = np.zeros(65, dtype=np.uint8)
    with pytest.raises(ShapeError, match="out must be 2 words"):
        kernels.bits_of_range(codes, 0, 1, words(64))
    with pytest.raises(DtypeError, match="codes must be"):
        kernels.bits_of_table(codes.astype(np.int8), np.zeros(1, np.uint8), words(65))
    with pytest.raises(ShapeError, match="codes"):
        kernels.bits_of_range(codes[::2], 0, 1, words(33))
    frozen = words(65)
    frozen.flags.writeable = False
    with pytest.raises(ShapeError, match="can be written"):
        kernels.bits_of_range(codes, 0, 1, frozen)
    for row in (-1, 10):
        with pytest.raises(RangeError, match="rows must be 0 to 9"):
            kernels.bits_of_rows(np.array([row], dtype=np.int64), 10)
    with pytest.raises(RangeError, match="count"):
        kernels.mask_of_bits(words(64), 65)
    with pytest.raises(DtypeError, match="bits"):
        kernels.count_bits(np.zeros(1, dtype=np.int64))


def test_native_side_refuses_what_it_could_not_read() -> None:
    """Called without its checks, the native module still reads and writes nothing beyond an array."""
    native = kernels.native.module
    if native is None:
        pytest.skip("the native kernels were not built")
    with pytest.raises(ValueError, match="not a bit for each row"):
        native.bits_of_range(np.zeros(65, np.uint8), 0, 1, words(64))
    with pytest.raises(ValueError, match="none of the codes"):
        native.bits_of_range(np.zeros(65, np.uint8), 0, 256, words(65))
    out = words(64)
    native.bits_of_rows(np.array([-1, 64, 1 << 62], dtype=np.int64), out)
    assert out.tolist() == [0xDEADBEEF]
    native.rows_of_bits(np.array([7], dtype=np.uint64), np.zeros(1, dtype=np.int64))
