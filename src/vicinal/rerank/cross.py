"""The cross-encoder: question and text are read together by one network, which gives their score."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from vicinal import config
from vicinal._arrays import texts_list, whole_number
from vicinal.encode import batches
from vicinal.encode.windows import Ids
from vicinal.errors import ModelLoadError, TruncationWarning
from vicinal.models import CONFIG, TOKENIZER, WEIGHTS, Found, Pin, find, get, read_json
from vicinal.models.layout import MODULES, PROMPTS
from vicinal.models.safetensors import read_header
from vicinal.models.settings import read_json_if_there, read_json_value
from vicinal.rerank import classifier
from vicinal.rerank.protocol import checked_scores
from vicinal.types import Floats, Rows

MAX_THREADS = 1024
AT_ONCE = 16
OLD_SETTING = "sbert_ce_default_activation_function"
ACTIVATIONS = {"Identity": "identity", "Sigmoid": "sigmoid"}
"""By the last part of the name in the settings, ``torch.nn.modules.linear.Identity``."""


class CrossEncoder:
    """Scores pairs by a sequence classifier: BERT, RoBERTa, XLM-R, CamemBERT, MPNet or DistilBERT with a head.

    The network is built from ``config.json`` and ``model.safetensors``, without torch. Safe for many threads.
    A score depends on its pair alone: the batch that it travels in changes it by less than 1e-5.

    Parameters
    ----------
    name : str or Found
        A folder in the hub's layout, a repository ``owner/name`` or ``owner/name@revision``, which is fetched once and
        pinned as an encoder is; or verified files.
    threads : int, optional, 1 <= threads
        How many batches run at once. Default: the setting ``VICINAL_THREADS``.
    max_tokens : int, optional
        A shorter window than the model's; a pair costs more than in proportion to its tokens.

    Raises
    ------
    ModelNotFoundError, PinMismatchError
        As for an encoder.
    ModelLoadError
        The files are of no such classifier, or ask for an activation that is not known.
    RangeError, DtypeError
        A parameter is out of its range.

    Notes
    -----
    With one label the score is its logit, with two the second's less the first's; behind it stands the sigmoid or
    nothing, as the model's files say, and where they say nothing the sigmoid for one label and nothing for two.
    A pair beyond the window loses tokens from the end of the longer text until both are even, then of both; how many
    pairs were cut is told by a TruncationWarning, which of them by ``cut_rows``.
    Cost: one pass of the network for each pair; there is nothing that could be made before.

    References
    ----------
    Nogueira, Cho 2019, "Passage re-ranking with BERT", arXiv 1901.04085, section 3.
    """

    def __init__(self, name: str | Path | Found, *, threads: int | None = None, max_tokens: int | None = None) -> None:
        from vicinal.models._onnxruntime import Session  # noqa: PLC0415 - heavy: loaded with the first network
        from vicinal.rerank._tokenizers import PairTokenizer  # noqa: PLC0415 - the same

        self.threads = (
            config.threads() if threads is None else whole_number(threads, "threads", low=1, high=MAX_THREADS)
        )
        found = name if isinstance(name, Found) else find(get(str(name)))
        _require_pairs(found)
        weights = (found.folder / WEIGHTS).resolve()  # the runtime follows no link out of the folder it is given
        settings, tensors = read_json(found.folder / CONFIG), read_header(weights)
        self._classifier = classifier.describe(settings, tensors)
        self._activation = _activation(found, settings, self._classifier.labels)
        self._tokenizer = PairTokenizer(found.folder / TOKENIZER)
        self._session = Session(classifier.write(self._classifier, tensors, weights.name), weights.parent)
        self.pin: Pin = found.pin
        longest = min(found.pin.max_tokens, self._classifier.positions)
        least = self._tokenizer.pair_count + 2
        self._max_tokens = (
            longest if max_tokens is None else whole_number(max_tokens, "max_tokens", low=least, high=longest)
        )

    @property
    def score_kind(self) -> str:
        """``cross-encoder``."""
        return "cross-encoder"

    @property
    def at_once(self) -> int:
        """How many pairs are scored between two looks at the time."""
        return AT_ONCE * self.threads

    @property
    def max_tokens(self) -> int:
        """The window in tokens, of question, text and special ones together."""
        return self._max_tokens

    @property
    def runtime(self) -> str:
        """What runs the network, in one line."""
        return self._session.name

    @property
    def activation(self) -> str:
        """``sigmoid``: scores in [0, 1]; ``identity``: any."""
        return self._activation

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return the score of each text with the question, float32 (N,).

        Raises
        ------
        DtypeError, RangeError
            The question or the texts are no strings.
        EncodeError
            The network failed, or gave NaN or infinity.

        Warns
        -----
        TruncationWarning
            Pairs were cut at the window.
        """
        (asked,), others = self._ids(query, texts)
        kept = [_kept(len(asked), len(other), self._room) for other in others]
        cut = sum(
            first < len(asked) or second < len(other) for (first, second), other in zip(kept, others, strict=True)
        )
        pairs = [(asked[:first], other[:second]) for (first, second), other in zip(kept, others, strict=True)]
        found = self._scores(pairs)
        if cut:
            _warn_of_cut(cut, self._max_tokens)
        return found

    def cut_rows(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return which texts are cut, or make the question be cut, at the window; nothing is scored.

        Raises
        ------
        DtypeError, RangeError
            The question or the texts are no strings.
        """
        (asked,), others = self._ids(query, texts)
        return [row for row, other in enumerate(others) if len(asked) + len(other) > self._room]

    @property
    def _room(self) -> int:
        return self._max_tokens - self._tokenizer.pair_count

    def _ids(self, query: str, texts: Sequence[str]) -> tuple[list[Ids], list[Ids]]:
        return self._tokenizer.ids(texts_list([query], "query")), self._tokenizer.ids(texts_list(texts))

    def _scores(self, pairs: Sequence[tuple[Ids, Ids]]) -> Floats:
        """Return the scores of pairs that fit the window; several batches run at once."""
        scores = np.zeros(len(pairs), dtype=np.float32)
        planned = list(batches.plan([len(first) + len(second) for first, second in pairs]))

        def run(rows: Rows) -> None:
            scores[rows] = self._batch([pairs[row] for row in rows])

        if self.threads == 1 or len(planned) == 1:
            for rows in planned:
                run(rows)
        else:
            with ThreadPoolExecutor(self.threads, thread_name_prefix="vicinal-rerank") as pool:
                list(pool.map(run, planned))
        return checked_scores(scores, len(pairs), self.pin.name)

    def _batch(self, pairs: list[tuple[Ids, Ids]]) -> Floats:
        """Return the scores (B,) of one batch."""
        joined = [self._tokenizer.joined(*pair) for pair in pairs]
        sizes = np.array([len(ids) for ids, _ in joined], dtype=np.int64)
        ids = np.full((len(joined), sizes.max()), self._tokenizer.padding_id, dtype=np.int64)
        types = np.zeros_like(ids)
        for row, (tokens, kinds) in enumerate(joined):
            ids[row, : len(tokens)], types[row, : len(kinds)] = tokens, kinds
        feeds = {"ids": ids, "mask": (np.arange(ids.shape[1]) < sizes[:, None]).astype(np.int64)}
        logits = self._session.take("logits", {**feeds, "types": types} if self._classifier.typed else feeds)
        scores = logits[:, 0] if self._classifier.labels == 1 else logits[:, 1] - logits[:, 0]
        if self._activation == "sigmoid":
            scores = 0.5 * (1 + np.tanh(0.5 * scores))  # no overflow, unlike 1 / (1 + exp(-x))
        return np.asarray(scores, dtype=np.float32)


def _kept(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept: the longer one gives until both are even, then both.

    Of an odd room the longer text has the one more, the second where both are as long.
    """
    if first + second <= room:
        return first, second
    short, half = min(first, second), room // 2
    kept = (short, room - short) if short <= half else (half, room - half)
    return kept if first <= second else kept[::-1]


def _require_pairs(found: Found) -> None:
    """Refuse a model with steps of its own behind the network, or with a prompt before every pair."""
    path = found.folder / MODULES
    told = read_json_value(path) if path.is_file() else []
    kinds = (
        [str(step.get("type")).rpartition(".")[2] for step in told if isinstance(step, dict)]
        if isinstance(told, list)
        else []
    )
    if kinds not in ([], ["Transformer"]):
        raise ModelLoadError(
            f"{found.pin.name} is no cross-encoder that can be run here: it is made of {', '.join(kinds)}.",
            expected="Transformer",
            got=", ".join(kinds),
            where=MODULES,
        )
    prompt = read_json_if_there(found.folder / PROMPTS).get("default_prompt_name")
    if prompt is not None:
        raise ModelLoadError(
            f"{found.pin.name} puts a prompt before its pairs ({prompt!r}), which is not supported here.",
            expected="no default prompt",
            got=prompt,
            where=PROMPTS,
        )
    if WEIGHTS not in found.pin.files:
        raise ModelLoadError(
            f"{found.pin.name} has no {WEIGHTS}, of which alone a cross-encoder is built.",
            expected=WEIGHTS,
            got=", ".join(found.pin.files),
            where=WEIGHTS,
        )


def _activation(found: Found, settings: Mapping[str, Any], labels: int) -> str:
    """Return what stands behind the logits, by the newest of the places where it is told."""
    own = settings.get("sentence_transformers")
    told = (
        read_json_if_there(found.folder / PROMPTS).get("activation_fn")
        or (own.get("activation_fn") if isinstance(own, Mapping) else None)
        or settings.get(OLD_SETTING)
    )
    if told is None:
        return "sigmoid" if labels == 1 else "identity"
    name = str(told).rpartition(".")[2]
    if name not in ACTIVATIONS:
        listed = ", ".join(ACTIVATIONS)
        raise ModelLoadError(
            f"{found.pin.name} asks for the activation {name}; supported are {listed}.",
            expected=listed,
            got=name,
            where="activation_fn",
        )
    return ACTIVATIONS[name]


def _warn_of_cut(count: int, max_tokens: int) -> None:
    """Say how many pairs were cut, at the line that called ``score``."""
    told = "1 text and its question were" if count == 1 else f"{count} texts and their question were"
    warnings.warn(
        f"{told} cut at the window of {max_tokens} tokens, the longer first; cut_rows names them.",
        TruncationWarning,
        stacklevel=3,
    )
