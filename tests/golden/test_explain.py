"""An explanation by the real model: the shares of the tokens sum to the score, in data, terminal and page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.errors import ModelNotFoundError

TEXTS = {
    "bill": "How to cancel a subscription and stop the bill",
    "pump": "Error code XJ-4821 means that the pump is <b>dry</b> & hot",
    "rome": "The weather in Rome is mild in spring",
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory):
    """Three records of MiniLM."""
    try:
        vicinal.load("minilm")
    except ModelNotFoundError:
        pytest.skip("MiniLM is not on this machine")
    with vicinal.open(tmp_path_factory.mktemp("explain") / "db") as db:
        made = db.collection("notes", model="minilm")
        made.add([{"id": name, "text": text} for name, text in TEXTS.items()])
        yield made


@pytest.mark.parametrize("name", TEXTS)
def test_shares_sum_to_the_scores(notes: vicinal.Collection, name: str) -> None:
    """Tokens sum to the cosine of the stored vector, words to BM25, within 1e-4; spans are of the text."""
    found = notes.explain("stop paying for the XJ-4821 pump", name)
    assert found.heat.kind == "exact"
    assert sum(one.share for one in found.heat.text_credits()) == pytest.approx(found.score, abs=1e-4)
    assert sum(one.share for one in found.heat.query_credits()) == pytest.approx(found.score, abs=1e-4)
    hits = {hit.id: hit.score for hit in notes.search(found.query, mode="dense")}
    assert found.score == pytest.approx(hits[name], abs=1e-6)
    assert found.lexical_score == pytest.approx(sum(one.score for one in found.terms), abs=1e-4)
    by_words = {hit.id: hit.score for hit in notes.search(found.query, mode="lexical")}
    assert found.lexical_score == pytest.approx(by_words.get(name, 0.0), abs=1e-3)
    assert all(0 <= one.start <= one.end <= len(TEXTS[name]) for one in found.heat.text_credits())


def test_the_page_needs_nothing_and_shows_texts_as_text(notes: vicinal.Collection, tmp_path: Path) -> None:
    """No script, no address, no markup of the text's own; the warmest words are those that gave most."""
    page = notes.explain("is the pump dry?", "pump").html()
    assert "<b>" not in page
    assert "&lt;" in page
    assert "<script" not in page
    assert "http" not in page
    assert np.isfinite(float(page.count("rgba")))
    assert page.count('<span title="') >= 8
