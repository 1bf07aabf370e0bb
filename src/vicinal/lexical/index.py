"""The keyword index of a lane: BM25 over its rows, derived, published whole, and followed row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal._generations import DamagedError, warn
from vicinal.errors import DtypeError, RangeError, StoreError
from vicinal.lexical import files
from vicinal.lexical.analysis import Language, checked_language, fingerprint, library
from vicinal.lexical.engine import Engine, add_to, row_of
from vicinal.lexical.languages import DEFAULT, NAMES, guessed
from vicinal.lexical.query import Clause, Leaf, clauses_of
from vicinal.lexical.scoring import Contribution, compiled, contribution, weights_of
from vicinal.lexical.topk import Asked, best
from vicinal.types import Bits, Floats, Mask, Progress, Rows

SPOKEN_SHARE = 0.01
SPOKEN_MOST = 4
"""Languages whose endings are taken off a question's words: those of one row in a hundred, four at most."""
TAIL = 0.25
GROWTH = 1.5
DEAD = 0.3
SMALL_ROWS = 4096
"""Below this many rows an index is made in memory in a moment, and is never stale."""
PROGRESS_ROWS = 1024
LISTED_ROWS = 65_536
FORMAT = 1
MAX_ROW = 1 << 62
MOST_BOOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalText:
    """A row's text, and the title of what it is part of."""

    row: int
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalHits:
    """The rows that answer a question, best first, ties by row.

    ``rows`` int64 (K,), ``scores`` float32 (K,): BM25, larger is better, in steps of 2**-14.
    ``complete`` is false where the question was too long and its commonest words (``left_out`` of them) were not scored.
    ``work`` counts the hits that were looked at.
    """

    rows: Rows
    scores: Floats
    complete: bool = True
    left_out: int = 0
    work: int = 0


class LexicalIndex:
    """BM25 over the texts of a lane's rows: words, phrases, beginnings, misspelt words, exact codes.

    Frozen: ``extended`` gives another one that shares what is indexed. Made by ``build``, ``open`` or ``extended``.

    Notes
    -----
    Scores have one set of statistics, over all rows that are indexed: it does not matter what was published and what came
    later. Rows that have died since the index was built are masked out of answers, and count in the statistics until
    the next build.
    Threads: safe for many readers; ``extended`` may be called by any thread at any time.

    References
    ----------
    Robertson, Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; k1 = 1.2, b = 0.75.
    Differs from the paper: the idf is ln(1 + …), never below 0; a row's length is kept in one byte.
    """

    can = frozenset({"filter", "insert", "mmap", "save"})

    def __init__(self, engine: Engine | None, end: int, language: Language, path: Path | None = None) -> None:
        self.end = end
        self.language = language
        self.path = path
        self._engine = engine
        self._held: tuple[Any, tuple[str, ...]] | None = None

    @classmethod
    def build(
        cls,
        texts: Iterable[LexicalText],
        *,
        folder: Path | None = None,
        meta: Mapping[str, Any] | None = None,
        language: Language = "auto",
        end: int = 0,
        progress: Progress | None = None,
    ) -> LexicalIndex:
        """Return an index of all texts.

        Parameters
        ----------
        texts : iterable of LexicalText
            Rows ascend. Gone through once.
        folder : Path, optional
            Where to publish the index as a generation; in memory without it.
        meta : mapping, optional
            What the caller must find again in ``open``: plain JSON.
        language : str
            Of the texts and of questions: ``auto`` guesses it for each, or a code of ``languages.NAMES``.
        end : int, 0 <= end
            The row behind the last that was looked at, where that is behind the last text.
        progress : callable, optional
            Called with (rows done, rows known) now and then.

        Raises
        ------
        RangeError
            Rows do not ascend, or one is below 0.
        UnknownNameError
            There is no such language.
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused; nothing was published.
        MissingExtraError
            tantivy is not installed.

        Notes
        -----
        Cost: about a tenth of a millisecond for each 30 words, one core. Memory: 64 MB beyond the texts that are in hand.
        Interrupted by Ctrl-C, it publishes nothing.
        """
        checked_language(language)
        end = whole_number(end, "end", low=0)
        if folder is None:
            return cls(None, 0, language).extended(_told(texts, progress), end=end)

        def write(path: Path) -> Mapping[str, Any]:
            postings = library().Postings(path, heap_bytes=library().WRITER_BYTES)
            behind = 0
            try:
                for one in _told(texts, progress):
                    add_to(postings, _checked_row(one, behind), row_of(one.text, one.title, language))
                    behind = one.row + 1
                postings.finish()
            finally:
                postings.close()
            return {"lexical": {**_marks(language), "end": max(end, behind)}}

        files.publish(folder, write, {"of": dict(meta or {})})
        found = cls.open(folder, lambda said: said == dict(meta or {}), language=language)
        if found is None:
            raise StoreError(
                f"The keyword index at {folder} was written and cannot be read back; check the disk.", where=str(folder)
            )
        return found

    @classmethod
    def open(
        cls,
        folder: Path,
        accepts: Callable[[Mapping[str, Any]], bool] = lambda _: True,
        *,
        language: Language = "auto",
    ) -> LexicalIndex | None:
        """Return the newest index of a folder that is sound, of this analysis, and accepted; None where none is.

        Parameters
        ----------
        folder : Path
            May be missing, and need not be writable.
        accepts : callable, optional
            Asked with the meta that was given when it was published.
        language : str
            As it was built with; one of another language is passed over.

        Raises
        ------
        MissingExtraError
            tantivy is not installed.

        Warns
        -----
        DamagedIndexWarning
            A file is damaged; it is named, and left aside.
        """
        checked_language(language)
        if not folder.is_dir():
            return None
        marks = _marks(language)

        def fits(meta: Mapping[str, Any]) -> bool:
            said, own = meta.get("of"), meta.get("lexical")
            return isinstance(said, dict) and isinstance(own, dict) and _is_of(own, marks) and accepts(said)

        found = files.latest(folder, fits)
        if found is None:
            return None
        end = found.meta["lexical"]["end"]
        try:
            engine = Engine(found)
        except StoreError:
            if found.path.exists():
                warn(DamagedError(found.path, "it is no keyword index"))
            return None
        return cls(engine, end, language, found.path)

    def extended(self, texts: Iterable[LexicalText], *, end: int = 0) -> LexicalIndex:
        """Return an index with more rows behind those of this one.

        Parameters
        ----------
        texts : iterable of LexicalText
            Rows ascend, and are behind all that this index has; a row's text never changes.
        end : int, 0 <= end
            The row behind the last that was looked at, where that is behind the last text.

        Raises
        ------
        RangeError
            A row is before ``end`` of this index, or before the one that came before it.
        NoSpaceLeftError, StoreError
            The folder of this process cannot be written.

        Notes
        -----
        Cost: that of the new texts; the next question makes them part of the postings, once for all that came.
        """
        engine, behind = self._engine, self.end
        for one in texts:
            _checked_row(one, behind)
            engine = engine or Engine(None)
            engine.add(one.row, one.text, one.title, self.language)
            behind = one.row + 1
        behind = max(behind, whole_number(end, "end", low=0))
        if engine is self._engine and behind == self.end:
            return self
        return LexicalIndex(engine, behind, self.language, self.path)

    def search(self, query: str, *, k: int, mask: Bits | Mask | None = None, title_boost: float = 0.0) -> LexicalHits:
        """Return the k rows that answer a question best, of those that the mask lets through.

        Parameters
        ----------
        query : str
            Words, "phrases", beginnings*, misspelt~ words, +must, -not, title:words. Never refused.
        k : int, 1 <= k
        mask : bits or booleans over rows, optional
            The rows that may be answers: the living ones, and those that a filter lets through.
        title_boost : float, 0 <= title_boost
            How much a word counts in the title, beyond what it counts as a word of the whole.

        Returns
        -------
        LexicalHits
            The true best rows within the mask, whatever it lets through.

        Raises
        ------
        DtypeError, RangeError, ShapeError
            The query is no text, or a number or the mask is not as said.
        StoreError
            The files of this process are gone.

        Notes
        -----
        Cost: that of tantivy for the same words, and a tenth of a millisecond. A mask of few rows is asked as a set of
        rows; another takes more hits, about k divided by the share that it lets through. Memory: 16,384 hits at a time.
        """
        k = whole_number(k, "k", low=1)
        bits = _checked_mask(mask)
        clauses, weights, left_out = self._asked(query, title_boost)
        if not weights:
            return LexicalHits(rows=np.empty(0, dtype=np.int64), scores=np.empty(0, dtype=np.float32))
        reading = self._reading()[0]
        whole = compiled(reading, clauses, weights)
        found = best(Asked(reading=reading, query=whole, mask=bits, end=self.end, library=library()), k)
        return LexicalHits(
            rows=found.rows, scores=found.scores, complete=not left_out, left_out=left_out, work=found.work
        )

    def explain(self, query: str, row: int, *, title_boost: float = 0.0) -> tuple[Contribution, ...]:
        """Return what each part of a question adds to a row's score, the most first; nothing for a row that it misses.

        Parameters
        ----------
        query, title_boost
            As ``search``.
        row : int, 0 <= row
            Whether it lives or not.

        Notes
        -----
        The contributions sum to the score within 1e-4.
        """
        row = whole_number(row, "row", low=0, high=MAX_ROW)
        clauses, weights, _ = self._asked(query, title_boost)
        if not weights or row >= self.end:
            return ()
        reading = self._reading()[0]
        if reading.explained(compiled(reading, clauses, weights), row) is None:
            return ()
        found = (contribution(reading, leaf, weight, row) for leaf, weight in weights.items())
        return tuple(sorted((one for one in found if one is not None), key=lambda one: (-one.score, one.tokens)))

    def stale(self, living: int | None = None) -> str:
        """Return why the index should be built again; empty while it need not.

        Parameters
        ----------
        living : int, optional
            How many rows live; all that are indexed without it.

        Returns
        -------
        str
            ``grown``: it is only in memory, or half as many rows again as were published. ``tail``: a quarter of the
            rows came after the build. ``dead``: three in ten indexed rows are.
        """
        if self._engine is None:
            return ""
        count = self.row_count
        base = count - self._engine.added_count
        if count <= SMALL_ROWS:
            return ""
        if not base or count > GROWTH * base:
            return "grown"
        if count - base > TAIL * count:
            return "tail"
        return "dead" if living is not None and living < (1 - DEAD) * count else ""

    @property
    def row_count(self) -> int:
        """How many rows are indexed, dead ones too."""
        return 0 if self._engine is None else int(self._reading()[0].count)

    def rows(self) -> Rows:
        """Return all rows that are indexed, ascending, dead ones too: int64 (N,). Cost: one pass."""
        if self._engine is None:
            return np.empty(0, dtype=np.int64)
        reading, between = self._reading()[0], library().between
        end = max(self.end, int(reading.count))
        found = [reading.best(between(first, last), LISTED_ROWS)[0] for first, last in _stretches(end)]
        beyond = reading.best(between(end, MAX_ROW), LISTED_ROWS)[0]
        return np.asarray(np.sort(np.concatenate([*found, beyond])), dtype=np.int64)

    def info(self) -> dict[str, Any]:
        """Return what the index is: rows, languages, parts."""
        if self._engine is None:
            return {"kind": "bm25", "rows": 0, "tail_rows": 0, "parts": 0, "languages": {}}
        reading = self._reading()[0]
        counts = {code: reading.frequency("language", code) for code in NAMES}
        return {
            "kind": "bm25",
            "rows": reading.count,
            "tail_rows": self._engine.added_count,
            "parts": reading.parts,
            "languages": {code: count for code, count in counts.items() if count},
        }

    def clauses(self, query: str) -> tuple[Clause, ...]:
        """Return the parts of a question as this index reads them."""
        if not isinstance(query, str):
            raise DtypeError(
                f"query must be a string, got {type(query).__name__}.",
                expected="str",
                got=type(query).__name__,
                where="query",
            )
        return clauses_of(query, self._spoken(query))

    def _reading(self) -> tuple[Any, tuple[str, ...]]:
        """Return the postings that this index asks, the same each time, and their languages, the commonest first."""
        if self._held is None:
            assert self._engine is not None  # noqa: S101 - our own invariant: asked where there is one
            reading = self._engine.reading()
            self._held = (reading, _languages_of(reading))
        return self._held

    def _spoken(self, query: str) -> tuple[str, ...]:
        """Return the languages that a question is read in."""
        if self.language != "auto":
            return (self.language,)
        known = self._reading()[1] if self._engine is not None else ()
        own = guessed(query)
        first = (own,) if own is not None and (own in known or not known) else ()
        return tuple(dict.fromkeys((*first, *known)))[:SPOKEN_MOST] or (DEFAULT,)

    def _asked(self, query: str, title_boost: float) -> tuple[tuple[Clause, ...], dict[Leaf, float], int]:
        """Return the parts of a question, what each leaf of them weighs, and how many leaves were left out."""
        boost = _checked_boost(title_boost)
        clauses = self.clauses(query)
        if self._engine is None:
            return clauses, {}, 0
        weights, left_out = weights_of(self._reading()[0], clauses, boost)
        return clauses, weights, left_out


def _stretches(end: int) -> Iterator[tuple[int, int]]:
    """Go through the rows up to an end in stretches of ``LISTED_ROWS``."""
    for first in range(0, end, LISTED_ROWS):
        yield first, min(first + LISTED_ROWS, end)


def _told(texts: Iterable[LexicalText], progress: Progress | None) -> Iterator[LexicalText]:
    """Go through the texts, and tell how far it is."""
    known = len(texts) if isinstance(texts, Sized) else 0
    for done, one in enumerate(texts):
        if progress is not None and done % PROGRESS_ROWS == 0:
            progress(done, max(known, done))
        yield one


def _checked_row(one: LexicalText, behind: int) -> int:
    """Return a text's row if it is behind those before."""
    row = whole_number(one.row, "row", low=0, high=MAX_ROW)
    if row < behind:
        raise RangeError(
            f"Rows must ascend: {row} came where {behind} or more was due.",
            expected=f">= {behind}",
            got=row,
            where="row",
        )
    return row


def _checked_mask(mask: Bits | Mask | None) -> Bits | None:
    """Return a mask as bits."""
    if mask is None:
        return None
    array: Any = np.asarray(mask)
    if array.dtype == np.bool_:
        return kernels.bits_of_mask(array)
    kernels.count_bits(array)  # its type and shape are checked there
    return np.asarray(array, dtype=np.uint64)


def _checked_boost(boost: object) -> float:
    """Return a boost of 0 or more."""
    if isinstance(boost, bool) or not isinstance(boost, int | float | np.floating):
        raise DtypeError(
            f"title_boost must be a number, got {type(boost).__name__}.",
            expected="float",
            got=type(boost).__name__,
            where="title_boost",
        )
    if not 0 <= boost <= MOST_BOOST:
        raise RangeError(
            f"title_boost must be 0 to {MOST_BOOST}, got {boost}.",
            expected=f"0 to {MOST_BOOST}",
            got=boost,
            where="title_boost",
        )
    return float(boost)


def _marks(language: Language) -> dict[str, Any]:
    """Return what an index must agree with to be asked by this program."""
    return {"format": FORMAT, "tantivy": library().VERSION, "language": language, "tokens": fingerprint()}


def _is_of(said: Mapping[str, Any], marks: Mapping[str, Any]) -> bool:
    """Return whether an index was made by the same analysis."""
    end = said.get("end")
    return type(end) is int and 0 <= end <= MAX_ROW and all(said.get(name) == value for name, value in marks.items())


def _languages_of(reading: Any) -> tuple[str, ...]:  # noqa: ANN401 - of _tantivy
    """Return the languages of one row in a hundred or more, the commonest first."""
    counts = {code: reading.frequency("language", code) for code in NAMES}
    common = [code for code, count in counts.items() if count and count >= SPOKEN_SHARE * reading.count]
    return tuple(sorted(common, key=lambda code: -counts[code]))[:SPOKEN_MOST]
