"""What mteb is given finds whole documents in any collection; no mteb is needed for that."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import evaluate
from vicinal.errors import MissingExtraError, UnknownNameError
from vicinal.evaluate import mteb
from vicinal.evaluate.mteb import as_mteb_encoder, as_mteb_search, best_documents, corpus_name, stored
from vicinal.testing import ToyEncoder


class Shelf:
    """A collection whose hits are known: (document, score) of each chunk, best first."""

    def __init__(self, chunks=()):
        self.chunks = list(chunks)
        self.asked = []
        self.stored = {}

    def __len__(self):
        """How many are stored."""
        return len(self.stored)

    def upsert(self, records):
        """Keep records."""
        self.stored.update({one["id"]: one for one in records})

    def search(self, query, *, k, where=None, **settings_):
        """The first k chunks that the filter lets through."""
        self.asked.append((k, where, settings_))
        allowed = None if where is None else set(where[mteb.DOCUMENT_FIELD]["$in"])
        kept = [one for one in self.chunks if allowed is None or one[0] in allowed]
        return [SimpleNamespace(id=name, score=score) for name, score in kept[:k]]


def test_a_document_has_the_score_of_its_best_chunk():
    """Two documents are asked for and one has the first three chunks: more is asked, until there are two."""
    shelf = Shelf([("a", 0.9), ("a", 0.8), ("a", 0.7), ("b", 0.6), ("c", 0.5)])
    assert best_documents(shelf, "q", k=2) == {"a": 0.9, "b": 0.6}
    assert [k for k, _, _ in shelf.asked] == [2, 8]


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(1, 8), st.sets(st.sampled_from("abcdez")))
def test_documents_are_the_first_of_each_in_order(names, k, candidates):
    """Whatever chunks there are: the first k different documents of those let through."""
    shelf = Shelf((name, -place) for place, name in enumerate(names))
    expected = list(dict.fromkeys(names))[:k]
    assert list(best_documents(shelf, "q", k=k)) == expected
    among = best_documents(shelf, "q", k=k, candidates=sorted(candidates))
    assert list(among) == list(dict.fromkeys(name for name in names if name in candidates))[:k]


def test_where_scores_rise_the_order_counts():
    """Behind a reranker's candidates stand hits with scores of another kind; mteb sorts by score, so they are numbered."""
    shelf = Shelf([("a", 2.0), ("b", -3.0), ("c", 0.9)])
    assert best_documents(shelf, "q", k=3) == {"a": 3.0, "b": 2.0, "c": 1.0}
    assert best_documents(shelf, "q", k=2) == {"a": 2.0, "b": -3.0}


def test_settings_go_to_the_search(monkeypatch):
    """Mode and the like reach the collection; no more chunks are asked for than it gives."""
    monkeypatch.setattr(mteb, "MOST_HITS", 5)
    shelf = Shelf([("a", 1.0)] * 9)
    assert best_documents(shelf, "q", k=3, settings={"mode": "dense"}) == {"a": 1.0}
    assert shelf.asked == [(3, None, {"mode": "dense"}), (5, None, {"mode": "dense"})]


def test_documents_with_text_are_stored_once():
    """Blank ones cannot be; a collection that holds as many as have text is taken as it is."""
    shelf = Shelf()
    stored(shelf, {"a": "cat", "b": " "})
    assert shelf.stored == {"a": {"id": "a", "text": "cat", mteb.DOCUMENT_FIELD: "a"}}
    shelf.upsert = None
    stored(shelf, {"a": "cat", "b": " "})


def test_a_corpus_has_a_name_of_its_own():
    """The same documents in any order have the same name; another text has another."""
    assert corpus_name({"a": "x", "b": "y"}) == corpus_name({"b": "y", "a": "x"})
    assert corpus_name({"a": "x"}) != corpus_name({"a": "y"})


def test_without_mteb_the_error_names_the_command(monkeypatch):
    """The message says what to install; a role is checked before."""
    monkeypatch.setitem(sys.modules, "vicinal.evaluate._mteb", None)
    monkeypatch.delattr(evaluate, "_mteb", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'mteb>=2\.26'"):
        as_mteb_encoder(ToyEncoder())
    with pytest.raises(MissingExtraError, match=r"pip install 'mteb>=2\.26'"):
        as_mteb_search(Shelf)
    with pytest.raises(UnknownNameError, match="role must be one of document, query"):
        as_mteb_encoder(ToyEncoder(), role="both")
