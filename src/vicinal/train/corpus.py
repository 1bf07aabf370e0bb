"""A corpus, however large → the texts to learn from: a sample of whole texts, some of their sentences, and some held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vicinal._arrays import is_encodable
from vicinal.chunk import sentences
from vicinal.errors import DtypeError

MAX_CHARS = 20_000
"""A longer text is learnt from its beginning."""
SENTENCES = 2
"""Of each text of several sentences so many are texts of their own: questions are short."""
MIN_WORDS = 3
"""A sentence of fewer words is none."""
HELD_OUT = 1000
HELD_OUT_SHARE = 20
"""One text in so many is held out, up to ``HELD_OUT``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Texts to learn from, each once: whole ones and sentences of them; and those that are held out, whole."""

    texts: list[str]
    sentences: list[str]
    held_out: list[str]


def sample(corpus: Iterable[str], *, texts: int, seed: int) -> Sample:
    """Return a sample of at most ``texts`` texts of a corpus, each with the same chance.

    The corpus is gone through once; only the sample is kept. Blank texts do not count, equal ones are kept once.

    Raises
    ------
    DtypeError
        The corpus is one string, or holds something that is no string.

    References
    ----------
    Vitter 1985, "Random sampling with a reservoir", algorithm R.
    """
    chance = np.random.default_rng(seed)
    kept: list[str] = []
    for place, text in enumerate(_sound(corpus)):
        if place < texts:
            kept.append(text)
        elif (chosen := int(chance.integers(place + 1))) < texts:
            kept[chosen] = text
    different = list(dict.fromkeys(kept))
    mixed = [different[place] for place in chance.permutation(len(different)).tolist()]
    split = min(HELD_OUT, len(mixed) // HELD_OUT_SHARE)
    pieces = [piece for text in mixed[split:] for piece in _pieces(text, chance)]
    whole = dict.fromkeys(mixed)
    return Sample(
        texts=mixed[split:],
        sentences=[piece for piece in dict.fromkeys(pieces) if piece not in whole],
        held_out=mixed[:split],
    )


def _sound(corpus: Iterable[str]) -> Iterator[str]:
    """Go through the texts that hold something, cut at ``MAX_CHARS``."""
    if isinstance(corpus, str | bytes):
        raise DtypeError(
            "corpus must be texts, got one string; put it in a list.", expected="list[str]", where="corpus"
        )
    for place, text in enumerate(corpus):
        if not isinstance(text, str):
            raise DtypeError(
                f"corpus[{place}] must be a string, got {type(text).__name__}.",
                expected="str",
                got=type(text).__name__,
                where=place,
            )
        beginning = text[:MAX_CHARS].strip()
        if beginning and is_encodable(beginning):
            yield beginning


def _pieces(text: str, chance: np.random.Generator) -> list[str]:
    """Return some sentences of a text of several."""
    spans = sentences(text)
    found = [text[start:end] for start, end in spans if len(text[start:end].split()) >= MIN_WORDS]
    if len(spans) < 2 or not found:  # noqa: PLR2004 - a text of one sentence is that sentence
        return []
    return [found[place] for place in np.sort(chance.permutation(len(found))[:SENTENCES]).tolist()]
