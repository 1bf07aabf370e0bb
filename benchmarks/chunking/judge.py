"""What a way of cutting is judged by: questions whose answers are known to the character, and the chunks that came back.

Two sets. ``chunking_eval`` is the one of Smith and Troynikov, "Evaluating chunking strategies for retrieval" (Chroma,
2024): five corpora, 472 questions, references by character. ``covidqa_part`` is part of COVID-QA (Möller et al. 2020):
98 articles in full, 1,380 questions with the span of the answer; the first line of an article is its title.

All documents of a set are one collection. Recall, precision and intersection over union are those of the report, in
characters of the five nearest: what chunks of other documents hold counts as retrieved and wrong, and a character that
two chunks hold is retrieved twice for precision and intersection over union, once for recall. Beside them stand the
figures of ranking, where a chunk is relevant that holds an answer whole: a cutting that tears an answer has none.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import record
from vicinal.types import Document

NEAREST = 5
"""Of which the characters are counted."""
RANKED = 10
"""How deep the ranking is looked at."""
MEASURES = (
    "recall",
    "precision",
    "iou",
    "whole",
    "hit_at_1",
    "hit_at_5",
    "hit_at_10",
    "reciprocal_rank_at_10",
    "ndcg_at_10",
    "characters",
)

Place = tuple[str, int, int]
"""What is handed out: the document, and the span of it."""
Table = dict[str, NDArray[np.float64]]
"""For each measure its value (Q,) for every question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the document that answers it, and where."""

    text: str
    document: str
    spans: tuple[tuple[int, int], ...]

    def is_answered(self, place: Place) -> bool:
        """Return whether a place holds one of the answers whole."""
        document, low, high = place
        return document == self.document and any(low <= start and end <= high for start, end in self.spans)


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


def judged(task: Task, found: Sequence[Sequence[Place]], every: Sequence[Place]) -> Table:
    """Return every measure of every question.

    Parameters
    ----------
    task : Task
        The set.
    found : sequence of sequences of (document, start, end)
        What each question is handed, best first, no place twice; what is behind the tenth does not count.
    every : sequence of (document, start, end)
        All places that could have been handed out: who holds an answer decides what the best order would be.
    """
    held: dict[str, list[Place]] = defaultdict(list)
    for place in dict.fromkeys(every):
        held[place[0]].append(place)
    rows = [
        (*overlaps(question, places[:NEAREST]), *ranks(question, places[:RANKED], held[question.document]))
        for question, places in zip(task.questions, found, strict=True)
    ]
    columns = np.array(rows, dtype=np.float64).T
    names = ("recall", "precision", "iou", "whole", "characters", *MEASURES[4:9])
    return dict(zip(names, columns, strict=True))


def overlaps(question: Question, found: Sequence[Place]) -> tuple[float, float, float, float, float]:
    """Return recall, precision, intersection over union, whether the answer is whole, and the characters retrieved."""
    wanted = {place for start, end in question.spans for place in range(start, end)}
    held = [range(start, end) for document, start, end in found if document == question.document]
    hit = len(wanted.intersection(*[set().union(*held)])) if held else 0
    retrieved = sum(end - start for _, start, end in found)
    return (
        hit / len(wanted),
        hit / retrieved if retrieved else 0.0,
        hit / (retrieved + len(wanted) - hit),
        float(hit == len(wanted)),
        float(retrieved),
    )


def ranks(
    question: Question, found: Sequence[Place], held: Sequence[Place]
) -> tuple[float, float, float, float, float]:
    """Return whether an answer is whole in the first 1, 5 and 10, the reciprocal rank of that place, and nDCG at 10."""
    gains = [question.is_answered(place) for place in found]
    first = gains.index(True) + 1 if any(gains) else 0
    discounts = 1 / np.log2(np.arange(2, RANKED + 2))
    best = discounts[: sum(map(question.is_answered, held))].sum()
    return (
        float(first == 1),
        float(0 < first <= NEAREST),
        float(first > 0),
        1 / first if first else 0.0,
        float(discounts[: len(gains)][gains].sum() / best) if first else 0.0,
    )
