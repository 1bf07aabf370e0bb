"""Words and meaning in one search: modes, filters, ties, and what is gone from both sides at once."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.errors import (
    DtypeError,
    IndexBehindWarning,
    InputError,
    RangeError,
    RecordNotFoundError,
    UnknownNameError,
    UnsupportedError,
)
from vicinal.lifecycle import asking, derived, ranking
from vicinal.search.dense import Candidate
from vicinal.search.hybrid import fused
from vicinal.store import Snapshot
from vicinal.testing import ToyEncoder
from vicinal.types import Rank

TEXTS = {
    "bill": "stop the bill and cancel the subscription",
    "code": "error XJ-4821 tells that the pump is dry",
    "rome": "the weather in rome is mild",
}


def spelt(number: int) -> str:
    """Return a word of letters alone for each number, none the beginning of another's stem."""
    return "q" + "".join("bcdfghjkmp"[int(digit)] for digit in f"{number:04d}") + "x"


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """Three records."""
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("notes", model=ToyEncoder())
        made.add([{"id": name, "text": text, "length": len(text)} for name, text in TEXTS.items()])
        yield made


def test_a_code_is_found_by_its_word(notes: vicinal.Collection) -> None:
    """The one record with a code is first by words and by both, and says on which side."""
    for mode in ("lexical", "hybrid"):
        hits = notes.search("XJ-4821", mode=mode, k=2)  # type: ignore[arg-type]  # one of the names
        assert hits[0].id == "code"
        assert Rank(side="lexical", rank=1, score=hits[0].ranks[-1].score) in hits[0].ranks
    assert notes.search("XJ-4821", mode="lexical").score_kind == "bm25"
    assert notes.search("XJ-4821", mode="hybrid", fusion="rrf").score_kind == "rrf"
    assert notes.search("XJ-4821", mode="dense").score_kind == "cosine"
    assert notes.search(notes.encoder.encode_queries(["XJ-4821"])).score_kind == "cosine"
    assert notes.search("XJ-4821").score_kind == notes.search_many(["XJ-4821"])[0].score_kind == "convex"


def test_words_alone_need_no_encoder(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search by words encodes nothing."""
    monkeypatch.setattr(ToyEncoder, "encode_queries", None)
    assert [hit.id for hit in notes.search("weather", mode="lexical")] == ["rome"]
    assert [[hit.id for hit in hits] for hits in notes.search_many(["pump", "nothing"], mode="lexical")] == [
        ["code"],
        [],
    ]


def test_a_filter_holds_on_both_sides(notes: vicinal.Collection) -> None:
    """What the filter leaves out is found by neither side."""
    where = {"length": {"$lt": len(TEXTS["code"])}}
    for mode in ("lexical", "hybrid"):
        assert "code" not in [hit.id for hit in notes.search("XJ-4821 pump", mode=mode, where=where)]  # type: ignore[arg-type]  # one of the names


def test_equal_scores_come_by_id(notes: vicinal.Collection) -> None:
    """Records of one text are ordered by their ids on every side, whichever was written first."""
    notes.add([{"id": name, "text": "twins of a word"} for name in ("z", "m", "c", "k")])
    for mode in ("dense", "lexical", "hybrid"):
        assert [hit.id for hit in notes.search("twins of a word", mode=mode, k=3)] == ["c", "k", "m"]  # type: ignore[arg-type]  # one of the names


def test_wrong_questions_are_refused(notes: vicinal.Collection) -> None:
    """Vectors have no words; unknown names, weights outside of 0 to 1 and empty texts are errors."""
    vector = notes.encoder.encode_queries(["x"])
    with pytest.raises(InputError, match="needs a text"):
        notes.search(vector, mode="hybrid")
    with pytest.raises(InputError, match="needs a text"):
        notes.search_many(vector, mode="lexical")
    with pytest.raises(UnknownNameError, match="mode must be one of dense, lexical, hybrid"):
        notes.search("x", mode="both")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="fusion"):
        notes.search("x", mode="hybrid", fusion="sum")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="weight"):
        notes.search("x", mode="hybrid", weight=1.5)
    with pytest.raises(DtypeError, match="weight"):
        notes.search("x", mode="hybrid", weight="much")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="empty"):
        notes.search(" ", mode="lexical")


def test_the_keyword_index_outlives_its_process(tmp_path: Path) -> None:
    """Built by upkeep, it is opened by the next process, with what was written since; without its files it is made again."""
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("notes", model=ToyEncoder())
        made.add([{"id": f"r{number}", "text": f"{spelt(number)} common"} for number in range(6000)])
        made.compact()
        made.add([{"id": "late", "text": "late common"}])
    words = list((tmp_path / "db" / "index").glob("*/*/words"))
    assert len(words) == 1
    with vicinal.open(tmp_path / "db", read_only=True) as db:
        notes = db.collection("notes", model=ToyEncoder())
        assert [hit.id for hit in notes.search("late", mode="lexical")] == ["late"]
        assert [hit.id for hit in notes.search(spelt(4711), mode="lexical")] == ["r4711"]
        before = [(hit.id, hit.score) for hit in notes.search(f"{spelt(7)} common", mode="hybrid")]
    shutil.rmtree(words[0])
    with vicinal.open(tmp_path / "db", read_only=True) as db:
        notes = db.collection("notes", model=ToyEncoder())
        assert [(hit.id, hit.score) for hit in notes.search(f"{spelt(7)} common", mode="hybrid")] == before


def test_fused_lists_name_their_ranks() -> None:
    """A row of both lists has both ranks; one of a single list has one."""
    found = fused(
        [Candidate(3, 0.9), Candidate(1, 0.5)], [Candidate(3, 7.0), Candidate(2, 1.0)], fusion="rrf", weight=0.5
    )
    assert found[0].row == 3
    assert (found[0].dense, found[0].lexical) == ((1, 0.9), (1, 7.0))
    assert {one.row: (one.dense, one.lexical) for one in found[1:]} == {1: ((2, 0.5), None), 2: (None, (2, 1.0))}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_gone_is_gone_from_both_sides(tmp_path: Path, seed: int) -> None:
    """Random additions, replacements and deletions: each side's next answer is that of a plain model."""
    chance, model = random.Random(seed), dict[str, str]()
    words = [spelt(number) for number in range(40)]
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=ToyEncoder())
        for step in range(120):
            name = f"r{chance.randrange(30)}"
            if chance.random() < 0.6:
                model[name] = " ".join(chance.choices(words, k=chance.randint(1, 6)))
                notes.upsert([{"id": name, "text": model[name]}])
            elif name in model:
                del model[name]
                notes.delete([name])
            if step % 40 == 39:
                notes.compact()
            word = chance.choice(words)
            found = {hit.id for hit in notes.search(word, mode="lexical", k=50)}
            assert found == {one for one, text in model.items() if word in text.split()}, f"step {step}"
            both = notes.search(word, mode="hybrid", k=50)
            assert {hit.id for hit in both} == set(model), f"step {step}"
            assert all(hit.text == model[hit.id] for hit in both)
    assert np.isfinite([hit.score for hit in both]).all()


def test_far_behind_words_are_not_waited_for(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many chunks have no postings a plain search is by vectors and says so; a search by words waits."""
    monkeypatch.setattr(asking, "MOST_BEHIND", 2)
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    with pytest.warns(IndexBehindWarning, match="lacks 3 chunks"):
        hits = notes.search("XJ-4821")
    assert hits.score_kind == "cosine"
    assert notes.search("XJ-4821", mode="lexical")[0].id == "code"
    assert notes.search("XJ-4821").score_kind == "convex"


def test_an_explanation_sums_to_the_scores(notes: vicinal.Collection) -> None:
    """The contributions of words sum to BM25; a record that is not there, or an encoder without tokens, is an error."""
    with pytest.raises(RecordNotFoundError, match="nobody"):
        notes.explain("pump", "nobody")
    with pytest.raises(UnsupportedError, match="token"):
        notes.explain("pump", "code")


def test_a_reranker_reorders_the_candidates(notes: vicinal.Collection) -> None:
    """A function of the user's decides among the candidates; what it is not shown keeps its place behind; a name must be known."""
    shown: list[str] = []

    def shortest(query: str, texts: list[str]) -> list[float]:
        assert query == "the pump"
        shown.extend(texts)
        return [-len(text) for text in texts]

    hits = notes.search("the pump", k=3, rerank=shortest)
    assert [hit.text for hit in hits] == sorted(TEXTS.values(), key=len)
    assert hits.score_kind == "function"
    shown.clear()
    assert len(notes.search("the pump", k=1, rerank=shortest, candidates=2)) == 1
    assert len(shown) == 2
    with pytest.raises(UnknownNameError, match="late-interaction"):
        notes.search("x", rerank="nonsense")
    with pytest.raises(InputError, match="needs a text"):
        notes.search(notes.encoder.encode_queries(["x"]), rerank=shortest)


def test_ties_of_a_common_word_are_bounded(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of chunks that all have one score, no more are read than the bound, and the first by id among those come."""
    read: list[int] = []
    chunks_at = Snapshot.chunks_at
    monkeypatch.setattr(ranking, "MOST_TIES", 20)
    monkeypatch.setattr(
        Snapshot, "chunks_at", lambda self, lane, rows: read.append(len(rows)) or chunks_at(self, lane, rows)
    )
    notes.add([{"id": f"t{number:03}", "text": "same words everywhere"} for number in range(100)])
    assert [hit.id for hit in notes.search("everywhere", mode="lexical", k=3)] == ["t000", "t001", "t002"]
    assert max(read) <= 23


def test_readers_beside_a_writer_never_miss_a_record(notes: vicinal.Collection) -> None:
    """A record that is replaced again and again exists in every commit, so each search by words finds it."""
    notes.add([{"id": "x", "text": "omega first"}])
    stop, missed, asked = threading.Event(), [0], [0]

    def write() -> None:
        number = 0
        while not stop.is_set():
            notes.upsert([{"id": "x", "text": f"omega turn{number}"}])
            number += 1

    def read() -> None:
        while not stop.is_set():
            asked[0] += 1
            missed[0] += not notes.search("omega", mode="lexical")

    threads = [threading.Thread(target=one) for one in (write, read, read, read)]
    for thread in threads:
        thread.start()
    time.sleep(2.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert asked[0] > 10
    assert missed[0] == 0


def test_who_asks_by_vectors_alone_pays_nothing_for_words(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background builds no keyword index before words are asked once; ``compact`` does, since the next may ask them."""
    monkeypatch.setattr(derived, "WORDS_WAITING", 1)
    with notes._store.snapshot() as snapshot:
        lane = snapshot.lane("notes")
    kept = derived.derived_of(notes._store, lane)
    folder = notes._store.folder / "index"
    notes.add([{"id": f"n{number}", "text": f"text {number}"} for number in range(20)])
    notes.search("text", mode="dense")
    kept.upkeep(words=False)
    assert not kept.is_due()
    assert not list(folder.rglob("words"))
    kept.upkeep()
    assert list(folder.rglob("words"))
    notes.add([{"id": f"m{number}", "text": f"text {number}"} for number in range(60)])
    assert kept.is_due()  # there is one by now, and it lacks most of the chunks
