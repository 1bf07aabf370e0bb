"""The two implementations of exact top-k, on worlds small enough to work by hand."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

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


def matrix(*rows: list[float]) -> np.ndarray:
    """Return rows as the kernels take them."""
    return np.array(rows, dtype=np.float32)


def test_setting_chooses_implementation(chosen: str) -> None:
    """The setting decides which kernels serve, and the answer says which."""
    assert kernels.implementation() == chosen


def test_best_first_and_ties_by_row(chosen: str) -> None:
    """Scores descend; of equal ones the lower row stands first; unused places hold -1 and -inf."""
    rows = matrix([1, 0], [3, 0], [2, 0], [3, 5], [2, 1])
    found, scores, counts = kernels.top_k(rows, matrix([1, 0], [0, 1]), k=7)
    assert found.tolist() == [[1, 3, 2, 4, 0, -1, -1], [3, 4, 0, 1, 2, -1, -1]]
    assert scores.tolist() == [[3, 3, 2, 2, 1, -np.inf, -np.inf], [5, 1, 0, 0, 0, -np.inf, -np.inf]]
    assert counts.tolist() == [5, 5]
    assert (found.dtype, scores.dtype, counts.dtype) == (np.int64, np.float32, np.int64)


def test_tie_at_the_last_place_goes_to_the_lower_row(chosen: str) -> None:
    """Of more equals than places, those with the lowest rows are kept, whatever the order of scores."""
    rows = matrix([1], [2], [1], [2], [1], [2], [2])
    assert kernels.top_k(rows, matrix([1]), k=3)[0].tolist() == [[1, 3, 5]]
    assert kernels.top_k(rows, matrix([-1]), k=2)[0].tolist() == [[0, 2]]
    assert kernels.top_k(np.zeros((1000, 1), np.float32), matrix([1]), k=4)[0].tolist() == [[0, 1, 2, 3]]


def test_mask_lets_through(chosen: str) -> None:
    """Rows outside of the mask are no answers, and do not count."""
    rows = matrix(*([float(row)] for row in range(20)))
    mask = np.zeros(20, dtype=np.bool_)
    mask[[0, 3, 17]] = True
    found, _, counts = kernels.top_k(rows, matrix([1]), k=5, mask=mask)
    assert found.tolist() == [[17, 3, 0, -1, -1]]
    assert counts.tolist() == [3]


def test_mask_may_have_gaps_in_memory(chosen: str) -> None:
    """A mask that is every second element of another means what it says."""
    wide = np.array([True, False, False, True, True, False])
    found, _, _ = kernels.top_k(matrix([1], [2], [3]), matrix([1]), k=3, mask=wide[::2])
    assert found.tolist() == [[2, 0, -1]]


@pytest.mark.parametrize(("n", "q"), [(0, 2), (3, 0), (0, 0)])
def test_empty_in_empty_out(chosen: str, n: int, q: int) -> None:
    """No rows give unused places; no queries give no answers; the shapes hold."""
    found, scores, counts = kernels.top_k(np.zeros((n, 4), np.float32), np.zeros((q, 4), np.float32), k=2)
    assert found.shape == scores.shape == (q, 2)
    assert counts.tolist() == [min(n, 2)] * q
    assert n or (found == -1).all()


def test_overflow_is_infinite_and_no_number_is_last(chosen: str) -> None:
    """A product beyond float32 is infinite; inf - inf counts as -inf and is still an answer of its row."""
    huge = 3e38
    rows = matrix([huge, -huge], [huge, 0], [0, 1], [0, huge])
    found, scores, counts = kernels.top_k(rows, matrix([huge, huge]), k=5)
    assert found.tolist() == [[1, 3, 2, 0, -1]]
    assert scores.tolist() == [[np.inf, np.inf, np.float32(huge), -np.inf, -np.inf]]
    assert counts.tolist() == [4]


def test_sum_goes_lane_by_lane(chosen: str) -> None:
    """Component 16 joins component 0 before anything else: the order of the sum is the documented one."""
    big, small = 2.0**24, 1.0  # big + small == big in float32
    row = np.zeros((1, 17), np.float32)
    row[0, [0, 16, 8]] = big, small, small
    score = kernels.top_k(row, np.ones((1, 17), np.float32), k=1)[1][0, 0]
    assert score == np.float32(np.float32(big) + np.float32(small)) + np.float32(small) == big
    row[0, [0, 16, 8, 9]] = big, 0, small, small  # lanes 8 and 9 reach lane 0 and 1; 1 joins last
    assert kernels.top_k(row, np.ones((1, 17), np.float32), k=1)[1][0, 0] == big
    row[0, [0, 8, 9]] = small, small, big
    assert kernels.top_k(row, np.ones((1, 17), np.float32), k=1)[1][0, 0] == big + 2


def test_input_is_not_modified(chosen: str) -> None:
    """Read-only arrays are welcome."""
    rows, mask = matrix([1, 2], [3, 4]), np.array([True, True])
    for array in (rows, mask):
        array.flags.writeable = False
    assert kernels.top_k(rows, rows, k=1, mask=mask)[0].tolist() == [[1], [1]]


def test_mapped_file(chosen: str, tmp_path: Path) -> None:
    """Rows mapped read-only behind an odd number of bytes give the same answers."""
    path = tmp_path / "rows"
    rows = np.arange(60, dtype=np.float32).reshape(3, 20)
    path.write_bytes(b"12345" + rows.tobytes())
    mapped = np.memmap(path, dtype=np.float32, mode="r", offset=5, shape=(3, 20))
    assert kernels.top_k(np.asarray(mapped), rows[:1], k=2)[0].tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"rows": np.zeros((2, 3))}, DtypeError, "rows must be a float32 array, got float64"),
        ({"rows": [[1.0]]}, DtypeError, "got list"),
        ({"rows": np.zeros((2, 3), ">f4")}, DtypeError, "float32"),
        ({"queries": np.zeros(3, np.float32)}, ShapeError, "queries must be a contiguous matrix"),
        ({"queries": np.zeros((3, 1), np.float32).T}, None, ""),
        ({"queries": np.zeros((3, 2), np.float32).T}, ShapeError, "strides"),
        ({"queries": np.zeros((1, 4), np.float32)}, ShapeError, "3 components as the rows have, got 4"),
        ({"k": 0}, RangeError, "k must be >= 1, got 0"),
        ({"k": True}, DtypeError, "k must be a whole number"),
        ({"mask": np.zeros(2)}, DtypeError, "mask must be a bool array, got float64"),
        ({"mask": [True, False]}, DtypeError, "got list"),
        ({"mask": np.zeros(3, np.bool_)}, ShapeError, r"\(2,\), got \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(change: dict, error: type[Exception] | None, told: str) -> None:
    """What is wrong, what came, what is allowed."""
    good = {"rows": np.zeros((2, 3), np.float32), "queries": np.zeros((1, 3), np.float32), "k": 1, "mask": None}
    if error is None:
        kernels.top_k(**{**good, **change})
        return
    with pytest.raises(error, match=told):
        kernels.top_k(**{**good, **change})


@NEEDS_NATIVE
@pytest.mark.parametrize("asked", [1, 2, 5, 64, 65, 130])
def test_every_instruction_set_gives_the_same_bits(asked: int) -> None:
    """Each instruction set of this processor agrees with the NumPy twin to the last bit, for any number of queries."""
    random = np.random.default_rng(asked)
    for dim, count, k in ((1, 300, 7), (15, 300, 300), (16, 31, 3), (17, 300, 7), (384, 533, 10)):
        rows = random.standard_normal((count, dim), dtype=np.float32)
        queries = random.standard_normal((asked, dim), dtype=np.float32)
        mask = random.random(count) < 0.7
        for allowed in (None, mask):
            expected = kernels.exact.top_k(rows, queries, allowed, k)
            for level in kernels.native.module.levels():
                answers = blank(asked, k)
                kernels.native.module.top_k(rows, queries, allowed, *answers, level)
                for got, said in zip(answers, expected, strict=True):
                    assert got.tobytes() == said.tobytes(), (level, dim)


def blank(asked: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return answers to fill."""
    return np.full((asked, k), -1), np.full((asked, k), -np.inf, np.float32), np.zeros(asked, np.int64)


@NEEDS_NATIVE
def test_native_module_refuses_what_would_read_beyond() -> None:
    """Even called past the checks, the native function raises and never touches foreign memory."""
    rows, queries, mask = np.zeros((4, 3), np.float32), np.zeros((2, 3), np.float32), np.ones(4, np.bool_)
    found, scores, counts = blank(2, 1)
    wrong = [
        (rows, queries[:, :2].copy(), mask, found, scores, counts),
        (rows, queries, mask[:3], found, scores, counts),
        (rows, queries, mask, found[:1], scores, counts),
        (rows, queries, mask, found, scores[:1], counts),
        (rows, queries, mask, found, scores, counts[:1]),
        (rows, queries, mask, found, np.zeros((2, 2), np.float32), counts),
        (rows, queries, mask, np.zeros((2, 0), np.int64), np.zeros((2, 0), np.float32), counts),
        (rows.astype(np.float64), queries, mask, found, scores, counts),
        (rows[:, ::2], queries, mask, found, scores, counts),
        (rows, queries, mask.astype(np.float32), found, scores, counts),
        (rows, queries, "mask", found, scores, counts),
        (None, queries, mask, found, scores, counts),
        (rows, queries, mask, found, scores, counts, "avx9000"),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            kernels.native.module.top_k(*arguments)


@NEEDS_NATIVE
def test_threads_search_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads over the same rows each get the answer of one alone."""
    monkeypatch.setenv("VICINAL_KERNELS", "native")
    random = np.random.default_rng(0)
    rows = random.standard_normal((2000, 64), dtype=np.float32)
    alone = kernels.top_k(rows, rows[:40], k=5)[0]
    found: dict[int, np.ndarray] = {}

    def search(start: int) -> None:
        found[start] = kernels.top_k(rows, rows[start : start + 10], k=5)[0]

    threads = [threading.Thread(target=search, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.concatenate([found[start] for start in sorted(found)]), alone)


def test_missing_native_part_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without native kernels the twin answers, with one warning in a process; not when it was chosen."""
    monkeypatch.setattr(kernels.native, "module", None)
    kernels.native.say_fallback.cache_clear()
    rows = matrix([1], [2])
    assert kernels.implementation() == "numpy"
    monkeypatch.setenv("VICINAL_KERNELS", "numpy")
    kernels.top_k(rows, rows, k=1)
    monkeypatch.delenv("VICINAL_KERNELS")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answers = [kernels.top_k(rows, rows, k=1)[0].tolist() for _ in range(3)]
    assert answers == [[[1], [1]]] * 3
    assert [warning.category for warning in said] == [FallbackWarning]
    kernels.native.say_fallback.cache_clear()


def test_missing_native_part_breaks_no_import() -> None:
    """A package without the native module imports and searches."""
    code = (
        "import sys, warnings; sys.modules['vicinal.kernels._native'] = None\n"
        "import numpy as np; from vicinal import kernels\n"
        "warnings.simplefilter('ignore'); rows = np.eye(2, dtype=np.float32)\n"
        "print(kernels.implementation(), kernels.top_k(rows, rows, k=1)[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "numpy [[0], [1]]\n", done.stderr
