"""A folder with a table of token vectors → the table, its tokenizer, and what of its rules changes a number.

::

    Model2Vec              model.safetensors with embeddings (R, D), perhaps weights (V,) and mapping (V,);
                           tokenizer.json; config.json. Token t has the row mapping[t], times weights[t].
    sentence-transformers  model.safetensors with embedding.weight (V, D), tokenizer.json; perhaps in a folder of their own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.encode.encoder import _tokenizer_digest
from vicinal.encode.static.pieces import Picked, PieceMemory, is_word_by_word
from vicinal.errors import ModelLoadError
from vicinal.models import CONFIG, TOKENIZER, WEIGHTS, Found, derived_digest, read_json
from vicinal.models.safetensors import Tensor, read_header
from vicinal.types import Floats, Rows

MODEL2VEC, SENTENCE_TRANSFORMERS = "embeddings", "embedding.weight"
"""The names of the table in the two layouts."""
TABLE_AXES = 2
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "<i1"}
WHOLE = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "U8": "<u1", "U16": "<u2", "U32": "<u4"}
BF16_SHIFT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of token vectors and the rules around it.

    ``rows`` float32 (R, D), perhaps mapped; ``weights`` float32 (V,) and ``mapping`` int32 (V,) by token, or None.
    ``keeps_unknown`` is whether the unknown token has a row like any other (sentence-transformers) or none (Model2Vec).
    ``weighted`` is whether the rows already stand for their token's frequency.
    """

    rows: Floats
    weights: Floats | None
    mapping: NDArray[np.int32] | None
    keeps_unknown: bool
    weighted: bool
    normalized: bool


def read_table(found: Found) -> Table:
    """Return the table of a folder.

    Raises
    ------
    ModelLoadError
        A file is damaged, of another layout, or its parts contradict each other.
    """
    path = found.folder / file_of(found, WEIGHTS)
    tensors = read_header(path)
    name = next((name for name in (MODEL2VEC, SENTENCE_TRANSFORMERS) if name in tensors), None)
    if name is None or len(tensors[name].shape) != TABLE_AXES or 0 in tensors[name].shape:
        raise ModelLoadError(
            f"{path} holds no table of token vectors named {MODEL2VEC!r} or {SENTENCE_TRANSFORMERS!r}.",
            expected=f"{MODEL2VEC} (V, D)",
            got=", ".join(sorted(tensors)[:5]),
            where=str(path),
        )
    rows = _floats(path, tensors[name])
    weights = _floats(path, tensors["weights"]) if "weights" in tensors else None
    mapping = _mapping(path, tensors["mapping"], len(rows)) if "mapping" in tensors else None
    tokens = len(rows) if mapping is None else len(mapping)
    if weights is not None and weights.shape != (tokens,):
        raise ModelLoadError(f"{path} has {tokens} tokens and weights of {weights.shape}.", where=str(path))
    config = read_json(found.folder / CONFIG) if CONFIG in found.pin.files else {}
    return Table(
        rows=rows,
        weights=weights,
        mapping=mapping,
        keeps_unknown=name == SENTENCE_TRANSFORMERS,
        weighted=bool(config.get("apply_zipf") or config.get("sif_coefficient") or weights is not None),
        normalized=found.pin.normalized and config.get("normalize") is not False,
    )


def file_of(found: Found, name: str) -> str:
    """Return the pinned path of a file, which may lie in a module's folder."""
    return next((file for file in found.pin.files if Path(file).name == name), name)


def _floats(path: Path, tensor: Tensor) -> Floats:
    """Return a tensor as float32, mapped where it is stored so."""
    stored = _stored(path, tensor, FLOATS)
    if tensor.dtype == "F32":
        return np.asarray(stored)
    if tensor.dtype == "BF16":
        return (stored.astype(np.uint32) << BF16_SHIFT).view(np.float32)
    with np.errstate(
        over="ignore"
    ):  # what is beyond float32 becomes infinite, and is named with the text that meets it
        return stored.astype(np.float32)


def _mapping(path: Path, tensor: Tensor, rows: int) -> NDArray[np.int32]:
    """Return the row of each token."""
    stored = _stored(path, tensor, WHOLE)
    if stored.ndim != 1 or not 0 <= stored.min(initial=0) <= stored.max(initial=0) < rows:
        raise ModelLoadError(f"The mapping in {path} must name one of {rows} rows for each token.", where=str(path))
    return stored.astype(np.int32)


def _stored(path: Path, tensor: Tensor, types: Mapping[str, str]) -> NDArray[Any]:
    """Return a tensor as it lies in the file."""
    if tensor.dtype not in types or not tensor.length:
        raise ModelLoadError(
            f"{tensor.name!r} in {path} is {tensor.dtype} of {tensor.shape}; it must be one of {', '.join(types)}.",
            expected=", ".join(types),
            got=tensor.dtype,
            where=str(path),
        )
    try:
        return np.memmap(path, dtype=types[tensor.dtype], mode="r", offset=tensor.offset, shape=tensor.shape)
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be mapped: {error}. Fetch the model again.", where=str(path)) from error


class TableTokens:
    """The tokens of texts and their rows. Safe for many threads.

    Parameters
    ----------
    found : Found
        Verified files.
    table : Table
        What they hold.
    weights : float32 array of shape (V,) or None
        What the row of each token is multiplied with.
    """

    def __init__(self, found: Found, table: Table, weights: Floats | None) -> None:
        from vicinal.encode._tokenizers import TextTokenizer  # noqa: PLC0415 - heavy: loaded with the first encoder

        file = file_of(found, TOKENIZER)
        path = found.folder / file
        rules = read_json(path)
        self._tokenizer = TextTokenizer(path)
        self._mapping, self._weights = table.mapping, weights
        self._dropped = None if table.keeps_unknown else _unknown_id(rules)
        tokens = len(table.rows) if table.mapping is None else len(table.mapping)
        _require_rows(path, rules, tokens)
        self._memory = PieceMemory(self._picked) if is_word_by_word(rules) else self._picked
        self.digest = derived_digest("tokenizer-1", found.pin.files[file], lambda: _tokenizer_digest(path))

    def pick(self, texts: list[str]) -> Picked:
        """Return the rows of some texts."""
        return self._memory(texts)

    def counts(self, texts: list[str]) -> Rows:
        """Return (N,) counts of tokens, the unknown one included."""
        return self._tokenizer.counts(texts)

    def spans(self, texts: list[str]) -> list[Rows]:
        """Return for each text the (T, 2) code-point spans of its tokens, the unknown one included."""
        return self._tokenizer.spans(texts)

    def _picked(self, texts: list[str]) -> Picked:
        """Return the rows of texts without memory."""
        parts = self._tokenizer.ids(texts)
        ids = np.concatenate([np.zeros(0, dtype=np.int32), *parts])
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        if self._dropped is not None:
            known = ids != self._dropped
            offsets = np.concatenate([[0], np.cumsum(known)])[offsets].astype(np.int64)
            ids = ids[known]
        return Picked(
            rows=ids if self._mapping is None else self._mapping[ids],
            offsets=offsets,
            weights=None if self._weights is None else self._weights[ids],
            words=np.diff(offsets),
        )


def _unknown_id(rules: Mapping[str, Any]) -> int | None:
    """Return the id of the unknown token, None if the tokenizer has none."""
    model = rules["model"]
    if model.get("type") == "Unigram":
        return model.get("unk_id") if isinstance(model.get("unk_id"), int) else None
    return _ids(rules).get(model.get("unk_token"))


def _ids(rules: Mapping[str, Any]) -> dict[Any, int]:
    """Return the id of each token, the added ones included."""
    vocabulary = rules["model"].get("vocab") or {}
    listed = {row: row for row in range(len(vocabulary))} if isinstance(vocabulary, list) else dict(vocabulary)
    return {**listed, **{token["content"]: token["id"] for token in rules.get("added_tokens") or []}}


def _require_rows(path: Path, rules: Mapping[str, Any], tokens: int) -> None:
    """Refuse a tokenizer that knows a token without a row."""
    last = max(_ids(rules).values(), default=0)
    if last >= tokens:
        raise ModelLoadError(
            f"{path} has a token {last}, but the table has rows for {tokens}. They are of two models.",
            expected=f"< {tokens}",
            got=last,
            where=str(path),
        )
