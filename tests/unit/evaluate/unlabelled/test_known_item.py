"""Known items ask for one document each, with words of it, and say so."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, RangeError, UnknownNameError
from vicinal.evaluate.unlabelled import KINDS, known_items
from vicinal.evaluate.unlabelled import known_item as module
from vicinal.types import Document

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "iota", "kappa", "lambda", "sigma", "omega"]


def page(number, **told):
    """A page of Markdown with a heading, two sections and words of its own."""
    text = (
        f"# Title {number}\n\nThe first sentence of page {number}. Another one follows.\n\n"
        f"## Section {number}a\n\nMore about it.\n\n## Section {number}b #\n\nThe end."
    )
    return Document(**{"id": f"p{number}", "text": text, "form": "markdown", **told})


PAGES = [page(number) for number in range(30)]


@pytest.mark.parametrize(
    ("kind", "starts"), [("title", "Title "), ("heading", "Section "), ("sentence", "The first sentence of page ")]
)
def test_each_asks_for_its_own_document(kind, starts):
    """A query a document, made of its text; the name says which kind it is, and that it still stands there."""
    found = known_items(PAGES, queries=10, kind=kind, seed=1)
    texts = {one.id: one.text for one in PAGES}
    assert len(found.judged) == 10
    assert found.held_out == {}
    for query, text in found.judged.queries.items():
        ((document, grade),) = found.judged.qrels[query].items()
        assert grade == 1
        assert text.startswith(starts)
        assert text in texts[document]
    assert "still in the documents" in found.judged.name
    assert found.without(PAGES[0]) is PAGES[0]


@pytest.mark.parametrize("kind", ["title", "heading", "sentence"])
def test_what_is_held_out_is_gone(kind):
    """The document that is to be searched has no longer what was asked, and nothing else is missing."""
    found = known_items(PAGES, queries=5, kind=kind, hold_out=True)
    assert "held out of the documents" in found.judged.name
    by_id = {one.id: one for one in PAGES}
    for query, grades in found.judged.qrels.items():
        (name,) = grades
        whole, without = by_id[name], found.without(by_id[name])
        start, end = found.held_out[name]
        text = found.judged.queries[query]
        assert text in whole.text[start:end]
        assert text not in without.text
        assert len(without.text) == len(whole.text) - (end - start)
    assert sum(one.id in found.held_out for one in PAGES) == 5


def test_keywords_are_telling_words():
    """Five of the eight words of highest tf-idf, in the order of the text; computed here by the formula."""
    pages = [
        Document(id=str(number), text=" ".join(["common", "words", *(f"{word}{number}" for word in WORDS), "alpha"]))
        for number in range(20)
    ]
    found = known_items(pages, queries=20, kind="keywords", seed=3)
    assert len(found.judged) == 20
    for query, text in found.judged.queries.items():
        (name,) = found.judged.qrels[query]
        words = pages[int(name)].text.split()
        holding = Counter(word for one in pages for word in set(one.text.split()))
        weights = {word: words.count(word) * math.log(21 / holding[word]) for word in words}
        telling = sorted(weights, key=lambda word: (-weights[word], word))[:8]
        asked = text.split()
        assert len(asked) == 5
        assert set(asked) <= set(telling)
        assert asked == [word for word in words if word in asked]
    assert "telling words" in found.judged.name
    assert (
        len(
            {
                tuple(sorted(word.rstrip("0123456789") for word in text.split()))
                for text in found.judged.queries.values()
            }
        )
        > 1
    )


@given(st.randoms(), st.integers(0, 5), st.sampled_from(KINDS))
@settings(max_examples=25)
def test_order_changes_nothing_and_a_seed_everything(random, seed, kind):
    """The same documents in another order give the same; another seed gives others."""
    shuffled = random.sample(PAGES, len(PAGES))
    one, other = (known_items(pages, queries=8, kind=kind, seed=seed) for pages in (PAGES, shuffled))
    assert one == other
    assert one.judged.digest != known_items(PAGES, queries=8, kind=kind, seed=seed + 1).judged.digest


def test_a_query_of_several_documents_is_none():
    """Twenty pages of the same title and one of its own give one query; case and white space do not make a difference."""
    pages = [
        page(number, text=f"# {'read  ME' if number % 2 else 'Read me'}\n\nPage {number}.") for number in range(20)
    ]
    found = known_items([*pages, page(99)], kind="title")
    assert list(found.judged.queries.values()) == ["Title 99"]


def test_titles_may_be_fields():
    """A field is taken before a heading; it is held out where it stands in the text, too."""
    pages = [
        page(1, fields={"title": "My own"}),
        page(2, fields={"title": "Title 2"}),
        page(3, fields={"title": 5}),
    ]
    found = known_items(pages, kind="title", hold_out=True)
    assert sorted(found.judged.queries.values()) == ["My own", "Title 2", "Title 3"]
    assert set(found.held_out) == {"p2", "p3"}
    assert found.without(pages[1]).text.startswith("# \n")


def test_other_headings():
    """Headings that are underlined count in Markdown and reStructuredText, which a field may say too; a plain text has none."""
    text = "Top\n===\n\nSome text.\n\nBelow\n-----\n\nMore text.\n"
    for form in ("markdown", "rst"):
        found = known_items([Document(id="a", text=text, form=form)], kind="heading", hold_out=True)
        assert list(found.judged.queries.values()) == ["Below"]
        assert text[slice(*found.held_out["a"])] == "Below\n-----"
    stored = Document(id="a", text=text, fields={"format": "markdown"})
    assert list(known_items([stored], kind="heading").judged.queries.values()) == ["Below"]
    with pytest.raises(InputError, match="No document has a heading"):
        known_items([Document(id="a", text=text, fields={"format": ["markdown"]})], kind="heading")


def test_what_is_no_question_is_left_out():
    """Too short, too long, the only sentence of its document, no text at all."""
    pages = [
        Document(id="short", text="I! And more text."),
        Document(id="long", text="x " * 200 + ". More."),
        Document(id="only", text="This is all there is."),
        Document(id="empty", text=" "),
        Document(id="good", text="This is asked. This is found."),
    ]
    found = known_items(pages, kind="sentence")
    assert list(found.judged.qrels.values()) == [{"good": 1}]


def test_the_most_are_bounded(monkeypatch):
    """However many documents there are, only some are held; those with the lowest digests are the ones."""
    kept = module._Kept(3)
    made = [module._Made(chance=bytes([number]), id=str(number), text="x", span=None) for number in (5, 1, 9, 3, 7)]
    for one in made:
        kept.add(one)
    assert [one.id for one in kept.ordered()] == ["1", "3", "5"]


def test_what_is_none_is_refused():
    """An unknown kind, no query, keywords held out, no documents."""
    with pytest.raises(UnknownNameError):
        known_items(PAGES, kind="guess")
    with pytest.raises(RangeError):
        known_items(PAGES, queries=0)
    with pytest.raises(InputError, match="nothing can be held out"):
        known_items(PAGES, kind="keywords", hold_out=True)
    for kind in KINDS:
        with pytest.raises(InputError, match="No document has"):
            known_items([], kind=kind)


TEXTS = st.text(st.sampled_from("ab .\n#=-é\ud800'\t"), max_size=60)


@settings(max_examples=100)
@given(st.lists(TEXTS, max_size=6), st.sampled_from(KINDS), st.sampled_from(["text", "markdown", "rst"]))
def test_any_texts_give_queries_or_an_error(texts, kind, form):
    """Whatever the documents hold."""
    pages = [Document(id=str(number), text=text, form=form) for number, text in enumerate(texts)]
    try:
        found = known_items(pages, kind=kind, hold_out=kind != "keywords")
    except InputError:
        return
    assert set(found.held_out) <= {one.id for one in pages}
    for one in pages:
        assert len(found.without(one).text) <= len(one.text)
