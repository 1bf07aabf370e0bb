"""Judgements are on the disk one by one, can be taken back, and are read as they are by the next run."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import (
    ConflictError,
    DtypeError,
    InputError,
    LockedError,
    NoSpaceLeftError,
    RangeError,
    StoreError,
    VicinalError,
)
from vicinal.evaluate.judgements import read_judged, read_qrels
from vicinal.evaluate.unlabelled import Journal, Judgement


def said(query="q", document="d", grade=1, text="stop the bill"):
    """A judgement."""
    return Judgement(query_id=query, query=text, document=document, grade=grade)


def test_what_is_written_is_read_by_an_evaluation(tmp_path):
    """At any time, the file still open; a skipped document is no judgement, white space of a query is one blank."""
    path = tmp_path / "judged.tsv"
    with Journal(path) as journal:
        journal.add(said(document="my notes/a.md", grade=3, text=" stop\tthe\n bill "))
        journal.add(said(document="b", grade=None))
        journal.add(said(document="c", grade=0))
        assert read_qrels(path) == {"q": {"my notes/a.md": 3, "c": 0}}
        judged = read_judged(path)
        assert (dict(judged.queries), judged.qrels["q"]) == ({"q": "stop the bill"}, {"my notes/a.md": 3, "c": 0})
    assert path.read_bytes().startswith(b"query_id\tquery\tdocument\tgrade\n")


def test_it_goes_on_where_it_ended(tmp_path):
    """What was judged and skipped is known again, in its order."""
    with Journal(tmp_path / "x") as journal:
        journal.add(said(document="a"))
        journal.add(said(document="b", grade=None))
    with Journal(tmp_path / "x") as journal:
        assert [one.document for one in journal] == ["a", "b"]
        assert len(journal) == 2
        assert ("q", "b") in journal
        assert ("q", "c") not in journal
        assert journal.last == said(document="b", grade=None)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyzü"), st.sampled_from([None, 0, 1, 2, 3, -1])),
        st.just("undo"),
        st.just("open"),
    ),
    max_size=20,
)


@settings(max_examples=30)
@given(operations=OPERATIONS)
def test_it_is_a_stack(tmp_path_factory, operations):
    """Adding, undoing and opening again give what a list would hold."""
    path = tmp_path_factory.mktemp("journal") / "x"
    model: list[Judgement] = []
    journal = Journal(path)
    for one in operations:
        if one == "open":
            journal.close()
            journal = Journal(path)
        elif one == "undo":
            assert journal.undo() == (model.pop() if model else None)
        elif (one[0], one[1]) in journal:
            with pytest.raises(ConflictError):
                journal.add(said(*one))
        else:
            journal.add(said(*one))
            model.append(said(*one))
        assert list(journal) == model
    journal.close()
    with Journal(path) as again:
        assert list(again) == model


def test_a_line_that_a_crash_cut_is_taken_off(tmp_path):
    """At every length of the last line, those before it are there, and judging goes on."""
    path = tmp_path / "x"
    with Journal(path) as journal:
        journal.add(said(document="a"))
        before = path.stat().st_size
        journal.add(said(document="b", grade=2))
    content = path.read_bytes()
    for size in range(before, len(content)):
        path.write_bytes(content[:size])
        with Journal(path) as journal:
            assert [one.document for one in journal] == ["a"]
            journal.add(said(document="b", grade=2))
        assert path.read_bytes() == content
    head = content.index(b"\n") + 1
    for size in range(head):
        path.write_bytes(content[:size])
        with Journal(path) as journal:
            assert len(journal) == 0
        assert path.read_bytes() == content[:head]


def test_two_cannot_judge_into_one_file(tmp_path):
    """The second is told so, and may when the first has closed; closing twice is harmless."""
    first = Journal(tmp_path / "x")
    with pytest.raises(LockedError, match="Another process is judging"):
        Journal(tmp_path / "x")
    first.close()
    first.close()
    Journal(tmp_path / "x").close()


@pytest.mark.parametrize(
    "content",
    [
        b"something else\n",
        b"query_id\tquery\tdocument\tgrade\nq\tt\td\n",
        b"query_id\tquery\tdocument\tgrade\nq\tt\td\tmuch\n",
        b"query_id\tquery\tdocument\tgrade\nq\tt\td\t1\nq\tt\td\t1\n",
        b"query_id\tquery\tdocument\tgrade\nq\tt\td\t+1\n",
        b"query_id\tquery\tdocument\tgrade\nq\t\xff\td\t1\n",
    ],
)
def test_another_file_is_left_alone(tmp_path, content):
    """What is no file of judging, or was changed so that undo would cut elsewhere, is refused and stays as it is."""
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputError):
        Journal(path)
    assert path.read_bytes() == content


@settings(max_examples=100)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_journal_or_an_error(tmp_path_factory, content):
    """And an error lets go of the file."""
    path = tmp_path_factory.mktemp("journal") / "x"
    path.write_bytes(b"query_id\tquery\tdocument\tgrade\n" + content)
    for _ in range(2):
        try:
            Journal(path).close()
        except VicinalError as error:
            assert not isinstance(error, LockedError)


def test_what_is_none_is_refused(tmp_path):
    """An id with a tab, an empty query, a grade that is none: nothing is written."""
    with Journal(tmp_path / "x") as journal:
        size = (tmp_path / "x").stat().st_size
        for one, error in (
            (said(document="a\tb"), InputError),
            (said(query=""), RangeError),
            (said(text=" \n"), InputError),
            (said(grade=1.5), DtypeError),
            (said(grade=10**9), RangeError),
        ):
            with pytest.raises(error):
                journal.add(one)
        assert len(journal) == 0
    assert (tmp_path / "x").stat().st_size == size


def test_a_full_disk_makes_no_judgement(tmp_path, monkeypatch):
    """The write fails half-way: the line is taken off, the judgement was not made, and the next one can be."""
    with Journal(tmp_path / "x") as journal:
        journal.add(said(document="a"))
        content = (tmp_path / "x").read_bytes()
        write = os.write

        def full(handle, line):
            if len(line) < 10:
                raise OSError(28, "No space left on device")
            return write(handle, line[: len(line) - 5])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(NoSpaceLeftError):
                journal.add(said(document="b"))
        assert (tmp_path / "x").read_bytes() == content
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            with pytest.raises(StoreError):
                journal.undo()
        assert len(journal) == 1
        journal.add(said(document="b"))
    with Journal(tmp_path / "x") as journal:
        assert [one.document for one in journal] == ["a", "b"]


def test_a_line_may_be_written_in_pieces(tmp_path, monkeypatch):
    """Where the system takes a part only, the rest follows."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:3]))
    with Journal(tmp_path / "x") as journal:
        journal.add(said(document="a"))
    assert read_qrels(tmp_path / "x") == {"q": {"a": 1}}
