"""The keyword index as its users see it: built, opened, extended, asked, explained."""

from __future__ import annotations

import math
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal.errors import DamagedIndexWarning, DtypeError, RangeError, UnknownNameError
from vicinal.lexical import LexicalIndex, LexicalText, engine
from vicinal.lexical import index as module

TEXTS = [
    LexicalText(row=0, text="The error XJ-4821 is here, said foo@bar.org."),
    LexicalText(row=3, text="Stop the bill now", title="A paper"),
    LexicalText(row=4, text="operating getUserName in 東京都"),
]


@pytest.fixture
def made(tmp_path: Path) -> LexicalIndex:
    """An index of three rows in a folder."""
    return LexicalIndex.build(TEXTS, folder=tmp_path / "lexical", meta={"of": "a lane"})


@pytest.fixture(scope="module")
def kept() -> LexicalIndex:
    """The same index in memory."""
    return LexicalIndex.build(TEXTS)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("XJ-4821", [0]),
        ("xj 4821", [0]),
        ("4821", [0]),
        ("FOO@bar.org", [0]),
        ("bills", [3]),
        ('"stop the bill"', [3]),
        ('"the stop bill"', []),
        ("papers", [3]),
        ("title:paper", [3]),
        ("title:bill", []),
        ("operat*", [4]),
        ("eror~1", [0]),
        ("getusername", [4]),
        ("getUserName", [4]),
        ("user", [4]),
        ("東京", [4]),
        ("都", [4]),
        ("+bill -now", []),
        ("+bill error", [3]),
        ("-error +is", []),
        ("nothing", []),
        ("", []),
    ],
)
def test_what_is_found(kept: LexicalIndex, query: str, rows: list[int]) -> None:
    """Words, phrases, beginnings, misspelt words and codes find the rows that have them."""
    assert kept.search(query, k=5).rows.tolist() == rows


def test_one_score_by_hand() -> None:
    """Two rows of 1 and 3 tokens: the score is the formula's, and its parts are explained."""
    found = LexicalIndex.build([LexicalText(row=0, text="bill"), LexicalText(row=1, text="stop stop stop")])
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    tf_part = 3 / (3 + 1.2 * (1 - 0.75 + 0.75 * 3 / 2))
    assert found.search("stop", k=2).scores.tolist() == pytest.approx([idf * 2.2 * tf_part], abs=1e-4)
    (told,) = found.explain("stop", 1)
    assert (told.kind, told.field, told.tokens, told.tf, told.df, told.length) == ("term", "body", ("stop",), 3, 1, 3)
    assert told.score == pytest.approx(told.weight * told.idf * 2.2 * told.tf_part, abs=1e-4)
    assert found.explain("stop", 0) == ()
    assert found.explain("stop", 99) == ()


def test_scores_do_not_depend_on_what_came_later(tmp_path: Path) -> None:
    """All at once, in memory, or as files and one by one behind them: the same scores."""
    texts = [LexicalText(row=row, text="stop " * (row % 7 + 1) + "the bill " * (row % 3)) for row in range(60)]
    whole = LexicalIndex.build(texts).search("stop bill", k=60)
    for cut in (0, 1, 40):
        grown = LexicalIndex.build(texts[:cut], folder=tmp_path / str(cut))
        for one in texts[cut:]:
            grown = grown.extended([one])
            if one.row % 4 == 0:
                grown.search("stop", k=1)
        found = grown.search("stop bill", k=60)
        assert found.rows.tolist() == whole.rows.tolist()
        assert np.array_equal(found.scores, whole.scores)


def test_an_index_is_frozen(made: LexicalIndex) -> None:
    """What was extended finds the new rows; what it was made of does not, before and after a question."""
    before = made.search("bill", k=5).rows.tolist()
    late = made.extended([LexicalText(row=9, text="another bill")])
    again = made.extended([LexicalText(row=9, text="another bill"), LexicalText(row=10, text="bill")])
    assert late.search("bill", k=5).rows.tolist() == [9, 3]
    assert sorted(again.search("bill", k=5).rows.tolist()) == [3, 9, 10]
    assert made.search("bill", k=5).rows.tolist() == before == [3]
    assert (made.end, late.end, again.end) == (5, 10, 11)
    assert made.extended(()) is made
    assert made.extended((), end=20).end == 20


def test_a_late_reader_of_an_early_index(made: LexicalIndex) -> None:
    """An index that was never asked does not find rows that another one has added meanwhile."""
    middle = made.extended([LexicalText(row=9, text="bill")])
    middle.extended([LexicalText(row=10, text="bill")]).search("bill", k=1)
    assert sorted(middle.search("bill", k=5).rows.tolist()) == [3, 9]


def test_rows_ascend(made: LexicalIndex) -> None:
    """A row that is indexed, or stands before one that is, is refused, and the message holds no text."""
    for row in (4, 0):
        with pytest.raises(RangeError, match="Rows must ascend") as caught:
            made.extended([LexicalText(row=row, text="secret")])
        assert "secret" not in str(caught.value)
    with pytest.raises(RangeError):
        LexicalIndex.build([LexicalText(row=1, text="a"), LexicalText(row=1, text="b")])


def test_opened_as_published(made: LexicalIndex, tmp_path: Path) -> None:
    """Another process finds the same; another meta, language or analysis is passed over in silence."""
    folder = tmp_path / "lexical"
    found = LexicalIndex.open(folder, lambda meta: meta == {"of": "a lane"})
    assert found is not None
    assert found.end == 5
    assert found.search("XJ-4821", k=1).scores.tolist() == made.search("XJ-4821", k=1).scores.tolist()
    assert LexicalIndex.open(folder, lambda meta: meta == {"of": "another"}) is None
    assert LexicalIndex.open(folder, language="de") is None
    assert LexicalIndex.open(tmp_path / "nowhere") is None


def test_another_analysis_is_passed_over(made: LexicalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose tokens were made in another way are not asked."""
    monkeypatch.setattr(module, "fingerprint", lambda: ["other tokens"])
    assert LexicalIndex.open(tmp_path / "lexical") is None


def test_damaged_files_are_left_aside(made: LexicalIndex, tmp_path: Path) -> None:
    """A changed, cut or missing file is a warning, and no index; an older sound one is taken where there is one."""
    folder = tmp_path / "lexical"
    older = made.path
    assert older is not None
    newer = LexicalIndex.build(TEXTS[:1], folder=folder).path
    assert newer is not None
    for file in sorted(newer.glob("*.term")):
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.warns(DamagedIndexWarning, match="does not match its checksum"):
        found = LexicalIndex.open(folder)
    assert found is not None
    assert found.path == older
    next(iter(older.glob("*.idx"))).unlink()
    with pytest.warns(DamagedIndexWarning) as caught:
        assert LexicalIndex.open(folder) is None
    assert [("checksum" in str(one.message), "cannot be read" in str(one.message)) for one in caught] == [
        (True, False),
        (False, True),
    ]


def test_a_folder_that_cannot_be_written(made: LexicalIndex, tmp_path: Path) -> None:
    """Files are only read: nothing in the generation changes, and new rows lie elsewhere."""
    assert made.path is not None
    before = {file.name: file.stat().st_mtime_ns for file in made.path.iterdir()}
    made.path.chmod(0o500)
    try:
        found = LexicalIndex.open(tmp_path / "lexical")
        assert found is not None
        assert len(found.extended([LexicalText(row=9, text="bill")]).search("bill", k=5).rows) == 2
        assert {file.name: file.stat().st_mtime_ns for file in made.path.iterdir()} == before
    finally:
        made.path.chmod(0o700)


def test_a_generation_that_is_removed_serves_on(made: LexicalIndex) -> None:
    """Another process may build anew and remove the old files: who has them open goes on, new rows too."""
    assert made.path is not None
    shutil.rmtree(made.path)
    grown = made
    for row in range(5, 30):
        grown = grown.extended([LexicalText(row=row, text="another bill")])
        assert len(grown.search("bill", k=100).rows) == row - 3
    assert grown.search("XJ-4821", k=1).rows.tolist() == [0]


def test_private_folders_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a process goes with the index, and that of a dead process with the next one; a living one stays."""
    monkeypatch.setattr(engine, "_place", lambda: tmp_path)
    (tmp_path / f"{engine.PRIVATE}dead").mkdir()
    one = LexicalIndex.build(TEXTS, folder=tmp_path / "x")
    two = LexicalIndex.open(tmp_path / "x")
    assert two is not None
    assert len(list(tmp_path.glob(f"{engine.PRIVATE}*"))) == 2
    assert one.search("bill", k=1).rows.tolist() == two.search("bill", k=1).rows.tolist()
    del one, two
    assert list(tmp_path.glob(f"{engine.PRIVATE}*")) == []


def test_an_error_publishes_nothing(tmp_path: Path) -> None:
    """A build that is stopped leaves no generation and no draft, and what was published before serves on."""
    LexicalIndex.build(TEXTS, folder=tmp_path)

    def stopping():
        yield TEXTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LexicalIndex.build(stopping(), folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_many_readers_and_one_that_adds(made: LexicalIndex) -> None:
    """Threads ask one index while another thread extends it; all answers are those of the index that was asked."""
    grown = [made]
    wrong: list[list[int]] = []

    def ask() -> None:
        for _ in range(50):
            found = grown[-1]
            rows = sorted(found.search("bill", k=100).rows.tolist())
            if rows != [3, *range(5, found.end)]:
                wrong.append(rows)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for row in range(5, 20):
        grown.append(grown[-1].extended([LexicalText(row=row, text="bill")]))
    for thread in threads:
        thread.join()
    assert wrong == []


def test_too_many_words_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a question has more words than are scored, the rarest are, and the answer says that it is not complete."""
    texts = [LexicalText(row=row, text=" ".join(f"w{n}w" for n in range(row + 1))) for row in range(300)]
    index = LexicalIndex.build(texts)
    found = index.search(" ".join(f"w{n}w" for n in range(300)), k=1)
    assert not found.complete
    assert found.left_out > 0
    assert found.rows.tolist() == [299]


def test_when_it_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small indexes never are; larger ones are when they are only in memory, grew, or lost many rows."""
    texts = [LexicalText(row=row, text="bill") for row in range(20)]
    assert LexicalIndex.build(()).stale() == ""
    assert LexicalIndex.build(texts).stale() == ""
    monkeypatch.setattr(module, "SMALL_ROWS", 10)
    assert LexicalIndex.build(texts).stale() == "grown"
    saved = LexicalIndex.build(texts, folder=tmp_path)
    assert saved.stale() == ""
    assert saved.stale(13) == "dead"
    more = [LexicalText(row=20 + row, text="bill") for row in range(12)]
    assert saved.extended(more[:7]).stale() == "tail"
    assert saved.extended(more).stale() == "grown"


def test_what_is_told(made: LexicalIndex) -> None:
    """``info`` counts rows, and languages by row; ``progress`` hears of the rows."""
    assert made.info() == {"kind": "bm25", "rows": 3, "tail_rows": 0, "parts": 1, "languages": {"en": 3}}
    heard: list[tuple[int, int]] = []
    LexicalIndex.build(TEXTS, progress=lambda done, known: heard.append((done, known)))
    assert heard == [(0, 3)]


def test_what_is_no_question(made: LexicalIndex) -> None:
    """A query that is no text, a k below 1, a boost that is none, and a language that is none are refused by name."""
    with pytest.raises(DtypeError, match="query must be a string"):
        made.search(7, k=1)
    with pytest.raises(RangeError, match="k must be"):
        made.search("a", k=0)
    with pytest.raises(RangeError, match="title_boost must be"):
        made.search("a", k=1, title_boost=float("nan"))
    with pytest.raises(DtypeError, match="title_boost must be"):
        made.search("a", k=1, title_boost="much")
    with pytest.raises(UnknownNameError, match="language"):
        LexicalIndex.build((), language="klingon")


def test_a_forked_child_removes_nothing_of_its_parent(tmp_path):
    """The folder of a process is removed by that process alone."""
    held = tmp_path / "private"
    held.mkdir()
    engine._remove(held, os.getpid() + 1)
    assert held.exists()
    engine._remove(held, os.getpid())
    assert not held.exists()
