"""A whole measurement: what it says of recall and nDCG is what comparing everything says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.encode.shrink import apply, fit_pca
from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, ShapeError
from vicinal.evaluate.frontier import measure
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder

DIM = 16


def space_of(dim=DIM, metric="cosine", *, normalized=True):
    """Return a space of a length and a metric."""
    return replace(ToyEncoder().space, dim=dim, full_dim=dim, metric=metric, normalized=normalized)


def vectors_of(seed, count, *, unit=True):
    """Return clustered vectors whose components matter less and less."""
    chance = np.random.default_rng(seed)
    centers = chance.standard_normal((12, DIM))
    found = centers[chance.integers(0, 12, count)] + 0.6 * chance.standard_normal((count, DIM))
    found = found * 0.85 ** np.arange(DIM)
    if unit:
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32)


def options_of(found):
    """Return the options by their names."""
    return {str(one.storage): one for one in found.options}


def scores_of(queries, documents, metric):
    """Return the scores by comparing everything in float64."""
    queries, documents = queries.astype(np.float64), documents.astype(np.float64)
    if metric == "l2":
        return -((queries[:, None] - documents[None]) ** 2).sum(axis=2)
    dots = queries @ documents.T
    return dots if metric == "dot" else dots / np.linalg.norm(documents, axis=1)


def recall_of(approximate, exact, k):
    """Return the mean share of the k best that are the same."""
    ours, theirs = (np.argsort(-one, axis=1, kind="stable")[:, :k] for one in (approximate, exact))
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(ours, theirs, strict=True)])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_recall_is_that_of_comparing_everything(metric):
    """For full, cut and projected float32 of vectors of any length, against float64 with the same projection."""
    space = space_of(metric=metric, normalized=False)
    documents, queries = vectors_of(1, 700, unit=False), vectors_of(2, 40, unit=False)
    found = options_of(measure(documents, queries, space=space, k=5, dims=[6], precisions=["float32", "float16"]))
    exact = scores_of(queries, documents, metric)
    matrix = fit_pca(Vectors(documents, space), 6).matrix
    assert found["16 float32"].recall.mean == 1
    assert found["16 float16"].recall.mean == pytest.approx(1, abs=0.02)
    first = recall_of(scores_of(queries[:, :6], documents[:, :6], metric), exact, 5)
    projected = recall_of(scores_of(queries @ matrix, documents @ matrix, metric), exact, 5)
    assert found["first 6 float32"].recall.mean == pytest.approx(first, abs=0.011)
    assert found["pca 6 float32"].recall.mean == pytest.approx(projected, abs=0.011)
    assert first < 0.95


def test_a_projection_is_the_one_that_applying_gives():
    """What is measured for pca is the recall of vectors that ``fit_pca`` and ``apply`` made."""
    space = space_of()
    documents, queries = vectors_of(3, 500), vectors_of(4, 50)
    found = options_of(measure(documents, queries, space=space, dims=[8], precisions=["float32"]))
    projection = fit_pca(Vectors(documents, space), 8)
    ours, asked = (np.asarray(apply(projection, Vectors(one, space))) for one in (documents, queries))
    expected = recall_of(asked @ ours.T, queries @ documents.T, 10)
    assert found["pca 8 float32"].recall.mean == pytest.approx(expected, abs=0.003)


def test_finer_rows_give_back_what_codes_lose():
    """1 bit alone is worst; put in order by int8 and by float16 it is nearly whole; latencies are there for all."""
    documents, queries = vectors_of(5, 1500), vectors_of(6, 60)
    found = options_of(measure(documents, queries, space=space_of(), dims=[]))
    recalls = {name: one.recall.mean for name, one in found.items()}
    assert recalls["16 1bit"] < recalls["16 4bit"] < recalls["16 int8"] <= recalls["16 float16"]
    assert recalls["16 1bit"] < recalls["16 1bit + int8"] <= recalls["16 1bit + float16"] + 0.01
    assert recalls["16 4bit + float16"] > 0.995
    assert all(one.latency_ms > 0 for one in found.values())
    assert not found["16 4bit"].is_native
    assert all(one.recall.low <= one.recall.mean <= one.recall.high for one in found.values())


@settings(max_examples=5)
@given(st.integers(0, 1000), st.lists(st.integers(0, 90), min_size=1, max_size=5))
def test_batches_are_as_one_array(seed, lengths):
    """However the documents come, the same numbers."""
    documents = vectors_of(seed, sum(lengths) + 60)
    ends = [60, *(60 + np.cumsum(lengths))]
    parts = [documents[:60], *(documents[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True))]  # noqa: RUF007
    whole, cut = (
        measure(one, space=space_of(), dims=[4], precisions=["float32", "int8"], query_samples=60, seed=seed)
        for one in (documents, parts)
    )
    np.testing.assert_allclose(whole.recalls, cut.recalls, atol=0.11)  # a sum may round otherwise
    assert whole.recalls.mean() == pytest.approx(cut.recalls.mean(), abs=1e-3)


def test_a_document_that_asks_is_not_its_own_neighbor():
    """Pairs of equal vectors, k = 1: each one's neighbor is its twin, which every way finds; itself would hide that."""
    half = vectors_of(7, 60)
    documents = np.concatenate([half, half])
    found = measure(documents, space=space_of(), k=1, dims=[8], precisions=["float32"], query_samples=120)
    assert found.is_held_out
    assert found.queries == 120
    assert (found.recalls == 1).all()


def test_ties_at_the_last_place_count_whichever_is_found():
    """All documents are equal: every way finds k of the nearest."""
    documents = np.tile(vectors_of(8, 1), (50, 1))
    found = measure(documents, vectors_of(9, 60), space=space_of(), dims=[4])
    assert (found.recalls == 1).all()


def test_ndcg_is_of_documents_by_their_best_chunk():
    """Two chunks a document: the judged one is found first by all of its two, and grades of other lists are left."""
    documents = vectors_of(10, 400)
    owners = np.repeat(np.arange(200), 2)
    queries = documents[0:240:2] + np.float32(1e-3)
    grades = [{place: 2} for place in range(120)]
    grades[5] = {}
    found = measure(
        documents, queries, space=space_of(), dims=[2], precisions=["float32"], grades=grades, owners=owners
    )
    options = options_of(found)
    assert found.judged == 119
    assert options["16 float32"].ndcg.mean == pytest.approx(1)
    assert 0 < options["first 2 float32"].ndcg.mean < 0.97
    assert found.recommend(0.0, "ndcg").option.storage.dim == 16


def test_a_scorer_of_ones_own_is_asked():
    """It gets the lists of all queries, best first, and its NaN are left out."""
    documents, queries = vectors_of(11, 200), vectors_of(12, 60)
    nearest = (queries @ documents.T).argmax(axis=1)

    def first_is_right(rows):
        found = (rows[:, 0] == nearest).astype(float)
        found[0] = np.nan
        return found

    found = measure(documents, queries, space=space_of(), dims=[2], precisions=["float32"], scorer=first_is_right)
    assert found.judged == 59
    assert options_of(found)["16 float32"].ndcg.mean == pytest.approx(1)


def test_a_sample_speaks_for_all_documents():
    """Recall of 1 bit extended from a quarter is nearer to that of all than the sample's own, and lower than it."""
    documents, queries = vectors_of(13, 8000), vectors_of(14, 150)
    arguments = {"space": space_of(), "dims": [], "precisions": ["1bit"]}
    whole = options_of(measure(documents, queries, **arguments))["16 1bit"].recall.mean
    extended = measure(documents, queries, samples=2000, **arguments)
    alone = measure(documents[::4], queries, **arguments)
    assert (extended.documents, extended.sampled) == (8000, 2000)
    ours, sample = (options_of(one)["16 1bit"].recall.mean for one in (extended, alone))
    assert ours < sample
    assert abs(ours - whole) < abs(sample - whole)
    assert "extended from 2,000" in replace(extended, recalls=np.ones_like(extended.recalls)).recommend(0.1).reason


def test_judged_documents_are_always_searched():
    """With a sample of a tenth the judged document of every query is still found."""
    documents = vectors_of(15, 1000)
    queries = documents[:60]
    grades = [{place: 1} for place in range(60)]
    found = measure(documents, queries, space=space_of(), dims=[], precisions=["int8"], grades=grades, samples=100)
    assert options_of(found)["16 float32"].ndcg.mean == pytest.approx(1)
    assert 100 <= found.sampled <= 160


def test_few_documents_are_measured_as_far_as_they_go():
    """Three documents: k is two, no projection of more directions than they span, and no promise."""
    found = measure(vectors_of(16, 3), space=space_of(), dims=[8, 2])
    assert found.k == 2
    assert ("pca", 8) not in {(one.storage.cut, one.storage.dim) for one in found.options}
    assert not found.recommend().is_confirmed


def test_the_second_run_says_the_same():
    """But for times, and as JSON."""
    documents = vectors_of(17, 300)
    one, other = (measure(documents, space=space_of(), dims=[4], seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.recalls, other.recalls)
    told = json.loads(json.dumps(one.to_mapping()))
    assert told["documents"] == 300
    assert one.recommend(0.1).to_mapping()["reason"] == other.recommend(0.1).to_mapping()["reason"]


def test_progress_ends_at_what_is_to_do():
    """The last call tells that all documents are done."""
    calls = []
    measure(vectors_of(18, 150), space=space_of(), dims=[], precisions=[], progress=lambda *one: calls.append(one))
    assert calls[-1] == (150, 150)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"queries": np.zeros((3, 5), dtype=np.float32)}, ShapeError),
        ({"queries": np.zeros((0, DIM), dtype=np.float32)}, ShapeError),
        ({"queries": np.zeros((3, DIM), dtype=np.int64)}, DtypeError),
        ({"queries": np.full((3, DIM), np.nan, dtype=np.float32)}, NonFiniteError),
        ({"k": 0}, RangeError),
        ({"samples": 10}, RangeError),
        ({"loss": 2}, RangeError),
        ({"grades": [{}]}, InputError),
        ({"queries": np.ones((2, DIM), dtype=np.float32), "grades": [{}]}, ShapeError),
        ({"queries": np.ones((1, DIM), dtype=np.float32), "grades": [{99: 1}]}, RangeError),
        ({"queries": np.ones((1, DIM), dtype=np.float32), "grades": [{"a": 1}]}, DtypeError),
        ({"queries": np.ones((1, DIM), dtype=np.float32), "grades": [{0: 1}], "owners": np.arange(3)}, ShapeError),
        ({"queries": np.ones((1, DIM), dtype=np.float32), "grades": [{}], "scorer": len}, InputError),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, error):
    """Each with its own error, before anything is computed."""
    with pytest.raises(error):
        measure(vectors_of(19, 20), space=space_of(), **arguments)


def test_one_document_has_no_neighbors():
    """Two are needed."""
    with pytest.raises(RangeError, match="documents"):
        measure(vectors_of(20, 1), space=space_of())
