"""A function of yours as an encoder: it gets an identity, a window, and a check of everything it returns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vicinal._arrays import one_of, texts_list, whole_number
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.errors import (
    DtypeError,
    EncodeError,
    InputError,
    RangeError,
    TooLongError,
    TruncationWarning,
    UnknownTextWarning,
)
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Overflow, Progress, Rows

Function = Callable[[list[str]], ArrayLike]
Counter = Callable[[list[str]], ArrayLike]
Spanner = Callable[[list[str]], Sequence[ArrayLike]]
Window = tuple[str, int]
"""A text to encode, and the weight of its vector: how many tokens of the whole it has."""

MAX_TOKENS = 512
_WORD = re.compile(r"\S+")


class FunctionEncoder:
    """An encoder made of a function: everything that can encode can be used, under a name and a version.

    Parameters
    ----------
    function : callable
        Takes a list of B strings, prompt included, and returns B vectors: anything NumPy reads as numbers of the shape
        (B, dim). It should give a text the same vector whatever else is in the list, and must be safe to be called by
        several threads if the encoder is.
    name, version : str
        The identity: together they stand in the space in place of the weights' digest. Whenever the function begins to
        give other numbers, give it another version; old vectors are then told from new ones.
    dim : int, 1 <= dim
        D of the vectors.
    normalized : bool
        Bring each vector to unit length, and compare by cosine. Otherwise vectors stay as they are, and are compared
        by their dot product.
    max_tokens : int, 1 <= max_tokens
        The window in tokens, the prompt's included.
    overflow : {"chunk", "error", "cut"}
        For a text beyond the window. ``chunk``: it is split into windows of even size, and its vector is the mean of
        theirs, weighted by tokens. ``error``: TooLongError. ``cut``: the rest is left out, counted, and warned of.
    query_function : callable, optional
        What encodes questions, if it is another function. Its vectors belong to the same space.
    query_prompt, document_prompt : str
        What is put before a text of each role.
    batch : int, 1 <= batch
        How many texts a call of the function gets at most.
    count_tokens : callable, optional
        Takes strings, returns how many tokens each has, special ones included. Needs ``token_spans``.
    token_spans : callable, optional
        Takes strings, returns the (T, 2) code-point spans of the tokens of each, special ones left out.
        Default: words, what stands between white space, and no special ones.

    Raises
    ------
    InputError, DtypeError, RangeError, UnknownNameError
        A parameter is none of what is allowed.

    Examples
    --------
    >>> lengths = FunctionEncoder(lambda texts: [[len(text), 1] for text in texts], name="lengths", version="1", dim=2)
    >>> lengths.encode_documents(["a", "abcdefg"])[0].round(3)
    array([0.707, 0.707], dtype=float32)
    """

    def __init__(  # noqa: PLR0913 - the identity of a pipeline has as many parts
        self,
        function: Function,
        *,
        name: str,
        version: str,
        dim: int,
        normalized: bool = True,
        max_tokens: int = MAX_TOKENS,
        overflow: Overflow = "chunk",
        query_function: Function | None = None,
        query_prompt: str = "",
        document_prompt: str = "",
        batch: int = 32,
        count_tokens: Counter | None = None,
        token_spans: Spanner | None = None,
    ) -> None:
        for given, what in ((function, "function"), (query_function or function, "query_function")):
            _require_callable(given, what)
        self.name, self.version = _identity(name, "name"), _identity(version, "version")
        self._document_function, self._query_function = function, query_function or function
        self._batch = whole_number(batch, "batch", low=1)
        self._rule = _Tokens(self.name, count_tokens, token_spans)
        known = f"function:{self.name}:{self.version}"
        self._space = Space(
            weights=known,
            architecture="function" if query_function is None else "function roles=2",
            tokenizer="words" if token_spans is None else known,
            pooling="function",
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            max_tokens=whole_number(max_tokens, "max_tokens", low=1),
            overflow=one_of(overflow, "overflow", ("chunk", "error", "cut")),
            full_dim=whole_number(dim, "dim", low=1),
            dim=dim,
            normalized=normalized,
            metric="cosine" if normalized else "dot",
        )
        self._rooms = {prompt: self._room(prompt) for prompt in {query_prompt, document_prompt}}

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in tokens, the prompt's and special ones included."""
        return self._space.max_tokens

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of questions.

        Parameters
        ----------
        texts : list of str
            N may be 0; ``""`` is a text. Equal texts are encoded once.
        progress : callable, optional
            Called with (texts done, N) after each batch.

        Returns
        -------
        Vectors
            float32 (N, D), row i for text i. Where the space is normalized, of unit length, or zero if the function
            gave zeros, which is warned of.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        TooLongError
            A text is beyond the window, and the overflow rule is ``error``.
        EncodeError
            The function raised something (it is the cause), or returned what is no matrix of finite numbers.
        """
        return self._encode(texts, self._query_function, self._space.query_prompt, progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of documents; parameters, result and errors as in ``encode_queries``."""
        return self._encode(texts, self._document_function, self._space.document_prompt, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens of the uncut texts as documents, prompt and special tokens included.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        EncodeError
            The rule for tokens failed, or returned something else.
        """
        return self._rule.counts([self._space.document_prompt + text for text in texts_list(texts)])

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its tokens; errors as in ``count_tokens``."""
        return self._rule.spans(texts_list(texts))

    def _room(self, prompt: str) -> int:
        """Return how many tokens of a text the window leaves room for behind a prompt."""
        taken = int(self._rule.counts([prompt])[0])
        if taken >= self.max_tokens:
            raise RangeError(
                f"A window of {self.max_tokens} tokens leaves no room for text: the prompt and special ones are {taken}.",
                expected=f"> {taken}",
                got=self.max_tokens,
                where="max_tokens",
            )
        return self.max_tokens - taken

    def _encode(self, texts: Sequence[str], function: Function, prompt: str, progress: Progress | None) -> Vectors:
        """Encode the different texts window by window and lay each vector where its text stands."""
        listed = texts_list(texts)
        places: dict[str, int] = {}
        which = np.array([places.setdefault(text, len(places)) for text in listed], dtype=np.int64)
        windows, cut = self._windows(list(places), prompt, which)
        found = self._means(windows, function, _Report(progress, which))
        array = (unit_or_zero(found) if self._space.normalized else _narrowed(found))[which]
        vectors = Vectors(array, self._space, cut_rows=np.flatnonzero(np.isin(which, cut)).tolist())
        self._warn(vectors)
        return vectors

    def _windows(self, texts: list[str], prompt: str, which: Rows) -> tuple[list[list[Window]], list[int]]:
        """Return the windows of each text, and which texts are cut."""
        counts = self._rule.counts([prompt + text for text in texts])
        long = np.flatnonzero(counts > self.max_tokens).tolist()
        if long and self._space.overflow == "error":
            self._refuse(int(np.flatnonzero(which == long[0])[0]), int(counts[long[0]]))
        windows: list[list[Window]] = [[(prompt + text, 1)] for text in texts]
        room = self._rooms[prompt]
        for place, spans in zip(long, self._rule.spans([texts[place] for place in long]), strict=True):
            parts = _split(texts[place], spans, room, whole=self._space.overflow == "chunk")
            windows[place] = [(prompt + part, tokens) for part, tokens in parts]
        return windows, long if self._space.overflow == "cut" else []

    def _means(self, windows: list[list[Window]], function: Function, report: _Report) -> NDArray[np.float64]:
        """Return the mean vector of the windows of each text, float64 (N, D)."""
        parts = [part for listed in windows for part, _ in listed]
        weights = np.array([tokens for listed in windows for _, tokens in listed], dtype=np.float64)
        owners = np.repeat(np.arange(len(windows)), [len(listed) for listed in windows])
        sums = np.zeros((len(windows), self._space.dim))
        for start in range(0, len(parts), self._batch):
            end = min(start + self._batch, len(parts))
            found = self._called(function, parts[start:end])
            np.add.at(sums, owners[start:end], found * weights[start:end, None])
            report(int(owners[end]) if end < len(parts) else len(windows))
        return sums / np.bincount(owners, weights, minlength=len(windows))[:, None]

    def _called(self, function: Function, parts: list[str]) -> NDArray[np.float64]:
        """Return what the function gives for some texts, checked."""
        given = list(parts)
        try:
            returned = function(given)
        except Exception as error:
            raise EncodeError(
                f"The function {self.name!r} raised {type(error).__name__}; see the cause. Nothing was encoded.",
                got=type(error).__name__,
                where=self.name,
            ) from error
        if given != parts:
            raise self._wrong("changed the list of texts that it was given", "the list as it was", "another")
        return self._checked(returned, (len(parts), self._space.dim))

    def _checked(self, returned: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return what came back as numbers of a shape, or say what is wrong with it."""
        try:
            found = np.asarray(returned)
        except (ValueError, TypeError, RuntimeError) as error:  # what array-likes raise when they are none
            raise self._wrong("returned what is no matrix", shape, type(returned).__name__) from error
        if found.dtype.kind not in "fiu":
            raise self._wrong(f"returned {found.dtype}, which is no number", "float32", str(found.dtype))
        if found.shape != shape:
            raise self._wrong(f"returned the shape {found.shape}", shape, found.shape)
        with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite
            narrow = found.astype(np.float32)
        if not np.isfinite(narrow).all():
            raise self._wrong("returned NaN, infinity, or a number beyond float32", "finite numbers", "others")
        return found.astype(np.float64)

    def _wrong(self, what: str, expected: object, got: object) -> EncodeError:
        message = f"The function {self.name!r} {what}; expected {expected}. Correct it and give it another version."
        return EncodeError(message, expected=expected, got=got, where=self.name)

    def _refuse(self, row: int, tokens: int) -> None:
        raise TooLongError(
            f"Text {row} has {tokens} tokens, but the window has {self.max_tokens}. Shorten it, or make the encoder "
            'with overflow="chunk" (nothing is lost) or overflow="cut" (the rest is left out and counted).',
            expected=f"<= {self.max_tokens}",
            got=tokens,
            where=row,
        )

    def _warn(self, vectors: Vectors) -> None:
        """Say what was cut and what has no vector, at the line that called for encoding."""
        if vectors.cut_rows:
            warnings.warn(
                f"{len(vectors.cut_rows)} of the texts were cut at the window of {self.max_tokens} tokens; "
                "Vectors.cut_rows names them.",
                TruncationWarning,
                stacklevel=4,
            )
        zeros = int((~np.asarray(vectors).any(axis=1)).sum())
        if zeros and self._space.normalized:
            warnings.warn(
                f"The function {self.name!r} gave zeros for {zeros} of the texts: they are near no other.",
                UnknownTextWarning,
                stacklevel=4,
            )


class _Tokens:
    """The rule for tokens: the caller's functions, checked, or words."""

    def __init__(self, name: str, counter: Counter | None, spanner: Spanner | None) -> None:
        if counter is not None and spanner is None:
            raise InputError(
                "count_tokens alone cannot say where a text is to be split. Give token_spans as well.",
                where="token_spans",
            )
        for given, what in ((counter, "count_tokens"), (spanner, "token_spans")):
            if given is not None:
                _require_callable(given, what)
        self._name = name
        self._counter = counter
        self._spanner = spanner

    def counts(self, texts: list[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens."""
        if self._spanner is None:
            return np.array([len(text.split()) for text in texts], dtype=np.int64)
        if self._counter is None:
            return np.array([len(spans) for spans in self.spans(texts)], dtype=np.int64)
        found = self._whole_numbers(lambda: self._counter(list(texts)), "count_tokens")  # type: ignore[misc]
        if found.shape != (len(texts),) or (found < 0).any():
            raise self._wrong("count_tokens", f"{len(texts)} counts of at least 0")
        return found

    def spans(self, texts: list[str]) -> list[NDArray[np.int64]]:
        """Return (T, 2) spans of the tokens of each text."""
        if self._spanner is None:
            listed = ([word.span() for word in _WORD.finditer(text)] for text in texts)
            return [np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in listed]
        given = self._spanner(list(texts))
        if len(given) != len(texts):
            raise self._wrong("token_spans", f"spans for each of {len(texts)} texts")
        return [self._checked_spans(one, len(text)) for one, text in zip(given, texts, strict=True)]

    def _checked_spans(self, given: ArrayLike, length: int) -> NDArray[np.int64]:
        found = self._whole_numbers(lambda: given, "token_spans")
        spans = found.reshape(-1, 2) if not found.size else found
        if spans.ndim != 2 or spans.shape[1] != 2:  # noqa: PLR2004 - a start and an end
            raise self._wrong("token_spans", "the shape (T, 2)")
        sound = (spans[:, 0] >= 0) & (spans[:, 0] <= spans[:, 1]) & (spans[:, 1] <= length)
        if not sound.all() or (np.diff(spans[:, 0]) < 0).any():
            raise self._wrong("token_spans", "spans within the text, in its order")
        return spans

    def _whole_numbers(self, call: Callable[[], ArrayLike], what: str) -> NDArray[np.int64]:
        try:
            found = np.asarray(call())
        except (TypeError, ValueError) as error:
            raise self._wrong(what, "whole numbers") from error
        if found.size and found.dtype.kind not in "iu":
            raise self._wrong(what, "whole numbers")
        return found.astype(np.int64)

    def _wrong(self, what: str, expected: str) -> EncodeError:
        return EncodeError(
            f"{what} of the encoder {self._name!r} must return {expected}. Correct it and give it another version.",
            expected=expected,
            where=what,
        )


class _Report:
    """How many texts are done, told to the caller: each of the different ones counts as often as it came."""

    def __init__(self, progress: Progress | None, which: Rows) -> None:
        self._progress = progress
        self._rows = np.concatenate([[0], np.cumsum(np.bincount(which))]) if len(which) else np.zeros(1, np.int64)

    def __call__(self, different: int) -> None:
        if self._progress is not None:
            self._progress(int(self._rows[different]), int(self._rows[-1]))


def _split(text: str, spans: NDArray[np.int64], room: int, *, whole: bool) -> list[Window]:
    """Return windows of at most ``room`` tokens, sizes differing by at most one; or the first alone, filled."""
    if not whole:
        return [(text[: int(spans[room - 1, 1])] if len(spans) >= room else text, 1)]
    count = max(-(-len(spans) // room), 1)
    edges = [len(spans) * part // count for part in range(count + 1)]
    starts = [0, *(int(spans[edge, 0]) for edge in edges[1:-1])]
    ends = [*(int(spans[edge - 1, 1]) for edge in edges[1:-1]), len(text)]
    sizes = np.diff(edges).tolist()
    return [(text[start:end], max(size, 1)) for start, end, size in zip(starts, ends, sizes, strict=True)]


def _narrowed(array: NDArray[np.float64]) -> Floats:
    return array.astype(np.float32)


def _identity(value: object, what: str) -> str:
    """Return a part of the identity: a string that can be told from its neighbour."""
    if not isinstance(value, str):
        raise DtypeError(
            f"The {what} must be a string, got {type(value).__name__}.",
            expected="str",
            got=type(value).__name__,
            where=what,
        )
    if not value or ":" in value:
        raise InputError(f"The {what} must not be empty and not hold a colon, got {value!r}.", got=value, where=what)
    return value


def _require_callable(given: object, what: str) -> None:
    if not callable(given):
        raise DtypeError(
            f"{what} must be a function, got {type(given).__name__}.",
            expected="callable",
            got=type(given).__name__,
            where=what,
        )
