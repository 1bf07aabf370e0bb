"""tantivy: an index of tokens in a folder or in memory, its statistics, and its queries.

The only place that knows the library. It is given tokens that are ready: its own analysis splits them at spaces.
Its BM25 has k1 = 1.2 and b = 0.75 fixed, and keeps the length of a text in one byte (exact up to 40 tokens).
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._files import disk_error
from vicinal.errors import StoreError, VicinalError
from vicinal.types import Floats, Rows

tantivy: Any = importlib.import_module("tantivy")  # its types tell of less than it has
VERSION = str(tantivy.__version__)
WRITER_BYTES = 64 << 20
"""Memory of a writer that builds: more of it makes fewer, larger files."""
TAIL_BYTES = 16 << 20
MEMO_TOKENS = 50_000
BODY, TITLE, FORMS, LANGUAGE, ROW = "body", "title", "forms", "language", "row"
_SPLITTER = "whitespace"
_META = re.compile(r"[\\.+*?()|\[\]{}^$#&~-]")
"""What means something in tantivy's patterns; a stroke before anything else may mean something too."""
_NO_SPACE = re.compile(r"os error (?:28|122|27)\b|[Nn]o space left")


@contextmanager
def refusals(doing: str, where: str) -> Iterator[None]:
    """Turn what tantivy raises into an error with a name; no text of a document is in it.

    Raises
    ------
    NoSpaceLeftError, StoreError
        tantivy refused.
    """
    try:
        yield
    except VicinalError:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        if _NO_SPACE.search(str(error)):
            raise disk_error(OSError(28, "No space left on device"), where) from error
        raise StoreError(f"The keyword index at {where} failed while {doing}; build it again.", where=where) from error


def stemmer(name: str) -> Callable[[list[str]], list[str]]:
    """Return a function that takes the endings off words: Snowball's algorithm of a language."""
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).filter(tantivy.Filter.stemmer(name)).build()

    def stems(words: list[str]) -> list[str]:
        found: list[str] = analyzer.analyze(" ".join(words))
        return found if len(found) == len(words) else words

    return stems


def _schema() -> Any:  # noqa: ANN401 - tantivy's class
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(BODY, tokenizer_name=_SPLITTER, index_option="position")
    builder.add_text_field(TITLE, tokenizer_name=_SPLITTER, index_option="position")
    builder.add_text_field(FORMS, tokenizer_name=_SPLITTER, index_option="basic")
    builder.add_text_field(LANGUAGE, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field(ROW, indexed=True, fast=True)
    return builder.build()


SCHEMA = _schema()
_SHOULD, _MUST, _NOT = tantivy.Occur.Should, tantivy.Occur.Must, tantivy.Occur.MustNot


class Postings:
    """A tantivy index. Not safe for several writing threads; any number may search what ``reading`` returned."""

    def __init__(self, path: Path | None, *, heap_bytes: int = TAIL_BYTES) -> None:
        self.where = "memory" if path is None else str(path)
        self._heap_bytes = heap_bytes
        self._writer: Any = None
        with refusals("opening", self.where):
            self._index = tantivy.Index(SCHEMA, path=None if path is None else str(path))
            splitter = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            self._index.register_tokenizer(_SPLITTER, splitter)
            self._index.config_reader("manual")

    def add(self, row: int, body: str, title: str, forms: str, language: str) -> None:
        """Add the tokens of a row; they are found after the next ``commit``."""
        with refusals("adding a text", self.where):
            if self._writer is None:
                self._writer = self._index.writer(self._heap_bytes, 1)
            self._writer.add_document(
                tantivy.Document(**{BODY: body, TITLE: title, FORMS: forms, LANGUAGE: language, ROW: row})
            )

    def commit(self) -> None:
        """Make what was added part of the next ``reading``."""
        if self._writer is not None:
            with refusals("writing", self.where):
                self._writer.commit()

    def finish(self) -> None:
        """Commit, let merges end, and let go of the writer."""
        if self._writer is not None:
            with refusals("writing", self.where):
                self._writer.commit()
                self._writer.wait_merging_threads()
                self._writer = None
                cleaner = self._index.writer(TAIL_BYTES, 1)
                cleaner.garbage_collect_files()
                cleaner.wait_merging_threads()

    def reading(self) -> Reading:
        """Return the index as it was committed last; it stays so."""
        with refusals("opening", self.where):
            self._index.reload()
            return Reading(self._index.searcher(), self.where)

    def close(self) -> None:
        """Let go of the writer; what was not committed is lost."""
        self._writer = None


class Reading:
    """A tantivy index as of one commit. Safe for many threads. ``count`` is how many rows it has."""

    def __init__(self, searcher: Any, where: str) -> None:  # noqa: ANN401 - tantivy's class
        self._searcher = searcher
        self._frequencies: dict[tuple[str, str], int] = {}
        self.count = int(searcher.num_docs)
        self.where = where

    @property
    def parts(self) -> int:
        """How many files' worth of rows it is made of."""
        return int(self._searcher.num_segments)

    def frequency(self, field: str, token: str) -> int:
        """Return how many rows have a token."""
        found = self._frequencies.get((field, token))
        if found is None:
            found = int(self._searcher.doc_freq(field, token))
            if len(self._frequencies) >= MEMO_TOKENS:
                self._frequencies.clear()
            self._frequencies[field, token] = found
        return found

    def matching(self, query: Any) -> int:  # noqa: ANN401 - tantivy's class
        """Return how many rows a query finds."""
        with refusals("searching", self.where):
            return int(self._searcher.search(query, 1, count=True).count)

    def listed(self, query: Any, limit: int) -> tuple[list[int], list[float]]:  # noqa: ANN401 - tantivy's class
        """Return the rows and scores of the best ``limit`` hits, best first; equal ones in no order."""
        with refusals("searching", self.where):
            hits = self._searcher.search(query, limit, count=False).hits
            rows: list[int] = self._searcher.fast_field_values(ROW, [address for _, address in hits])
        return rows, [score for score, _ in hits]

    def best(self, query: Any, limit: int) -> tuple[Rows, Floats]:  # noqa: ANN401 - tantivy's class
        """Return the same as arrays."""
        rows, scores = self.listed(query, limit)
        return np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32)

    def explained(self, query: Any, row: int) -> dict[str, Any] | None:  # noqa: ANN401 - tantivy's class
        """Return how a query scores a row, as tantivy tells it; None if it does not find the row."""
        with refusals("explaining", self.where):
            hits = self._searcher.search(of_row(row), 1, count=False).hits
            if not hits or not self._searcher.search(both(of_row(row), query), 1, count=False).hits:
                return None
            told: dict[str, Any] = json.loads(query.explain(self._searcher, hits[0][1]).to_json())
            return told


def term(field: str, token: str) -> Any:  # noqa: ANN401 - tantivy's class
    """Return the query for a token, scored by BM25."""
    return tantivy.Query.term_query(SCHEMA, field, token)


def phrase(field: str, tokens: Sequence[str]) -> Any:  # noqa: ANN401 - the same
    """Return the query for tokens that stand one behind the other."""
    return tantivy.Query.phrase_query(SCHEMA, field, list(tokens))


def prefix(field: str, beginning: str) -> Any:  # noqa: ANN401 - the same
    """Return the query for tokens with a beginning; every row has the same score."""
    return tantivy.Query.regex_query(SCHEMA, field, _META.sub(lambda found: "\\" + found[0], beginning) + ".*")


def fuzzy(field: str, word: str, edits: int) -> Any:  # noqa: ANN401 - the same
    """Return the query for tokens a few edits away; every row has the same score."""
    return tantivy.Query.fuzzy_term_query(SCHEMA, field, word, distance=edits, transposition_cost_one=True)


def weighted(query: Any, weight: float) -> Any:  # noqa: ANN401 - the same
    """Return a query whose scores are multiplied."""
    return query if weight == 1 else tantivy.Query.boost_query(query, weight)


def constant(query: Any, score: float) -> Any:  # noqa: ANN401 - the same
    """Return a query that gives every row the same score."""
    return tantivy.Query.const_score_query(query, score)


def combined(should: Sequence[Any], must: Sequence[Any] = (), without: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - the same
    """Return a query whose scores are the sum of its parts; ``must`` and ``without`` only let through."""
    parts = [(_SHOULD, one) for one in should]
    parts += [(_MUST, constant(one, 0.0)) for one in must]
    parts += [(_NOT, one) for one in without]
    return tantivy.Query.boolean_query(parts)


def both(gate: Any, query: Any) -> Any:  # noqa: ANN401 - the same
    """Return a query with the scores of one, for the rows that both find."""
    return tantivy.Query.boolean_query([(_MUST, constant(gate, 0.0)), (_MUST, query)])


def of_row(row: int) -> Any:  # noqa: ANN401 - the same
    """Return the query for one row."""
    return tantivy.Query.term_query(SCHEMA, ROW, row)


def of_rows(rows: Rows) -> Any:  # noqa: ANN401 - the same
    """Return the query for some rows. Some eight microseconds each: less than tantivy's own set of terms."""
    return combined([of_row(row) for row in rows.tolist()])


def between(first: int, end: int) -> Any:  # noqa: ANN401 - the same
    """Return the query for the rows from ``first`` to before ``end``."""
    return tantivy.Query.range_query(SCHEMA, ROW, tantivy.FieldType.Integer, first, end, include_upper=False)
