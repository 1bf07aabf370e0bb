"""Local files become what the protocols take, with errors that have file and line; one verb runs them all."""

from __future__ import annotations

import csv
import io
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, NotFoundError, TruncationWarning, UnknownNameError
from vicinal.evaluate.protocols import TASKS, benchmark, classification, files, retrieval
from vicinal.testing import ToyEncoder

TRAIN = [("cat", "words"), ("dog on mat", "words"), ("12 345", "digits"), ("9 9 9", "digits")]
TEST = [("a bird", "words"), ("77 88", "digits")]


def write(path, rows):
    """Write objects as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def labelled(folder, *, ending="jsonl"):
    """Write both parts of a labelled set."""
    for part, rows in (("train", TRAIN), ("test", TEST)):
        if ending == "jsonl":
            write(folder / f"{part}.jsonl", [{"text": text, "label": label} for text, label in rows])
        else:
            sign = "," if ending == "csv" else "\t"
            lines = [sign.join(row) for row in [("Text", "Category"), *rows]]
            (folder / f"{part}.{ending}").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_tables_of_any_kind_give_the_same_score(tmp_path, ending):
    """JSON lines, CSV and TSV of the same rows: the score of the rows themselves."""
    pytest.importorskip("sklearn")
    columns = [list(column) for rows in (TRAIN, TEST) for column in zip(*rows, strict=True)]
    expected = classification(ToyEncoder(), *columns, runs=2)
    found = benchmark("classification", ToyEncoder(), labelled(tmp_path, ending=ending), runs=2)
    assert found.to_mapping() == expected.to_mapping()
    assert found.main == 1.0


def test_a_beir_folder_is_retrieval(tmp_path):
    """Titles stand before texts, judgements are those of the split, and numbers are ids too."""
    write(tmp_path / "corpus.jsonl", [{"_id": 1, "title": "A", "text": "cat"}, {"_id": "2", "text": "1 2 3"}])
    write(tmp_path / "queries.jsonl", [{"_id": "q", "text": "A cat"}, {"_id": "p", "text": "nobody judged this"}])
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n", encoding="utf-8")
    found = benchmark("retrieval", ToyEncoder(), tmp_path, split="dev", k=1)
    expected = retrieval(ToyEncoder(), {"1": "A cat", "2": "1 2 3"}, {"q": "A cat"}, {"q": {"1": 1}}, k=1)
    assert found.to_mapping() == expected.to_mapping()
    assert found.main == 1.0


def test_every_task_runs_on_its_files(tmp_path):
    """One folder a task; each gives a figure within its bounds, named by its protocol."""
    pytest.importorskip("sklearn")
    pairs = [{"sentence1": "cat", "sentence2": "cat", "score": 1.0}, {"sentence1": "1 2", "sentence2": "X", "score": 0}]
    (tmp_path / "labels").mkdir()
    labelled(tmp_path / "labels")
    write(tmp_path / "pairs" / "test.jsonl", pairs)
    write(tmp_path / "sets" / "test.jsonl", [{"sentences": [t for t, _ in TRAIN], "labels": [v for _, v in TRAIN]}])
    write(tmp_path / "ranks" / "test.jsonl", [{"query": ["cat", "cats"], "positive": ["cat"], "negative": ["1 2"]}])
    summed = {"human_summaries": ["cat"], "machine_summaries": ["cat", "1 2"], "relevance": [2, 1.5]}
    write(tmp_path / "summaries" / "test.jsonl", [summed])
    write(tmp_path / "beir" / "corpus.jsonl", [{"_id": "d", "text": "cat"}])
    write(tmp_path / "beir" / "queries.jsonl", [{"_id": "q", "text": "cat"}])
    (tmp_path / "beir" / "qrels.test.txt").write_text("q 0 d 1\n", encoding="utf-8")
    folders = {
        "retrieval": ("beir", {}),
        "reranking": ("ranks", {}),
        "sts": ("pairs", {}),
        "pair_classification": ("pairs", {}),
        "classification": ("labels", {"runs": 1}),
        "nearest_labels": ("labels", {"k": 1}),
        "clustering": ("sets", {}),
        "fast_clustering": ("labels", {"sampled": 1.0, "draws": 1, "draw_texts": 20}),
        "bitext_mining": ("pairs", {}),
        "summarization": ("summaries", {}),
    }
    assert set(folders) == set(TASKS)
    for task, (name, settings_) in folders.items():
        if task == "pair_classification":
            write(tmp_path / name / "test.jsonl", [{**row, "label": int(row["score"])} for row in pairs])
        score = benchmark(task, ToyEncoder(), tmp_path / name, **settings_)
        assert score.protocol == task
        assert -1 <= score.main <= 1 + 1e-9
    assert files.read_reranked(tmp_path / "ranks" / "test.jsonl").candidates == {"1-0": ("1-0-0", "1-1-0"), "1-1": ("1-0-0", "1-1-0")}  # fmt: skip


def test_one_file_stands_for_itself(tmp_path):
    """A path of a table needs no split."""
    path = write(tmp_path / "any.jsonl", [{"sentence1": "cat", "sentence2": "cat"}])
    assert benchmark("bitext_mining", ToyEncoder(), path).main == 1.0
    with pytest.raises(InputError, match="give a folder with both"):
        benchmark("classification", ToyEncoder(), path)


@pytest.mark.parametrize(
    ("task", "row", "match"),
    [
        ("sts", {"sentence1": "a", "score": 1}, "line 1: there is no column sentence2"),
        ("sts", {"sentence1": "a", "sentence2": "b", "score": "much"}, "a number was expected"),
        ("sts", {"sentence1": 1, "sentence2": "b", "score": 1}, "sentence1 must be a string, got int"),
        ("pair_classification", {"sentence1": "a", "sentence2": "b", "label": 0.5}, "must be 0 and 1"),
        ("clustering", {"sentences": ["a"], "labels": []}, "as many labels as texts, got 0 and 1"),
        ("clustering", {"sentences": "a", "labels": ["x"]}, "texts must be a list"),
        ("fast_clustering", {"text": "a", "label": 1.5}, "a label must be a string or a whole number"),
        ("reranking", {"query": "a", "positive": "b", "negative": []}, "positive must be a list"),
        ("reranking", {"query": "a", "positive": ["b"], "negative": []}, "no queries"),
        ("summarization", {"human_summaries": ["a"], "machine_summaries": ["b"], "relevance": []}, "1 and 0"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, task, row, match):
    """The message has the file and the line, or says what is missing; never the text."""
    write(tmp_path / "test.jsonl", [row])
    with pytest.raises(InputError, match=match):
        benchmark(task, ToyEncoder(), tmp_path)


def test_what_is_not_there_is_listed(tmp_path):
    """No folder; no such split, with what there is; no such task, with all of them."""
    with pytest.raises(NotFoundError, match="There is no"):
        benchmark("sts", ToyEncoder(), tmp_path / "nowhere")
    write(tmp_path / "dev.jsonl", [{}])
    with pytest.raises(NotFoundError, match=r"test\.jsonl, test\.csv or test\.tsv; it holds dev\.jsonl"):
        benchmark("sts", ToyEncoder(), tmp_path)
    with pytest.raises(UnknownNameError, match="task must be one of retrieval, reranking"):
        benchmark("everything", ToyEncoder(), tmp_path)
    with pytest.raises(UnknownNameError, match="a setting of sts must be one of role, got 'runs'"):
        benchmark("sts", ToyEncoder(), tmp_path, runs=3)


def test_levels_of_labels_are_for_clustering_only(tmp_path):
    """A list of labels is a path; a protocol that takes one label refuses it."""
    write(tmp_path / "train.jsonl", [{"text": "a", "label": ["x", "y"]}])
    write(tmp_path / "test.jsonl", [{"text": "a", "label": ["x", "y"]}])
    assert files.read_labelled(tmp_path / "test.jsonl").labels == (("x", "y"),)
    with pytest.raises(InputError, match="several labels a text"):
        benchmark("nearest_labels", ToyEncoder(), tmp_path)


def test_documents_are_read_once_each(tmp_path):
    """An id that comes twice, and a text that is none, are errors with the line."""
    write(tmp_path / "corpus.jsonl", [{"_id": "a", "text": "x"}, {"_id": "a", "text": "y"}])
    with pytest.raises(InputError, match="line 2: the id 'a' comes twice"):
        files.read_documents(tmp_path)
    write(tmp_path / "corpus.jsonl", [{"_id": "a", "text": "x", "title": 3}])
    with pytest.raises(InputError, match="line 1: a document has an id, a text"):
        files.read_documents(tmp_path)


WRITTEN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    str.strip
)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(WRITTEN, WRITTEN), min_size=1, max_size=8))
def test_csv_and_json_lines_hold_the_same(tmp_path_factory, rows):
    """Whatever the texts hold, a table that Python's csv wrote reads back as the JSON lines do."""
    folder = tmp_path_factory.mktemp("tables")
    told = io.StringIO()
    writer = csv.writer(told, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    (folder / "a.csv").write_bytes(told.getvalue().encode())
    write(folder / "a.jsonl", [{"text": text, "label": label} for text, label in rows])
    found = files.read_labelled(folder / "a.csv")
    assert found == files.read_labelled(folder / "a.jsonl")
    assert list(zip(found.texts, found.labels, strict=True)) == rows


def test_a_row_has_a_cell_for_each_column(tmp_path):
    """One cell too many is an error with its line, not a text that is cut."""
    (tmp_path / "test.csv").write_text("text,label\ncat,words\na, b,words\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: 2 columns were expected, got 3"):
        files.read_labelled(tmp_path / "test.csv")


def test_too_many_rows_are_refused(tmp_path, monkeypatch):
    """A bound on what is held in memory."""
    monkeypatch.setattr(files, "MOST_ROWS", 1)
    path = write(tmp_path / "test.jsonl", [{"text": "a", "label": "x"}] * 2)
    with pytest.raises(InputError, match="line 2: a file may have 1 rows"):
        files.read_labelled(path)


@pytest.mark.slow
@pytest.mark.skipif("LONG_STEPS" not in os.environ, reason="encodes SciFact, which takes some minutes; LONG_STEPS=1")
def test_scifact_reaches_its_published_figure(data_folder, minilm):
    """nDCG@10 of a MiniLM that cuts at its window is 0.645 (MTEB's results); this needs some minutes."""
    from vicinal import encode  # noqa: PLC0415 - the fixture says whether the model is there

    encoder = encode.cached(encode.load("minilm", overflow="cut"))
    with pytest.warns(TruncationWarning, match="were cut at the (model's )?window of 256 tokens"):
        score = benchmark("retrieval", encoder, data_folder / "scifact")
    assert score.environment["cut_texts"] == 3681
    assert score.main == pytest.approx(0.645, abs=0.001)
    assert np.isfinite(list(score.metrics.values())).all()
