"""What the chunking benchmark counts: characters of answers, whole answers, and where they stand in a ranking."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "benchmarks" / "chunking"), str(ROOT / "benchmarks")]

import judge  # noqa: E402 - it lies beside the program that uses it

QUESTION = judge.Question(text="?", document="a", spans=((10, 20), (30, 40)))
TASK = judge.Task(name="t", documents=[], questions=[QUESTION], digest="")


def test_characters_are_counted_once_for_recall_and_each_time_for_precision() -> None:
    """Of 20 wanted characters [10, 15) is held, twice; 10 characters are handed out, and 10 of another document."""
    recall, precision, iou, whole, characters = judge.overlaps(QUESTION, [("a", 10, 15), ("a", 10, 15), ("b", 10, 20)])
    assert (recall, precision, whole, characters) == (5 / 20, 5 / 20, 0.0, 20.0)
    assert iou == 5 / (20 + 20 - 5)


def test_an_answer_is_whole_when_every_span_is_held() -> None:
    """[0, 25) and [25, 40) hold both spans together."""
    assert judge.overlaps(QUESTION, [("a", 0, 25), ("a", 25, 40)])[::3] == (1.0, 1.0)


def test_nothing_found_counts_as_nothing() -> None:
    """No place, no division by zero."""
    assert judge.overlaps(QUESTION, []) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert judge.ranks(QUESTION, [], [("a", 0, 50)]) == (0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("place", "answered"), [(("a", 10, 20), True), (("a", 11, 20), False), (("b", 0, 90), False)])
def test_a_place_answers_that_holds_one_span_whole(place: judge.Place, answered: bool) -> None:
    """The right document, and no character of the span outside."""
    assert QUESTION.is_answered(place) is answered


def test_ranks_by_hand() -> None:
    """Places 2 and 4 answer, of three that could: 1/2, and (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/log2 4)."""
    held = [("a", 0, 25), ("a", 5, 25), ("a", 25, 45)]
    found = [("b", 0, 25), held[0], ("a", 41, 50), held[1]]
    best = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    expected = (0.0, 1.0, 1.0, 1 / 2, (1 / math.log2(3) + 1 / math.log2(5)) / best)
    assert judge.ranks(QUESTION, found, held) == pytest.approx(expected)


def test_every_measure_is_given_for_every_question() -> None:
    """The names are those of the lines; characters stop at the fifth place, ranks at the tenth."""
    found = [("b", number, number + 1) for number in range(9)] + [("a", 10, 20)]
    table = judge.judged(TASK, [found], found)
    assert set(table) == set(judge.MEASURES)
    assert table["recall"].tolist() == [0.0]
    assert table["characters"].tolist() == [5.0]
    assert table["reciprocal_rank_at_10"].tolist() == [pytest.approx(1 / 10)]
