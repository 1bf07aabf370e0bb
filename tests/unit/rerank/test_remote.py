"""Rerankers over HTTP: the documented words of three providers, spoken by fakes on this machine, and every way to fail."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from provider_worlds import KEY, FakeClock, FakeProvider
from vicinal.errors import (
    DtypeError,
    InputError,
    ModelNotFoundError,
    RangeError,
    RemoteError,
    RemoteTimeoutError,
    TooLongError,
    TruncationWarning,
    UnknownNameError,
    UnsupportedError,
)
from vicinal.rerank import HttpReranker
from vicinal.rerank.remote import parse

TEXTS = ["dog", "a cat sat", "cat cat cat", "nothing"]
QUERY = "cat"


def fake_score(query, text):
    """What a fake gives: the share of the text's words that are the question."""
    return text.split().count(query) / len(text.split())


class FakeReranker(FakeProvider):
    """A server that reranks: the best first, as documented, and not in the order of the texts."""

    provider, path, results = "jina", "/v1/rerank", "results"
    needed = frozenset({"model", "query", "documents", "return_documents"})

    @property
    def url(self):
        """The base URL."""
        return f"http://127.0.0.1:{self.port}" + self.path.removesuffix("/rerank").removesuffix("/v2")

    @property
    def name(self):
        """The name that connects to it."""
        return f"{self.provider}:{self.model}@{self.url}"

    def refusal(self, body):
        """Return (status, JSON) of a refusal, None if there is nothing to refuse."""
        if set(body) != self.needed or body["model"] != self.model:
            return 400, self.complaint(f"fields {sorted(body)}", "invalid")
        if not body["documents"] or len(body["documents"]) > 1000 or not all(map(str.strip, body["documents"])):
            return 400, self.complaint("documents must be 1 to 1000 strings that are not blank", "invalid")
        if max(map(len, body["documents"])) // 2 > self.window and body.get("truncation") is False:
            return 400, self.complaint(f"A text exceeds the context length of {self.window} tokens.", "invalid")
        return None

    def complaint(self, message, code):
        """Return an error body."""
        return {"detail": message}

    def answer(self, body):
        """Return the JSON of a success."""
        scores = [fake_score(body["query"], text) for text in body["documents"]]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        items = [{"index": place, "relevance_score": scores[place]} for place in order]
        return {"object": "list", "model": self.model, "usage": {"total_tokens": 7}, self.results: items}


class FakeVoyageReranker(FakeReranker):
    """``POST /v1/rerank`` as Voyage documents it."""

    provider, results = "voyage", "data"
    needed = FakeReranker.needed | {"truncation"}


class FakeCohereReranker(FakeReranker):
    """``POST /v2/rerank`` as Cohere documents it."""

    provider, path = "cohere", "/v2/rerank"
    needed = frozenset({"model", "query", "documents"})

    def complaint(self, message, code):
        """Return an error body."""
        return {"id": "0", "message": message}

    def answer(self, body):
        """Return the JSON of a success."""
        found = super().answer(body)
        return {"id": "0", "results": found["results"], "meta": {"billed_units": {"search_units": 1}}}


FAKES = [FakeReranker, FakeVoyageReranker, FakeCohereReranker]


@pytest.fixture(params=FAKES, ids=lambda kind: kind.provider)
def fake(request):
    """Return a fake of each provider's words in turn."""
    with request.param() as made:
        yield made


@pytest.fixture
def connect():
    """Return a function that connects to a fake without waiting; what it made is closed at the end."""
    made = []

    def connected(fake, **settings):
        settings = {"secret": lambda _: None, "clock": FakeClock().clock(), "timeout_s": 5} | settings
        made.append(HttpReranker(fake if isinstance(fake, str) else fake.name, **settings))
        return made[-1]

    yield connected
    for reranker in made:
        reranker.close()


def test_scores_come_in_the_order_of_the_texts(fake, connect):
    """Whatever order the answer has."""
    reranker = connect(fake)
    found = reranker.score(QUERY, TEXTS)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([fake_score(QUERY, text) for text in TEXTS])
    assert fake.seen[0][0] == fake.path
    assert len(fake.seen) == 1
    assert reranker.score_kind == f"{fake.provider}:fake-model"
    assert reranker.name == fake.name
    assert reranker.usage.requests == 1


def test_used_tokens_are_what_the_server_says_or_an_estimate(fake, connect):
    """Cohere counts searches; the others tokens."""
    reranker = connect(fake)
    reranker.score(QUERY, TEXTS)
    usage = reranker.usage
    assert usage.estimated_tokens == (usage.tokens if fake.provider == "cohere" else 0)
    assert fake.provider == "cohere" or usage.tokens == 7


def test_blank_texts_are_not_sent_and_come_last(fake, connect):
    """Providers refuse them; a blank question is refused here."""
    reranker = connect(fake)
    found = reranker.score(QUERY, ["", "cat", " \n", "dog"])
    assert found.tolist() == [-1.0, 1.0, -1.0, 0.0]
    assert reranker.score(QUERY, ["", " "]).tolist() == [-1.0, -1.0]
    assert reranker.score(QUERY, []).shape == (0,)
    assert len(fake.seen) == 1
    with pytest.raises(InputError, match="blank"):
        reranker.score(" ", TEXTS)


def test_more_texts_than_a_request_holds_go_in_several(fake, connect):
    """1,000 in one."""
    texts = [f"cat {'dog ' * (place % 3)}" for place in range(1007)]
    found = connect(fake).score(QUERY, texts)
    assert found.tolist() == pytest.approx([fake_score(QUERY, text) for text in texts])
    assert [len(body["documents"]) for _, _, body in fake.seen] == [1000, 7]


def test_the_key_is_sent_and_shown_nowhere(fake, connect):
    """As a bearer token; neither in the words of an error nor in a copy."""
    fake.key = KEY
    reranker = connect(fake, secret=lambda _: KEY)
    reranker.score(QUERY, TEXTS)
    assert KEY not in repr(reranker)
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(UnsupportedError):
            copied(reranker)
    with pytest.raises(RemoteError) as caught:
        connect(fake, secret=lambda _: "another-key-123").score(QUERY, TEXTS)
    assert caught.value.status == 401
    assert "another-key" not in str(caught.value)


@pytest.mark.parametrize("fault", ["429", "503", "cut"])
def test_what_may_pass_is_tried_again(fake, connect, fault):
    """And the answer then is the whole one."""
    fake.faults.extend([fault, fault])
    reranker = connect(fake)
    assert reranker.score(QUERY, TEXTS).tolist() == pytest.approx([fake_score(QUERY, text) for text in TEXTS])
    assert (reranker.usage.requests, reranker.usage.retries) == (3, 2)


@pytest.mark.parametrize("fault", ["400", "401", "422", "500", "not JSON", "not an object", "nested", "half", "empty", "redirect", "huge"])  # fmt: skip
def test_what_is_no_answer_is_an_error(fake, connect, fault):
    """After as many tries as may help; no text is in the message."""
    fake.always = fault
    with pytest.raises(RemoteError) as caught:
        connect(fake).score(QUERY, ["secret words here", "cat"])
    assert "secret" not in str(caught.value)
    assert "vectors" not in str(caught.value) or fault == "huge"


def test_no_answer_in_time_is_an_error_of_its_own(fake, connect):
    """A server that stays silent."""
    fake.always = "slow"
    with pytest.raises(RemoteTimeoutError):
        connect(fake, timeout_s=0.1).score(QUERY, TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        lambda items: items.pop(),
        lambda items: items.append(items[0]),
        lambda items: items[0].update(index=items[1]["index"]),
        lambda items: items[0].update(index=99),
        lambda items: items[0].update(index=True),
        lambda items: items[0].update(relevance_score="0.5"),
        lambda items: items[0].update(relevance_score=float("nan")),
        lambda items: items[0].update(relevance_score=10**400),
        lambda items: items[0].pop("relevance_score"),
        lambda items: items.__setitem__(0, 3),
        lambda items: items.clear(),
    ],
)
def test_an_answer_that_is_wrong_is_refused(fake, connect, change):
    """Its number of scores, their texts, and the scores themselves."""

    def changed(handler, body):
        payload = fake.answer(body)
        change(payload[fake.results])
        handler.send_json(200, payload)

    fake.always = changed
    with pytest.raises(RemoteError, match="no set of scores"):
        connect(fake).score(QUERY, TEXTS)


def test_what_is_too_long_is_refused_or_told(connect):
    """Voyage refuses it; Cohere would cut it in silence, so it is counted here."""
    with FakeVoyageReranker(window=20) as voyage, pytest.raises(TooLongError, match="fewer candidates, or shorter"):
        connect(voyage).score(QUERY, ["cat " * 50])
    with FakeCohereReranker() as cohere, pytest.warns(TruncationWarning, match="1 text is perhaps"):
        connect(cohere).score(QUERY, ["cat", "cat " * 5000])


@pytest.mark.parametrize(
    ("name", "url", "model", "keys"),
    [
        ("cohere:rerank-v3.5", "https://api.cohere.com/v2/rerank", "rerank-v3.5", ("COHERE_API_KEY", "CO_API_KEY")),
        ("voyage:rerank-2.5", "https://api.voyageai.com/v1/rerank", "rerank-2.5", ("VOYAGE_API_KEY",)),
        ("jina:jina-reranker-v3", "https://api.jina.ai/v1/rerank", "jina-reranker-v3", ("JINA_API_KEY",)),
        ("jina:a/b@http://localhost:8000/v1", "http://localhost:8000/v1/rerank", "a/b", ("JINA_API_KEY",)),
    ],
)
def test_a_name_says_where_and_which(name, url, model, keys):
    """The path follows the base URL."""
    found = parse(name)
    assert (found.url + found.wire.path, found.model, found.keys) == (url, model, keys)
    assert str(found) == name


@pytest.mark.parametrize("name", ["openai:rerank", "rerank", "cohere"])
def test_another_provider_is_refused(name):
    """With those that are known."""
    with pytest.raises(UnknownNameError, match="cohere, voyage, jina"):
        parse(name)


@pytest.mark.parametrize("name", ["cohere:", "jina: ", "voyage:m@ftp://host", "jina:m@http://me:pass@host/v1"])
def test_a_name_that_is_none_is_refused(name):
    """No model, a password, no URL of HTTP: what is left is a model's name."""
    if name.startswith("voyage"):
        assert parse(name).own
    else:
        with pytest.raises(InputError):
            parse(name)


def test_without_a_network_nothing_is_asked(monkeypatch):
    """Nor without a key, where the provider wants one; nor in the clear; nor by a name out of a file."""
    with pytest.raises(ModelNotFoundError, match="late-interaction"):
        HttpReranker("cohere:rerank-v3.5")
    monkeypatch.delenv("VICINAL_OFFLINE")
    with pytest.raises(InputError, match="COHERE_API_KEY"):
        HttpReranker("cohere:rerank-v3.5", secret=lambda _: None)
    with pytest.raises(InputError, match="unencrypted"):
        HttpReranker("jina:m@http://example.org/v1", secret=lambda _: KEY)
    assert HttpReranker("jina:m@https://example.org/v1", secret=lambda _: KEY, send_key=False).usage.requests == 0


@pytest.mark.parametrize(("timeout_s", "error"), [(0, RangeError), (1e9, RangeError), ("soon", DtypeError), (True, DtypeError)])  # fmt: skip
def test_a_timeout_out_of_range_is_refused(timeout_s, error):
    """By name."""
    with pytest.raises(error):
        HttpReranker("jina:m@http://127.0.0.1:9/v1", timeout_s=timeout_s, secret=lambda _: None)


def test_it_can_be_used_as_a_context(fake):
    """And is closed at its end."""
    with HttpReranker(fake.name, secret=lambda _: None) as reranker:
        assert reranker.at_once == 1000
        assert reranker.score(QUERY, TEXTS[:1]).tolist() == [0.0]
