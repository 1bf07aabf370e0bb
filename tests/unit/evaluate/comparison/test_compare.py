"""Several settings on the same questions: from the plan to the files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vicinal.errors import InputError, ModelNotFoundError, RangeError, UnknownNameError
from vicinal.evaluate.comparison import Setting, compare, matrix, plan
from vicinal.evaluate.comparison.comparison import file_stems
from vicinal.evaluate.judgements import Judged, read_run
from vicinal.evaluate.significance import smallest_detectable_gain

MODES = matrix(mode=["lexical", "dense", "hybrid"])
QUALITIES = {"keyword": 0.4, "dense": 0.6, "hybrid": 0.8}
COSTS = {"keyword": (0, 2.0), "dense": (1536, 8.0), "hybrid": (1536, 11.0)}


def test_the_plan_is_known_before_anything_runs(judged):
    """The smallest gain for so many questions and tests, all adjusted together."""
    ahead = plan(MODES, judged(300))
    assert (ahead.baseline, ahead.queries, ahead.tests) == ("keyword", 300, 2)
    assert ahead.smallest_gain == smallest_detectable_gain(300, level=0.025)
    assert ahead.text == (
        f"3 settings on 300 queries, 2 tests: a gain below {ahead.smallest_gain:.3f} will most likely go unseen."
    )
    assert "nothing will be compared" in plan(MODES[:1], judged(20)).text


def test_the_baseline_is_a_name_or_a_mode_that_one_alone_has(judged):
    """By default the search by words, and where there is none the first."""
    asked = judged(10)
    assert plan(MODES, asked, baseline="dense").baseline == "dense"
    assert plan(MODES, asked, baseline="lexical").baseline == "keyword"
    assert plan(MODES[1:], asked).baseline == "dense"
    two = matrix(mode=["dense"], dim=[8, 4])
    with pytest.raises(UnknownNameError, match="dense 8d, dense 4d"):
        plan(two, asked, baseline="dense")


def test_questions_without_relevant_documents_cannot_be_compared():
    """One alone has no spread."""
    texts = {"a": "one", "b": "two"}
    with pytest.raises(InputError, match="at least 2"):
        plan(MODES, Judged.of(texts, {"a": {"x": 1}, "b": {"x": 0}}))


def test_the_better_one_is_found(judged, make_of):
    """With its tests, its standings and its verdict."""
    asked = judged(120)
    found = compare(make_of(asked, QUALITIES, costs=COSTS), MODES, asked)
    assert found.verdict.headline.kind == "beats"
    assert found.verdict.headline.about == ("hybrid", "keyword")
    assert [one.name for one in found.standings] == ["keyword", "dense", "hybrid"]
    assert found.standings[0].bytes_per_vector == 0
    assert found.against_baseline("hybrid").better
    assert found.against_baseline("keyword") is None
    assert found.choice.selected == "hybrid"
    assert found.choice.before.queries == found.choice.after.queries == 60
    assert found.kinds_of == ("keyword", "hybrid")
    assert {one.reference for one in found.against_best} == {"hybrid"}
    assert "was the best of 3" in found.verdict.text


def test_the_same_search_under_two_names_is_enough(judged, make_of):
    """Three hundred questions carry that nothing counts; eighty do not, however alike both are on them."""
    asked = judged(80)
    two = [Setting(name="a", mode="lexical"), Setting(name="b", mode="dense")]
    assert compare(make_of(asked, {"a": 0.5, "b": 0.5}), two, asked).verdict.headline.kind == "too_few"
    asked = judged(320)
    found = compare(make_of(asked, {"a": 0.5, "b": 0.5}), two, asked)
    assert found.verdict.headline.kind == "enough"
    assert found.verdict.recommended == "a"


def test_a_few_questions_are_too_few(judged, make_of):
    """A small difference on twelve questions."""
    asked = judged(12)
    found = compare(make_of(asked, {"keyword": 0.5, "dense": 0.55, "hybrid": 0.5}), MODES, asked)
    assert found.verdict.headline.kind == "too_few"


def test_a_setting_that_fails_is_told_and_the_others_go_on(judged, make_of):
    """By its code and message; of an error that is not ours only the kind, for its message may hold a text."""
    asked = judged(40)
    gone = ModelNotFoundError("No source has the model x.")
    found = compare(make_of(asked, {**QUALITIES, "dense": gone}), MODES, asked)
    assert [(one.setting.name, one.code, one.message) for one in found.failures] == [
        ("dense", "model_not_found", "No source has the model x.")
    ]
    assert [one.name for one in found.standings] == ["keyword", "hybrid"]
    found = compare(make_of(asked, {**QUALITIES, "dense": RuntimeError("secret text")}), MODES, asked)
    assert found.failures[0].code == "fault"
    assert "RuntimeError" in found.failures[0].message
    assert "secret" not in json.dumps(found.to_mapping())


def test_where_the_baseline_fails_the_first_that_ran_takes_its_place(judged, make_of):
    """And where all fail nothing is measured, without an error."""
    asked = judged(40)
    gone = ModelNotFoundError("No source has the model x.")
    found = compare(make_of(asked, {**QUALITIES, "keyword": gone}), MODES, asked)
    assert found.baseline == "dense"
    none = compare(make_of(asked, dict.fromkeys(QUALITIES, gone)), MODES, asked)
    assert none.verdict.headline.kind == "nothing"
    assert len(none.failures) == 3


def test_a_fault_of_ours_ends_the_run(judged, make_of):
    """A KeyError in our own code is no setting's failure."""
    with pytest.raises(KeyError):
        compare(make_of(judged(4), {}), MODES, judged(4))


def test_what_is_wrong_is_refused_before_anything_is_made(judged):
    """No searcher is asked for."""

    def make(setting):
        pytest.fail("made")

    with pytest.raises(UnknownNameError):
        compare(make, MODES, judged(4), metric="accuracy")
    with pytest.raises(RangeError):
        compare(make, MODES, judged(4), metric="ndcg@10", k=5)
    with pytest.raises(RangeError):
        compare(make, MODES, judged(4), allowed_loss=2)
    with pytest.raises(InputError):
        compare(make, [], judged(4))


def test_few_documents_leave_out_the_deeper_metrics(judged, make_of):
    """Unless they are asked for."""
    asked = judged(8)
    found = compare(make_of(asked, QUALITIES), MODES, asked, k=10)
    assert "recall@100" not in found.evaluations["dense"].scores.metrics
    assert found.metric == "ndcg@10"
    by_mrr = compare(make_of(asked, QUALITIES), MODES, asked, metric="mrr@10", metrics=["success@1"])
    assert by_mrr.metric == "reciprocal_rank@10"
    assert by_mrr.evaluations["dense"].scores.metrics == ("reciprocal_rank@10", "success@1")


def test_a_second_run_gives_the_same_numbers(judged, make_of):
    """All but the environment's own, which has none that differ here."""
    asked = judged(30)
    first, second = (compare(make_of(asked, QUALITIES), MODES, asked, seed=5) for _ in range(2))
    assert first.to_mapping() == second.to_mapping()


def test_progress_goes_through_all_settings(judged, make_of):
    """From the first question of the first to the last of the last, never back."""
    asked = judged(6)
    told = []
    compare(make_of(asked, QUALITIES), MODES, asked, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (18, 18)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_settings_are_not_changed_and_names_are_given(judged, make_of):
    """Those without a name get one of their fields."""
    asked = judged(6)
    given = [Setting(mode="lexical"), Setting(mode="hybrid")]
    found = compare(make_of(asked, QUALITIES), given, asked)
    assert [one.name for one in found.settings] == ["keyword", "hybrid"]
    assert given[0].name == ""


def test_the_files_of_a_report(judged, make_of, tmp_path):
    """A page, JSON, three plots, and a run of each setting that reads back as it was."""
    asked = judged(30)
    found = compare(make_of(asked, QUALITIES, costs=COSTS), MODES, asked)
    written = found.write(tmp_path / "a" / "report")
    assert sorted(str(one.relative_to(tmp_path / "a" / "report")) for one in written) == [
        "gains.svg",
        "quality-bytes.svg",
        "quality-time.svg",
        "report.html",
        "report.json",
        "runs/dense.trec",
        "runs/hybrid.trec",
        "runs/keyword.trec",
    ]
    told = json.loads((tmp_path / "a" / "report" / "report.json").read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(found.to_mapping()))
    assert told["judged"]["digest"] == asked.digest
    assert told["settings"][1]["evaluation"]["environment"]["machine"]
    assert read_run(tmp_path / "a" / "report" / "runs" / "dense.trec") == found.evaluations["dense"].run
    assert found.write(tmp_path / "a" / "report") == written, "a second time it replaces them"


def test_unknown_bytes_are_unknown(judged, make_of):
    """A searcher may say none, or nothing that is a number."""
    asked = judged(6)
    costs = {"dense": (None, 1.0), "hybrid": ("many", 1.0)}
    found = compare(make_of(asked, QUALITIES, costs=costs), MODES, asked)
    assert [one.bytes_per_vector for one in found.standings] == [0, None, None]
    nan = compare(make_of(asked, QUALITIES, costs={"dense": (float("nan"), 1.0)}), MODES, asked)
    assert nan.standings[1].bytes_per_vector is None
    assert json.dumps(nan.to_mapping(), allow_nan=False)


def test_names_of_files_are_plain_and_distinct():
    """Whatever the settings are called."""
    names = ("Dense 384d", "dense-384d", "../../etc", "", "日本", "x" * 400, "a/b\\c")
    stems = file_stems(names)
    assert list(stems) == list(names)
    assert len(set(stems.values())) == len(names)
    assert all(
        one and "/" not in one and "\\" not in one and ".." not in one and len(one) <= 60 for one in stems.values()
    )


def test_a_comparison_is_frozen(judged, make_of):
    """Another one is made with replace."""
    asked = judged(6)
    found = compare(make_of(asked, QUALITIES), MODES, asked)
    with pytest.raises(AttributeError):
        found.metric = "x"
    assert replace(found, metric="x").metric == "x"
