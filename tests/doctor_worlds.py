"""A small healthy collection: texts of topics in English, and an encoder whose vectors follow their words."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np

import vicinal
from vicinal.collection import Collection
from vicinal.encode import FunctionEncoder
from vicinal.space import Vectors
from vicinal.types import Floats

DIM = 96
COUNT = 800
TOPICS = 40
WORDS_OF_A_TOPIC = 14
WORDS = 24
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")
STOPS = ("the", "of", "and", "in", "is", "was", "with", "from", "that", "this")


@cache
def direction(word: str) -> Floats:
    """Return the vector of a word: long ones each its own, short ones a weak one, foreign ones all the same."""
    known = word.isascii()
    random = np.random.default_rng(zlib.crc32(word.encode()) if known else 1)
    weight = 0.15 if known and len(word) < 5 else 1.0
    return (weight * random.standard_normal(DIM)).astype(np.float32)


def function(texts: list[str]) -> Floats:
    """Return the sum of the vectors of a text's words; what is no text gets a direction of its own."""
    return np.stack([np.sum([direction("(nothing)"), *map(direction, text.split())], axis=0) for text in texts])


def other_function(texts: list[str]) -> Floats:
    """Return what another model would give: the same in other directions."""
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((DIM, DIM)))[0].astype(np.float32)
    return function(texts) @ turn


def encoder(of: object = function, **settings: object) -> FunctionEncoder:
    """Return the encoder of the worlds, or one of another function that claims to be it."""
    return FunctionEncoder(of, name="words", version="1", dim=DIM, **settings)  # type: ignore[arg-type]


def word(random: np.random.Generator) -> str:
    """Return a word of three or four syllables."""
    return "".join(SYLLABLES[place] for place in random.integers(0, len(SYLLABLES), random.integers(3, 5)))


@cache
def texts(count: int = COUNT) -> tuple[str, ...]:
    """Return texts, each of one topic, with words of others and stop words between."""
    random = np.random.default_rng(0)
    topics = [[word(random) for _ in range(WORDS_OF_A_TOPIC)] for _ in range(TOPICS)]
    every = [one for topic in topics for one in topic]
    found = []
    for _ in range(count):
        topic = topics[random.integers(0, TOPICS)]
        parts = [
            topic[random.integers(0, WORDS_OF_A_TOPIC)]
            if random.random() < 0.6
            else every[random.integers(0, len(every))]
            for _ in range(WORDS)
        ]
        stops = [STOPS[place] for place in random.integers(0, len(STOPS), WORDS // 3)]
        found.append(" ".join([*parts, *stops]))
    return tuple(found)


@cache
def vectors(count: int = COUNT) -> Vectors:
    """Return their vectors."""
    return encoder().encode_documents(list(texts(count)))


def changed(array: Floats) -> Vectors:
    """Return an array as vectors of the world's space."""
    return Vectors(array.astype(np.float32), encoder().space)


def filled(
    path: Path, given: tuple[str, ...] | list[str] | None = None, array: Vectors | None = None, **settings: object
) -> Collection:
    """Return a new collection of records, its database open for writing; with the healthy texts and vectors by default."""
    collection = vicinal.open(path).collection("main", model=encoder(**settings))
    given = texts() if given is None else given
    records = [{"id": f"r{number}", "text": text} for number, text in enumerate(given)]
    collection.add(records, vectors=vectors() if array is None and len(given) == COUNT else array)
    return collection
