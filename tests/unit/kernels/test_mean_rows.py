"""The two implementations of means of rows, on tables small enough to work by hand."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.errors import DtypeError, FallbackWarning, RangeError, ShapeError

NEEDS_NATIVE = pytest.mark.skipif(kernels.native.module is None, reason="the native kernels were not built")


@pytest.fixture(params=["native", "numpy"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each implementation."""
    if request.param == "native" and kernels.native.module is None:
        pytest.skip("the native kernels were not built")
    monkeypatch.setenv("VICINAL_KERNELS", request.param)
    return request.param


def table(*rows: list[float]) -> np.ndarray:
    """Return rows as the kernels take them."""
    return np.array(rows, dtype=np.float32)


def ids(*numbers: int) -> np.ndarray:
    """Return ids as the kernels take them."""
    return np.array(numbers, dtype=np.int32)


def offsets(*numbers: int) -> np.ndarray:
    """Return offsets as the kernels take them."""
    return np.array(numbers, dtype=np.int64)


def test_mean_of_the_chosen_rows(chosen: str) -> None:
    """A row may come twice; a text without ids is zero; the rows that nobody names do not matter."""
    rows = table([1, 2], [3, 4], [np.nan, np.inf], [0, -8])
    means = kernels.mean_rows(rows, ids(0, 1, 3, 3, 3, 0), offsets(0, 2, 2, 5, 6))
    assert means.tolist() == [[2, 3], [0, 0], [0, -8], [1, 2]]
    assert means.dtype == np.float32


def test_weights_change_the_sum_and_not_the_count(chosen: str) -> None:
    """(2 * 1 + 0.5 * 4) / 2, and a weight of zero still counts."""
    weights = np.array([2, 0.5, 3, 0], dtype=np.float32)
    means = kernels.mean_rows(table([1], [4]), ids(0, 1, 0, 1), offsets(0, 2, 4), weights)
    assert means.tolist() == [[2], [1.5]]


def test_sums_are_wide_and_in_order(chosen: str) -> None:
    """2^30 + 1 - 2^30 is 1, which float32 would lose; 2^60 + 1 - 2^60 is 0, as float64 adds from the left."""
    rows = table([2.0**30], [1], [-(2.0**30)], [2.0**60], [-(2.0**60)])
    means = kernels.mean_rows(rows, ids(0, 1, 2, 3, 1, 4, 3, 4, 1), offsets(0, 3, 6, 9))
    assert means.tolist() == [[np.float32(1 / 3)], [0], [np.float32(1 / 3)]]


def test_a_mean_beyond_float32_is_infinite(chosen: str) -> None:
    """The sum of two huge rows is none, their mean is; a huge weight makes it so."""
    huge = table([3e38])
    assert kernels.mean_rows(huge, ids(0, 0), offsets(0, 2)).tolist() == [[np.float32(3e38)]]
    assert kernels.mean_rows(huge, ids(0), offsets(0, 1), np.float32([10])).tolist() == [[np.inf]]


@pytest.mark.parametrize("dim", [0, 1, 5])
def test_empty_in_empty_out(chosen: str, dim: int) -> None:
    """No texts, no ids, no rows, no components: the shapes hold."""
    none = np.zeros((0, dim), np.float32)
    assert kernels.mean_rows(none, ids(), offsets(0)).shape == (0, dim)
    assert kernels.mean_rows(none, ids(), offsets(0, 0, 0)).tolist() == [[0] * dim] * 2


def test_input_is_not_modified(chosen: str) -> None:
    """Read-only arrays are welcome."""
    arrays = table([1], [2]), ids(0, 1), offsets(0, 2), np.float32([1, 1])
    for array in arrays:
        array.flags.writeable = False
    assert kernels.mean_rows(*arrays).tolist() == [[1.5]]


def test_mapped_file(chosen: str, tmp_path: Path) -> None:
    """A table mapped behind an odd number of bytes gives the same means."""
    rows = np.arange(200, dtype=np.float32).reshape(5, 40)
    (tmp_path / "rows").write_bytes(b"12345" + rows.tobytes())
    mapped = np.asarray(np.memmap(tmp_path / "rows", dtype=np.float32, mode="r", offset=5, shape=(5, 40)))
    expected = kernels.mean_rows(rows, ids(0, 4, 2), offsets(0, 3))
    assert kernels.mean_rows(mapped, ids(0, 4, 2), offsets(0, 3)).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"table": np.zeros((3, 2))}, DtypeError, "table must be a float32 array, got float64"),
        ({"table": np.zeros((2, 3), np.float32).T}, ShapeError, "table must be a contiguous matrix"),
        ({"ids": np.zeros(2, np.int64)}, DtypeError, "ids must be a int32 array, got int64"),
        ({"ids": [0, 1]}, DtypeError, "got list"),
        ({"ids": np.zeros((1, 2), np.int32)}, ShapeError, "ids must have one axis"),
        ({"ids": np.zeros(4, np.int32)[::2]}, ShapeError, "strides"),
        ({"ids": ids(0, 3)}, RangeError, "ids must be rows of a table of 3, got 0 to 3"),
        ({"ids": ids(-1, 0)}, RangeError, "got -1 to 0"),
        ({"offsets": np.zeros(2, np.int32)}, DtypeError, "offsets must be a int64 array"),
        ({"offsets": offsets()}, ShapeError, "offsets must rise from 0 to the 2 ids"),
        ({"offsets": offsets(0, 1)}, ShapeError, "offsets must rise"),
        ({"offsets": offsets(1, 2)}, ShapeError, "offsets must rise"),
        ({"offsets": offsets(0, 3, 2)}, ShapeError, "offsets must rise"),
        ({"weights": np.zeros(2)}, DtypeError, "weights must be a float32 array"),
        ({"weights": np.zeros(3, np.float32)}, ShapeError, "one for each of 2 ids, got 3"),
    ],
)
def test_wrong_arguments_are_named(chosen: str, change: dict, error: type[Exception], told: str) -> None:
    """What is wrong, what came, what is allowed."""
    good = {"table": np.zeros((3, 2), np.float32), "ids": ids(0, 2), "offsets": offsets(0, 2), "weights": None}
    with pytest.raises(error, match=told):
        kernels.mean_rows(**{**good, **change})


@NEEDS_NATIVE
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 100), weighted=st.booleans())
def test_every_instruction_set_gives_the_same_bits(seed: int, dim: int, weighted: bool) -> None:
    """Each instruction set of this processor agrees with the NumPy twin to the last bit."""
    random = np.random.default_rng(seed)
    rows = (random.standard_normal((50, dim)) * 10.0 ** random.integers(-6, 6, (50, 1))).astype(np.float32)
    places = np.concatenate([[0], np.cumsum(random.integers(0, 9, 20))]).astype(np.int64)
    chosen_ids = random.integers(0, 50, places[-1]).astype(np.int32)
    weights = random.random(places[-1]).astype(np.float32) if weighted else None
    expected = kernels.exact.mean_rows(rows, chosen_ids, places, weights)
    for level in kernels.native.module.levels():
        means = np.full((20, dim), np.nan, np.float32)
        kernels.native.module.mean_rows(rows, chosen_ids, places, weights, means, level)
        assert means.tobytes() == expected.tobytes(), level


def test_a_long_text_is_added_in_portions(chosen: str) -> None:
    """5,000 rows: the twin takes them 1,024 at a time, and the mean of 0, 1, 2 … is still exact."""
    rows = np.arange(5000, dtype=np.float32)[:, None]
    assert kernels.mean_rows(rows, np.arange(5000, dtype=np.int32), offsets(0, 5000)).tolist() == [[2499.5]]


@NEEDS_NATIVE
def test_native_module_refuses_what_would_read_beyond() -> None:
    """Even called past the checks, the native function raises and never touches foreign memory."""
    good = [np.zeros((4, 3), np.float32), ids(0, 3), offsets(0, 2), None, np.zeros((1, 3), np.float32)]
    wrong = {
        0: [np.zeros((3, 3), np.float32), np.zeros((4, 3)), np.zeros((3, 4), np.float32).T, None],
        1: [ids(0, 4), ids(-1, 0), ids(0), np.zeros(2, np.int64), None],
        2: [offsets(), offsets(0), offsets(0, 3), offsets(1, 2), offsets(0, 3, 2), offsets(0, 1, 2), ids(0, 2)],
        3: [np.zeros(1, np.float32), np.zeros(2), "weights"],
        4: [np.zeros((2, 3), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 3)), None],
    }
    kernels.native.module.mean_rows(*good)
    for place, values in wrong.items():
        for value in values:
            with pytest.raises((ValueError, TypeError, RuntimeError)):
                kernels.native.module.mean_rows(*good[:place], value, *good[place + 1 :])
    with pytest.raises(ValueError, match="level"):
        kernels.native.module.mean_rows(*good, "avx9000")


@NEEDS_NATIVE
def test_threads_add_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads over the same table each get the answer of one alone."""
    monkeypatch.setenv("VICINAL_KERNELS", "native")
    random = np.random.default_rng(0)
    rows = random.standard_normal((500, 64), dtype=np.float32)
    chosen_ids, places = random.integers(0, 500, 4000).astype(np.int32), np.arange(0, 4001, 10)
    alone = kernels.mean_rows(rows, chosen_ids, places)
    found: dict[int, np.ndarray] = {}

    def add(number: int) -> None:
        found[number] = kernels.mean_rows(rows, chosen_ids, places)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[number].tobytes() == alone.tobytes() for number in range(4))


def test_missing_native_part_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without native kernels the twin answers, with one warning in a process."""
    monkeypatch.setattr(kernels.native, "module", None)
    kernels.native.say_fallback.cache_clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answers = [kernels.mean_rows(table([1], [2]), ids(0, 1), offsets(0, 2)).tolist() for _ in range(3)]
    assert answers == [[[1.5]]] * 3
    assert [warning.category for warning in said] == [FallbackWarning]
    kernels.native.say_fallback.cache_clear()
