"""What a way of cutting is judged by: questions whose answers are known to the character, and the chunks that came back.

Two sets. ``chunking_eval`` is the one of Smith and Troynikov, "Evaluating chunking strategies for retrieval" (Chroma,
2024): five corpora, 472 questions, references by character. ``covidqa_part`` is part of COVID-QA (Möller et al. 2020):
98 articles in full, 1,380 questions with the span of the answer; the first line of an article is its title.

All documents of a set are one collection, and each question gets its k nearest chunks by cosine, as in the report.
Figures are in characters, with the report's formulas: what chunks of other documents hold counts as retrieved and
wrong, and a character that two chunks hold is retrieved twice for precision and intersection over union, once for recall.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import record
from vicinal.types import Chunk, Document

NEAREST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the document that answers it, and where."""

    text: str
    document: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set: its documents, its questions, and the digest of its file."""

    name: str
    documents: list[Document]
    questions: list[Question]
    digest: str


def chunking_eval() -> Task:
    """Return the five corpora with their 472 questions."""
    folder = record.DATA / "chunking_eval"
    documents = [
        Document(id=path.stem, text=path.read_bytes().decode(), form="markdown")
        for path in sorted((folder / "corpora").glob("*.md"))
    ]
    with (folder / "questions_df.csv").open(newline="") as file:
        questions = [
            Question(
                text=line["question"],
                document=line["corpus_id"],
                spans=tuple((one["start_index"], one["end_index"]) for one in json.loads(line["references"])),
            )
            for line in csv.DictReader(file)
        ]
    return Task(
        name="chunking_eval",
        documents=documents,
        questions=questions,
        digest=record.digest(folder / "questions_df.csv"),
    )


def covidqa_part() -> Task:
    """Return the 98 articles with their 1,380 questions."""
    path = record.DATA / "covidqa_part" / "200423_covidQA.json"
    documents, questions = [], []
    for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"]):
        for paragraph in article["paragraphs"]:
            name = f"{number}-{paragraph['document_id']}"
            text = paragraph["context"]
            title = text[: text.find("\n")]
            documents.append(Document(id=name, text=text, form="text", fields={"title": title}))
            questions += [
                Question(text=one["question"], document=name, spans=tuple(map(_span, one["answers"])))
                for one in paragraph["qas"]
            ]
    return Task(name="covidqa_part", documents=documents, questions=questions, digest=record.digest(path))


def _span(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["answer_start"], answer["answer_start"] + len(answer["text"])


TASKS = {"chunking_eval": chunking_eval, "covidqa_part": covidqa_part}


class Vectors:
    """An encoder that makes the vector of a text once: what it made lies in a folder, by the digest of the text."""

    def __init__(self, encoder: Any, folder: Path | None) -> None:
        self.encoder = encoder
        self.path = folder / f"{encoder.space.id.replace('/', '-')}.npz" if folder else None
        self.rows: dict[bytes, np.ndarray] = {}
        if self.path and self.path.exists():
            with np.load(self.path) as file:
                keys = [bytes(key) for key in file["keys"]]
                self.rows = dict(zip(keys, file["rows"], strict=True))

    def of_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of chunks, float32 (N, D)."""
        return self._of(texts, "d", self.encoder.encode_documents)

    def of_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of questions, float32 (N, D)."""
        return self._of(texts, "q", self.encoder.encode_queries)

    def _of(self, texts: Sequence[str], side: str, encode: Any) -> np.ndarray:
        keys = [hashlib.blake2b(f"{side}{text}".encode(), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.rows}
        if new:
            self.rows |= dict(zip(new, np.asarray(encode(list(new.values()))), strict=True))
            self._save()
        return np.stack([self.rows[key] for key in keys])

    def _save(self) -> None:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            keys = np.array([list(key) for key in self.rows], dtype=np.uint8)
            np.savez(self.path, keys=keys, rows=np.stack(list(self.rows.values())))


def judged(
    task: Task,
    owners: Sequence[str],
    chunks: Sequence[Chunk],
    vectors: np.ndarray,
    asked: np.ndarray,
    *,
    parents: Sequence[tuple[int, int]] | None = None,
) -> dict[str, float]:
    """Return the means over the questions of one way to cut, in percent.

    Parameters
    ----------
    task : Task
        The set.
    owners, chunks, vectors
        For each chunk its document's id, the chunk, its vector.
    asked : float32 array of shape (Q, D)
        The questions' vectors.
    parents : sequence of (start, end), optional
        What is handed out in the place of each chunk; the same parent once.
    """
    spans = list(parents) if parents is not None else [(one.start, one.end) for one in chunks]
    order = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")
    measured = []
    for question, row in zip(task.questions, order, strict=True):
        found = dict.fromkeys((owners[number], *spans[number]) for number in row[: NEAREST * 8])
        measured.append(overlaps(question, list(found)[:NEAREST]))
    table = np.array(measured)
    names = ("recall", "precision", "iou", "whole", "characters")
    means = dict(zip(names, table.mean(axis=0).tolist(), strict=True))
    return {
        **{name: round(100 * means[name], 2) for name in names[:4]},
        "recall_deviation": round(100 * float(table[:, 0].std()), 1),
        "characters_at_5": round(means["characters"]),
    }


def overlaps(question: Question, found: Sequence[tuple[str, int, int]]) -> tuple[float, float, float, float, float]:
    """Return recall, precision, intersection over union, whether the answer is whole, and the characters retrieved."""
    wanted = {place for start, end in question.spans for place in range(start, end)}
    held = [range(start, end) for document, start, end in found if document == question.document]
    hit = len(wanted.intersection(*[set().union(*held)])) if held else 0
    retrieved = sum(end - start for _, start, end in found)
    return (
        hit / len(wanted),
        hit / retrieved,
        hit / (retrieved + len(wanted) - hit),
        float(hit == len(wanted)),
        float(retrieved),
    )
