"""The funnel index: the answers of exact search at every size, through appends, drops, files and damage."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal import kernels
from vicinal.errors import DamagedIndexWarning, DtypeError, RangeError, ShapeError, SpaceMismatchError
from vicinal.index import Calibration, ExactIndex, FunnelIndex, funnel, generation
from vicinal.index.calibration import Setting
from vicinal.space import Space, Vectors

DIM = 20
SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=8, overflow="cut", full_dim=DIM, dim=DIM
)
SPACES = {
    "cosine": SPACE,
    "lengths": replace(SPACE, normalized=False),
    "dot": replace(SPACE, metric="dot", normalized=False),
    "l2": replace(SPACE, metric="l2", normalized=False),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes from 200 rows on, coded 64 at a time, so that small sets show what large ones do."""
    monkeypatch.setattr(funnel, "SMALL_ROWS", 200)
    monkeypatch.setattr(funnel, "WAITING_ROWS", 64)


def world(count: int, seed: int = 0, *, unit: bool = True) -> np.ndarray:
    """Return vectors around 12 places, of unit length or not."""
    chooser = np.random.default_rng(seed)
    places = np.random.default_rng(99).standard_normal((12, DIM))
    found = places[chooser.integers(0, 12, count)] + 0.8 * chooser.standard_normal((count, DIM))
    if unit:
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    return np.ascontiguousarray(found, dtype=np.float32)


def asked(space: Space = SPACE, count: int = 12) -> Vectors:
    """Return queries of the world."""
    return Vectors(world(count, 7, unit=space.normalized), space)


def share_found(index: FunnelIndex, parts: list, space: Space = SPACE, **how: Any) -> float:
    """Return the share of the true ten nearest that an index finds, and prove that all scores are the exact ones."""
    exact = ExactIndex(parts, space)
    mask = how.pop("mask", None)
    true = exact.search(asked(space), k=10, mask=mask)
    found = index.search(asked(space), k=10, mask=mask, **how)
    every = exact.search(asked(space), k=max(1, exact.row_count), mask=mask)
    for query in range(len(found.rows)):
        scores = dict(zip(every.rows[query].tolist(), every.scores[query].tolist(), strict=True))
        for row, score in zip(found.rows[query].tolist(), found.scores[query].tolist(), strict=True):
            assert scores.get(row, -np.inf) == score
    return float(
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true.rows.tolist(), found.rows.tolist(), strict=True)])
    )


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("cells", [0, 8])
def test_neighbours_of_every_metric(name: str, cells: int) -> None:
    """Flat and with cells, in each metric, scores are bit for bit the exact ones and the neighbours the true ones."""
    space = SPACES[name]
    rows = world(1500, unit=space.normalized)
    parts = [(0, rows[:700]), (700, rows[700:])]
    index = FunnelIndex.build(parts, space, cells=cells)
    assert index.coded_rows == 1500
    assert index.info()["kind"] == ("cells" if cells else "funnel")
    assert share_found(index, parts, space) >= 0.98
    assert share_found(index, parts, space, recall=1.0) == 1


@pytest.mark.parametrize("dim", [1, 8, 9, 63, 65, 200])
def test_any_dimension(dim: int) -> None:
    """Dimensions that fill no byte, no word and no block are searched as any other."""
    space = replace(SPACES["l2"], dim=dim, full_dim=dim)
    rows = np.random.default_rng(0).standard_normal((400, dim)).astype(np.float32)
    queries = Vectors(rows[:8] + np.float32(0.01), space)
    found = FunnelIndex.build([(0, rows)], space).search(queries, k=5)
    true = ExactIndex([(0, rows)], space).search(queries, k=5)
    assert np.mean(found.scores >= true.scores[:, -1:]) >= 0.95


def test_small_sets_are_exact() -> None:
    """Up to the limit there are no codes: the answer is the exact one and says so; one row more is coded."""
    rows = world(201)
    for parts in ([], [(0, rows[:0])], [(5, rows[:200])]):
        index = FunnelIndex.build(parts, SPACE)
        found = index.search(asked(), k=10)
        true = ExactIndex(parts, SPACE).search(asked(), k=10)
        assert np.array_equal(found.rows, true.rows)
        assert np.array_equal(found.scores, true.scores)
        assert (found.recall_estimate, index.coded_rows, index.info()["kind"]) == (1.0, 0, "exact")
        assert index.calibrate() is None
        assert index.stale() == ""
    assert FunnelIndex.build([(0, rows)], SPACE).coded_rows == 201


def test_appended_rows_are_found_at_once() -> None:
    """Row after row, from none to many: the row just appended is its own nearest neighbour."""
    rows = world(420)
    index = FunnelIndex.build([], SPACE)
    for count in range(1, len(rows) + 1):
        index = index.extended([(0, rows[:count])])
        found = index.search(Vectors(rows[count - 1 : count], SPACE), k=1)
        assert found.rows.tolist() == [[count - 1]]
        assert index.row_count == count
        assert count - index.coded_rows < 200 + 1 if count <= 200 else count - index.coded_rows < 64
    assert share_found(index, [(0, rows)]) >= 0.98
    assert index.info()["tail_rows"] == index.coded_rows > 300


def test_batches_share_what_is_coded() -> None:
    """An older index stays as it was while newer ones grow from it, also two from the same one."""
    rows = world(1200)
    old = FunnelIndex.build([(0, rows[:400])], SPACE).extended([(0, rows[:500])])
    first = old.extended([(0, rows[:900])])
    other = np.concatenate([rows[:500], rows[900:]])
    second = old.extended([(0, other)])
    assert share_found(old, [(0, rows[:500])]) >= 0.98
    assert share_found(first, [(0, rows[:900])]) >= 0.98
    assert share_found(second, [(0, other)]) >= 0.98
    assert [index.row_count for index in (old, first, second)] == [500, 900, 800]


def test_dropped_segments_are_never_read() -> None:
    """Rows whose part is gone are no answers and their memory is not touched; compacted ones come behind."""
    rows = world(1000)
    index = FunnelIndex.build([(0, rows[:300]), (300, rows[300:700])], SPACE)
    later = index.extended([(300, rows[300:700]), (700, rows[:250])])
    parts = [(300, rows[300:700]), (700, rows[:250])]
    assert share_found(later, parts) >= 0.98
    assert (later.search(asked(), k=650).rows[0][:650] >= 300).all()
    last = later.extended([(990, rows[:10])])
    assert last.search(asked(), k=650).counts.tolist() == [10] * 12
    gone = later.extended([])
    assert gone.search(asked(), k=3).counts.tolist() == [0] * 12
    assert gone.extended(parts[1:]).row_count == 950


def test_rows_that_come_too_late_are_refused() -> None:
    """A row before the coded ones that was not there is an error, not a hole."""
    rows = world(600)
    index = FunnelIndex.build([(0, rows[:100]), (300, rows[300:])], SPACE)
    with pytest.raises(RangeError, match="were not there"):
        index.extended([(0, rows[:200]), (300, rows[300:])])


@pytest.mark.parametrize("cells", [0, 8])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001, 0.0])
def test_filters_of_any_selectivity(cells: int, share: float) -> None:
    """However few rows a filter lets through, only they are found, and as many of the true ones as without it."""
    rows = world(3000)
    parts = [(0, rows)]
    index = FunnelIndex.build(parts, SPACE, cells=cells)
    mask = np.random.default_rng(1).random(3000) < share
    found = index.search(asked(), k=10, mask=mask)
    assert mask[found.rows[found.rows >= 0]].all()
    assert found.counts.tolist() == [min(10, int(mask.sum()))] * 12
    assert share_found(index, parts, mask=mask) >= min(0.98, mask.sum() / 10)
    bits = index.search(asked(), k=10, mask=kernels.bits_of_mask(mask))
    assert np.array_equal(bits.rows, found.rows)


@pytest.mark.parametrize("cells", [0, 16])
@pytest.mark.parametrize("sign", [1, -1])
def test_filters_that_know_the_query(cells: int, sign: int) -> None:
    """A filter that lets through the half, or the tenth, that is nearest to a query, or farthest, costs no recall."""
    rows = world(3000)
    index = FunnelIndex.build([(0, rows)], SPACE, cells=cells)
    index = index.with_calibration(index.calibrate(queries=64))
    for query in range(4):
        one = asked()[query : query + 1]
        scores = sign * (np.asarray(one) @ rows.T)[0]
        for share in (0.5, 0.1):
            mask = scores >= np.quantile(scores, 1 - share)
            true = ExactIndex([(0, rows)], SPACE).search(one, k=10, mask=mask)
            found = index.search(one, k=10, mask=mask)
            assert len(set(true.rows[0].tolist()) & set(found.rows[0].tolist())) >= 9


def test_waiting_rows_obey_the_mask() -> None:
    """The mask counts through coded, dropped and waiting rows alike."""
    rows = world(540)
    index = FunnelIndex.build([(0, rows[:500])], SPACE).extended([(0, rows[:500]), (505, rows[500:])])
    assert (index.row_count, index.coded_rows) == (545, 500)
    mask = np.zeros(545, np.bool_)
    mask[[3, 499, 502, 505, 544]] = True
    for given in (mask, kernels.bits_of_mask(mask)):
        found = index.search(asked(), k=6, mask=given)
        assert [sorted(row) for row in found.rows.tolist()] == [[-1, -1, 3, 499, 505, 544]] * 12
        assert found.work is not None


def test_dead_rows_get_no_place_in_cells() -> None:
    """Rows that were dead when the cells were made cost nothing and are not found, even without a mask of the living."""
    rows = world(1000)
    alive = np.ones(1000, np.bool_)
    alive[::3] = False
    index = FunnelIndex.build([(0, rows)], SPACE, alive=alive, cells=8)
    assert share_found(index, [(0, rows)], mask=alive) >= 0.98
    found = index.search(asked(), k=50)
    assert alive[found.rows].all()


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("cells", [0, 8])
def test_files_give_the_same_answers(tmp_path: Path, name: str, cells: int) -> None:
    """What is opened answers as what was saved, tails too; what was built into a folder, as what was built in memory."""
    space = SPACES[name]
    rows = world(900, unit=space.normalized)
    parts = [(0, rows[:600])]
    memory = FunnelIndex.build(parts, space, cells=cells)
    built = FunnelIndex.build(parts, space, cells=cells, folder=tmp_path / "a", meta={"lane": 1})
    assert built.path == tmp_path / "a" / "1"
    grown = memory.extended([(0, rows)])
    saved = grown.save(tmp_path / "b", {"lane": 2})
    opened = FunnelIndex.open(tmp_path / "b", [(0, rows)], space, lambda meta: meta == {"lane": 2})
    assert opened is not None
    for one, other in ((memory, built), (grown, saved), (grown, opened)):
        a, b = one.search(asked(space), k=10), other.search(asked(space), k=10)
        assert np.array_equal(a.rows, b.rows)
        assert np.array_equal(a.scores, b.scores)
        assert one.coded_rows == other.coded_rows
    more = opened.extended([(0, rows), (900, rows[:300])])
    assert share_found(more, [(0, rows), (900, rows[:300])], space) >= 0.98
    assert more.save(tmp_path / "b", {"lane": 2}).coded_rows == 1200


def test_files_of_others_are_passed_over(tmp_path: Path) -> None:
    """Another space, another lane, or rows that are not those of the files: nothing is opened, in silence."""
    rows = world(600)
    FunnelIndex.build([(10, rows)], SPACE, folder=tmp_path, meta={"lane": 1})
    parts = [(10, rows)]
    assert FunnelIndex.open(tmp_path, parts, SPACE) is not None
    assert FunnelIndex.open(tmp_path / "none", parts, SPACE) is None
    assert FunnelIndex.open(tmp_path, parts, SPACE, lambda meta: meta["lane"] == 2) is None
    assert FunnelIndex.open(tmp_path, parts, SPACES["l2"]) is None
    assert FunnelIndex.open(tmp_path, [(9, rows)], SPACE) is None
    generation.publish(tmp_path, {}, {"kind": "other"})
    assert FunnelIndex.open(tmp_path, parts, SPACE) is not None


@pytest.mark.parametrize(
    "name", ["codes_0", "factors_0", "values", "scales", "center", "spans", "int8_spans", "rows_0"]
)
def test_damaged_files_are_left_aside(tmp_path: Path, name: str) -> None:
    """A flipped bit in any file of an index is named, and nothing is opened."""
    rows = world(600)
    path = FunnelIndex.build([(0, rows)], SPACE, cells=4, folder=tmp_path).path
    assert path is not None
    file = path / f"{name}.bin"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)
    with pytest.warns(DamagedIndexWarning, match=name):
        assert FunnelIndex.open(tmp_path, [(0, rows)], SPACE) is None


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("codes_0", np.zeros((1, 3, 64), np.uint8)),
        ("factors_0", np.zeros(3, np.float32)),
        ("center", np.zeros(3, np.float32)),
        ("values", np.zeros((3, DIM), np.int8)),
        ("spans", np.array([[0, -5]])),
        ("spans", np.array([[5, 600], [0, 600]])),
        ("spans", np.array([7])),
        ("spans", np.array([[0, 500]])),
        ("spans", np.array([[0, np.inf]])),
        ("int8_spans", np.array([[0, 2**62]])),
        ("int8_spans", np.array([[2**62, 600]])),
        ("cell_offsets_0", np.array([0, 64, 128, 1 << 40, 640])),
        ("rows_0", np.zeros(5, np.float64)),
        ("codes_0", None),
    ],
)
def test_arrays_that_do_not_fit_are_left_aside(tmp_path: Path, name: str, array: np.ndarray | None) -> None:
    """A generation whose checksums hold and whose arrays make no sense is named, and reads no memory that is not its own."""
    rows = world(600)
    FunnelIndex.build([(0, rows)], SPACE, cells=4, folder=tmp_path)
    found = generation.latest(tmp_path)
    assert found is not None
    arrays = {**found.arrays, name: array}
    if array is None:
        del arrays[name]
    generation.publish(tmp_path / "wrong", arrays, found.meta)
    with pytest.warns(DamagedIndexWarning, match="do not fit"):
        assert FunnelIndex.open(tmp_path / "wrong", [(0, rows)], SPACE) is None


@pytest.mark.parametrize(
    ("name", "value"), [("end", -5), ("end", 100), ("end", 10**15), ("runs", 2**62), ("runs", 2**80)]
)
def test_numbers_that_do_not_fit_are_left_aside(tmp_path: Path, name: str, value: int) -> None:
    """A generation whose manifest names rows that its arrays have not is named, and is never searched."""
    rows = world(600)
    FunnelIndex.build([(0, rows)], SPACE, cells=0, folder=tmp_path)
    found = generation.latest(tmp_path)
    assert found is not None
    said = value if name == "end" else [{"count": 600, "first_row": value}]
    generation.publish(tmp_path / "wrong", found.arrays, {**found.meta, name: said})
    with pytest.warns(DamagedIndexWarning, match="do not fit"):
        assert FunnelIndex.open(tmp_path / "wrong", [(0, rows)], SPACE) is None


def test_settings_for_other_cells_are_left_aside(tmp_path: Path) -> None:
    """Settings that were measured with other cells than the index has are not taken."""
    rows = world(600)
    flat, celled = (
        FunnelIndex.build([(0, rows)], SPACE, cells=cells, folder=tmp_path / str(cells)) for cells in (0, 4)
    )
    celled = celled.with_calibration(celled.calibrate())
    assert FunnelIndex.open(tmp_path / "4", [(0, rows)], SPACE).stale() == ""  # type: ignore[union-attr]  # it is there
    flat.with_calibration(celled.calibration)
    opened = FunnelIndex.open(tmp_path / "0", [(0, rows)], SPACE)
    assert opened is not None
    assert opened.stale() == "uncalibrated"


@pytest.mark.parametrize("name", ["cosine", "l2"])
def test_no_row_lives(name: str) -> None:
    """An index of dead rows alone has no cells, tells all its progress, and finds nothing among the living."""
    told: list[tuple[int, int]] = []
    rows, dead = world(600), np.zeros(600, np.bool_)
    index = FunnelIndex.build([(0, rows)], SPACES[name], alive=dead, cells=16, progress=lambda *one: told.append(one))
    assert index.info()["cells"] == 0
    assert told[-1] == (600, 600)
    assert (index.search(asked(SPACES[name]), k=5, mask=dead).counts == 0).all()


def test_forged_rows_are_no_answers(tmp_path: Path) -> None:
    """Row numbers beyond the parts, or negative, in a file with right checksums are never answers."""
    rows = world(600)
    FunnelIndex.build([(0, rows)], SPACE, cells=4, folder=tmp_path)
    found = generation.latest(tmp_path)
    assert found is not None
    forged = found.arrays["rows_0"].copy()
    forged[::2] = np.resize(np.array([2**31 - 1, -7, 600, -(2**31)], np.int32), len(forged[::2]))
    generation.publish(tmp_path / "wrong", {**found.arrays, "rows_0": forged}, found.meta)
    index = FunnelIndex.open(tmp_path / "wrong", [(0, rows)], SPACE)
    assert index is not None
    answer = index.search(asked(), k=300, recall=0.9)
    assert (answer.rows < 600).all()
    assert (answer.rows >= -1).all()


def test_interrupted_build_publishes_nothing(tmp_path: Path) -> None:
    """Ctrl-C at any portion leaves no generation and no draft."""

    def stop(done: int, total: int) -> None:
        assert 0 < done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunnelIndex.build([(0, world(600))], SPACE, folder=tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cells", [0, 8])
def test_progress_ends_at_its_total(cells: int) -> None:
    """Progress rises, and ends when all is done."""
    told: list[tuple[int, int]] = []
    FunnelIndex.build([(0, world(600))], SPACE, cells=cells, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (600, 600)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """The same rows and seed give the same files, on one thread or two, in memory or not; another seed gives others."""
    rows = world(900)
    contents = []
    for number, how in enumerate(({}, {"threads": 2}, {"seed": 5})):
        FunnelIndex.build([(0, rows)], SPACE, cells=8, folder=tmp_path / str(number), **how)
        contents.append({file.name: file.read_bytes() for file in (tmp_path / str(number) / "1").glob("*.bin")})
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


@pytest.mark.parametrize("cells", [0, 16])
def test_calibration_keeps_its_word(tmp_path: Path, cells: int) -> None:
    """The measured settings reach what they are asked for on other queries, more recall costs more, and files keep them."""
    rows = world(3000)
    index = FunnelIndex.build([(0, rows)], SPACE, cells=cells, folder=tmp_path)
    assert index.stale() == "uncalibrated"
    calibration = index.calibrate(queries=100, seed=3)
    assert calibration is not None
    index = index.with_calibration(calibration)
    assert index.stale() == ""
    costs = []
    for recall in (0.8, 0.9, 0.95, 0.99):
        found = index.measure(recall=recall, queries=100)
        assert found.recall >= recall - 0.02
        assert found.low <= found.recall <= 1
        costs.append(calibration.setting(recall, 10).cost)
    assert costs == sorted(costs)
    assert index.search(asked(), k=10, recall=0.9).recall_estimate >= 0.9
    opened = FunnelIndex.open(tmp_path, [(0, rows)], SPACE)
    assert opened is not None
    assert opened.calibration == calibration


def test_calibration_of_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead rows are neither asked with nor found: with all but 30 dead, there are 30 queries and they are the living."""
    rows = world(600)
    index = FunnelIndex.build([(0, rows)], SPACE)
    alive = np.zeros(600, np.bool_)
    alive[100:130] = True
    calibration = index.calibrate(alive, queries=50)
    assert calibration is not None
    assert (calibration.rows, calibration.queries) == (30, 30)
    nobody = index.calibrate(np.zeros(600, np.bool_), queries=50)
    assert nobody is not None
    assert nobody.queries == 0


def test_many_places() -> None:
    """More places than were calibrated, than are let through, and than there are rows."""
    rows = world(700)
    index = FunnelIndex.build([(0, rows)], SPACE, cells=8)
    for k in (1, 50, 300, 700, 900):
        found = index.search(asked(), k=k, recall=0.99)
        assert found.rows.shape == (12, k)
        assert (found.counts >= 0.9 * min(k, 700)).all()
        assert (np.diff(found.scores[:, : found.counts.min()], axis=1) <= 0).all()


def test_reasons_to_build_again() -> None:
    """Growth, a long tail, many dead rows and a missing measurement are told apart."""
    rows = world(1000)
    index = FunnelIndex.build([(0, rows[:500])], SPACE)
    index = index.with_calibration(index.calibrate(queries=20))
    assert index.stale() == ""
    assert index.stale(300) == "dead"
    assert index.extended([(0, rows[:600])]).stale() == ""
    assert index.extended([(0, rows[:720])]).stale() == "tail"
    assert index.extended([(0, rows)]).stale() == "grown"
    assert FunnelIndex.build([], SPACE).stale(5000) == "grown"


def test_outliers_turn_the_rotation_on() -> None:
    """Where few components hold most of the length, codes are of rotated residuals; recall stays."""
    rows = world(800, unit=False)
    rows[:, :2] *= 30
    space = SPACES["l2"]
    index = FunnelIndex.build([(0, rows)], space)
    assert isinstance(index._coded.coder.turn, kernels.Rotation)  # type: ignore[union-attr]  # it has codes
    assert FunnelIndex.build([(0, world(800))], SPACE)._coded.coder.turn is None  # type: ignore[union-attr]  # the same


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e18, 3e38])
def test_extreme_lengths(value: float) -> None:
    """Equal rows, zeros, and lengths at both ends of float32 build, calibrate and answer; ties come by row."""
    rows = np.full((300, DIM), value, np.float32)
    for name in ("dot", "l2", "lengths"):
        space = SPACES[name]
        index = FunnelIndex.build([(0, rows)], space, cells=4)
        index = index.with_calibration(index.calibrate(queries=10))
        found = index.search(Vectors(rows[:1], space), k=3)
        assert found.counts.tolist() == [3]
        if value in {0.0, 1e18}:
            assert (
                found.scores[0].tolist()
                == ExactIndex([(0, rows)], space).search(Vectors(rows[:1], space), k=3).scores[0].tolist()
            )


def test_threads_while_it_grows() -> None:
    """Readers search while a writer appends: each version answers from its own rows."""
    rows = world(2000)
    current = [FunnelIndex.build([(0, rows[:300])], SPACE)]
    wrong: list[int] = []

    def read() -> None:
        while current[0].row_count < 2000:
            index = current[0]
            row = index.row_count - 1
            if index.search(Vectors(rows[row : row + 1], SPACE), k=1).rows[0, 0] != row:
                wrong.append(row)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for count in range(320, 2001, 20):
        current[0] = current[0].extended([(0, rows[:count])])
    for reader in readers:
        reader.join()
    assert wrong == []


def test_wrong_arguments_are_named() -> None:
    """Each argument is checked, with codes and without."""
    for count in (10, 500):
        index = FunnelIndex.build([(0, world(count))], SPACE)
        for wrong, error in (
            ({"k": 0}, RangeError),
            ({"k": 1.5}, DtypeError),
            ({"recall": 0}, RangeError),
            ({"recall": 1.01}, RangeError),
            ({"recall": float("nan")}, RangeError),
            ({"recall": "all"}, DtypeError),
            ({"recall": True}, DtypeError),
            ({"mask": np.ones(3, np.bool_)}, ShapeError),
            ({"mask": np.ones(0, np.uint64)}, ShapeError),
            ({"mask": [True] * count}, DtypeError),
        ):
            with pytest.raises(error):
                index.search(asked(), **{"k": 3, **wrong})
        with pytest.raises(SpaceMismatchError):
            index.search(asked(SPACES["l2"]), k=3)
        with pytest.raises(DtypeError, match="queries must be Vectors"):
            index.search(world(1), k=3)  # type: ignore[arg-type]  # the wrong type is the test
    with pytest.raises(RangeError, match="cells"):
        FunnelIndex.build([(0, world(500))], SPACE, cells=-1)


def test_no_queries_and_no_copies(tmp_path: Path) -> None:
    """No queries have the shapes of any other answer; stored rows are shared, not copied, and may be read only."""
    rows = world(500)
    rows.flags.writeable = False
    index = FunnelIndex.build([(0, rows)], SPACE)
    found = index.search(asked()[:0], k=4)
    assert found.rows.shape == found.scores.shape == (0, 4)
    assert found.counts.shape == (0,)
    assert np.shares_memory(index._parts[0].vectors, rows)
    shutil.rmtree(tmp_path)
    assert FunnelIndex.open(tmp_path, [(0, rows)], SPACE) is None


def test_capabilities_are_declared() -> None:
    """What the index can do is a set on the class."""
    assert FunnelIndex.can == {"approximate", "filter", "insert", "mmap", "save"}
    assert Calibration.assumed(10, 0).queries == 0


def test_rows_that_share_their_codes_are_found() -> None:
    """Of 6,000 rows with 60 different vectors in 8 dimensions hundreds have one code: recall is reached all the same."""
    chooser = np.random.default_rng(5)
    few = chooser.integers(1, 13, (60, 8)).astype(np.float32)
    few /= np.linalg.norm(few, axis=1, keepdims=True)
    rows = few[chooser.integers(0, 60, 6_000)]
    space = replace(SPACE, dim=8, full_dim=8)
    made = FunnelIndex.build([(0, rows)], space)
    made = made.with_calibration(made.calibrate())
    found = made.search(Vectors(rows[:200], space), k=10, recall=0.98)
    assert np.mean(found.scores[:, 0] >= 1 - 1e-6) >= 0.98
    assert made.measure(recall=0.98).recall >= 0.96


def test_a_recall_out_of_reach_is_exact() -> None:
    """Where the best setting stays far below the recall, every vector is compared; near it, the setting is taken."""
    made = FunnelIndex.build([(0, world(600))], SPACE)
    best = Setting(probes=0, candidates=40, rescored=40, recall=0.9, low=0.88)
    poor = made.with_calibration(Calibration(rows=600, cells=0, queries=100, fronts={10: (best,)}))
    assert poor.search(asked(), k=10, recall=0.98).complete
    assert not poor.search(asked(), k=10, recall=0.94).complete


@pytest.mark.parametrize("cells", [0, 8])
@pytest.mark.parametrize("name", list(SPACES))
def test_codes_of_other_vectors_disagree(name: str, cells: int) -> None:
    """Rows agree with their own vectors, in runs, cells and tails; exactly those whose vector is another one do not."""
    space = SPACES[name]
    rows = world(700, unit=space.normalized)
    made = FunnelIndex.build([(0, rows[:500])], space, cells=cells).extended([(0, rows)])
    every = np.arange(700)
    assert made.coded_rows > 500
    assert not len(made.disagreeing(every, rows))
    moved = rows.copy()
    others = np.array([3, 77, 499, 501])
    moved[others] = -rows[others]
    assert made.disagreeing(every, moved).tolist() == others.tolist()
    assert made.disagreeing(every[::-1].copy(), moved[::-1]).tolist() == others[::-1].tolist()


@pytest.mark.parametrize("dead", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("cells", [0, 96])
def test_recall_holds_beside_rows_that_died_together(cells: int, dead: float) -> None:
    """A stretch of dead rows, whose blocks no search looks at, misleads no calibration; nor do many places."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((12_000, 48)).astype(np.float32)
    if cells:
        rows = (random.standard_normal((150, 48))[random.integers(0, 150, 12_000)] + 0.4 * rows).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alive = np.arange(len(rows)) >= dead * len(rows)
    space = replace(SPACE, full_dim=48, dim=48)
    made = FunnelIndex.build([(0, rows)], space, cells=cells)
    made = made.with_calibration(made.calibrate(alive, queries=128))
    for recall, k in ((0.9, 10), (0.98, 10), (0.9, 100), (0.9, 600)):
        found = made.measure(alive, recall=recall, k=k, queries=100)
        assert found.high >= recall, (recall, k, found)
