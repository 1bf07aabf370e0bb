"""An encoder that asks a cache first: what is known is not encoded again, and all else is as without a cache."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import texts_list
from vicinal.encode.cache.store import EncodingCache
from vicinal.encode.cache.tables import DIGEST_BYTES
from vicinal.encode.standing_in import StandIn, stand_in
from vicinal.errors import TruncationWarning, UnknownTextWarning, VicinalError
from vicinal.space import Encoder, Space, Vectors, runtime_of
from vicinal.types import Mask, Progress, Rows

BLOCK_TEXTS = 4096
"""Texts that are encoded between two writes: what a kill loses at most."""


def cached(encoder: Encoder, cache: EncodingCache, *, proof: str = "") -> Encoder:
    """Return an encoder that encodes what the cache does not know, and lets it know.

    Parameters
    ----------
    encoder : Encoder
        Any, wrapped ones too. What it says of its runtime (an attribute ``runtime``) is a part of each digest.
    cache : EncodingCache
        May be shared by encoders of many spaces.
    proof : str
        What tells this encoder from another of the same space, where the space cannot: a digest of the vectors of
        probe texts, for a provider's model. A part of each digest.

    Returns
    -------
    Encoder
        Of the same space, with the same vectors, counts of cut texts and errors. ``.encoder`` is the one within:
        probe texts that are to find out what the model gives now must be given to that one.
    """
    return _Cached(encoder, cache, proof)


def uncached(encoder: Encoder) -> Encoder:
    """Return the encoder within, the one that calls its model for every text; any other encoder as it is."""
    if isinstance(encoder, StandIn):
        return stand_in(uncached(encoder.encoder), encoder.space, name=encoder.name)
    return uncached(encoder.encoder) if isinstance(encoder, _Cached) else encoder


class _Cached:
    """An encoder that asks a cache first."""

    def __init__(self, encoder: Encoder, cache: EncodingCache, proof: str = "") -> None:
        self.encoder = encoder
        self.cache = cache
        self._heads = {role: _head(encoder, role, proof) for role in ("query", "document")}

    @property
    def space(self) -> Space:
        """The other's space."""
        return self.encoder.space

    @property
    def max_tokens(self) -> int:
        """The window in tokens."""
        return self.encoder.max_tokens

    @property
    def runtime(self) -> str:
        """What the other says of its runtime, if it says anything."""
        return runtime_of(self.encoder)

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of questions; errors as the other's."""
        return self._encode(texts, "query", progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, D) vectors of documents; errors as the other's."""
        return self._encode(texts, "document", progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens, as the other does."""
        return self.encoder.count_tokens(texts)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the (T, 2) spans of the tokens of each text, as the other does."""
        return self.encoder.token_spans(texts)

    def _encode(self, texts: Sequence[str], role: str, progress: Progress | None) -> Vectors:
        """Fill the vectors of the different texts from the cache and the encoder, and lay each where its text stands."""
        listed = texts_list(texts)
        places: dict[str, int] = {}
        which = np.array([places.setdefault(text, len(places)) for text in listed], dtype=np.int64)
        different = list(places)
        digests = _digests(self._heads[role], different)
        known = self.cache.get(digests, self.space.dim)
        array, cut, missing = known.vectors, known.cut, ~known.found
        self._warn(int(cut[which].sum()), int((~array.any(axis=1) & ~missing)[which].sum()))
        report = _Report(progress, which, missing)
        for rows in _blocks(np.flatnonzero(missing)):
            found = self._call(role, [different[row] for row in rows], which, rows, report)
            array[rows] = found
            cut[rows[list(found.cut_rows)]] = True
            self.cache.add([digests[row] for row in rows], np.asarray(found), cut[rows])
        every = array if len(different) == len(listed) else array[which]
        return Vectors(every, self.space, cut_rows=np.flatnonzero(cut[which]).tolist())

    def _call(self, role: str, texts: list[str], which: Rows, rows: Rows, report: _Report) -> Vectors:
        """Return the encoder's vectors of some texts, its errors telling the caller's rows."""
        encode = self.encoder.encode_queries if role == "query" else self.encoder.encode_documents
        try:
            found = encode(texts, progress=report.part(rows))
        except VicinalError as error:
            if isinstance(error.where, int) and 0 <= error.where < len(rows):
                _renumber(error, int(np.flatnonzero(which == rows[error.where])[0]))
            raise
        self.space.require(found.space, what="what the encoder gave")
        return found

    def _warn(self, cut: int, unknown: int) -> None:
        """Say of vectors that are known what was said when they were encoded."""
        if cut:
            warnings.warn(
                f"{cut} of the texts were cut at the window of {self.max_tokens} tokens when they were encoded; "
                "Vectors.cut_rows names them.",
                TruncationWarning,
                stacklevel=4,
            )
        space = self.space
        if unknown and space.normalized and space.dim == space.full_dim and not space.projection:
            warnings.warn(  # behind a cut or a projection a vector may be zero for other reasons
                f"{unknown} of the texts hold no word that the model knows: their vectors are zero.",
                UnknownTextWarning,
                stacklevel=4,
            )


class _Report:
    """How many texts are done, told to the caller: known ones at once, others as the encoder tells of them."""

    def __init__(self, progress: Progress | None, which: Rows, missing: Mask) -> None:
        self._progress = progress
        self._often = np.bincount(which, minlength=len(missing))
        self._total = len(which)
        self._done = int(self._often[~missing].sum())
        if self._done:
            self._tell(self._done)

    def part(self, rows: Rows) -> Progress:
        """Return what the encoder is to call for a block of the texts."""
        before, share = self._done, int(self._often[rows].sum())
        self._done += share

        def told(done: int, total: int) -> None:
            self._tell(before + share * done // max(total, 1))

        return told

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._total)


def _head(encoder: Encoder, role: str, proof: str = "") -> bytes:
    """Return what stands before a text when its digest is taken: all else that its vector depends on."""
    runtime = runtime_of(encoder)
    return json.dumps(["vicinal-encoding-1", encoder.space.canonical(), runtime, proof, role]).encode() + b"\0"


def _digests(head: bytes, texts: Iterable[str]) -> list[bytes]:
    """Return the BLAKE2b digests of the texts, 16 bytes each."""
    begun = hashlib.blake2b(head, digest_size=DIGEST_BYTES)
    digests = []
    for text in texts:
        one = begun.copy()
        one.update(text.encode())
        digests.append(one.digest())
    return digests


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), BLOCK_TEXTS):
        yield rows[start : start + BLOCK_TEXTS]


def _renumber(error: VicinalError, row: int) -> None:
    """Let an error tell the row of the caller's list instead of that of the block."""
    pattern = rf"\b([Tt]ext|[Rr]ow) {error.where}\b"
    error.message = re.sub(pattern, rf"\g<1> {row}", error.message, count=1)
    error.args = (error.message,)
    error.where = row
