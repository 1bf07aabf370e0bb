"""Judgements are read in the forms of the field, and what is written is read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NotFoundError, StoreError, UnknownNameError
from vicinal.evaluate.judgements import read_qrels, write_qrels

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1, max_size=8).filter(
    str.strip
)
QRELS = st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-3, 3), min_size=1, max_size=4), max_size=4)


@pytest.mark.parametrize(
    "content",
    [
        "q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 1\n",
        "q1\t0\td1\t2\r\nq1\t0\td2\t0\r\n\r\nq2\t0\td1\t1",
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t1\n",
        "q1 d1 2\nq1 d2 0.0\nq2 d1 +1\n",
        "\ufeffquery-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td1\t2\nq1\td2\t0\nq2\td1\t1\n",
        "grade\tdocument\tquery_id\tnote\n2\td1\tq1\tyes\n\td9\tq1\tskipped\n0\td2\tq1\t\n1\td1\tq2\t\n",
        "a\tb\tc\nq1\td1\t2\nq1\td2\t0\nq2\td1\t1\n",
    ],
)
def test_all_forms_say_the_same(tmp_path, content):
    """Blanks or tabs, three columns or four, with a header or without, with a mark of byte order or without."""
    (tmp_path / "qrels").write_text(content, encoding="utf-8")
    assert read_qrels(tmp_path / "qrels") == {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1}}


def test_ids_may_hold_blanks_between_tabs(tmp_path):
    """Where tabs give the right number of columns, a blank is a part of an id."""
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq 1\tmy notes.md\t1\n", encoding="utf-8")
    assert read_qrels(tmp_path / "qrels.tsv") == {"q 1": {"my notes.md": 1}}


@settings(max_examples=40)
@given(qrels=QRELS, form=st.sampled_from(["trec", "beir"]))
def test_what_is_written_is_read(tmp_path_factory, qrels, form):
    """In both forms, whatever the ids hold."""
    path = tmp_path_factory.mktemp("qrels") / "file"
    write_qrels(qrels, path, form=form)
    assert read_qrels(path) == qrels


def test_the_ending_chooses_the_form(tmp_path):
    """A .tsv is BEIR's, all else TREC's; an unknown form is refused."""
    write_qrels({"q": {"b": 1, "a": 0}}, tmp_path / "x.tsv")
    write_qrels({"q": {"b": 1, "a": 0}}, tmp_path / "x.txt")
    assert (tmp_path / "x.tsv").read_text() == "query-id\tcorpus-id\tscore\nq\ta\t0\nq\tb\t1\n"
    assert (tmp_path / "x.txt").read_text() == "q\t0\ta\t0\nq\t0\tb\t1\n"
    with pytest.raises(UnknownNameError):
        write_qrels({}, tmp_path / "x", form="csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"q1 0 d1 1\nq1 0 d1 2\n", "line 2: the document has grade 2 here and 1 before"),
        (b"q1 0 d1 1\nq1 d1\n", "line 2: 3 or 4 columns"),
        (b"q1 0 d1 0.5\nx y z 1\n", "line 2"),
        (b"q1 0 d1 1\nq1 0 d2 high\n", "line 2: a grade is a whole number"),
        (b"q1 0 d1 1\n\nq1 0 d2 12345678\n", "line 3: a grade"),
        (b"q1 0 d1 1\nq1 0 d\xff 1\n", "line 2: it is no UTF-8"),
        (b"one two\n", "line 1: a judgement has a query, a document and a grade"),
        (b"q1\t0\t \t1\n", "line 1"),
        (b"q1 0 " + b"d" * 5000 + b" 1\n", "line 1: a document id has 1 to 4096"),
    ],
)
def test_errors_have_the_line(tmp_path, content, said):
    """The message names the file, the line and what is wrong."""
    path = tmp_path / "qrels.txt"
    path.write_bytes(content)
    if said == "line 2":  # 0.5 made a header of the first line
        assert read_qrels(path) == {"x": {"z": 1}}
        return
    with pytest.raises(InputError, match=r"qrels\.txt") as caught:
        read_qrels(path)
    assert said in str(caught.value)


def test_what_no_file_can_hold_is_refused(tmp_path):
    """An id with a tab or a line's end; nothing is written, and the old file stays."""
    path = tmp_path / "x"
    path.write_text("old", encoding="utf-8")
    for name in ("a\tb", "a\nb", "a\rb", " "):
        with pytest.raises(InputError):
            write_qrels({"q": {name: 1}}, path)
    assert path.read_text() == "old"


def test_what_is_not_there(tmp_path):
    """A missing file, a folder in its place, and a folder that cannot be written are errors with a name."""
    with pytest.raises(NotFoundError):
        read_qrels(tmp_path / "none")
    with pytest.raises(NotFoundError):
        read_qrels("a\0b")
    with pytest.raises(InputError, match="no file"):
        read_qrels(tmp_path)
    with pytest.raises(StoreError):
        write_qrels({}, tmp_path / "none" / "x")
