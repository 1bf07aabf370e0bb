"""Two collections of one database for the tests of the bridge: encoders whose vectors depend on words, and a plain twin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from vicinal.chunk import Chunker
from vicinal.errors import TooLongError
from vicinal.lifecycle.bridge import Cascade, Fitted, fit_pairs
from vicinal.lifecycle.bridge.plain import cascade
from vicinal.lifecycle.ingest import WHOLE, chunker_for, cut_up, prepare
from vicinal.lifecycle.question import Question
from vicinal.space import Vectors
from vicinal.store import Store, beside
from vicinal.testing import ToyEncoder
from vicinal.types import Document

WORDS = [f"word{letter}{other}" for letter in "abcdefgh" for other in "stuvw"]


class WordEncoder(ToyEncoder):
    """An encoder of 8 numbers: the sum of a direction for each word, another one for each ``name``.

    ``during`` is called each time before documents are encoded: what happens while a model reads.
    ``refused`` texts are too long for it.
    """

    def __init__(
        self,
        name: str,
        *,
        max_tokens: int = 256,
        during: Callable[[], object] | None = None,
        refused: Callable[[str], bool] = lambda _: False,
        overflow: str = "chunk",
    ) -> None:
        super().__init__(max_tokens=max_tokens, overflow=overflow)
        self._space = replace(self._space, weights=f"words {name}")
        self.name = name
        self.during = during
        self.refused = refused
        self.read: list[str] = []

    def counts(self, text: str) -> np.ndarray:
        """Return the sum of the directions of the words, before it is brought to unit length."""
        total = np.full(8, 0.05)
        for word in text.split():
            total += _direction(self.name, word)
        return total.astype(np.float32)

    def encode_documents(self, texts: Sequence[str], *, progress=None) -> Vectors:
        """Return the vectors of documents, once what happens meanwhile has happened."""
        if self.during is not None:
            self.during()
        if any(map(self.refused, texts)):
            raise TooLongError("refused")
        self.read += texts
        return super().encode_documents(texts, progress=progress)


@cache
def _direction(name: str, word: str) -> np.ndarray:
    """Return eight numbers: most of them the word's own, some the encoder's, so that spaces are turned, and differ."""
    own = np.random.default_rng(int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little"))
    other = np.random.default_rng(
        int.from_bytes(hashlib.blake2b(f"{name} {word}".encode(), digest_size=8).digest(), "little")
    )
    turn = np.linalg.qr(np.random.default_rng(len(name)).standard_normal((8, 8)))[0]
    return (own.standard_normal(8) + 0.3 * other.standard_normal(8)) @ turn


class World:
    """A database with an old and a new collection; ``is_twin`` puts the new one beside the old, as a migration does."""

    def __init__(
        self, folder: Path, *, old: WordEncoder | None = None, new: WordEncoder | None = None, is_twin: bool = False
    ) -> None:
        self.store = Store.open(folder)
        self.target = beside("old") if is_twin else "new"
        self.old = WordEncoder("before") if old is None else old
        self.new = WordEncoder("later", max_tokens=9) if new is None else new
        for name, encoder in (("old", self.old), (self.target, self.new)):
            with self.store.write() as transaction:
                chunker = WHOLE if name == "old" else chunker_for(encoder).id
                transaction.create_collection(name, model="", space=encoder.space, chunker=chunker)

    @property
    def chunker(self) -> Chunker:
        """What cuts the records of the new collection up."""
        return chunker_for(self.new)

    def put(self, records: dict[str, tuple[str, dict]], *, to: str = "old") -> None:
        """Write records, id → (text, fields), in place of those there are."""
        encoder, chunker = (self.old, None) if to == "old" else (self.new, self.chunker)
        to = self.target if to == "new" else to
        documents = [Document(id=name, text=text, fields=fields) for name, (text, fields) in records.items()]
        kept, encoder.during = getattr(encoder, "during", None), None
        prepared = prepare(
            documents,
            cut_up(documents, encoder, chunker),
            encoder=encoder,
            chunker=WHOLE if chunker is None else chunker.id,
            origins=[""] * len(documents),
        )
        encoder.during = kept
        with self.store.write() as transaction:
            transaction.put(transaction.lane(to), prepared.records, prepared.vectors, replace_existing=True)

    def change(self, name: str, text: str, fields: dict | None = None) -> None:
        """Give a record another text, as a writer does that knows of both: the old vectors of the new one go at once."""
        documents = [Document(id=name, text=text, fields=fields or {})]
        prepared = prepare(documents, cut_up(documents, self.old, None), encoder=self.old, chunker=WHOLE, origins=[""])
        with self.store.write() as transaction:
            transaction.put(transaction.lane("old"), prepared.records, prepared.vectors, replace_existing=True)
            transaction.delete(transaction.lane(self.target), [name])

    def delete(self, name: str, *, both: bool = True) -> None:
        """Delete a record, from both collections as a dual write does, or from the old one alone."""
        with self.store.write() as transaction:
            transaction.delete(transaction.lane("old"), [name])
            if both:
                transaction.delete(transaction.lane(self.target), [name])

    def fields(self, name: str, fields: dict) -> None:
        """Give a record other fields, in the old collection alone."""
        with self.store.write() as transaction:
            transaction.set_fields(transaction.lane("old"), {name: fields}, merge=False)

    def fitted(self, sample: int = 4000) -> Fitted:
        """Return the bridge, fitted without anything happening meanwhile."""
        kept, self.new.during = self.new.during, None
        try:
            return fit_pairs(self.store, "old", encoder=self.new, sample=sample)
        finally:
            self.new.during = kept

    def cascade(self, **said) -> Cascade:
        """Return the cascade."""
        told = {"fitted": self.fitted()} | said
        return Cascade(store=self.store, old="old", new=self.target, encoder=self.new, **told)

    def held(self, name: str = "new") -> dict[str, str]:
        """Return id → digest of the text of each record of a collection."""
        with self.store.snapshot() as snapshot:
            lane = snapshot.lane(self.target if name == "new" else name)
            return {one.id: one.text_digest for one in snapshot.ledger(lane, list(snapshot.ids(lane))).values()}

    def twin(self, query: str, among: Sequence[str], k: int) -> list[tuple[str, int, float]]:
        """Return the best chunks of some records of the old collection as it is now, by the plain twin."""
        with self.store.snapshot() as snapshot:
            stored = snapshot.chunks_of(snapshot.lane("old"), list(among))
        kept, self.new.during = self.new.during, None
        vectors = {}
        for name, one in stored.items():
            (chunks,) = cut_up([Document(id=name, text=one.record.text)], self.new, self.chunker)
            vectors[name] = np.asarray(self.new.encode_documents([chunk.text for chunk in chunks])).tolist()
        question = np.asarray(self.new.encode_queries([query]))[0].tolist()
        self.new.during = kept
        return cascade(question, fetched=list(stored), vectors=vectors, held=[], k=k)

    def close(self) -> None:
        """Close the store."""
        with suppress(Exception):
            self.store.close()


def question(k: int = 5, **said) -> Question:
    """Return a question that compares every vector."""
    return Question(k=k, recall=1.0, **said)


def texts(count: int, *, seed: int = 0, least: int = 4, most: int = 20) -> list[str]:
    """Return texts of some words."""
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(WORDS, chance.integers(least, most))) for _ in range(count)]
