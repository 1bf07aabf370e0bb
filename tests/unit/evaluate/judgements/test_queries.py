"""Queries are read from the files in which they come, each with an id that does not depend on its place."""

from __future__ import annotations

import hashlib

import pytest

from vicinal.errors import InputError, NotFoundError
from vicinal.evaluate.judgements import read_queries

CLASSIC = """<top>
<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations
</top>

<top>
<num> Number: 302 </num>
<title> Topic: Poliomyelitis &amp; Post-Polio
</title>
</top>
"""
XML = """<?xml version="1.0"?>
<topics task="COVIDSEARCH">
<topic number="301"><query>International Organized Crime</query><question>what?</question></topic>
<topic number='302' type="x">
  <query>Poliomyelitis &amp; Post-Polio</query>
</topic>
</topics>
"""
EXPECTED = {"301": "International Organized Crime", "302": "Poliomyelitis & Post-Polio"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("topics.txt", CLASSIC),
        ("topics", CLASSIC),
        ("topics.xml", XML),
        ("topics.trec", XML),
        ("x.tsv", "301\tInternational Organized Crime\n302\tPoliomyelitis & Post-Polio\n"),
        ("x.txt", "301\tInternational Organized Crime\n302\tPoliomyelitis & Post-Polio\n"),
        ("x.tsv", "Query-ID\tQuery\n301\tInternational Organized Crime\n302\tPoliomyelitis & Post-Polio\n"),
        ("x.csv", "question,id\nInternational Organized Crime,301\n\nPoliomyelitis & Post-Polio,302\n"),
        ("x.csv", 'qid;note;text\n301;"a;\n\nb";International Organized Crime\n302;;Poliomyelitis & Post-Polio\n'),
        (
            "x.jsonl",
            (
                '{"_id": "301", "text": "International Organized Crime"}\n'
                '{"id": 302, "query": " Poliomyelitis & Post-Polio "}\n'
            ),
        ),
    ],
)
def test_all_forms_say_the_same(tmp_path, name, content):
    """TREC's old and new topics, tables with a header and without, JSON lines."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_queries(tmp_path / name) == EXPECTED


def test_a_query_a_line(tmp_path):
    """Its id is a digest of the text, so that it stays where lines move; the same line twice is one query."""
    (tmp_path / "x.txt").write_text("stop the bill\n\n  how much?  \nstop the bill\n", encoding="utf-8")
    found = read_queries(tmp_path / "x.txt")
    assert list(found.values()) == ["stop the bill", "how much?"]
    assert next(iter(found)) == "q-" + hashlib.sha256(b"stop the bill").hexdigest()[:12]


def test_a_folder_has_one_file_of_queries(tmp_path):
    """As BEIR and TREC have it; none and several are told apart."""
    with pytest.raises(NotFoundError, match="no file of queries"):
        read_queries(tmp_path)
    (tmp_path / "queries.jsonl").write_text('{"_id": "a", "text": "b"}\n', encoding="utf-8")
    assert read_queries(tmp_path) == {"a": "b"}
    (tmp_path / "topics.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"queries\.jsonl, topics\.txt"):
        read_queries(tmp_path)


def test_empty_files_hold_no_query(tmp_path):
    """Whatever their ending."""
    for name in ("a.txt", "a.tsv", "a.csv", "a.jsonl", "a.xml"):
        (tmp_path / name).write_text("\n", encoding="utf-8")
        assert read_queries(tmp_path / name) == {}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.tsv", "a\tone\na\ttwo\n", "line 2: query 'a' has another text here"),
        ("x.tsv", "a\tb\tc\n", "line 1: the header names no column for the query"),
        ("x.csv", "a,b\n1,2\n", "line 1: the header names no column for the query"),
        ("x.csv", "id,query\n1\n", "line 2: 2 columns were expected, got 1"),
        ("x.csv", 'id,query\n1,"a"b\n', "line 2: it is no row of a table"),
        ("x.csv", "id,query\n1," + "x" * 200_000 + "\n", "line 2: it is no row of a table"),
        ("x.jsonl", "[1]\n", "line 1: an object was expected, got list"),
        ("x.jsonl", "{\n", "line 1: it is no JSON"),
        ("x.jsonl", '{"_id": "a"}\n', "line 1: a query is text, got NoneType"),
        ("x.jsonl", '{"_id": "a", "text": "\\ud800"}\n', "line 1: a query holds a lone surrogate"),
        ("x.jsonl", '{"_id": [1], "text": "x"}\n', "line 1: a query id is text, got list"),
        ("x.xml", "<topics>\n<topic number='1'><question>x</question></topic></topics>", "line 2: a topic has"),
        ("x.xml", "\n<topic><query>x</query></topic>", "line 2: a topic has a number"),
    ],
)
def test_errors_have_the_line(tmp_path, name, content, said):
    """The message names the line and what is wrong with it."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_queries(tmp_path / name)
    assert said in str(caught.value)
