"""A bridge from a static model to MiniLM on SciFact's claims: what it keeps, and that its advantage is told beforehand.

``LONG_STEPS`` is the number of abstracts; with 5,183 or more all of them and 300 claims take part, which takes minutes.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal import encode
from vicinal.encode import FunctionEncoder
from vicinal.errors import VicinalWarning
from vicinal.evaluate import Judged, read_judged
from vicinal.evaluate.metrics import scored
from vicinal.lifecycle.bridge import Cascade, fit_pairs
from vicinal.lifecycle.question import Question
from vicinal.space import Encoder

ABSTRACTS = max(160, int(os.environ.get("LONG_STEPS", "0")))
CLAIMS_SHARE = 0.2
ALL_ABSTRACTS = 5183
LEAST_RETENTION = 0.95
WORD = re.compile(r"[a-z0-9]+")


def static_of(teacher: Encoder, texts: list[str]) -> FunctionEncoder:
    """Return a static model: the mean of what the teacher says of each word alone, for the words of some texts."""
    words = sorted({word for text in texts for word in WORD.findall(text.lower())})
    rows = np.asarray(teacher.encode_documents(words))
    table = dict(zip(words, rows, strict=True))

    def mean(given: list[str]) -> list[np.ndarray]:
        found = [[table[word] for word in WORD.findall(text.lower()) if word in table] for text in given]
        return [np.mean(one, axis=0) if one else np.full(rows.shape[1], 1e-3) for one in found]

    return FunctionEncoder(mean, name="static", version="1", dim=rows.shape[1])


def sampled(folder: Path) -> tuple[list[dict[str, str]], Judged]:
    """Return abstracts and claims: those that answer the claims, and others."""
    judged = read_judged(folder)
    if ABSTRACTS < ALL_ABSTRACTS:
        judged = judged.only(list(judged.queries)[: int(ABSTRACTS * CLAIMS_SHARE)])
    lines = [json.loads(line) for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    records = [{"id": one["_id"], "text": f"{one.get('title', '')} {one['text']}".strip()} for one in lines]
    right = judged.relevant()
    return sorted(records, key=lambda one: one["id"] not in right)[:ABSTRACTS], judged


@pytest.mark.slow
def test_the_bridge_keeps_what_was_promised(data_folder: Path, minilm: Encoder, tmp_path: Path) -> None:
    """Retention is at least 0.95 of the full re-embedding's nDCG@10, and the measured advantage lies in the told interval."""
    records, judged = sampled(data_folder / "scifact")
    candidates = max(24, ABSTRACTS * 200 // ALL_ABSTRACTS)
    with warnings.catch_warnings(), vicinal.open(tmp_path / "db") as db:
        warnings.simplefilter(
            "ignore", VicinalWarning
        )  # abstracts beyond the window are cut, as published figures have it
        new = encode.cached(encode.load("minilm", overflow="cut"))
        old = db.collection("old", model=static_of(minilm, [one["text"] for one in records]))
        old.add(records)
        told = old.bridge(new, judged=judged, candidates=candidates)
        other = db.collection("new", model=new)
        store = old._store
        cascade = Cascade(
            store=store,
            old="old",
            new="new",
            encoder=new,
            fitted=fit_pairs(store, "old", encoder=new),
            candidates=candidates,
            most_encoded=10_000,
        )
        run = {}
        for query, text in judged.queries.items():
            (one,) = cascade.ask([text], Question(k=10, recall=1.0))
            run[query] = {hit.id: hit.score for hit in one.found.items}
        other.add([one for one in records if one["id"] not in other])
        full = {
            query: {hit.id: hit.score for hit in other.search(text, k=10, mode="dense", exact=True)}
            for query, text in judged.queries.items()
        }
        before = {
            query: {hit.id: hit.score for hit in old.search(text, k=10, mode="dense", exact=True)}
            for query, text in judged.queries.items()
        }

    def mean(one: dict[str, dict[str, float]]) -> float:
        return scored(one, judged.qrels, ["ndcg@10"]).mean()["ndcg@10"]

    assert mean(run) >= LEAST_RETENTION * mean(full)
    assert told.old.value == pytest.approx(mean(before), abs=0.01)
    assert told.advantage.low <= mean(run) / mean(before) <= told.advantage.high
    assert told.full.value >= mean(full) - 0.01
