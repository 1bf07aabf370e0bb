"""Local files of benchmark data: tables of texts with labels, pairs, sets and corpora, as JSON lines, CSV or TSV.

What a column is called differs from set to set; the names that are looked for, in this order, stand below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError
from vicinal.evaluate.judgements.columns import folded
from vicinal.evaluate.judgements.lines import faulty, numbered_lines, parsed_object
from vicinal.evaluate.judgements.queries import table_rows
from vicinal.evaluate.protocols.retrieval import titled
from vicinal.evaluate.protocols.summarization import Summarized

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv")
TEXT = ("text", "sentence", "sentences", "document", "content")
LABEL = ("label", "labels", "category", "intent", "class", "label_text")
FIRST = ("sentence1", "sent1", "text1", "first", "question1")
SECOND = ("sentence2", "sent2", "text2", "second", "question2")
GOLD = ("score", "gold", "similarity", "label")
SAME = ("label", "labels", "is_duplicate", "same")
ID = ("_id", "id", "doc_id", "document_id")
MOST_ROWS = 10_000_000
MOST_LISTED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Texts, and the label of each; in a set of labels by level, the path of labels."""

    texts: tuple[str, ...]
    labels: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of texts, and the number that people gave each; none where no column was asked for."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    said: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """Queries with the candidates of each, and which of them answer it."""

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    candidates: Mapping[str, tuple[str, ...]]


def table_of(folder: Path, split: str) -> Path:
    """Return the file of a split: ``<split>.jsonl``, ``.ndjson``, ``.csv`` or ``.tsv``; a file stands for itself.

    Raises
    ------
    NotFoundError
        There is none; the message lists what there is.
    """
    with disk_errors(folder):
        if folder.is_file():
            return folder
        found = [folder / f"{split}{ending}" for ending in ENDINGS if (folder / f"{split}{ending}").is_file()]
        if found:
            return found[0]
        there = sorted(one.name for one in folder.iterdir() if one.suffix in ENDINGS) if folder.is_dir() else []
    listed = ", ".join(there[:10]) or "no table"
    wanted = f"{split}.jsonl, {split}.csv or {split}.tsv"
    raise NotFoundError(f"{folder} must hold {wanted}; it holds {listed}.", expected=wanted, where=str(folder))


def read_labelled(path: Path) -> Labelled:
    """Return texts and labels of a table.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, a column is missing, or a value is none. The message has the line's number.
    """
    texts, labels = [], []
    for number, row in rows_of(path):
        texts.append(_text(row, TEXT, path, number))
        labels.append(_label(row, path, number))
    return Labelled(texts=tuple(texts), labels=tuple(labels))


def read_sets(path: Path) -> list[Labelled]:
    """Return sets of labelled texts of JSON lines, each line a set: two lists of equal length.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, or a line is no set.
    """
    found = []
    for number, row in rows_of(path):
        texts = _listed(_value(row, TEXT, path, number), "texts", str, path, number)
        labels = _listed(_value(row, LABEL, path, number), "labels", str | int, path, number)
        if len(texts) != len(labels):
            raise faulty(path, number, f"a set has as many labels as texts, got {len(labels)} and {len(texts)}")
        found.append(Labelled(texts=tuple(texts), labels=tuple(map(str, labels))))
    return found


def read_pairs(path: Path, *, said: Sequence[str] = ()) -> Pairs:
    """Return pairs of texts of a table, with the number of a column where one is wanted.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, a column is missing, or a value is none.
    """
    first, second, numbers = [], [], []
    for number, row in rows_of(path):
        first.append(_text(row, FIRST, path, number))
        second.append(_text(row, SECOND, path, number))
        if said:
            numbers.append(_number(_value(row, said, path, number), path, number))
    return Pairs(first=tuple(first), second=tuple(second), said=tuple(numbers))


def read_documents(folder: Path) -> dict[str, str]:
    """Return the texts of BEIR's ``corpus.jsonl`` by id, each title before its text.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, a line is no document, or an id comes twice.
    """
    path = folder / "corpus.jsonl"
    found: dict[str, str] = {}
    for number, row in rows_of(path):
        told = _value(row, ID, path, number)
        title, text = row.get("title") or "", row.get("text") or ""
        if not all(isinstance(one, str) for one in (title, text)) or not isinstance(told, str | int):
            raise faulty(path, number, "a document has an id, a text and maybe a title, all strings")
        if found.setdefault(str(told), joined := titled(title, text)) is not joined:
            raise faulty(path, number, f"the id {str(told)[:80]!r} comes twice")
    return found


def read_reranked(path: Path) -> Reranked:
    """Return queries with candidates of JSON lines: ``query``, ``positive`` and ``negative``.

    ``query`` is a string, or a list of strings that ask for the same, each a query of its own. Lines without a positive
    or without a negative are left out, as MTEB does: their order cannot be wrong. Each candidate is a document of its
    own, equal texts too; among equal cosines the negatives come first, by their ids.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, or a line is none of that kind.
    """
    documents: dict[str, str] = {}
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    candidates: dict[str, tuple[str, ...]] = {}
    for number, row in rows_of(path):
        asked = row.get("query")
        listed = [asked] if isinstance(asked, str) else _listed(asked, "query", str, path, number)
        right, others = (_listed(row.get(name), name, str, path, number) for name in ("positive", "negative"))
        if not right or not others:
            continue
        grades = {f"{number}-0-{place}": 1 for place in range(len(right))}
        grades |= {f"{number}-1-{place}": 0 for place in range(len(others))}
        documents.update(zip(grades, [*right, *others], strict=True))
        for place, query in enumerate(listed):
            name = f"{number}-{place}"
            queries[name], candidates[name], qrels[name] = query, tuple(grades), grades
    return Reranked(documents=documents, queries=queries, qrels=qrels, candidates=candidates)


def read_summarized(path: Path) -> list[Summarized]:
    """Return summaries of JSON lines: ``human_summaries``, ``machine_summaries`` and ``relevance``, three lists.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, or a line is none of that kind.
    """
    found = []
    for number, row in rows_of(path):
        lists = {
            name: tuple(_listed(row.get(name), name, kind, path, number))
            for name, kind in (("human_summaries", str), ("machine_summaries", str), ("relevance", float | int))
        }
        human, machine, liked = lists.values()
        if len(machine) != len(liked):
            raise faulty(path, number, f"machine_summaries and relevance differ: {len(machine)} and {len(liked)}")
        found.append(Summarized(human=human, machine=machine, liked=tuple(map(float, liked))))
    return found


def require_labels(labelled: Labelled, path: Path) -> None:
    """Refuse labels by level where one a text is wanted.

    Raises
    ------
    InputError
        A text has a path of labels.
    """
    if any(isinstance(label, tuple) for label in labelled.labels):
        raise InputError(f"{path} has several labels a text; this protocol takes one.", where=str(path))


def rows_of(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Go through the rows of a file as name to value, with the numbers of their lines; names are folded.

    Raises
    ------
    NotFoundError, InputError
        There is no such file, it has too many rows, or a row is none.
    """
    read = _objects if path.suffix.lower() in {".jsonl", ".ndjson"} else _cells
    for count, (number, row) in enumerate(read(path)):
        if count == MOST_ROWS:
            raise faulty(path, number, f"a file may have {MOST_ROWS} rows")
        yield number, row


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in numbered_lines(path):
        yield number, {folded(name): value for name, value in parsed_object(line, path, number).items()}


def _cells(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = table_rows(path)
    _, head = next(rows, (0, []))
    names = [folded(cell) for cell in head]
    for number, cells in rows:
        if len(cells) != len(names):
            raise faulty(path, number, f"{len(names)} columns were expected, got {len(cells)}")
        yield number, dict(zip(names, cells, strict=True))


def _value(row: Mapping[str, Any], names: Sequence[str], path: Path, number: int) -> Any:  # noqa: ANN401 - a value of JSON
    found = next((row[name] for name in names if row.get(name) is not None), None)
    if found is None:
        raise faulty(path, number, f"there is no column {' or '.join(names)}; name one so")
    return found


def _text(row: Mapping[str, Any], names: Sequence[str], path: Path, number: int) -> str:
    value = _value(row, names, path, number)
    if not isinstance(value, str):
        raise faulty(path, number, f"{names[0]} must be a string, got {type(value).__name__}")
    return value


def _label(row: Mapping[str, Any], path: Path, number: int) -> str | tuple[str, ...]:
    value = _value(row, LABEL, path, number)
    if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
        return tuple(map(str, value))
    if not isinstance(value, str | int):
        raise faulty(path, number, f"a label must be a string or a whole number, got {type(value).__name__}")
    return str(value)


def _number(value: object, path: Path, number: int) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # the TypeError is the check
    except (TypeError, ValueError):
        raise faulty(path, number, f"a number was expected, got {type(value).__name__}") from None


def _listed(value: object, name: str, kind: Any, path: Path, number: int) -> list[Any]:  # noqa: ANN401 - a type or a union
    if not isinstance(value, list) or len(value) > MOST_LISTED or not all(isinstance(one, kind) for one in value):
        what = "numbers" if kind == float | int else "strings"
        raise faulty(path, number, f"{name} must be a list of at most {MOST_LISTED} {what}")
    return value
