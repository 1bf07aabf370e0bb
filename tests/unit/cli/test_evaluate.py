"""``vicinal evaluate`` prints what the library measured: metrics, costs, the worst; one object with --json."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vicinal.cli import evaluate as module
from vicinal.errors import InputError, RangeError
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Answered, evaluate
from vicinal.evaluate.judgements import Judged, read_run

ANSWERS = {"one": ("a", "x\x1b[2J"), "two": ("x", "[b]c[/b]")}
TABLE = "query,document,grade\none,a,2\ntwo,[b]c[/b],1\ntwo,d,1\ntwo,e,1\ntwo,f,1\n"


class Shelf:
    """A searcher that knows its answers by heart, and forgets one where it is told to."""

    def __init__(self):
        self.forgets = False

    def documents(self, query, *, k):
        """Return the first k."""
        ids = () if self.forgets else ANSWERS[query][:k]
        return Answered(ids=ids, scores=tuple(float(-one) for one in range(len(ids))), took_ms=1.5, complete=False)

    def describe(self):
        """Say what it is."""
        return {"mode": "shelf", "model": "none", "bytes_per_vector": 48, "documents": 7, "space": "ab12"}


class Chosen:
    """A collection that is asked for an evaluation, and remembers how."""

    def __init__(self):
        self.shelf = Shelf()
        self.asked = []
        self.forgets_next = False

    def evaluate(self, judged, *, metrics=DEFAULT_METRICS, k=100, seed=0, progress=None, **settings):
        """Measure the shelf."""
        self.asked.append(settings)
        self.shelf.forgets = self.forgets_next and len(self.asked) > 1
        return evaluate(self.shelf, judged, metrics=metrics, k=k, seed=seed, progress=progress)

    def known_queries(self, count, *, seed=0, kind="sentence"):
        """Make one query, named by what was asked for."""
        return Judged.of({"q": "one"}, {"q": {"a": 1}}, name=f"{count} {kind} {seed}")


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """The collection behind the command, and a table of questions beside it."""
    one = Chosen()

    @contextmanager
    def opened(path, name):
        yield one

    monkeypatch.setattr(module, "opened_collection", opened)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("q.csv").write_text(TABLE, encoding="utf-8")
    return one


@pytest.fixture
def run(chosen):
    """Run the command; return its result."""
    app = typer.Typer()
    app.command("evaluate")(module.evaluate)
    return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_metrics_costs_and_the_worst_are_shown(run):
    """Nothing of an id or a query steers the terminal or is taken for markup."""
    done = run("--queries", "q.csv")
    assert done.exit_code == 0
    for part in (
        "q: 2 queries",
        "ndcg@10",
        "success@1           0.5000",
        "1.5 ms p50, 1.5 ms p95 · 48 B a vector · 7 documents · shelf · none · space ab12 · 2 answers approximate",
        "worst by ndcg@10",
        "[b]c[/b] at 2, d not found, e not found and 1 more",
        "found: x, [b]c[/b] (grade 1)",
    ):
        assert part in done.stdout
    assert "\x1b" not in done.stdout
    assert "worst" not in run("--queries", "q.csv", "--worst", "0").stdout


def test_json_is_the_librarys_report(run, chosen):
    """One object; the same as to_mapping() but for times."""
    done = run("--queries", "q.csv", "--json", "--seed", "4", "--metric", "mrr", "--metric", "map")
    assert done.stdout.count("\n") == 1
    said = json.loads(done.stdout)
    assert set(said["metrics"]) == {"reciprocal_rank", "average_precision"}
    assert said["environment"]["seed"] == 4
    assert said["described"]["k"] == 100
    assert "unequal" not in said


def test_settings_reach_the_collection(run, chosen):
    """Those that were said, and no other, so that the collection's own stay."""
    run("--queries", "q.csv")
    run("--queries", "q.csv", "--mode", "hybrid", "--fusion", "rrf", "--weight", "0.5", "--rerank", "x", "--exact")
    assert chosen.asked == [{}, {"mode": "hybrid", "fusion": "rrf", "weight": 0.5, "rerank": "x", "exact": True}]


def test_a_small_k_leaves_out_what_looks_further(run):
    """Of the usual metrics; one that was named is an error."""
    done = run("--queries", "q.csv", "-k", "10", "--json")
    assert set(json.loads(done.stdout)["metrics"]) == {"ndcg@10", "recall@10", "reciprocal_rank@10", "success@1"}
    with pytest.raises(RangeError):
        run("--queries", "q.csv", "-k", "10", "--metric", "recall@100")


def test_runs_go_out_and_come_in(run, chosen):
    """A run that was written gives the same numbers without a search."""
    first = json.loads(run("--queries", "q.csv", "--run-out", "x.trec", "--out", "report", "--json").stdout)
    assert read_run("x.trec") == read_run("report/run.trec")
    assert sorted(path.name for path in Path("report").iterdir()) == ["per_query.tsv", "report.json", "run.trec"]
    again = json.loads(run("--queries", "q.csv", "--run-in", "x.trec", "--json").stdout)
    assert again["metrics"] == first["metrics"]
    assert again["latency"] is None
    assert len(chosen.asked) == 1
    assert "ms p50" not in run("--queries", "q.csv", "--run-in", "x.trec").stdout


def test_known_items_need_no_judgements(run):
    """How many, of which kind and with which seed is the collection's to make."""
    done = run("--known-items", "30", "--kind", "title", "--seed", "2", "--json")
    assert json.loads(done.stdout)["judged"]["name"] == "30 title 2"


def test_a_second_run_is_compared(run, chosen):
    """Equal numbers are success; others are named, and the exit status says so."""
    done = run("--queries", "q.csv", "--twice", "--json")
    assert (done.exit_code, json.loads(done.stdout)["unequal"]) == (0, [])
    chosen.asked.clear()
    chosen.forgets_next = True
    done = run("--queries", "q.csv", "--twice", "--metric", "success@1")
    assert done.exit_code == 1
    assert "other numbers: run, success@1" in done.stderr


def test_notices_are_told(run):
    """On standard error, so that the table stays a table."""
    Path("q.txt").write_text("1\tone\n2\tthree\n", encoding="utf-8")
    Path("j.txt").write_text("1 0 a 1\n", encoding="utf-8")
    done = run("--queries", "q.txt", "--qrels", "j.txt")
    assert "Queries without a judgement, left out: 1." in done.stderr
    assert "left out" not in done.stdout


def test_a_wrong_call_is_refused(run):
    """Nothing to ask, two things to ask, a run without judgements."""
    with pytest.raises(InputError, match="Say what to ask"):
        run()
    with pytest.raises(InputError, match="Say what to ask"):
        run("--queries", "q.csv", "--known-items", "5")
    with pytest.raises(InputError, match="give --queries"):
        run("--known-items", "5", "--run-in", "x")
