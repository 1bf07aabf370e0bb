"""Answers that are none: what they were, whether to try again, and what is said of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.providers import faults
from vicinal.encode.providers.faults import Asked, Complaint
from vicinal.errors import RemoteError, RemoteTimeoutError

SECRET = "sk-proj-AbCdEfGhIjKl"
TEXT = "The merger with Contoso closes in May."


def _asked(**changes):
    known = {
        "who": "openai",
        "model": "m",
        "host": "h",
        "keys": ("OPENAI_API_KEY",),
        "secret": SECRET,
        "texts": (TEXT,),
    }
    return Asked(**known | changes)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"error": {"message": "no", "type": "t", "param": None, "code": "c"}}, Complaint(code="c", words="no")),
        ({"error": {"message": "no", "type": "t", "code": None}}, Complaint(code="t", words="no")),
        ({"error": {"message": "no", "code": 400, "type": "t"}}, Complaint(code="t", words="no")),
        ({"error": "no", "error_type": "Validation"}, Complaint(code="Validation", words="no")),
        ({"message": "no"}, Complaint(words="no")),
        ({"detail": "no"}, Complaint(words="no")),
        ({"detail": [{"loc": ["body"], "input": TEXT}]}, Complaint()),
        ({"error": ["no"]}, Complaint()),
        (["no"], Complaint()),
        ("no", Complaint()),
        (None, Complaint()),
    ],
)
def test_the_error_bodies_of_all_of_them(body, complaint):
    """OpenAI, TEI, Cohere, Voyage and FastAPI; what is none of them says nothing."""
    assert faults.complaint_of(json.dumps(body).encode()) == complaint


def test_a_body_that_is_no_json_says_nothing():
    """Pages of proxies, half an object, a nest too deep."""
    assert faults.complaint_of(b"<html>") == faults.complaint_of(b"[" * 100_000) == Complaint()


@pytest.mark.parametrize(
    ("status", "words", "about"),
    [
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000 tokens", "text"),
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens.", "text"),
        (400, "the input length exceeds the context length", "text"),
        (413, "Input validation error: `inputs` must have less than 512 tokens. Given: 785", "text"),
        (400, "too many tokens: max tokens per text is 512", "text"),
        (500, "input is too large to process. increase the physical batch size", "text"),
        (500, "input (900 tokens) is too large to process. increase the physical batch size (current: 512)", "text"),
        (400, "Requested 313102 tokens, max 300000 tokens per request", "request"),
        (400, "The max allowed tokens per submitted batch is 120000. Your batch has 121138 tokens", "request"),
        (422, "batch size 64 > maximum allowed batch size 32", "request"),
        (413, "", "request"),
        (413, "Request Entity Too Large", "request"),
        (429, "Request too large for text-embedding-3-small on tokens per min (TPM): Limit 40000", "request"),
        (429, "Rate limit reached for requests", None),
        (400, "'$.input' is invalid.", None),
        (500, "internal error", None),
        (401, "token limit", None),
    ],
)
def test_what_is_too_large_is_known_by_its_words(status, words, about):
    """Words as the servers have been seen to use them: a text beyond the window, or the request as a whole."""
    assert faults.too_large(status, Complaint(words=words)) == about


@pytest.mark.parametrize(
    ("status", "code", "headers", "again"),
    [
        (429, "rate_limit_exceeded", {}, True),
        (429, "insufficient_quota", {}, False),
        (503, "", {}, True),
        (503, "", {"x-should-retry": "false"}, False),
        (500, "", {}, True),
        (400, "", {}, False),
        (404, "", {}, False),
        (307, "", {}, False),
    ],
)
def test_what_may_pass(status, code, headers, again):
    """A busy server and a broken one may answer later; a wrong call, an empty account and a redirect never."""
    assert faults.may_pass(status, Complaint(code=code), headers) is again


NOON = "Wed, 21 Oct 2015 12:00:00 GMT"
NOON_S = 1_445_428_800.0


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-7"}, 0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": NOON}, 30),
        ({"retry-after": NOON, "date": "Wed, 21 Oct 2015 11:59:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 11:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 99 Oct 2015 12:00:00 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0),
    ],
)
def test_the_pause_that_a_server_asks_for(headers, pause_s):
    """Seconds or a date; the date is seen from the server's own clock where it tells it, here 30 s before noon."""
    assert faults.told_pause_s(headers, NOON_S - 30) == pause_s


def test_an_error_says_who_what_and_which_request():
    """Provider, model, host, status, code, the server's words and its request id; what to do."""
    error = faults.refused(
        _asked(), 400, Complaint(code="bad", words="Dimension 9 is not supported."), {"x-request-id": "r-1"}
    )
    assert str(error) == (
        "openai at h, asked for m, answered with HTTP 400 (bad): Dimension 9 is not supported. Its request id is r-1. "
        "Check the model and its settings."
    )
    assert (error.status, error.request_id) == (400, "r-1")
    assert error.as_dict()["status"] == 400


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (307, "redirect is not followed"),
        (404, "name of the model"),
        (429, "asks to wait 7 s"),
        (503, "later"),
        (400, "settings"),
    ],
)
def test_an_error_says_what_to_do(status, advice):
    """By its status."""
    assert advice in str(faults.refused(_asked(), status, Complaint(), {"retry-after": "7"}))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_its_variable_and_shows_nothing_of_it(status):
    """The server's words are left out: they may hold a part of the key."""
    error = faults.refused(_asked(), status, Complaint(code="invalid_api_key", words="key sk-pr***IjKl"), {})
    assert "OPENAI_API_KEY" in str(error)
    assert "IjKl" not in str(error)
    assert "No key was sent: set OPENAI_API_KEY" in str(faults.refused(_asked(secret=None), status, Complaint(), {}))
    assert "openai:MODEL@URL" in str(faults.refused(_asked(secret=None, keys=()), status, Complaint(), {}))


@pytest.mark.parametrize(
    "words",
    [
        f"unexpected input {TEXT}",
        f"unexpected input '{TEXT[5:30]}…'",
        f"header Bearer {SECRET}",
        f"header {SECRET[6:14]}",
    ],
)
def test_words_that_repeat_a_text_or_the_key_are_left_out(words):
    """Whole or in part: a message goes into logs."""
    told = str(faults.refused(_asked(), 400, Complaint(code="bad", words=words), {}))
    assert "unexpected" not in told
    assert "header" not in told
    assert "(bad)" in told


def test_a_code_or_a_request_id_that_repeats_the_key_is_left_out():
    """A server can put anything there."""
    error = faults.refused(_asked(), 400, Complaint(code=SECRET), {"x-request-id": SECRET, "cf-ray": "r-1"})
    assert SECRET not in str(error)
    assert error.request_id == "r-1"


def test_a_short_text_is_a_text_too():
    """A query of a few letters is not repeated either."""
    told = str(faults.refused(_asked(texts=(" Contoso ",)), 400, Complaint(words="cannot read 'Contoso'"), {}))
    assert "Contoso" not in told


def test_words_are_one_short_line():
    """Control characters and what is beyond 200 characters stay out of a terminal."""
    told = str(faults.refused(_asked(texts=()), 400, Complaint(words="a\x1b[31m\nb" + "c" * 500), {}))
    assert "a [31m b" + "c" * 192 + "." in told


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("connect", "Check that the server runs"),
        ("cut", "broke off"),
        ("certificate", "SSL_CERT_FILE"),
        ("size", "far more"),
    ],
)
def test_silence_is_named(kind, says):
    """Each way not to answer has its sentence."""
    error = faults.silent(_asked(), kind, "", 3)
    assert type(error) is RemoteError
    assert says in str(error)


def test_a_timeout_is_an_error_of_its_own():
    """With the time that was given."""
    error = faults.silent(_asked(), "timeout", "", 3)
    assert type(error) is RemoteTimeoutError
    assert "within 3 s" in str(error)


def test_what_was_asked_shows_neither_key_nor_texts():
    """It may stand in a traceback."""
    assert repr(_asked()) == "Asked(openai, m, h, 1 texts)"


HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-request-id", "date"]), st.text(max_size=30)
)


@given(
    status=st.integers(300, 599),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "type"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    headers=HEADERS,
)
def test_whatever_a_server_says_an_error_comes_of_it(status, body, headers):
    """Any JSON and any header give an error, a word on trying again, and a pause that is a number."""
    complaint = faults.complaint_of(json.dumps(body).encode())
    assert isinstance(faults.refused(_asked(), status, complaint, headers), RemoteError)
    assert faults.too_large(status, complaint) in {None, "text", "request"}
    assert (faults.told_pause_s(headers, 0) or 0) >= 0
