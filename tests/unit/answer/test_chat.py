"""A chat endpoint gives a whole answer or an error with a name; neither key nor texts are ever in a message."""

from __future__ import annotations

import json

import pytest

from chat_worlds import BODIES, KEY, STREAMS, FakeChat
from provider_worlds import FakeClock
from vicinal.answer import chat as module
from vicinal.answer import connect
from vicinal.errors import (
    DtypeError,
    InputError,
    ModelNotFoundError,
    RangeError,
    RemoteError,
    RemoteTimeoutError,
)

MESSAGES = [
    {"role": "system", "content": "the secret rules of the house"},
    {"role": "user", "content": "the very private question of a person"},
]


@pytest.fixture
def fake():
    """A fake that streams."""
    with FakeChat("A kitten sleeps. [1]") as one:
        yield one


def chat_of(fake, clock=None, **settings):
    """Return a connection to a fake that waits for nothing."""
    clock = clock or FakeClock()
    return connect(fake.url, fake.model, clock=clock.clock(), **settings)


def asked(fake, **settings):
    """Ask; return (Said, pieces)."""
    pieces = []
    return chat_of(fake, **settings).ask(MESSAGES, on_text=pieces.append), pieces


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_stream_comes_piece_by_piece(fake, line_end):
    """Pieces as the endpoint sends them, comments and empty parts left out, whatever ends a line."""
    fake.line_end = line_end
    said, pieces = asked(fake)
    assert said.text == "".join(pieces) == "A kitten sleeps. [1]"
    assert len(pieces) == 7
    assert said.is_cut is False
    path, headers, body = fake.seen[0]
    assert path == "/v1/chat/completions"
    assert body == {"model": "fake-chat", "messages": MESSAGES, "stream": True, "temperature": 0, "max_tokens": 800}
    assert "authorization" not in {name.lower() for name in headers}


def test_an_endpoint_that_does_not_stream(fake):
    """An answer in one piece is one piece; what is beyond ASCII stays whole either way."""
    fake.says = "Ein Kätzchen schläft 🐈 [1]"
    streamed, pieces = asked(fake)
    fake.streams = False
    whole, one = asked(fake)
    assert streamed == whole
    assert one == [fake.says]
    assert "".join(pieces) == fake.says


def test_an_answer_stopped_at_its_limit(fake):
    """The reason ``length`` is told."""
    fake.finish = "length"
    assert asked(fake)[0].is_cut is True


def test_refused_parameters_are_left_out(fake):
    """A model that knows neither temperature nor max_tokens is asked without them, each once."""
    fake.always = "no temperature"
    said, _ = asked(fake)
    assert said.text == "A kitten sleeps. [1]"
    assert [sorted(body) for _, _, body in fake.seen] == [
        ["max_tokens", "messages", "model", "stream", "temperature"],
        ["max_tokens", "messages", "model", "stream"],
        ["messages", "model", "stream"],
    ]


@pytest.mark.parametrize("fault", sorted({*BODIES, *STREAMS, "400", "401", "403", "404", "redirect"}))
def test_what_does_not_help_to_repeat_is_an_error_at_once(fake, fault):
    """Wrong JSON, wrong events, huge lines, refusals: a RemoteError of few words, the question sent once."""
    fake.always = fault
    with pytest.raises(RemoteError) as caught:
        asked(fake)
    assert len(fake.seen) == (2 if fault == "stream of nothing" else 1)
    assert len(caught.value.message) < 400
    assert "secret rules" not in caught.value.message
    assert "private question" not in caught.value.message


@pytest.mark.parametrize("fault", ["429", "500", "503", "html", "cut"])
def test_what_may_pass_is_tried_again(fake, fault):
    """A busy endpoint is asked again, with a pause; one that stays so is an error after few tries."""
    clock = FakeClock()
    fake.faults.append(fault)
    assert asked(fake, clock=clock)[0].text == "A kitten sleeps. [1]"
    assert len(fake.seen) == 2
    assert len(clock.slept) == 1
    fake.always = fault
    with pytest.raises(RemoteError):
        asked(fake)
    assert len(fake.seen) == 2 + (2 if fault == "cut" else 3)


def test_a_long_pause_is_not_waited_for(fake):
    """An endpoint that asks to wait longer than a person does is an error now."""
    clock = FakeClock()
    fake.always = lambda handler, _: handler.send_json(429, {"error": {"message": "slow down"}}, retry_after="3600")
    with pytest.raises(RemoteError, match="429"):
        asked(fake, clock=clock)
    assert clock.slept == []


def test_a_break_in_the_middle_is_never_repeated(fake):
    """Once a word was given the question is not asked again: the pieces would be of two answers."""
    fake.always = "cut in the middle"
    pieces = []
    with pytest.raises(RemoteError, match="in the middle"):
        chat_of(fake).ask(MESSAGES, on_text=pieces.append)
    assert len(fake.seen) == 1
    assert "".join(pieces) == "A kitt"


def test_length_is_bounded(fake):
    """An answer that goes on and on is ended, and is an error."""
    fake.always, pieces = "long answer", []
    with pytest.raises(RemoteError, match="longer than 200000 characters"):
        chat_of(fake).ask(MESSAGES, on_text=pieces.append)
    assert sum(map(len, pieces)) == 200_000


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_time_is_bounded(fake, fault, monkeypatch):
    """Silence, and an endpoint that says nothing for ever, end in a timeout."""
    monkeypatch.setattr(module, "WHOLE_TIMES", 1)
    fake.always = fault
    with pytest.raises(RemoteTimeoutError):
        asked(fake, timeout_s=0.2)
    assert len(fake.seen) == 1


def test_nobody_there():
    """A port without a server is tried twice."""
    clock = FakeClock()
    with pytest.raises(RemoteError, match="cannot be reached"):
        connect("http://127.0.0.1:9/v1", "m", clock=clock.clock()).ask(MESSAGES)
    assert len(clock.slept) == 1


def test_an_error_of_the_caller_goes_through(fake):
    """What ``on_text`` raises is not taken for a fault of the endpoint."""

    def fail(_):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        chat_of(fake).ask(MESSAGES, on_text=fail)
    assert len(fake.seen) == 1


def test_the_key_is_sent_and_never_shown(fake):
    """The chat key goes to the endpoint that its owner names; a wrong one is in no message, OpenAI's is not sent here."""
    fake.key = KEY
    keys = {"VICINAL_CHAT_KEY": KEY}
    assert asked(fake, secret=keys.get)[0].text
    for secret, told in (({"VICINAL_CHAT_KEY": "sk-wrong-987654321"}, "does not accept"), ({}, "No key was sent")):
        chat = chat_of(fake, secret=secret.get)
        with pytest.raises(RemoteError, match=told) as caught:
            chat.ask(MESSAGES)
        assert "sk-wrong" not in f"{caught.value} {caught.value.as_dict()} {chat!r}"
    with pytest.raises(RemoteError, match="No key was sent: set VICINAL_CHAT_KEY"):
        asked(fake, secret={"OPENAI_API_KEY": KEY}.get)
    assert KEY not in json.dumps([headers for _, headers, _ in fake.seen[1:]])


def test_where_a_key_may_go(monkeypatch):
    """Unencrypted to another machine never; to OpenAI either key, the chat key first."""
    monkeypatch.delenv("VICINAL_OFFLINE")
    with pytest.raises(InputError, match="unencrypted"):
        connect("http://chat.example/v1", "m", secret={"VICINAL_CHAT_KEY": KEY}.get)
    own = "https://api.openai.com/v1"
    assert connect(own, "m", secret={"OPENAI_API_KEY": KEY}.get)._headers()["authorization"] == f"Bearer {KEY}"
    with pytest.raises(InputError, match="VICINAL_CHAT_KEY or OPENAI_API_KEY"):
        connect(own, "m", secret={}.get)
    assert "authorization" not in connect("https://chat.example/v1", "m", secret={"OPENAI_API_KEY": KEY}.get)._headers()


def test_names_that_are_refused():
    """No URL, one with a query or a password, no model, another machine while offline, numbers out of range."""
    local = "http://127.0.0.1:1/v1"
    assert connect(f"{local}/chat/completions/", "a:b").name.url == local
    for url in ("", "ftp://x/v1", "http://127.0.0.1/v1?a=b", "http://me:pw@127.0.0.1/v1", "http://127.0.0.1:0"):
        with pytest.raises(InputError):
            connect(url, "m")
    for model in ("", "  ", "m@http://127.0.0.1:2", "a\nb"):
        with pytest.raises(InputError):
            connect(local, model)
    with pytest.raises(DtypeError):
        connect(local, None)
    with pytest.raises(ModelNotFoundError, match="switched off"):
        connect("https://chat.example/v1", "m")
    for timeout_s in (0, -1, 4000, float("nan")):
        with pytest.raises(RangeError):
            connect(local, "m", timeout_s=timeout_s)
    with pytest.raises(RangeError):
        connect(local, "m", max_tokens=0)
