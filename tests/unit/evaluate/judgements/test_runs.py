"""Runs are read and written as trec_eval has them, with all digits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NonFiniteError
from vicinal.evaluate.judgements import read_run, write_run

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1, max_size=8).filter(
    str.strip
)
SCORES = st.floats(-1e30, 1e30)
RUNS = st.dictionaries(IDS, st.dictionaries(IDS, SCORES, min_size=1, max_size=5), max_size=4)


@pytest.mark.parametrize(
    "content",
    [
        "q Q0 a 1 2.5 me\nq Q0 b 2 -1e-3 me\n",
        "q\tQ0\ta\t7\t2.5\tmy system\nq\tQ0\tb\t7\t-.001\tmy system\n",
        "query-id\tcorpus-id\tscore\nq\ta\t2.5\nq\tb\t-0.001\n",
        "q a 2.5\nq b -1E-3\n",
    ],
)
def test_all_forms_say_the_same(tmp_path, content):
    """Six columns or three; the rank counts for nothing."""
    (tmp_path / "run").write_text(content, encoding="utf-8")
    assert read_run(tmp_path / "run") == {"q": {"a": 2.5, "b": -0.001}}


@settings(max_examples=40)
@given(run=RUNS, form=st.sampled_from(["trec", "beir"]))
def test_what_is_written_is_read(tmp_path_factory, run, form):
    """In both forms, to the last digit."""
    path = tmp_path_factory.mktemp("run") / "file"
    write_run(run, path, form=form)
    assert read_run(path) == run


def test_the_order_is_trec_evals(tmp_path):
    """Score descending, equal scores by id descending; the rank says the place."""
    write_run({"q2": {"a": 1.0}, "q1": {"a": 1.0, "b": 2.0, "c": 1.0}}, tmp_path / "run", tag="me")
    assert (tmp_path / "run").read_text().splitlines() == [
        "q1\tQ0\tb\t1\t2.0\tme",
        "q1\tQ0\tc\t2\t1.0\tme",
        "q1\tQ0\ta\t3\t1.0\tme",
        "q2\tQ0\ta\t1\t1.0\tme",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("q Q0 a 1 1.0 me\nq Q0 a 2 0.5 me\n", "line 2: the document comes twice"),
        ("q Q0 a 1 nan me\n", "line 1: a score is a finite number"),
        ("q Q0 a 1 1e999 me\n", "line 1: a score"),
        ("q Q0 a 1 1_0 me\n", "line 1: a score"),
        ("q a 1\nq b x\n", "line 2: a score"),
        ("q Q0 a 1 1.0\n", "line 1: 3 or 6 columns were expected, got 5"),
    ],
)
def test_errors_have_the_line(tmp_path, content, said):
    """A document that comes twice would count twice, so it is refused, as in trec_eval."""
    (tmp_path / "run").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_run(tmp_path / "run")
    assert said in str(caught.value)


def test_what_cannot_be_written_is_refused(tmp_path):
    """A score that is none, an id or a tag with a tab: no file is made."""
    with pytest.raises(NonFiniteError):
        write_run({"q": {"a": float("inf")}}, tmp_path / "run")
    with pytest.raises(InputError):
        write_run({"q": {"a\tb": 1.0}}, tmp_path / "run")
    with pytest.raises(InputError):
        write_run({}, tmp_path / "run", tag="a\nb")
    assert list(tmp_path.iterdir()) == []
