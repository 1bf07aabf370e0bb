"""A collection of which only a sample is looked at: what is said of the whole must hold for the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import doctor_worlds as worlds
from vicinal.collection import Collection
from vicinal.lifecycle.doctor import Health, Question, duplicates, examine
from vicinal.space import Vectors
from vicinal.types import Floats

COUNT = 2000
SAMPLED = 200


def sampled(collection: Collection) -> Health:
    """Return the health by one chunk in ten; the database is closed."""
    question = Question(encoder=collection._uncached_encoder, asked=0.98, samples=10, rows=SAMPLED)
    try:
        return examine(collection._store, collection.name, question)
    finally:
        collection._store.close()


def repeated_by(path: Path, groups: list[int]) -> Collection:
    """Return a collection in which the first texts come so many times each, and all others once."""
    places = np.concatenate([np.repeat(np.arange(len(groups)), groups), np.arange(len(groups), COUNT)])[:COUNT]
    texts, vectors = worlds.texts(COUNT), np.asarray(worlds.vectors(COUNT))
    return worlds.filled(path, [texts[place] for place in places], Vectors(vectors[places], worlds.encoder().space))


@pytest.mark.parametrize(
    ("groups", "share"),
    [([], 0.0), ([60], 59 / COUNT), ([8] * 10, 70 / COUNT), ([2] * 400, 400 / COUNT), ([10] * 120, 1080 / COUNT)],
    ids=["none", "one text 60 times", "ten texts 8 times", "a fifth twice", "most ten times"],
)
def test_the_share_of_equal_texts_is_that_of_the_whole(tmp_path: Path, groups: list[int], share: float) -> None:
    """However often each comes: a frequent one fills a sample with copies, and is no more than it is."""
    found = sampled(repeated_by(tmp_path / "n.vicinal", groups))
    check = found.check("equal texts")
    assert found.sampled == SAMPLED
    assert check.value == pytest.approx(share, abs=0.07)
    assert check.state == ("ok" if share < 0.1 else "alarm" if share > 0.3 else "notice")


def test_one_place_with_many_texts_counts_as_many_as_lie_there(tmp_path: Path) -> None:
    """3 % of the texts lie in one place: a notice, and no alarm that tells of a third of all."""
    rows = np.array(worlds.vectors(COUNT))
    rows[:60] = rows[0]
    found = sampled(
        worlds.filled(tmp_path / "n.vicinal", worlds.texts(COUNT), Vectors(rows, worlds.encoder().space))
    ).check("near-identical vectors")
    assert found.value == pytest.approx(0.03, abs=0.025)
    assert found.state != "alarm"
    assert all(int(one[1:]) < 60 for pair in found.details["pairs"] for one in pair)


def test_what_lies_where_a_vector_lies() -> None:
    """By hand: of four in one place two have the text of the first, one has another; without a text nothing is equal."""
    vectors = np.array([[2, 0], [1, 0], [3, 0], [1, 0.001], [0, 1]], dtype=np.float32)
    digests = [b"a", b"a", b"a", b"b", b""]

    def read(rows: np.ndarray) -> tuple[Floats, list[bytes], list[str]]:
        return vectors[rows], [digests[row] for row in rows], [f"r{row}" for row in rows]

    nearest = np.array([[1, 0, 2, 3], [4, -1, -1, -1]])
    first, last = duplicates.sought(np.array([0, 4]), vectors[[0, 4]], nearest, read)
    assert (first.id, first.equal, first.other) == ("r0", ("r1", "r2"), "r3")
    assert (last.is_text, last.equal, last.other) == (False, (), None)
    equal, near = duplicates.check_sought([first, last])
    assert equal.value == pytest.approx(1 - 1 / 3)
    assert near.value == pytest.approx(1 / 2)
    assert duplicates.check_sought([])[0].state == "skipped"
