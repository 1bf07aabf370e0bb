"""The true best rows within any mask, whatever is common, masked or equal."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal import kernels
from vicinal.errors import ShapeError
from vicinal.lexical import LexicalIndex, LexicalText, topk

COUNT = 400


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a few hundred rows reach."""
    monkeypatch.setattr(topk, "FEW_ROWS", 8)
    monkeypatch.setattr(topk, "MOST_HITS", 16)
    monkeypatch.setattr(topk, "STRETCH_ROWS", 64)


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    """Row r has the common word r % 5 + 1 times, and r // 100 other words: many equal scores."""
    texts = (" ".join(["common"] * (row % 5 + 1) + ["other"] * (row // 100)) for row in range(COUNT))
    made = LexicalIndex.build(LexicalText(row=row, text=text) for row, text in enumerate(texts))
    for row in range(COUNT, COUNT + 30):  # many small parts, which tantivy merges when it likes
        made = made.extended([LexicalText(row=row, text="common common")])
        made.search("common", k=1)
    return made


@pytest.mark.parametrize("share", [None, 0.0, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 7, 100, 10_000_000_000])
def test_the_true_best_within_a_mask(small: None, index: LexicalIndex, share: float | None, k: int) -> None:
    """With bounds so small that every way is taken, the answer is the masked part of the whole order."""
    whole = index.search("common other", k=COUNT + 30)
    mask = None if share is None else np.random.default_rng(7).random(COUNT + 30) < share
    found = index.search("common other", k=k, mask=mask)
    kept = whole.rows if mask is None else whole.rows[mask[whole.rows]]
    assert found.rows.tolist() == kept[:k].tolist()
    assert found.complete


def test_masks_against_the_order(small: None, index: LexicalIndex) -> None:
    """A mask that hides all of the best hits leaves the others in their order."""
    whole = index.search("common", k=COUNT + 30).rows
    mask = np.ones(COUNT + 30, dtype=np.bool_)
    mask[whole[:300]] = False
    assert index.search("common", k=5, mask=mask).rows.tolist() == whole[300:305].tolist()


def test_ties_stand_in_the_order_of_rows(small: None, index: LexicalIndex) -> None:
    """Of equal scores the first rows come, however many there are and wherever tantivy keeps them."""
    found = index.search("other", k=20)  # rows 300 to 399 have it three times, among 4 to 8 words: those of 4 are best
    assert len(set(found.scores.tolist())) == 1
    assert found.rows.tolist() == [300 + 5 * place for place in range(20)]


def test_masks_as_bits_and_short_ones(index: LexicalIndex) -> None:
    """Bits and booleans are the same mask; rows behind its end are not let through."""
    mask = np.zeros(10, dtype=np.bool_)
    mask[3] = True
    wanted = [3]
    assert index.search("common", k=5, mask=mask).rows.tolist() == wanted
    assert index.search("common", k=5, mask=kernels.bits_of_mask(mask)).rows.tolist() == wanted
    assert index.search("common", k=5, mask=np.zeros(0, dtype=np.bool_)).rows.tolist() == []


def test_no_mask_of_another_shape(index: LexicalIndex) -> None:
    """A table is no mask."""
    with pytest.raises(ShapeError):
        index.search("common", k=5, mask=np.zeros((2, 2), dtype=np.bool_))
