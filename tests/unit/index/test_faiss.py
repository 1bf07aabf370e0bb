"""FAISS behind the contract: what the suite of all indexes does not ask. Worlds of some thousand rows."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import vicinal.index
from vicinal import kernels
from vicinal.errors import (
    DamagedIndexWarning,
    DtypeError,
    MissingExtraError,
    RangeError,
    RecallWarning,
    UnsupportedError,
)
from vicinal.index import ExactIndex, effort
from vicinal.index.effort import Effort
from vicinal.index.faiss import FaissIndex
from vicinal.space import Vectors
from vicinal.testing.index import space_of

pytest.importorskip("faiss", reason="faiss-cpu is not installed")

ROWS, DIM = 3000, 16
SPACE = space_of(DIM)


def unit(count: int, seed: int = 0) -> np.ndarray:
    """Return random vectors of unit length."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


VECTORS, ASKED = unit(ROWS), Vectors(unit(12, seed=1), SPACE)


@pytest.fixture(scope="module")
def graph() -> FaissIndex:
    """Return a graph of all vectors."""
    return FaissIndex.build([(0, VECTORS)], SPACE, factory="HNSW16")


def recall_of(index: FaissIndex, space=SPACE, **options) -> float:
    """Return the share of the true ten neighbours that are found."""
    asked = Vectors(np.asarray(ASKED), space)
    true = ExactIndex([(0, VECTORS)], space).search(asked, k=10).rows
    found = index.search(asked, k=10, **options).rows
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true.tolist(), found.tolist(), strict=True)]))


def test_the_knob_is_recall(graph):
    """A higher recall chooses a costlier effort, finds no less, and the answer carries what was measured for it."""
    low, high = (graph.search(ASKED, k=10, recall=recall) for recall in (0.5, 0.99))
    assert low.recall_estimate < high.recall_estimate
    assert high.recall_estimate >= 0.99
    assert recall_of(graph, recall=0.99) >= 0.95
    assert graph.search(ASKED, k=10, recall=1).recall_estimate == 1.0
    assert recall_of(graph, recall=1) == 1.0


def test_scores_are_those_of_the_exact_index(graph):
    """What is found is scored by its stored vector, to the last bit."""
    exact = ExactIndex([(0, VECTORS)], SPACE).search(ASKED, k=ROWS)
    found = graph.search(ASKED, k=10)
    for query in range(len(ASKED)):
        scores = dict(zip(exact.rows[query].tolist(), exact.scores[query].tolist(), strict=True))
        assert found.scores[query].tolist() == [scores[row] for row in found.rows[query].tolist()]


@pytest.mark.parametrize(
    "factory",
    ["IVF16,Flat", "SQ8", "PQ8x4fs", "PCA8,Flat", "IVF16,PQ8x4fs,RFlat", pytest.param("NSG16", marks=pytest.mark.slow)],
)
def test_kinds_reach_what_they_say(factory):
    """Cells, scalar codes, packed codes, a transformation, a refinement of FAISS's own, a graph without a knob."""
    index = FaissIndex.build([(0, VECTORS)], SPACE, factory=factory)
    estimate = index.search(ASKED, k=10, recall=0.9).recall_estimate
    assert recall_of(index, recall=0.9) >= estimate - 0.1
    assert index.info()["coded_rows"] == ROWS


@pytest.mark.parametrize(("metric", "normalized"), [("cosine", True), ("cosine", False), ("dot", False), ("l2", False)])
def test_without_rescoring_the_scores_are_near(metric, normalized):
    """A flat index of FAISS computes the metric itself: its scores agree to the rounding of float32, larger nearer."""
    space = space_of(DIM, metric, normalized=normalized)
    index = FaissIndex.build([(0, VECTORS)], space, factory="Flat", rescored=False)
    assert "approximate scores" in index.can
    asked = Vectors(np.asarray(ASKED), space)
    found, true = index.search(asked, k=10), ExactIndex([(0, VECTORS)], space).search(asked, k=10)
    assert found.rows.tolist() == true.rows.tolist()
    assert np.allclose(found.scores, true.scores, atol=1e-5)


def test_a_kind_without_dot_products_serves_the_cosine_by_distances():
    """LSH has no inner product, and of unit vectors the nearest are those of the largest cosine."""
    index = FaissIndex.build([(0, VECTORS)], SPACE, factory="LSH")
    with pytest.warns(RecallWarning, match="LSH reaches a recall of"):
        assert recall_of(index) > 0.5
    assert index.search(ASKED, k=1).rows.shape == (12, 1)  # it warns once
    with pytest.raises(UnsupportedError, match="LSH"):
        FaissIndex.build([(0, VECTORS)], space_of(DIM, "dot", normalized=False), factory="LSH")


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("", "making it failed"),
        ("HNSW32,Flat,Nonsense", "making it failed"),
        ("IVF100000,Flat", "teaching it with 3,000 rows failed"),
        ("PQ7", "making it failed"),
        ("IDMap,Flat", "adding to it failed"),
    ],
)
def test_what_faiss_refuses_names_the_string(factory, said):
    """FAISS's own reason comes behind the string, without its source lines, and what to do comes last."""
    with pytest.raises(UnsupportedError, match=said) as caught:
        FaissIndex.build([(0, VECTORS)], SPACE, factory=factory)
    assert caught.value.got == factory
    assert ".cpp" not in caught.value.message


def test_arguments_out_of_range_are_refused(graph):
    """A factory is a string, a recall lies in (0, 1], threads and a seed are whole numbers."""
    with pytest.raises(DtypeError, match="factory"):
        FaissIndex.build([(0, VECTORS)], SPACE, factory=32)  # type: ignore[arg-type]  # the wrong type is the test
    for wrong, error in (
        (0, RangeError),
        (1.1, RangeError),
        (float("nan"), RangeError),
        ("x", DtypeError),
        (True, DtypeError),
    ):
        with pytest.raises(error, match="recall"):
            graph.search(ASKED, k=1, recall=wrong)
    with pytest.raises(RangeError, match="threads"):
        graph.search(ASKED, k=1, threads=0)
    with pytest.raises(RangeError, match="seed"):
        FaissIndex.build([(0, VECTORS)], SPACE, seed=-1)


def test_same_seed_same_index(tmp_path):
    """Two builds with one seed and one thread write the same bytes; another seed writes others."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        FaissIndex.build([(0, VECTORS)], SPACE, factory="IVF16,SQ8", seed=seed).save(tmp_path / name, {})
    files = [(tmp_path / name / "1" / "faiss.bin").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_few_rows_are_not_given_to_faiss():
    """Below 1,024 rows everything is compared exactly, and a kind that could not be taught does not matter."""
    index = FaissIndex.build([(0, VECTORS[:1000])], SPACE, factory="IVF512,PQ8")
    assert index.coded_rows == 0
    assert (
        index.search(ASKED, k=5).rows.tolist()
        == ExactIndex([(0, VECTORS[:1000])], SPACE).search(ASKED, k=5).rows.tolist()
    )


def test_rows_grow_exact_then_added(graph):
    """New rows are compared exactly until as many are new as are coded; then all are added, to a copy."""
    half = FaissIndex.build([(0, VECTORS[:1400])], SPACE, factory="SQ8")
    more = half.extended([(0, VECTORS[:2700])])
    assert (more.coded_rows, more.info()["new_rows"]) == (1400, 1300)
    whole = more.extended([(0, VECTORS)])
    assert (whole.coded_rows, whole.info()["new_rows"]) == (3000, 0)
    assert (half.coded_rows, half.row_count) == (1400, 1400)
    assert more.search(Vectors(VECTORS[1390:1410], SPACE), k=1).rows[:, 0].tolist() == list(range(1390, 1410))
    assert recall_of(whole, recall=0.99) >= 0.95
    none = FaissIndex.build([], SPACE).extended([(0, VECTORS[:2000])])
    assert none.coded_rows == 2000


def test_progress_ends_at_the_total():
    """Progress is told of rows added, in the end of all."""
    told: list[tuple[int, int]] = []
    FaissIndex.build([(0, VECTORS)], SPACE, factory="Flat", progress=lambda done, total: told.append((done, total)))
    assert told == [(3000, 3000)]


def test_threads_change_nothing(graph):
    """Two threads find what one does."""
    assert graph.search(ASKED, k=10, threads=2).rows.tolist() == graph.search(ASKED, k=10).rows.tolist()


def test_a_filter_that_hides_the_neighbourhood_is_searched_exactly(graph):
    """Where only the farther half is let through, a graph meets little of it, and the answer is still the true one."""
    query = Vectors(VECTORS[:1], SPACE)
    mask = (VECTORS @ VECTORS[0]) < 0
    true = ExactIndex([(0, VECTORS)], SPACE).search(query, k=10, mask=mask)
    assert graph.search(query, k=10, mask=kernels.bits_of_mask(mask)).rows.tolist() == true.rows.tolist()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_damage_is_found_before_faiss_reads(graph, tmp_path, place, monkeypatch):
    """A byte that rots behind the file system's back is a warning; FAISS is not called."""
    from vicinal.index import _faiss, generation  # noqa: PLC0415 - an extra

    file = graph.save(tmp_path, {}) / "faiss.bin"
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    with pytest.warns(DamagedIndexWarning):
        assert FaissIndex.open(tmp_path, [(0, VECTORS)], SPACE) is None
    monkeypatch.setattr(generation, "_check_blocks", lambda *_: None)  # as if the stamps were those of the sound file
    monkeypatch.setattr(_faiss, "read", lambda _: pytest.fail("FAISS was given damaged bytes"))
    with pytest.warns(DamagedIndexWarning, match="checksum"):
        assert FaissIndex.open(tmp_path, [(0, VECTORS)], SPACE) is None


def test_open_completes_what_was_saved(graph, tmp_path):
    """Rows that came after the saving are found; rows whose part is gone are not."""
    graph.save(tmp_path, {})
    later = unit(50, seed=7)
    opened = FaissIndex.open(tmp_path, [(1000, VECTORS[1000:]), (ROWS, later)], SPACE)
    assert opened is not None
    assert opened.info()["dropped_rows"] == 1000
    assert opened.search(Vectors(later[:3], SPACE), k=1).rows.tolist() == [[ROWS], [ROWS + 1], [ROWS + 2]]
    assert int(opened.search(Vectors(VECTORS[:20], SPACE), k=3).rows.min()) >= 1000
    assert opened.info()["calibration"] == graph.info()["calibration"]


def test_another_space_is_not_opened(graph, tmp_path):
    """The id of the space is in the generation."""
    graph.save(tmp_path, {})
    assert FaissIndex.open(tmp_path, [(0, VECTORS)], replace(SPACE, weights="other")) is None


def test_calibration_measures_the_living(graph):
    """Dead rows neither ask nor answer, and the index that is returned is a new one."""
    alive = np.arange(ROWS) < 2000
    again = graph.calibrated(sample=50, seed=3, alive=alive)
    assert again is not graph
    assert again.info()["calibration"][-1]["recall"] >= 0.98
    assert graph.calibrated(alive=np.arange(ROWS) < 10) is graph


def test_efforts_pay():
    """Of all efforts those stay than which none cheaper is as sure; the cheapest that leaves slack is chosen."""
    ladder = [Effort(0.9, 1, 10, 20.0), Effort(0.95, 2, 10, 30.0), Effort(0.999, 4, 20, 60.0)]
    assert effort.chosen(ladder, 0.9).recall == 0.95  # 0.9 leaves no slack: 0.925 is asked for
    assert effort.chosen(ladder, 0.98).recall == 0.999
    assert effort.chosen(ladder, 0.9999).recall == 0.999
    assert (ladder[2].places(10), ladder[2].places(30), ladder[2].places(100)) == (20, 60, 200)
    assert (ladder[2].width(40, "efSearch"), ladder[2].width(40, "nprobe"), ladder[2].width(5, "nprobe")) == (16, 8, 4)


def test_without_the_library_the_extra_is_named(monkeypatch):
    """The message has the command that installs it."""
    monkeypatch.delattr(vicinal.index, "_faiss", raising=False)
    monkeypatch.setitem(sys.modules, "vicinal.index._faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vicinal\[faiss\]'"):
        FaissIndex.build([], SPACE)
