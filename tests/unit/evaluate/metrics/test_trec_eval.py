"""Metrics of rankings against trec_eval itself, by pytrec_eval and ir-measures, on runs with all that can go wrong.

A thousand random runs: equal scores, scores that only float32 makes equal, grades from -2 to 4, documents that nobody
judged, queries without results, queries without a relevant document, ids of several alphabets.
"""

from __future__ import annotations

import random

import pytest

from vicinal.evaluate.metrics import scored
from vicinal.evaluate.ranking import graded, ranking

TREC_EVAL = {
    "ndcg": "ndcg",
    "ndcg@3": "ndcg_cut_3",
    "ndcg@10": "ndcg_cut_10",
    "recall": "set_recall",
    "recall@5": "recall_5",
    "recall@30": "recall_30",
    "capped_recall@5": "relative_P_5",
    "precision": "set_P",
    "precision@1": "P_1",
    "precision@20": "P_20",
    "success@1": "success_1",
    "success@5": "success_5",
    "reciprocal_rank": "recip_rank",
    "average_precision": "map",
    "average_precision@7": "map_cut_7",
    "r_precision": "Rprec",
}
ASKED = {
    "ndcg", "ndcg_cut.3,10", "set_recall", "recall.5,30", "relative_P.5", "set_P", "P.1,20", "success.1,5", "recip_rank",
    "map", "map_cut.7", "Rprec",
}  # fmt: skip
CLOSE = 1e-6
RUNS = 1000


def random_world(chance: random.Random) -> tuple[dict, dict]:
    """Return a run and judgements of a few queries."""
    pool = [f"{chance.choice('adézж漢😀')}{number}" for number in range(chance.randint(1, 60))]
    scales = [lambda: chance.randint(-3, 3), chance.random, lambda: 1 + chance.randint(0, 3) * 3e-8]
    run, qrels = {}, {}
    for query in range(chance.randint(1, 4)):
        scale, levels = chance.choice(scales), chance.choice([(0, 1), (1,), (-2, -1, 0, 1, 2, 3, 4), (0, 0, 0, 1)])
        answered = chance.sample(pool, chance.randint(0, len(pool)))
        asked = chance.sample(pool, chance.randint(1, len(pool)))
        run[f"q{query}"] = {document: float(scale()) for document in answered}
        qrels[f"q{query}"] = {document: chance.choice(levels) for document in asked}
    return run, qrels


def for_oracle(qrels: dict) -> dict:
    """Return judgements without negative grades: to trec_eval they are 0, but pytrec_eval 0.5 writes beyond its arrays."""
    return {query_id: {one: max(0, grade) for one, grade in grades.items()} for query_id, grades in qrels.items()}


@pytest.fixture(scope="module")
def worlds():
    """Return a thousand runs with their judgements."""
    chance = random.Random(7)
    return [random_world(chance) for _ in range(RUNS)]


def test_every_metric_is_that_of_trec_eval(worlds):
    """Each value of each query with a relevant document is pytrec_eval's, and the other queries are those skipped."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval-terrier is not installed")
    compared = 0
    for run, qrels in worlds:
        if not any(grade > 0 for grades in qrels.values() for grade in grades.values()):
            continue
        expected = pytrec_eval.RelevanceEvaluator(for_oracle(qrels), ASKED).evaluate(run)
        ours = scored(run, qrels, list(TREC_EVAL))
        assert set(ours.query_ids) | set(ours.skipped) == set(qrels)
        for row, query_id in enumerate(ours.query_ids):
            theirs = [expected[query_id][name] for name in TREC_EVAL.values()]
            assert ours.values[row].tolist() == pytest.approx(theirs, abs=CLOSE), (run[query_id], qrels[query_id])
            compared += 1
        assert all(expected[query_id]["ndcg"] == 0 for query_id in ours.skipped)
    assert compared > RUNS


def test_grades_below_zero_are_as_zero():
    """What trec_eval 9 (pytrec_eval-terrier 0.5.11) gave for a query with the grades 2, 1, 0, -2 and an unjudged document."""
    run = {"q": {"b": 5.0, "d": 4.0, "x": 3.0, "a": 2.0, "c": 1.0}}
    expected = {"ndcg": 0.45777815652719006, "ndcg@3": 0, "map": 0.325, "map@4": 0.125, "mrr": 0.25, "precision@5": 0.4}
    found = scored(run, {"q": {"a": 1, "b": -2, "c": 2, "d": 0}}, list(expected))
    assert found.values[0].tolist() == pytest.approx(list(expected.values()), abs=1e-12)


def test_the_mean_is_that_of_ir_measures(worlds):
    """Means over queries, MRR@k among them, are those of ir-measures, where all queries have a relevant document."""
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    pytest.importorskip("pytrec_eval", reason="pytrec_eval-terrier is not installed")
    names = {
        "ndcg@10": ir_measures.nDCG @ 10,
        "mrr": ir_measures.RR,
        "map@100": ir_measures.AP @ 100,
        "recall@100": ir_measures.R @ 100,
        "precision@5": ir_measures.P @ 5,
        "success@1": ir_measures.Success @ 1,
        "r_precision": ir_measures.Rprec,
    }
    whole = [
        (run, qrels) for run, qrels in worlds if all(any(grade > 0 for grade in one.values()) for one in qrels.values())
    ]
    for run, qrels in whole[:150]:
        expected = ir_measures.calc_aggregate(names.values(), for_oracle(qrels), run)
        ours = scored(run, qrels, list(names)).mean()
        assert list(ours.values()) == pytest.approx([expected[one] for one in names.values()], abs=CLOSE)


def test_mrr_with_k_is_that_of_a_run_cut_at_k(worlds):
    """MRR@k, which trec_eval lacks, is its recip_rank on the first k documents in its order."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval-terrier is not installed")
    for run, qrels in worlds[:300]:
        if not any(grade > 0 for grades in qrels.values() for grade in grades.values()):
            continue
        cut = {
            query_id: {one: float(-place) for place, one in enumerate(ranking(documents)[:3])}
            for query_id, documents in run.items()
        }
        ours = scored(run, qrels, ["mrr@3"])
        expected = pytrec_eval.RelevanceEvaluator(for_oracle(qrels), {"recip_rank"}).evaluate(cut)
        assert ours.column("mrr@3").tolist() == pytest.approx([expected[one]["recip_rank"] for one in ours.query_ids])


def test_places_without_a_sort_are_those_of_the_ranking(worlds):
    """The grades that metrics look at are those of the whole order, document by document: the slow twin."""
    for run, qrels in worlds:
        for query_id, documents in run.items():
            expected = [max(0, qrels[query_id].get(one, 0)) for one in ranking(documents)]
            assert graded(documents, qrels[query_id]).ranked.tolist() == expected
