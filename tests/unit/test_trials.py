"""Evaluations of a collection go through its own search, and other forms of it are made of its records and gone again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.errors import ConflictError, InputError, RangeError
from vicinal.evaluate.comparison import Setting, matrix
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.metrics import scored
from vicinal.lifecycle.variant import as_kept, bytes_of_vector
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder
from vicinal.trials import _StoredRows

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "sigma",
    "tau",
]


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """Sixty records of several chunks, as a file of rows would give them."""
    random = np.random.default_rng(5)
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("notes", model=ToyEncoder(max_tokens=12))
        made.add(
            [
                {
                    "id": f"rows.jsonl#{number}",
                    "text": ". ".join(" ".join(random.choice(WORDS, 7)).capitalize() for _ in range(1 + number % 4)),
                    "third": number % 3,
                }
                for number in range(60)
            ]
        )
        yield made


@pytest.fixture
def judged() -> Judged:
    """Queries whose judgements name documents as their corpus does."""
    random = np.random.default_rng(6)
    queries = {f"q{number}": " ".join(random.choice(WORDS, 3)) for number in range(20)}
    qrels = {query: {str(document): 1 for document in random.choice(60, 4, replace=False)} for query in queries}
    return Judged.of(queries, qrels, name="random")


@pytest.mark.parametrize(
    "options", [{}, {"mode": "lexical"}, {"mode": "dense", "exact": True}, {"where": {"third": 1}}]
)
def test_an_evaluation_is_the_metric_of_the_search(notes: vicinal.Collection, judged: Judged, options) -> None:
    """The run holds what ``search`` answers, the best chunk of each record, under the names of the judgements."""
    found = notes.evaluate(judged, k=10, metrics=["ndcg@10"], **options)
    run = {
        query: {
            hit.id.removeprefix("rows.jsonl#"): hit.score for hit in notes.search(text, k=10, per_record=1, **options)
        }
        for query, text in judged.queries.items()
    }
    assert {query: dict(results) for query, results in found.run.items()} == run
    assert found.mean() == scored(run, judged.qrels, ["ndcg@10"]).mean()
    assert found.described["documents"] == 60
    assert found.described["bytes_per_vector"] == 32
    assert found.absent == 0


def test_documents_that_are_not_stored_are_told(notes: vicinal.Collection, judged: Judged) -> None:
    """What cannot be found is named, since otherwise it is a silently low recall."""
    notes.delete(["rows.jsonl#1", "rows.jsonl#2"])
    relevant = judged.relevant()
    found = notes.evaluate(judged, k=10, metrics=["recall@10"])
    assert found.absent == len({"1", "2"} & set(relevant))
    assert found.notices


def test_a_reranker_is_part_of_what_is_evaluated(notes: vicinal.Collection, judged: Judged) -> None:
    """With one that turns the order round, the last of k is first."""
    plain = notes.evaluate(judged, k=5, metrics=["ndcg@5"])
    turned = notes.evaluate(
        judged, k=5, metrics=["ndcg@5"], rerank=lambda _, texts: [float(place) for place in range(len(texts))]
    )
    for query, results in plain.run.items():
        assert list(turned.run[query]) == list(reversed(results))


def test_settings_are_searches_of_the_same_records(notes: vicinal.Collection, judged: Judged) -> None:
    """Modes, dimensions, precisions and chunkers, each through a collection of its own; this one stays as it was."""
    before, sequence = list(notes.ids()), notes.info()["sequence"]
    folders = set(Path(tempfile.gettempdir()).glob("vicinal-*"))
    settings = [
        Setting(mode="lexical"),
        Setting(mode="dense"),
        Setting(mode="dense", dim=4),
        Setting(mode="dense", dim=4, precision="int8"),
        Setting(mode="dense", precision="1bit"),
        Setting(mode="dense", chunker="structure-8-0-v2"),
        Setting(mode="dense", rerank="no such reranker/x"),
        Setting(mode="dense", dim=9),
    ]
    found = notes.compare(judged, settings, k=10)
    by_name = {
        one.name: evaluation.described
        for one, evaluation in zip(found.standings, found.evaluations.values(), strict=True)
    }
    told = [(one["dim"], one["precision"], one["bytes_per_vector"]) for one in by_name.values()]
    assert told == [(8, "float32", 32.0)] * 2 + [
        (4, "float32", 16.0),
        (4, "int8", 8.0),
        (8, "1bit", 5.0),
        (8, "float32", 32.0),
    ]
    assert len(found.failures) == 2
    assert [one.chunker for one in settings if one.chunker] == [
        one["chunker"] for one in by_name.values() if one["chunker"] != notes.info()["chunker"]
    ]
    assert found.verdict.text
    assert (list(notes.ids()), notes.info()["sequence"]) == (before, sequence)
    assert set(Path(tempfile.gettempdir()).glob("vicinal-*")) == folders


def test_another_model_is_loaded_by_name(notes: vicinal.Collection, judged: Judged) -> None:
    """A name that leads to nothing is a failure of that setting, and of no other."""
    found = notes.compare(judged, [*matrix(mode=["dense"]), Setting(name="other", model="no/such-model")], k=10)
    assert [one.setting.name for one in found.failures] == ["other"]
    assert len(found.standings) == 1


def test_what_a_precision_leaves() -> None:
    """By hand; a vector of zeros stays; float32 is the vector itself; of signs those of what differs from the mean."""
    line = np.array([[1.0, -0.5, 0.25, 0.0, 0, 0, 0, 0], [0] * 8], dtype=np.float32)
    vectors, none = Vectors(line, ToyEncoder().space), np.zeros(8, dtype=np.float32)

    def kept(precision: str, centre: np.ndarray = none) -> np.ndarray:
        return as_kept(vectors, precision, centre)

    assert kept("int8")[0, :4] == pytest.approx(np.array([127, -64, 32, 0]) / 127, abs=1e-6)
    assert kept("4bit")[0, :4] == pytest.approx(np.array([7, -3, 2, 0]) / 7, abs=1e-6)
    assert kept("1bit")[0] == pytest.approx(np.array([0.75, -0.75, *[0.75] * 6]))  # |x|² / |x|₁ = 1.3125 / 1.75
    assert kept("1bit", line[0])[0] == pytest.approx(line[0])
    assert kept("float16").tolist() == kept("float32").tolist() == line.tolist()
    for precision in ("float32", "float16", "int8", "4bit", "1bit"):
        assert not kept(precision)[1].any()
    found = [bytes_of_vector(384, one) for one in ("float32", "float16", "int8", "4bit", "1bit")]
    assert found == [1536, 768, 388, 196, 52]


def test_a_weight_is_tuned_and_confirmed(notes: vicinal.Collection, judged: Judged) -> None:
    """What is told of the held-out half is what searches with that weight measure there."""
    for fusion in ("convex", "min_max", "rrf"):
        found = notes.tune(judged, fusion=fusion, seed=2)  # type: ignore[arg-type]  # one of the names
        assert found.tuning >= found.tuning_default - 1e-12
        assert found.tuning_queries + found.held_out_queries == 20
        queries = (found.tuning * found.tuning_queries + found.held_out * found.held_out_queries) / 20
        whole = notes.evaluate(
            judged,
            k=10,
            metrics=["ndcg@10"],
            fusion=fusion,  # type: ignore[arg-type]  # one of the names
            weight=found.weight,
            mode="hybrid",
        )
        assert whole.mean()["ndcg@10"] == pytest.approx(queries, abs=0.05)  # chunks are fused there, records here


def test_known_queries_ask_for_their_records(notes: vicinal.Collection) -> None:
    """As many as are asked for, the same for a seed; a search by words finds them."""
    made = notes.known_queries(25, seed=3)
    assert len(made) == 25
    assert made == notes.known_queries(25, seed=3)
    assert notes.evaluate(made, k=10, mode="lexical", metrics=["success@1"]).mean()["success@1"] > 0.9
    with pytest.raises(RangeError):
        notes.known_queries(0)


def test_a_frontier_of_stored_vectors(notes: vicinal.Collection, judged: Judged) -> None:
    """Full float32 vectors lose nothing; with judgements nDCG is that of an exact search; a write in between is an error."""
    found = notes.frontier(dims=[8, 4], precisions=["float32", "int8"], seed=1)
    full = next(one for one in found.options if one.bytes_per_vector == 32)
    assert full.recall.mean == 1
    told = notes.frontier(judged=judged, dims=[8], precisions=["float32"])
    exact = notes.evaluate(judged, mode="dense", exact=True, k=10, metrics=["ndcg@10"])
    assert told.options[0].ndcg is not None
    assert told.options[0].ndcg.mean == pytest.approx(
        exact.mean()["ndcg@10"], abs=0.01
    )  # of 10 chunks, not 10 documents
    with pytest.raises(InputError, match="not both"):
        notes.frontier(judged=judged, queries=["a"])


def test_vectors_that_are_read_twice_are_of_one_commit(notes: vicinal.Collection) -> None:
    """All living ones, in order, as often as asked; after a write it is an error, and not another matrix."""
    with notes._store.snapshot() as snapshot:
        rows = _StoredRows(notes._store, "notes", snapshot.sequence)
    every = np.concatenate(list(rows))
    assert (every == np.concatenate(list(rows))).all()
    assert len(every) == len(rows.owners()) == notes.info()["chunks"]
    notes.delete(["rows.jsonl#1"])
    with pytest.raises(ConflictError, match="written"):
        list(rows)
