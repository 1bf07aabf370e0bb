"""Folders of BEIR and TREC are told apart by what lies in them; any bytes give judged questions or an error with a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NotFoundError, VicinalError
from vicinal.evaluate.judgements import Judged, read_judged, read_qrels, read_queries, read_run


@pytest.fixture
def beir(tmp_path):
    """A folder in BEIR's layout with two splits."""
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text(
        '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n{"_id": "3", "text": "three"}\n', encoding="utf-8"
    )
    (folder / "corpus.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n", encoding="utf-8")
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n3\tc\t1\n", encoding="utf-8")
    return folder


def test_a_beir_folder(beir):
    """The test split by default, another by name; queries of the other split are counted."""
    judged = read_judged(beir)
    assert (judged.name, list(judged.queries.values()), judged.unjudged) == ("tiny/test", ["one", "two"], 1)
    assert read_judged(str(beir), split="train").qrels == {"3": {"c": 1}}
    with pytest.raises(NotFoundError, match="it has test, train"):
        read_judged(beir, split="dev")


def test_the_only_split_needs_no_name(beir):
    """Several without test do."""
    (beir / "qrels" / "test.tsv").rename(beir / "qrels" / "dev.tsv")
    with pytest.raises(InputError, match="several splits: dev, train"):
        read_judged(beir)
    (beir / "qrels" / "dev.tsv").unlink()
    assert read_judged(beir).name == "tiny/train"


@pytest.mark.parametrize("qrels", ["qrels.txt", "qrels", "tiny.qrels", "qrels.tiny.trec", "tiny.qrels.txt"])
def test_a_trec_folder(tmp_path, qrels):
    """Topics and qrels side by side, however the qrels are called."""
    (tmp_path / "topics.txt").write_text("<top><num> 1 <title> one\n</top>", encoding="utf-8")
    (tmp_path / qrels).write_text("1 0 a 1\n", encoding="utf-8")
    judged = read_judged(tmp_path)
    assert (judged.queries, judged.qrels) == ({"1": "one"}, {"1": {"a": 1}})


def test_queries_and_judgements_apart(beir, tmp_path):
    """Two files, or a folder's queries with judgements from elsewhere."""
    (tmp_path / "q.tsv").write_text("1\tone\n", encoding="utf-8")
    (tmp_path / "j.txt").write_text("1 0 z 1\n", encoding="utf-8")
    assert read_judged(tmp_path / "q.tsv", qrels=tmp_path / "j.txt").qrels == {"1": {"z": 1}}
    assert read_judged(beir, qrels=str(tmp_path / "j.txt")).name == "tiny"


def test_what_is_missing_is_told(beir, tmp_path):
    """No place, no queries, no judgements, a split of a file, a judged query without a text."""
    with pytest.raises(NotFoundError):
        read_judged(tmp_path / "none")
    with pytest.raises(InputError, match="has no splits"):
        read_judged(beir / "queries.jsonl", split="test")
    (beir / "qrels" / "test.tsv").write_text("9 0 a 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="1 of the 1 judged queries have no text, the first is '9'"):
        read_judged(beir)
    for path in (beir / "qrels").iterdir():
        path.unlink()
    with pytest.raises(NotFoundError, match="has no judgements"):
        read_judged(beir)
    (beir / "queries.jsonl").unlink()
    with pytest.raises(NotFoundError, match="no file of queries"):
        read_judged(beir)


TOKENS = [b"q1", b"d1", b"0", b"1", b"2.0", b"\t", b" ", b"\n", b"\r\n", b",", b";", b'"', b"{", b"}", b"[", b"]", b":"]
TOKENS += [b"query", b"document", b"grade", b"relevant", b"id", b"query,document\n", b"query\tdocument\tgrade\n", b"|"]
TOKENS += [b'{"query": "a", "document": "d"}\n', b'{"_id": 1, "text": "x"}\n', b"query-id\tcorpus-id\tscore\n"]
TOKENS += [b"<top>", b"</top>", b"<num> 1 ", b"<title> x", b"<topic number='1'>", b"</topic>", b"<query>y</query>"]
TOKENS += [b"\xef\xbb\xbf", b"\xff", b"\0", b"\\ud800", b"NaN", b"1e999", b"-", b"nan", b"\xc2\xa0", b"\x1c"]
TOKENS += [
    b'{"query": [1], "document": {}}\n',
    b'{"_id": [], "text": "x"}\n',
    b'{"query": "a", "relevant": [[], {}]}\n',
]
BYTES = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join))
ENDINGS = st.sampled_from([".csv", ".tsv", ".jsonl", ".txt", ".xml", ""])


@settings(max_examples=150)
@given(content=BYTES, ending=ENDINGS, other=BYTES)
def test_any_bytes_give_judged_questions_or_an_error(content, ending, other):
    """Every reader gives its plain data or an error of ours; what it gives can be judged questions."""
    with tempfile.TemporaryDirectory() as name:
        path, beside = Path(name, f"x{ending}"), Path(name, "qrels.txt")
        path.write_bytes(content)
        beside.write_bytes(other)
        for read in (
            read_qrels,
            read_run,
            read_queries,
            read_judged,
            lambda place: read_judged(place, qrels=beside),
        ):
            try:
                found = read(path)
            except VicinalError as error:
                assert len(str(error)) < 2000
                continue
            if isinstance(found, Judged):
                assert Judged.of(found.queries, found.qrels).digest == found.digest
            else:
                assert isinstance(found, dict)


def test_public_sets_are_read(data_folder):
    """SciFact has 300 test claims with 339 judgements, and 809 for training; XQuAD's English part has 1,190."""
    judged = read_judged(data_folder / "scifact")
    assert (len(judged), sum(map(len, judged.qrels.values())), judged.unjudged) == (300, 339, 809)
    assert len(read_judged(data_folder / "scifact", split="train")) == 809
    assert len(read_judged(data_folder / "xquad" / "en")) == 1190
