"""Laws of the keyword index: whatever comes and goes, it is BM25 as a page of plain Python computes it."""

from __future__ import annotations

import os
import random
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal.lexical import LexicalIndex, LexicalText, analysed
from vicinal.lexical.engine import row_of
from vicinal.lexical.plain import PlainIndex, edits_between, stored_length
from vicinal.lexical.query import clauses_of
from vicinal.lexical.scoring import weights_of

WORDS = [
    *("stop", "the", "bill", "bills", "billing", "error", "XJ-4821", "E1234", "v2.3.1", "foo@bar.org", "127.0.0.1"),
    *(
        "getUserName",
        "getusername",
        "snake_case",
        "running",
        "runs",
        "café",
        "cafe",
        "Straße",
        "東京都",
        "京都",
        "naïve",
    ),
    *(
        "don't",
        "patient's",
        "3.14",
        "1,000",
        "C++",
        ".NET",
        "alpha",
        "beta",
        "gamma",
        "delta",
        "log.XJ-4821",
        "universe",
    ),
]
PATTERNS = (
    "{0}",
    "{0} {1}",
    '"{0} {1}"',
    "{0} +{1}",
    "{0} -{1}",
    "{0}*",
    "{0}~1",
    "title:{0} {1}",
    '+"{0} {1}" {2}',
    "{0} {0} {1} {2}",
)
TOLERANCE = 2e-4  # two scores within 1e-4 of the formula's


class World:
    """An index, its plain twin, and the rows that live."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.index = LexicalIndex.build(())
        self.texts: dict[int, LexicalText] = {}
        self.alive: set[int] = set()
        self.plain = PlainIndex()
        self.next_row = 0

    def words(self, most: int) -> str:
        """Return some words."""
        return " ".join(self.chance.choices(WORDS, k=self.chance.randint(0, most)))

    def add(self) -> None:
        """Add some rows behind the last."""
        new = []
        for _ in range(self.chance.randint(1, 4)):
            self.next_row += self.chance.choice((0, 0, 0, 5))
            new.append(LexicalText(row=self.next_row, text=self.words(14), title=self.words(3)))
            self.next_row += 1
        self.index = self.index.extended(new)
        for one in new:
            self.texts[one.row] = one
            self.alive.add(one.row)
            self.plain.rows[one.row] = row_of(one.text, one.title, "auto")

    def delete(self) -> None:
        """Let a row die: it is masked, and counts still."""
        if self.alive:
            self.alive.discard(self.chance.choice(sorted(self.alive)))

    def build(self) -> None:
        """Build anew, in memory or as files, of what lives."""
        living = [self.texts[row] for row in sorted(self.alive)]
        folder = self.chance.choice((None, self.folder / "kept"))
        self.index = LexicalIndex.build(living, folder=folder, end=self.next_row)
        self.plain = PlainIndex({one.row: row_of(one.text, one.title, "auto") for one in living})

    def ask(self) -> None:
        """Compare the answers to one question."""
        words = self.chance.choices(WORDS, k=3)
        query = self.chance.choice(PATTERNS).format(*words)
        boost = self.chance.choice((0.0, 0.0, 1.5))
        k = self.chance.choice((1, 3, 10, 1000))
        if not self.plain.rows:
            assert not len(self.index.search(query, k=k).rows)
            return
        lets = self.alive if self.chance.random() < 0.5 else {r for r in self.alive if r % 3 == 0}
        mask = np.zeros(self.next_row, dtype=np.bool_)
        mask[sorted(lets)] = True
        clauses = self.index.clauses(query)
        weights, _ = weights_of(self.index._reading()[0], clauses, boost)
        wanted = self.plain.search(weights, clauses, k=k, lets=lets.__contains__)
        found = self.index.search(query, k=k, mask=mask, title_boost=boost)
        self.compare(query, found, wanted)
        for row in found.rows[:1].tolist():
            parts = self.index.explain(query, row, title_boost=boost)
            assert sum(one.score for one in parts) == pytest.approx(found.scores[0], abs=1e-4)

    def compare(self, query: str, found, wanted) -> None:
        """The same rows in the same order but for scores that are equal within the tolerance."""
        assert len(found.rows) == len(wanted), query
        expected = np.array([score for _, score in wanted])
        assert np.abs(found.scores - expected).max(initial=0) < TOLERANCE, query
        order = {row: place for place, (row, _) in enumerate(wanted)}
        last = expected[-1] if len(expected) else 0.0
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
            if row not in order:
                assert abs(score - last) < TOLERANCE, query
            else:
                assert abs(score - expected[order[row]]) < TOLERANCE, query
        for left, right in zip(range(len(found.rows)), range(1, len(found.rows)), strict=False):
            assert (-found.scores[left], found.rows[left]) < (-found.scores[right], found.rows[right])


def run(folder: Path, seed: int, steps: int) -> None:
    """Take random steps, most of them questions."""
    world = World(folder, seed)
    for _ in range(steps):
        kind = world.chance.random()
        if kind < 0.3:
            world.add()
        elif kind < 0.4:
            world.delete()
        elif kind < 0.43:
            world.build()
        else:
            world.ask()


@pytest.mark.parametrize("seed", range(2))
def test_random_steps_agree_with_plain_bm25(tmp_path: Path, seed: int) -> None:
    """After any additions, deaths and builds, every question has the answers and scores of the plain formula."""
    run(tmp_path, seed, 160)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("LONG_STEPS", "3000")) // 200))
def test_thousands_of_steps_agree_with_plain_bm25(tmp_path: Path, seed: int) -> None:
    """The same in many histories of 200 steps; ``LONG_STEPS=10000`` asks for fifty."""
    run(tmp_path, 100 + seed, 200)


@settings(max_examples=150)
@given(query=st.text(max_size=60))
def test_no_question_is_refused(query: str) -> None:
    """Any text at all is a question: it has answers or none, and they stand in order."""
    index = _few()
    found = index.search(query, k=3)
    assert len(found.rows) <= 3
    assert np.all(np.diff(found.scores) <= 0)


@settings(max_examples=150)
@given(query=st.text(alphabet="abc 12東é" + string.punctuation, max_size=30))
def test_no_punctuation_is_refused(query: str) -> None:
    """Signs of the language in any order are read somehow; what is explained sums to the score."""
    index = _few()
    found = index.search(query, k=2)
    for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
        assert sum(one.score for one in index.explain(query, row)) == pytest.approx(score, abs=1e-4)


@settings(max_examples=150)
@given(word=st.text(min_size=1, max_size=20), end=st.sampled_from(["*", "~1", "~2"]))
def test_no_beginning_and_no_misspelling_is_refused(word: str, end: str) -> None:
    """Whatever is typed before the sign, there are answers or none."""
    assert len(_few().search(f"ab{word}{end}", k=3).rows) <= 3


@settings(max_examples=200)
@given(text=st.text(max_size=80))
def test_the_same_text_has_the_same_tokens(text: str) -> None:
    """Tokens depend on the text alone, hold no white space, and are never empty."""
    first = analysed(text)
    analysed("something else " + text)
    assert analysed(text) == first
    for token in (*first.words, *first.kept, *first.forms):
        assert token
        assert len(token.split()) == 1


@settings(max_examples=40)
@given(code=st.from_regex(r"[A-Z]{1,3}[-_.:/]?[0-9]{1,6}([-_.][a-zA-Z0-9]{1,4}){0,3}", fullmatch=True))
def test_no_code_is_lost(code: str) -> None:
    """A code in a sentence is found by itself, whatever punctuation is around it."""
    index = LexicalIndex.build(
        [LexicalText(row=0, text="nothing of the kind"), LexicalText(row=1, text=f"An error ({code}), said the log.")]
    )
    assert index.search(code, k=1).rows.tolist() == [1]
    assert index.search(code.lower(), k=1).rows.tolist() == [1]


@given(length=st.integers(0, 5000))
def test_a_stored_length_is_near_and_below(length: int) -> None:
    """A length kept in a byte is exact up to 40, and an eighth too short at most."""
    stored = stored_length(length)
    assert stored == length if length <= 40 else length * 7 / 8 < stored <= length


def test_edits_by_hand() -> None:
    """One sign put in, left out, changed, or swapped with its neighbour is one edit."""
    assert [edits_between("bill", other) for other in ("bill", "bil", "bills", "ball", "blil", "lib")] == [
        0,
        1,
        1,
        1,
        1,
        3,
    ]


_KEPT: list[LexicalIndex] = []


def _few() -> LexicalIndex:
    """Return an index of three rows, the same each time."""
    if not _KEPT:
        rows = ["ab abc 12 c", "東京 é a-b a.b c12", "b b cc abc abd 1 2"]
        _KEPT.append(LexicalIndex.build(LexicalText(row=row, text=text) for row, text in enumerate(rows)))
    return _KEPT[0]


def test_clauses_need_no_index() -> None:
    """A question can be taken apart without any index."""
    assert clauses_of("stop -bill", ("en",))[1].occur == "not"
