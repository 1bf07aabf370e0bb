"""Distilling: the student loads, follows its teacher, is the same for a seed, and an interruption costs little."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from vicinal import encode
from vicinal.errors import AlreadyExistsError, DtypeError, RangeError, UnknownTextWarning
from vicinal.testing import check_encoder
from vicinal.train import distill

module = importlib.import_module("vicinal.train.distill")
"""The package gives the name to the function."""
TIMED = 4


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Measure speed once and briefly: its figure is not what is tested here."""
    monkeypatch.setattr("vicinal.train.report.MIN_TIMED_S", 0.0)
    monkeypatch.setattr(module, "TIMED_TEXTS", TIMED)


def test_a_student_follows_a_teacher_of_sums(summing, corpus, tmp_path):
    """A teacher that adds word vectors is followed on texts that were held out; the order of words plays no part.

    The ranks of similarities agree less than the neighbours do: the student's vectors are centred, the teacher's are not.
    """
    report = distill(summing, tmp_path / "student", corpus=corpus, dim=12)
    assert report.spearman > 0.75
    assert report.overlap_at_10 > 0.75
    assert (report.texts, report.held_out, report.complete) == (380, 20, True)
    student = encode.load(str(tmp_path / "student"))
    ours = np.asarray(
        student.encode_queries(["The cat likes the owl.", "The owl likes the cat.", "The pig sees the toad."])
    )
    assert ours[0] == pytest.approx(ours[1], abs=1e-6)
    assert ours[0] @ ours[2] < 0.5


def test_the_folder_is_a_model_like_any_other(network, corpus, tmp_path):
    """It loads by its path, keeps the contract of encoders, and its files are all that is left."""
    report = distill(network, tmp_path / "out" / "student", corpus=corpus, dim=8)
    student = encode.load(report.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownTextWarning)
        check_encoder(student)
    assert (student.space.dim, report.dim, report.tokens, report.words) == (8, 8, 57, 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["student"]
    names = {path.name for path in Path(report.folder).iterdir()}
    assert names == {"model.safetensors", "tokenizer.json", "config.json", "modules.json", "1_Normalize", "README.md"}
    assert f"{report.spearman:.3f}" in (Path(report.folder) / "README.md").read_text()
    assert str(tmp_path) not in (Path(report.folder) / "README.md").read_text()
    assert report.size_bytes == (Path(report.folder) / "model.safetensors").stat().st_size
    assert report.speedup == report.student_texts_per_s / report.teacher_texts_per_s


def test_words_of_the_corpus_have_rows_of_their_own(network, corpus, tmp_path):
    """With words the table has as many rows more, and the corpus's words are met as one token each."""
    report = distill(network, tmp_path / "student", corpus=corpus, dim=8, words=20, vocabulary=["zebra"])
    assert (report.words, report.tokens) == (21, 57 + 21)
    student = encode.load(report.folder)
    assert student.count_tokens(["the zebra chases", "xyz"]).tolist() == [3, 3]


def test_a_seed_fixes_every_byte(network, corpus, tmp_path, monkeypatch):
    """The same call gives the same table, in one thread and in two; another seed gives another."""
    found = {}
    for name, seed, threads in (("a", 0, "1"), ("b", 0, "2"), ("c", 1, "1")):
        monkeypatch.setenv("VICINAL_THREADS", threads)
        folder = distill(network, tmp_path / name, corpus=corpus, dim=8, seed=seed).folder
        found[name] = [(Path(folder) / file).read_bytes() for file in ("model.safetensors", "tokenizer.json")]
    assert found["a"] == found["b"]
    assert found["a"] != found["c"]


def test_without_a_corpus_tokens_must_do(network, tmp_path):
    """The table is made of the tokens alone; there is no agreement to measure, but a speed."""
    report = distill(network, tmp_path / "student", dim=16)
    assert (report.texts, report.sentences, report.held_out, report.spearman) == (0, 0, 0, None)
    assert report.student_texts_per_s > 0
    assert json.loads((tmp_path / "student" / "config.json").read_text())["apply_zipf"] is True


def test_an_interrupted_run_continues(summing, sums, corpus, tmp_path, monkeypatch):
    """What the teacher said before the interruption is not asked again, and the result is that of one run."""
    monkeypatch.setattr(module, "AT_ONCE", 50)

    def stop(done, total):
        if done > total * 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(summing, tmp_path / "student", corpus=corpus, dim=12, progress=stop)
    assert [path.name for path in tmp_path.iterdir() if "student" in path.name] == ["student.work"]
    before = {text for text in sums.asked if " " in text}
    sums.asked.clear()
    distill(summing, tmp_path / "student", corpus=corpus, dim=12)
    again = [text for text in sums.asked if " " in text and text in before]
    assert len(before) > 150
    assert len(set(again)) <= TIMED
    assert not (tmp_path / "student.work").exists()
    distill(summing, tmp_path / "whole", corpus=corpus, dim=12)
    assert _table(tmp_path / "student") == _table(tmp_path / "whole")


def test_a_named_work_folder_stays(summing, sums, corpus, tmp_path):
    """It is kept, so that another size of the same student costs no second pass of the teacher."""
    for dim in (12, 4):
        sums.asked.clear()
        distill(summing, tmp_path / str(dim), corpus=corpus, dim=dim, work=tmp_path / "kept")
    assert (tmp_path / "kept").is_dir()
    assert len({text for text in sums.asked if " " in text}) <= TIMED


def _table(folder):
    return (folder / "model.safetensors").read_bytes()


def test_time_that_is_over_ends_the_questions(summing, corpus, tmp_path, monkeypatch):
    """After the minutes one part has been learnt from, not all, and the report says so."""
    monkeypatch.setattr(module, "AT_ONCE", 50)
    report = distill(summing, tmp_path / "student", corpus=corpus, dim=12, minutes=1e-9)
    assert not report.complete
    assert report.texts + report.sentences == 50


def test_progress_ends_at_the_total(network, corpus, tmp_path):
    """Tokens, texts and steps are counted; progress never goes back and ends at the total."""
    told = []
    distill(
        network, tmp_path / "student", corpus=corpus, dim=8, progress=lambda done, total: told.append((done, total))
    )
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == totals[-1] == max(totals)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"dim": 0}, RangeError),
        ({"dim": 13}, RangeError),
        ({"dim": 2.5}, DtypeError),
        ({"words": -1}, RangeError),
        ({"texts": 5}, RangeError),
        ({"seed": -1}, RangeError),
        ({"minutes": 0}, RangeError),
        ({"minutes": float("nan")}, RangeError),
        ({"minutes": True}, DtypeError),
        ({"vocabulary": "word"}, DtypeError),
        ({"corpus": "text"}, DtypeError),
        ({"corpus": ["a text"] * 50}, RangeError),
    ],
)
def test_wrong_settings_are_refused_before_the_teacher_is_asked(summing, sums, corpus, tmp_path, settings, error):
    """Each has its error, nothing was encoded, and nothing is left."""
    with pytest.raises(error):
        distill(summing, tmp_path / "student", **({"corpus": corpus, "dim": 12} | settings))
    assert sums.asked == []
    assert not (tmp_path / "student").exists()
    assert not (tmp_path / "student.work").exists()


def test_what_is_there_is_not_replaced(summing, sums, corpus, tmp_path):
    """A folder with something in it is refused before anything is asked."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AlreadyExistsError):
        distill(summing, tmp_path, corpus=corpus, dim=12)
    assert sums.asked == []


@pytest.mark.train
def test_sentence_transformers_reads_the_folder(network, corpus, tmp_path):
    """Its static embedding gives the same vectors to 1e-6."""
    library = pytest.importorskip("sentence_transformers")
    folder = distill(network, tmp_path / "student", corpus=corpus, dim=8).folder
    texts = ["The cat likes the owl.", "the dog, the dog"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = library.SentenceTransformer(folder, device="cpu").encode(texts)
    assert np.asarray(encode.load(folder).encode_documents(texts)) == pytest.approx(theirs, abs=1e-6)
