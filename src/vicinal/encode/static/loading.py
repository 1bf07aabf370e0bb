"""A static model's files → its encoder: Model2Vec, static models of sentence-transformers, and files of word vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of
from vicinal.encode.encoder import OVERFLOWS
from vicinal.encode.static.encoder import Parts, StaticEncoder
from vicinal.errors import ModelLoadError, UnsupportedError
from vicinal.models import Found, Pin
from vicinal.models.settings import read_json_value
from vicinal.space import Space
from vicinal.types import Floats, Overflow

__all__ = ["StaticEncoder", "load_folder", "load_words", "sif_weights"]

WEIGHTINGS = ("mean", "sif")
SIF_A = 1e-3
"""The constant a of smooth inverse frequency: what its authors use, and found anything from 1e-4 to 1e-3 to serve."""
MAX_TOKENS = 1_000_000
"""A static model has no window; a text beyond this is what the overflow rule is for."""
MODULES = "modules.json"
STATIC_MODULES = {"StaticEmbedding", "Normalize"}


def load_folder(
    found: Found, *, overflow: Overflow = "chunk", threads: int | None = None, weighting: str | None = None
) -> StaticEncoder:
    """Return the encoder of a Model2Vec folder, or of a static model of sentence-transformers.

    Parameters
    ----------
    found : Found
        Verified files, the table and the tokenizer among them.
    overflow : {"chunk", "error", "cut"}
        What happens to a text of more tokens than the pin says, usually a million. See ``StaticEncoder``.
    threads : int, optional, 1 <= threads
        How many threads encode. Default: the setting ``VICINAL_THREADS``.
    weighting : {"mean", "sif"}, optional
        ``sif`` lets a frequent token count less; its frequency is that of its place in the vocabulary (Zipf).
        Default: mean. Refused for a table whose rows already are weighted by frequency, as Model2Vec's are.

    Raises
    ------
    ModelLoadError
        A file is damaged, or the files contradict each other.
    UnsupportedError
        ``sif`` was asked of a weighted table.
    UnknownNameError, RangeError, DtypeError
        A parameter is none of what is allowed.
    """
    from vicinal.encode.static.tables import TableTokens, read_table  # noqa: PLC0415 - a file of words needs none of it

    weighting = one_of(weighting or "mean", "weighting", WEIGHTINGS)
    _require_static_modules(found)
    table = read_table(found)
    if weighting == "sif" and table.weighted:
        raise UnsupportedError(
            f"The rows of {found.pin.name} are already weighted by frequency; sif would do so twice. Use mean.",
            expected="mean",
            got="sif",
            where="weighting",
        )
    count = len(table.rows) if table.mapping is None else len(table.mapping)
    weights = sif_weights(count) if weighting == "sif" else table.weights
    tokens = TableTokens(found, table, weights)
    unknown = "kept" if table.keeps_unknown else "dropped"
    said = f"static rows={len(table.rows)} dim={table.rows.shape[1]} unknown={unknown} {_told(weighting, 'zipf')}"
    space = _space(found.pin, found.pin.weights, said, tokens.digest, weighting, table.rows.shape[1])
    space = replace(space, normalized=table.normalized, overflow=one_of(overflow, "overflow", OVERFLOWS))
    return StaticEncoder(Parts(table=table.rows, tokens=tokens, space=space), threads=threads, pin=found.pin)


def load_words(
    source: Path | Found,
    *,
    kind: str | None = None,
    overflow: Overflow = "chunk",
    threads: int | None = None,
    weighting: str | None = "mean",
) -> StaticEncoder:
    """Return the encoder of a file of word vectors: GloVe, word2vec or fastText.

    Parameters
    ----------
    source : Path or Found
        The file, or the pin of one and the folder that it lies in.
    kind : str, optional
        One of ``vicinal.models.words.KINDS``. Default: what is seen in the file.
    overflow, threads
        See ``load_folder``.
    weighting : {"mean", "sif"}
        ``sif`` lets a frequent word count less: a / (a + p(w)) with a = 1e-3. p is the word's share of the training
        text where the file has counts (fastText's own), else that of its place r among V words: 1 / (r * H_V) (Zipf).

    Raises
    ------
    ModelLoadError
        The file is none of word vectors, or damaged; the message has the line or the byte.
    UnsupportedError
        The file is a quantised or pruned one of fastText.
    UnknownNameError, RangeError, DtypeError
        A parameter is none of what is allowed.
    NoSpaceLeftError, ReadOnlyError, StoreError
        What was read cannot be kept in the cache folder.

    References
    ----------
    Arora, Liang, Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings", algorithm 1, line 2.
    """
    from vicinal.encode.static.words import WordTokens  # noqa: PLC0415 - a table of tokens needs none of it
    from vicinal.models.words import open_words  # noqa: PLC0415 - the same

    weighting = one_of(weighting or "mean", "weighting", WEIGHTINGS)
    pin = source.pin if isinstance(source, Found) else None
    path = source.folder / next(iter(source.pin.files)) if isinstance(source, Found) else source
    vectors = open_words(path, kind=kind)
    count = len(vectors.words)
    weights = sif_weights(count, vectors.counts, vectors.total) if weighting == "sif" else None
    tokens = WordTokens(vectors, weights)
    by = "zipf" if vectors.counts is None else "counts"
    said = f"static rows={len(vectors.table)} dim={vectors.dim} unknown=dropped {_told(weighting, by)}"
    space = _space(pin, vectors.digest, said, tokens.digest, weighting, vectors.dim)
    space = replace(space, overflow=one_of(overflow, "overflow", OVERFLOWS))
    return StaticEncoder(Parts(table=vectors.table, tokens=tokens, space=space), threads=threads, pin=pin)


def sif_weights(count: int, counts: NDArray[np.int64] | None = None, total: int = 0) -> Floats:
    """Return a / (a + p) for each of V words or tokens, float32 (V,).

    Parameters
    ----------
    count : int
        V.
    counts : int64 array of shape (V,), optional
        How often each came among ``total``. Without it p follows the place r, from 1, by Zipf's law: 1 / (r * H_V).
    """
    if counts is not None and total > 0:
        share = counts / total
    else:
        share = 1 / np.arange(1, count + 1)
        share /= share.sum()
    return np.asarray(SIF_A / (SIF_A + share), dtype=np.float32)


def _space(pin: Pin | None, weights: str, said: str, tokenizer: str, weighting: str, dim: int) -> Space:
    """Return the identity of the vectors, the overflow rule not yet in it."""
    return Space(
        weights=weights,
        architecture=said,
        tokenizer=tokenizer,
        pooling=weighting,
        query_prompt=pin.query_prompt if pin else "",
        document_prompt=pin.document_prompt if pin else "",
        max_tokens=pin.max_tokens if pin else MAX_TOKENS,
        overflow="chunk",
        full_dim=dim,
        dim=dim,
        metric=pin.metric if pin else "cosine",
    )


def _told(weighting: str, by: str) -> str:
    """Return the weighting in words, with everything that changes a number."""
    return f"weighting=sif a={SIF_A:g} p={by}" if weighting == "sif" else "weighting=mean"


def _require_static_modules(found: Found) -> None:
    """Refuse a model that does something else behind its table."""
    if "modules.json" not in found.pin.files:
        return
    told = read_json_value(found.folder / "modules.json")
    kinds = (
        [str(step.get("type")).rpartition(".")[2] for step in told if isinstance(step, dict)]
        if isinstance(told, list)
        else []
    )
    other = [kind for kind in kinds if kind not in STATIC_MODULES]
    if other:
        raise ModelLoadError(
            f"{found.pin.name} has the module {', '.join(other)} behind its table, which static models cannot run.",
            expected=", ".join(sorted(STATIC_MODULES)),
            got=", ".join(other),
            where="modules.json",
        )
