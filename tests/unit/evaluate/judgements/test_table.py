"""Queries and judgements in one table: a row a judgement, or a row a query."""

from __future__ import annotations

import pytest

from vicinal.errors import InputError
from vicinal.evaluate.judgements import read_judged

EXPECTED = {"stop the bill": {"cancel.md": 2, "prices.md": 0}, "how much?": {"prices.md": 1}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "x.csv",
            "query,document,grade\nstop the bill,cancel.md,2\nstop the bill,prices.md,0\nhow much?,prices.md,1\n",
        ),
        (
            "x.tsv",
            (
                "query_id\tquery\tdocument\tgrade\na\tstop the bill\tcancel.md\t2\na\tstop the bill\tprices.md\t0\n"
                "a\tstop the bill\tother.md\t\nb\thow much?\tprices.md\t1\n"
            ),
        ),
        (
            "x.jsonl",
            (
                '{"question": "stop the bill", "relevant": {"cancel.md": 2, "prices.md": 0}}\n'
                '{"question": "how much?", "relevant": ["prices.md"]}\n'
            ),
        ),
        (
            "x.jsonl",
            (
                '{"query": "stop the bill", "document": "cancel.md", "grade": 2.0}\n'
                '{"query": "stop the bill", "document": "prices.md", "grade": false}\n'
                '{"query": "stop the bill", "document": "other.md", "grade": null}\n'
                '{"query": "how much?", "document": "prices.md"}\n'
            ),
        ),
        (
            "x.csv",
            'id;query;relevant\n7;stop the bill;"{""cancel.md"": 2, ""prices.md"": 0}"\n8;how much?;prices.md\n',
        ),
    ],
)
def test_all_forms_say_the_same(tmp_path, name, content):
    """By text, with ids of their own or without, with grades or without, one a row or listed."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    judged = read_judged(tmp_path / name)
    assert {judged.queries[one]: dict(grades) for one, grades in judged.qrels.items()} == EXPECTED
    assert (judged.name, judged.source) == ("x", str(tmp_path / name))


def test_ids_in_a_cell(tmp_path):
    """A list of JSON, or ids between strokes; a comma belongs to the id."""
    (tmp_path / "x.tsv").write_text('query\trelevant\na\tone, two | three\nb\t["x|y", 5]\n', encoding="utf-8")
    judged = read_judged(tmp_path / "x.tsv")
    assert sorted(map(sorted, judged.qrels.values())) == [["5", "x|y"], ["one, two", "three"]]


def test_an_id_column_beside_documents_is_the_rows(tmp_path):
    """Two rows of one question are one query, though each row has an id of its own."""
    (tmp_path / "x.csv").write_text("id,query,document\n1,a,d\n2,a,e\n", encoding="utf-8")
    assert list(read_judged(tmp_path / "x.csv").qrels.values()) == [{"d": 1, "e": 1}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "document,grade\nd,1\n", "line 1: no column holds the query"),
        ("x.csv", "id,query\n1,a\n", "line 1: no column holds the document"),
        ("x.csv", "query,document\na\n", "line 2: 2 columns were expected, got 1"),
        ("x.csv", "query,document\na,\n", "line 2: a document id has 1 to 4096"),
        ("x.csv", "query,document,grade\na,d,1\na,d,2\n", "line 3: the document has grade 2 here and 1 before"),
        ("x.csv", "query,document,grade\na,d,much\n", "line 2: a grade is a whole number"),
        ("x.csv", "query,relevant\na,[1\n", "line 2: relevant begins like JSON and is none"),
        ("x.jsonl", '{"query": "a", "relevant": 5}\n', "line 1: relevant is a list"),
        ("x.jsonl", '{"query": "a", "relevant": [null]}\n', "line 1: a document id is text"),
        ("x.jsonl", '{"_id": "a", "text": "b"}\n', "--qrels"),
        ("x.csv", "", "Nothing is judged"),
        ("x.csv", "query,document,grade\na,d,\n", "Nothing is judged"),
        ("x.csv", "query_id,query,document\n1,a,d\n1,b,d\n", "line 3: query '1' has another text"),
    ],
)
def test_errors_say_what_to_do(tmp_path, name, content, said):
    """The line, what is wrong, and how such a table looks."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_judged(tmp_path / name)
    assert said in str(caught.value)
