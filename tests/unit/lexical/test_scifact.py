"""The published quality on real data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal.lexical import LexicalIndex, LexicalText


@pytest.mark.slow
def test_scifact(data_folder: Path) -> None:
    """nDCG@10 on SciFact's test questions is 0.67 or more with title and text as they are (BM25 in Anserini: 0.679)."""
    folder = data_folder / "scifact"
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    questions = {
        one["_id"]: one["text"] for one in map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    }
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[document] = int(grade)
    index = LexicalIndex.build(
        LexicalText(row=row, text=one["text"], title=one["title"]) for row, one in enumerate(documents)
    )
    total = 0.0
    for query, grades in judged.items():
        rows = index.search(questions[query], k=10).rows.tolist()
        gains = [grades.get(documents[row]["_id"], 0) for row in rows]
        best = sorted(grades.values(), reverse=True)[:10]
        total += sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / sum(
            gain / math.log2(place + 2) for place, gain in enumerate(best)
        )
    assert total / len(judged) >= 0.67
