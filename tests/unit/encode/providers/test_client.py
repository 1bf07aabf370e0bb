"""Asking: tried again where that may help, the key kept, nothing taken that is no vector."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
import time
import traceback

import numpy as np
import pytest

from provider_worlds import BODIES, KEY, FakeOpenAI, fake_vector
from vicinal.encode.providers import client, names
from vicinal.encode.providers.client import Key, key_of
from vicinal.errors import InputError, RemoteError, RemoteTimeoutError, UnsupportedError, VicinalError


@pytest.mark.parametrize("fault", ["429", "500", "503", "529", "html", "cut"])
def test_a_fault_that_passes_is_no_fault(openai, connect, clock, fault):
    """The request is sent again after a pause that doubles: half of 0.5 s, of 1 s, of 2 s where chance gives 0."""
    encoder = connect(openai)
    openai.faults.extend([fault] * 3)
    got = encoder.encode_documents(["cat"])
    assert np.allclose(got[0], fake_vector("cat"), atol=1e-6)
    assert clock.slept == [0.25, 0.5, 1.0]
    assert (encoder.usage.requests, encoder.usage.retries) == (5, 3)


@pytest.mark.parametrize(
    ("fault", "tries"), [("429", 8), ("500", 8), ("cut", 4), ("400", 1), ("401", 1), ("403", 1), ("redirect", 1)]
)
def test_a_fault_that_stays_is_an_error(openai, connect, fault, tries):
    """After as many tries as may help; the error has the status."""
    encoder = connect(openai)
    openai.always = fault
    with pytest.raises(RemoteError, match="fake-model") as caught:
        encoder.encode_documents(["cat"])
    assert encoder.usage.requests == 1 + tries
    assert caught.value.status == {"redirect": 307, "cut": None}.get(fault, int(fault) if fault.isdigit() else None)


def test_a_server_s_own_pause_is_kept(openai, connect, clock):
    """Retry-After in seconds, and as a date seen from the server's clock."""
    encoder = connect(openai)
    openai.faults.append(lambda handler, _: handler.send_json(429, {}, retry_after="7"))
    openai.faults.append(
        lambda handler, _: handler.send_json(503, {}, retry_after=handler.date_time_string(time.time() + 20))
    )
    encoder.encode_documents(["cat"])
    assert clock.slept[0] == 7
    assert 19 <= clock.slept[1] <= 21


def test_a_pause_beyond_all_patience_is_not_waited_for(openai, connect, clock):
    """An hour: the error says so at once."""
    encoder = connect(openai)
    openai.always = lambda handler, _: handler.send_json(429, {}, retry_after="3600")
    with pytest.raises(RemoteError, match="asks to wait 3600 s"):
        encoder.encode_documents(["cat"])
    assert clock.slept == []


def test_an_empty_account_is_not_asked_again(openai, connect, clock):
    """OpenAI says so with the status of a busy server."""
    encoder = connect(openai)
    openai.always = lambda handler, _: handler.send_json(429, {"error": {"code": "insufficient_quota"}})
    with pytest.raises(RemoteError, match="no credit"):
        encoder.encode_documents(["cat"])
    assert clock.slept == []


def test_a_server_that_stays_silent_is_a_timeout(openai, connect):
    """Three tries, each as long as allowed, and an error of its own."""
    encoder = connect(openai, timeout_s=0.05)
    openai.always = "slow"
    with pytest.raises(RemoteTimeoutError, match=r"within 0\.05 s"):
        encoder.encode_documents(["cat"])
    assert encoder.usage.requests == 4


def test_an_answer_that_never_ends_is_a_timeout(openai, connect):
    """A byte now and then keeps a connection alive, but not for ever."""
    encoder = connect(openai, timeout_s=0.1)
    openai.always = "drip"
    with pytest.raises(RemoteTimeoutError):
        encoder.encode_documents(["cat"])


def test_a_server_that_is_not_there_is_named(connect, clock):
    """Three tries, then who was asked and what to check."""
    with FakeOpenAI() as gone:
        name = gone.name
    with pytest.raises(RemoteError, match="Check that the server runs"):
        connect(name)
    assert len(clock.slept) == 2


@pytest.mark.parametrize("fault", ["wrong dimension", "wrong count", "nan", "infinite", "zero", "text", "huge whole"])
def test_an_answer_that_is_no_set_of_vectors_is_refused(fake, connect, fault):
    """At once and whole, on every wire: the same question would get the same answer."""
    encoder = connect(fake)
    fake.always = fault
    with pytest.raises(RemoteError, match=r"no set of vectors.*request id is req-2") as caught:
        encoder.encode_documents(["cat", "dog"])
    assert (caught.value.status, encoder.usage.requests) == (200, 2)


@pytest.mark.parametrize("fault", [*BODIES, "huge"])
def test_a_body_that_is_no_json_object_is_refused(openai, connect, fault):
    """A page of a proxy, a list, a nest too deep, half an object, nothing, and more than was asked for."""
    encoder = connect(openai)
    openai.always = fault
    with pytest.raises(RemoteError, match=r"no set of vectors|far more"):
        encoder.encode_documents(["cat"])
    assert encoder.usage.requests == 2


def test_vectors_that_come_in_another_order_are_put_right(openai, connect):
    """Each says which text it belongs to; an index twice is refused."""
    encoder = connect(openai)
    texts = [f"text {number}" for number in range(5)]
    openai.faults.append("out of order")
    got = np.asarray(encoder.encode_documents(texts))
    assert np.allclose(got, [fake_vector(text) for text in texts], atol=1e-6)
    openai.faults.append("index twice")
    with pytest.raises(RemoteError, match="which text each belongs to"):
        encoder.encode_documents(texts)


def test_no_redirect_is_followed(openai, connect):
    """The key would go along."""
    encoder = connect(openai, secret=lambda _: KEY)
    openai.always = "redirect"
    with pytest.raises(RemoteError, match="redirect is not followed") as caught:
        encoder.encode_documents(["cat"])
    assert caught.value.status == 307


def test_a_busy_server_holds_back_every_thread(openai, connect, clock):
    """While one waits as told, no other request is sent."""
    encoder = connect(openai, concurrency=4)
    openai.faults.append(lambda handler, _: handler.send_json(429, {}, retry_after="50"))
    encoder.encode_documents([f"text {number}" for number in range(400)])
    assert clock.seconds >= 50
    assert sum(clock.slept) <= 4 * 50 + 1


def test_no_more_requests_at_once_than_allowed(openai, connect):
    """Over all threads that use the encoder."""
    encoder = connect(openai, concurrency=2)

    at_once, most, guard = 0, 0, threading.Lock()

    def answer_late(handler, body):
        nonlocal at_once, most
        with guard:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)
        with guard:
            at_once -= 1
        handler.serve(body)

    openai.always = answer_late
    texts = [f"text {number}" for number in range(100)]
    threads = [threading.Thread(target=encoder.encode_documents, args=(texts,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


# The key


def _secret(**variables):
    return variables.get


def test_the_key_goes_to_the_server_of_the_name(connect):
    """As a bearer token, from the provider's variable."""
    with FakeOpenAI(key=KEY) as fake:
        encoder = connect(fake, secret=_secret(OPENAI_API_KEY=KEY))
        encoder.encode_queries(["cat"])
        assert {headers["authorization"] for _, headers, _ in fake.seen} == {f"Bearer {KEY}"}


def test_servers_of_one_s_own_get_no_key(openai, connect):
    """ollama, vllm, tei and lmstudio have no business with the key for OpenAI."""
    for provider in ("ollama", "vllm", "tei", "lmstudio"):
        connect(f"{provider}:fake-model@{openai.url}", secret=_secret(OPENAI_API_KEY=KEY)).encode_queries(["cat"])
    assert all("authorization" not in headers for _, headers, _ in openai.seen)


@pytest.mark.parametrize(
    ("name", "variables", "key"),
    [
        ("openai:m", {"OPENAI_API_KEY": "a"}, "a"),
        ("cohere:m", {"COHERE_API_KEY": "a", "CO_API_KEY": "b"}, "a"),
        ("cohere:m", {"CO_API_KEY": "b"}, "b"),
        ("voyage:m", {"VOYAGE_API_KEY": "a"}, "a"),
        ("openai:m@https://host/v1", {"OPENAI_API_KEY": "a"}, "a"),
        ("openai:m@https://host/v1", {}, None),
        ("openai:m@http://host/v1", {}, None),
        ("openai:m@http://localhost/v1", {"OPENAI_API_KEY": "a"}, "a"),
        ("vllm:m@https://host/v1", {"OPENAI_API_KEY": "a"}, None),
    ],
)
def test_which_key_goes_where(name, variables, key):
    """To the provider's own service, or to the URL in the name."""
    assert key_of(names.parse(name), variables.get, send_key=True).reveal() == key


@pytest.mark.parametrize("name", ["openai:m", "cohere:m", "voyage:m"])
def test_the_provider_s_own_service_needs_a_key(name):
    """Without one nothing is sent; the message names the variable."""
    with pytest.raises(InputError, match="_API_KEY"):
        key_of(names.parse(name), _secret(), send_key=True)


def test_a_key_never_travels_unencrypted_to_another_machine():
    """http to this machine is fine, http to another is refused before anything is sent."""
    with pytest.raises(InputError, match="unencrypted to host") as caught:
        key_of(names.parse("openai:m@http://host/v1"), _secret(OPENAI_API_KEY=KEY), send_key=True)
    assert KEY not in str(caught.value)


def test_a_name_from_a_file_takes_no_key_elsewhere():
    """Someone else may have written it: the key goes to the provider itself or stays on this machine."""
    secret = _secret(OPENAI_API_KEY=KEY)
    assert key_of(names.parse("openai:m@https://host/v1"), secret, send_key=False).reveal() is None
    assert key_of(names.parse("openai:m@http://127.0.0.1/v1"), secret, send_key=False).reveal() == KEY
    assert key_of(names.parse("openai:m"), secret, send_key=False).reveal() == KEY


def test_a_key_that_was_withheld_is_said_to_be(openai, connect, monkeypatch):
    """The server's refusal is no riddle: the message says why the key stayed here."""
    monkeypatch.setattr(names, "is_loopback", lambda _: False)
    monkeypatch.delenv("VICINAL_OFFLINE")
    openai.key = KEY
    with pytest.raises(RemoteError, match="OPENAI_API_KEY was not sent: the URL was read from a stored name"):
        connect(openai, secret=_secret(OPENAI_API_KEY=KEY), send_key=False)
    assert "authorization" not in openai.seen[0][1]


@pytest.mark.parametrize("value", ["sk-a\nb", "sk a", "sk-é", "sk-\x00"])
def test_a_key_that_no_header_can_hold_is_refused_by_the_name_of_its_variable(value):
    """The HTTP library would repeat it in its own error."""
    with pytest.raises(InputError, match="OPENAI_API_KEY") as caught:
        key_of(names.parse("openai:m"), _secret(OPENAI_API_KEY=value), send_key=True)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        "400",
        "401",
        "403",
        "422",
        "429",
        "500",
        "slow",
        "cut",
        "huge",
        "redirect",
        "nan",
        "wrong count",
        "not JSON",
        "echo",
    ],
)
def test_no_error_shows_the_key_or_a_text(openai, connect, caplog, fault):
    """Not the message, its fields, its causes, its traceback, nor any log, whatever the server answers."""
    text = "The merger with Contoso closes in May."
    encoder = connect(openai, secret=lambda _: KEY, timeout_s=0.1)
    told = f"Incorrect API key provided: {KEY}; input was {text}"
    echo = lambda handler, _: handler.send_json(400, {"error": {"message": told, "code": KEY}})  # noqa: E731
    openai.always = echo if fault == "echo" else fault
    with caplog.at_level(logging.DEBUG), pytest.raises(VicinalError) as caught:
        encoder.encode_documents([text])
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + repr(caught.value.as_dict())
    for secret in (KEY, text):
        assert secret not in shown
        assert secret not in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or "Wrong" in type(caught.value.__context__).__name__


def test_nothing_that_holds_a_key_shows_or_gives_it_away(openai, connect):
    """Neither its text, nor a pickle, nor a copy."""
    encoder = connect(openai, secret=lambda _: KEY)
    assert KEY not in f"{encoder!r} {encoder} {encoder._client!r} {Key(KEY)!r} {Key(KEY)}"
    for thing in (encoder, Key(KEY)):
        for act in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(UnsupportedError, match="pickled or copied"):
                act(thing)


def test_the_key_is_read_from_the_environment_by_the_settings(openai, connect, monkeypatch):
    """Without a function of one's own, ``config.secret`` is asked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    from vicinal import config  # noqa: PLC0415 - what is tested is that it is the default

    connect(openai, secret=config.secret).encode_queries(["cat"])
    assert openai.seen[-1][1]["authorization"] == f"Bearer {KEY}"


def test_the_bounds_of_an_answer_fit_its_vectors():
    """A double with 17 digits, sign, point, exponent, comma and space is within what is allowed for a component."""
    assert len("-1.2345678901234567e-300, ") < client.VECTOR_BYTES
