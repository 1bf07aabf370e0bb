"""An evaluation asks every question once, counts what a reader must know, and says the same when it is run again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import InputError, NonFiniteError, RangeError, ShapeError, UnknownNameError
from vicinal.evaluate import environment
from vicinal.evaluate.environment import latency_of, machine
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Answered, evaluate, evaluate_run
from vicinal.evaluate.files import plain
from vicinal.evaluate.judgements import Judged, read_run
from vicinal.evaluate.ranking import ranking
from vicinal.evaluate.significance import bootstrap_interval, smallest_detectable_gain

QRELS = {"q1": {"a": 2, "b": 1, "z": 0}, "q2": {"c": 1}, "q3": {"d": 1}, "q4": {"e": 0}}
QUERIES = {"q1": "one", "q2": "two", "q3": "three", "q4": "four", "q5": "five"}
JUDGED = Judged.of(QUERIES, QRELS, name="tiny")
ANSWERS = {"one": ["a", "x", "b"], "two": ["x", "c"], "three": ["x", "y"], "four": ["e"]}


class Shelf:
    """A searcher that knows its answers by heart; each takes as many milliseconds as it was asked before, plus one."""

    def __init__(self, answers=ANSWERS, *, complete=True):
        self.answers = answers
        self.asked = []
        self.complete = complete

    def documents(self, query, *, k):
        """Return the first k."""
        ids = self.answers[query][:k]
        self.asked.append((query, k))
        scores = tuple(1 - place / 100 for place in range(len(ids)))
        return Answered(ids=tuple(ids), scores=scores, took_ms=float(len(self.asked)), complete=self.complete)

    def describe(self):
        """Say what it is."""
        return {"mode": "shelf", "bytes_per_vector": np.int64(48), "documents": 7}


class Owner(Shelf):
    """One that says what it holds."""

    def holds(self, ids):
        """All but b and c."""
        return set(ids) - {"b", "c"}


def test_metrics_by_hand():
    """nDCG: (2 + 1/2)/(2 + 1/log2(3)), 1/log2(3), 0; a query without a relevant document is asked and not counted."""
    shelf = Shelf()
    found = evaluate(shelf, JUDGED, metrics=["ndcg@3", "recall@2", "mrr"], k=5)
    ideal = 2 + 1 / math.log2(3)
    expected = [2.5 / ideal, 1 / math.log2(3), 0]
    assert found.scores.query_ids == ("q1", "q2", "q3")
    assert found.scores.column("ndcg@3").tolist() == pytest.approx(expected)
    assert found.mean() == pytest.approx({"ndcg@3": sum(expected) / 3, "recall@2": 0.5, "reciprocal_rank": 0.5})
    assert found.scores.skipped == ("q4",)
    assert found.judged_name == "tiny"
    assert shelf.asked == [("one", 5), ("one", 5), ("two", 5), ("three", 5), ("four", 5)]


def test_the_first_answer_is_in_no_percentile():
    """It is asked again; the others took 2 to 5 ms."""
    found = evaluate(Shelf(), JUDGED, k=100)
    assert found.latency.first_ms == 1
    assert (found.latency.p50_ms, found.latency.mean_ms) == (3.5, 3.5)
    assert found.latency.p95_ms == pytest.approx(4.85)


def test_what_a_reader_must_know_is_told():
    """Queries without judgements, approximate answers, documents that are not stored and queries that are hopeless."""
    found = evaluate(Owner(complete=False), JUDGED, k=100)
    assert found.incomplete == 4
    assert (found.absent, found.hopeless) == (2, ("q2",))
    assert found.notices == (
        (
            "Relevant documents that are not in the collection: 2 of 4, such as 'b'. Queries that have no other, so that no "
            "search can answer them: 1. Are the ids the same, and is everything indexed?"
        ),
        "Queries without a judgement, left out: 1.",
        "Queries without a relevant document, in no metric: 1.",
    )
    silent = evaluate(Shelf(), JUDGED, k=100)
    assert (silent.incomplete, silent.absent, silent.hopeless) == (0, None, ())
    assert evaluate(Owner(), JUDGED.only(["q3"]), k=100).notices == ()


def test_a_second_run_gives_the_same():
    """All numbers but times; a changed answer, setting, seed or metric is named."""
    first, again = (evaluate(Shelf(), JUDGED, seed=3) for _ in range(2))
    assert first.differences(again) == ()
    one, other = (dict(found.to_mapping(), latency=None) for found in (first, again))
    assert one == other
    worse = evaluate(Shelf({**ANSWERS, "one": ["x", "a"]}), JUDGED, seed=3)
    assert first.differences(worse) == ("run", "ndcg@10", "recall@10", "recall@100", "reciprocal_rank@10", "success@1")
    assert first.differences(evaluate(Shelf(), JUDGED, seed=4)) == ("seed",)
    assert first.differences(evaluate(Shelf(), JUDGED, seed=3, k=200)) == ("described",)
    assert first.differences(evaluate(Shelf(), JUDGED, seed=3, metrics=["map"])) == ("metrics",)
    assert first.differences(replace(first, incomplete=1)) == ("incomplete",)
    assert "judged" in first.differences(evaluate(Shelf(), JUDGED.only(["q1"]), seed=3))


def test_intervals_are_the_bootstraps():
    """With the seed of the evaluation; one query says nothing of others."""
    found = evaluate(Shelf(), JUDGED, seed=5)
    values = found.scores.column("ndcg@10")
    assert found.intervals(0.9)["ndcg@10"] == bootstrap_interval(values, confidence=0.9, seed=5)
    assert found.smallest_gain == smallest_detectable_gain(3)
    single = evaluate(Shelf(), JUDGED.only(["q1"]))
    assert set(single.intervals().values()) == {(0.0, 1.0)}
    assert single.smallest_gain is None


def test_the_worst_say_what_was_found():
    """The lowest first, full marks left out; where the right ones stood, and the grades of what was found."""
    found = evaluate(Shelf(), JUDGED)
    third, second, first = found.worst(10, "ndcg@10")
    assert [one.query_id for one in (third, second, first)] == ["q3", "q2", "q1"]
    assert (third.query, third.value) == ("three", 0)
    assert [(one.id, one.grade, one.rank) for one in third.right] == [("d", 1, None)]
    assert third.found == (("x", None), ("y", None))
    assert [(one.id, one.grade, one.rank) for one in first.right] == [("a", 2, 1), ("b", 1, 3)]
    assert first.found == (("a", 2), ("x", None), ("b", 1))
    assert [one.query_id for one in found.worst(1)] == ["q3"]
    assert [one.query_id for one in found.worst(9, "success@1")] == ["q2", "q3"]
    with pytest.raises(UnknownNameError):
        found.worst(1, "map")
    with pytest.raises(RangeError):
        found.worst(0)


def test_a_report_is_plain_and_whole(tmp_path):
    """What is written can be read: the run as it was, a line a query, JSON with everything that a second run needs."""
    found = evaluate(Shelf(), JUDGED, metrics=["ndcg@10", "mrr"])
    folder = found.write(tmp_path / "new" / "report")
    assert sorted(path.name for path in folder.iterdir()) == ["per_query.tsv", "report.json", "run.trec"]
    assert read_run(folder / "run.trec") == found.run
    head, *lines = (folder / "per_query.tsv").read_text().splitlines()
    assert head.split("\t") == ["query_id", "query", "ndcg@10", "reciprocal_rank"]
    assert [line.split("\t")[:2] for line in lines] == [["q1", "one"], ["q2", "two"], ["q3", "three"]]
    values = np.array([[float(cell) for cell in line.split("\t")[2:]] for line in lines])
    assert (values == found.scores.values).all()
    report = json.loads((folder / "report.json").read_text())
    assert report == json.loads(json.dumps(found.to_mapping()))
    assert report["described"] == {"mode": "shelf", "bytes_per_vector": 48, "documents": 7, "k": 100}
    assert report["judged"] == {"name": "tiny", "queries": 3, "skipped": 1, "unjudged": 1, "digest": JUDGED.digest}
    told = report["environment"]
    assert set(told["machine"]) == {"processor", "cores", "system", "python", "vicinal", "numpy"}
    assert told["digests"]["judged"] == JUDGED.digest
    assert report["metrics"]["ndcg@10"]["low"] <= report["metrics"]["ndcg@10"]["mean"]


def test_a_run_of_another_program_is_scored():
    """As if it had been searched, without times; what is missing and what is not judged is told."""
    searched = evaluate(Shelf(), JUDGED)
    given = evaluate_run(searched.run, JUDGED)
    assert given.latency is None
    assert (given.scores.values == searched.scores.values).all()
    assert given.to_mapping()["latency"] is None
    part = evaluate_run({"q1": {"a": 1}, "q9": {"a": 1}}, JUDGED, described={"tag": "other"})
    assert part.notices[:2] == (
        "Judged queries without an answer in the run, counted as 0: 2.",
        "Queries of the run that are not judged, left out: 1.",
    )
    assert part.mean()["success@1"] == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="are their ids the same"):
        evaluate_run({"9": {"a": 1.0}}, JUDGED)


def test_a_metric_may_not_look_further_than_was_asked():
    """recall@100 of ten documents would be recall@10 under another name."""
    with pytest.raises(RangeError, match="recall@100 looks at 100 documents, but only k=10"):
        evaluate(Shelf(), JUDGED, k=10)
    assert max(int(one.partition("@")[2]) for one in DEFAULT_METRICS) == 100


def test_what_cannot_be_scored_is_not_searched():
    """Without any relevant document, no metric, or with an unknown one, the searcher is not asked at all."""
    shelf = Shelf()
    for judged, metrics in ((JUDGED.only(["q4"]), ["map"]), (JUDGED, []), (JUDGED, ["guess@3"])):
        with pytest.raises(InputError):
            evaluate(shelf, judged, metrics=metrics)
    assert shelf.asked == []


def test_progress_ends_at_the_number_of_queries():
    """And never goes back."""
    told = []
    evaluate(Shelf(), JUDGED, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@given(st.lists(st.floats(-100, 100), max_size=8))
def test_the_order_of_an_answer_is_kept(scores):
    """Where scores fall they stay; where one rises, numbers that fall take their place; ranking gives the order."""
    ids = tuple(f"d{8 - place}" for place in range(len(scores)))
    answer = Answered(ids=ids, scores=tuple(scores), took_ms=0, complete=True)
    results = answer.as_results()
    if sorted(scores, reverse=True) == scores:
        assert list(results.values()) == scores
        assert [np.float32(results[one]) for one in ranking(results)] == [np.float32(one) for one in scores]
    else:
        assert tuple(ranking(results)) == ids


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ids": ("a", "a")}, RangeError),
        ({"ids": ("a",)}, ShapeError),
        ({"scores": (1.0, math.nan)}, NonFiniteError),
        ({"took_ms": math.inf}, NonFiniteError),
        ({"took_ms": -1.0}, NonFiniteError),
    ],
)
def test_what_is_no_answer_is_refused(change, error):
    """A document twice, scores missing, numbers that are none."""
    with pytest.raises(error):
        Answered(**{"ids": ("a", "b"), "scores": (2.0, 1.0), "took_ms": 1.0, "complete": True, **change})


def test_a_searcher_that_breaks_its_contract_is_named():
    """More documents than were asked for, or a description that is none."""

    class Generous(Shelf):
        def documents(self, query, *, k):
            return super().documents(query, k=k + 1)

    class Mute(Shelf):
        def describe(self):
            return "me"

    with pytest.raises(RangeError, match="was asked for 2 documents and gave 3"):
        evaluate(Generous(), JUDGED, metrics=["success@1"], k=2)
    with pytest.raises(InputError, match=r"describe\(\)"):
        evaluate(Mute(), JUDGED)


def test_a_latency_needs_a_time():
    """No times have no percentile; one is all of them."""
    with pytest.raises(InputError):
        latency_of([])
    assert latency_of([2.0]).p95_ms == 2


def test_a_machine_says_what_it_is(tmp_path, monkeypatch):
    """The processor's name from the system, or what Python knows; versions of what is installed."""
    found = machine()
    assert found["cores"] >= 1
    assert found["numpy"] == np.__version__
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor: 0\nmodel name\t: Fast One 9000\n", encoding="utf-8")
    monkeypatch.setattr(environment, "CPU_FILE", cpu)
    assert machine()["processor"] == "Fast One 9000"
    monkeypatch.setattr(environment, "CPU_FILE", tmp_path / "none")
    assert machine()["processor"]
    assert environment.version_of("no-such-package") == ""


def test_anything_becomes_plain():
    """Numbers of NumPy, sets, nested mappings, objects; what JSON has no word for is null."""
    told = {"a": np.float32(0.5), "b": {2, 1}, "c": {"d": (1, None)}, 5: math.nan, "e": JUDGED, "f": np.arange(2)}
    found = plain(told)
    assert {**found, "e": ""} == {"a": 0.5, "b": [1, 2], "c": {"d": [1, None]}, "5": None, "e": "", "f": [0, 1]}
    json.dumps(found, allow_nan=False)
