"""A cache of the test's own, a small network as a teacher, and a teacher whose vectors are sums of word vectors."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from model_worlds import write_model
from vicinal import encode

NOUNS = (
    "ant",
    "bee",
    "cat",
    "dog",
    "elk",
    "fox",
    "gnu",
    "hen",
    "ibis",
    "jay",
    "kite",
    "lynx",
    "mole",
    "newt",
    "owl",
    "pig",
    "quail",
    "ram",
    "swan",
    "toad",
)
VERBS = ("bites", "chases", "feeds", "hears", "likes", "meets", "pulls", "sees")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def network(tmp_path):
    """Return the encoder of a small network with a WordPiece tokenizer of letters."""
    return encode.load(str(write_model(tmp_path / "teacher")), threads=1)


@pytest.fixture
def corpus():
    """Return 400 different texts of one to three sentences, the same in every test."""
    chance = np.random.default_rng(7)
    made = {}
    while len(made) < 400:
        count = int(chance.integers(1, 4))
        made[" ".join(_sentence(chance) for _ in range(count))] = None
    return list(made)


def _sentence(chance):
    return f"The {chance.choice(NOUNS)} {chance.choice(VERBS)} the {chance.choice(NOUNS)}."


class SumTeacher:
    """A function that gives the sum of the vectors of a text's words, and keeps what it was asked."""

    dim = 12

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        """Return the sums."""
        self.asked += texts
        return [sum(map(self.word, text.lower().replace(".", " . ").split()), np.zeros(self.dim)) for text in texts]

    def word(self, word):
        """Return the vector of a word: the same for the same word, one in ten as long for frequent ones."""
        vector = np.random.default_rng(zlib.crc32(word.encode())).standard_normal(self.dim)
        return vector / 10 if word in {"the", "."} else vector


@pytest.fixture
def sums():
    """Return what the teacher ``summing`` calls."""
    return SumTeacher()


@pytest.fixture
def summing(sums):
    """Return a teacher without token ids, which a table of words can follow exactly but for the length of a sum."""
    return encode.FunctionEncoder(sums, name="sums", version="1", dim=sums.dim, batch=64)
