"""Fake providers on this machine: real HTTP servers in threads that speak the documented words, and fail on demand.

Their vectors are no model's: each is a digest of the text, the role, the dimension and a seed, so that a test can
work out what must come back. They count a token for every two characters.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from vicinal.encode.providers.client import Clock

KEY = "sk-fake-0123456789abcdef"
"""What a fake with ``key=KEY`` wants to see."""


def fake_vector(text, *, role="", dim=8, seed=0):
    """Return the float32 vector (D,) of unit length that a fake gives for a text."""
    digest = hashlib.sha256(f"{seed}|{role}|{dim}|{text}".encode()).digest()
    vector = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32)).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakeProvider:
    """A fake: what it serves, what it saw, and how its next answers fail.

    Parameters
    ----------
    model : str
        The one model that it knows.
    dim : int
        Its own dimension.
    window : int
        Tokens (two characters each) that it reads of a text. What is longer is refused, or cut where ``cuts`` is true.
    cuts : bool
        Whether it cuts a long text in silence.
    key : str or None
        What it wants as a bearer token.

    Attributes
    ----------
    faults : deque
        What is done with the next requests, one each; see ``FAULTS``, or a callable that is given the handler and the JSON.
    always : str or callable or None
        What is done with every request that no fault of ``faults`` is for.
    seed : int
        Another seed is another model behind the same name.
    seen : list of (path, headers, JSON)
        The requests so far.
    most : int
        Texts of a request that it takes.
    """

    def __init__(self, *, model="fake-model", dim=8, window=4096, cuts=False, key=None, most=2048):
        self.model, self.dim, self.window, self.cuts, self.key, self.most = model, dim, window, cuts, key, most
        self.faults, self.always, self.seed = deque(), None, 0
        self.seen = []
        self.guard = threading.Lock()
        self.released = threading.Event()
        """What a ``slow`` answer waits for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    @property
    def texts(self):
        """All texts that were asked for, in the order in which they came."""
        return [text for _, _, body in self.seen for text in body.get("input", body.get("texts", ()))]

    def __enter__(self):
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        """End, slow answers included."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self):
        """Return what is to be done with the request at hand."""
        with self.guard:
            return self.faults.popleft() if self.faults else self.always

    def vectors(self, texts, role, dim):
        """Return the vectors of texts, as the model behind the name is now."""
        read = [text[: 2 * self.window] if self.cuts else text for text in texts]
        return [fake_vector(text, role=role, dim=dim or self.dim, seed=self.seed) for text in read]


class FakeOpenAI(FakeProvider):
    """``POST /v1/embeddings`` as OpenAI documents it."""

    @property
    def url(self):
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def name(self):
        """The name that connects to it."""
        return f"openai:{self.model}@{self.url}"

    path = "/v1/embeddings"

    def refusal(self, body):
        """Return (status, JSON) of a refusal, None if there is nothing to refuse."""
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        if body["model"] != self.model:
            return 404, self.complaint(f"The model `{body['model']}` does not exist", "model_not_found")
        if not texts or not all(texts):
            return 400, self.complaint("'$.input' is invalid. Please check the API reference.", None)
        if len(texts) > self.most:
            return 400, self.complaint(f"Invalid 'input': array too long, expected at most {self.most} items", None)
        longest = max(len(text) for text in texts) // 2
        if longest > self.window and not self.cuts:
            told = f"This model's maximum context length is {self.window} tokens, however you requested {longest}"
            return 400, self.complaint(told, "context_length_exceeded")
        return None

    def complaint(self, message, code):
        """Return an error body."""
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}

    def answer(self, body):
        """Return the JSON of a success."""
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = self.vectors(texts, "", body.get("dimensions"))
        as_text = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": place, "embedding": _base64(vector) if as_text else vector.tolist()}
            for place, vector in enumerate(vectors)
        ]
        used = sum(len(text) // 2 for text in texts)
        return {
            "object": "list",
            "data": data,
            "model": self.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }

    def change(self, payload, how):
        """Change an answer in one of the ways in which it can be wrong."""
        data = payload["data"]
        _change(data, how, lambda item, vector: item | {"embedding": vector})
        return payload


class FakeVoyage(FakeOpenAI):
    """``POST /v1/embeddings`` as Voyage documents it."""

    @property
    def name(self):
        """The name that connects to it."""
        return f"voyage:{self.model}@{self.url}"

    def refusal(self, body):
        """Return (status, JSON) of a refusal, None if there is nothing to refuse."""
        if body.get("input_type") not in {"query", "document", None} or body["model"] != self.model:
            return 400, {"detail": f"Model {body['model']} is not supported."}
        if not body["input"] or not all(body["input"]) or len(body["input"]) > min(self.most, 1000):
            return 400, {"detail": "The input must have between 1 and 1000 texts, none of them empty."}
        if max(len(text) for text in body["input"]) // 2 > self.window and body.get("truncation", True) is False:
            return 400, {"detail": f"A text exceeds the context length of {self.window} tokens."}
        return None

    def complaint(self, message, code):
        """Return an error body."""
        return {"detail": message}

    def answer(self, body):
        """Return the JSON of a success."""
        texts = body["input"]
        vectors = self.vectors(texts, body.get("input_type") or "", body.get("output_dimension"))
        as_text = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "embedding": _base64(vector) if as_text else vector.tolist(), "index": place}
            for place, vector in enumerate(vectors)
        ]
        used = sum(len(text) // 2 for text in texts)
        return {"object": "list", "data": data, "model": self.model, "usage": {"total_tokens": used}}


class FakeCohere(FakeProvider):
    """``POST /v2/embed`` as Cohere documents it."""

    path = "/v2/embed"

    @property
    def url(self):
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self):
        """The name that connects to it."""
        return f"cohere:{self.model}@{self.url}"

    def refusal(self, body):
        """Return (status, JSON) of a refusal, None if there is nothing to refuse."""
        if body["model"] != self.model:
            return 404, {"message": f"model '{body['model']}' not found"}
        if body["input_type"] not in {"search_query", "search_document", "classification", "clustering"}:
            return 400, {"message": "invalid request: valid input_type must be provided"}
        if not body["texts"] or not all(body["texts"]) or len(body["texts"]) > min(self.most, 96):
            return 400, {"message": "invalid request: the number of texts must be between 1 and 96, none empty"}
        longest = max(len(text) for text in body["texts"]) // 2
        if longest > self.window and body.get("truncate") == "NONE":
            return 400, {"message": f"too many tokens: max tokens per text is {self.window}, got {longest}"}
        return None

    def complaint(self, message, code):
        """Return an error body."""
        return {"message": message}

    def answer(self, body):
        """Return the JSON of a success."""
        vectors = self.vectors(body["texts"], body["input_type"], body.get("output_dimension"))
        return {
            "id": "00000000-0000-0000-0000-000000000000",
            "embeddings": {"float": [vector.tolist() for vector in vectors]},
            "texts": body["texts"],
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"input_tokens": sum(len(text) // 2 for text in body["texts"])},
            },
            "response_type": "embeddings_by_type",
        }

    def change(self, payload, how):
        """Change an answer in one of the ways in which it can be wrong."""
        _change(payload["embeddings"]["float"], how, lambda _, vector: vector)
        return payload


def _base64(vector):
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _change(items, how, put):
    """Change a list of vectors in place."""
    if how == "wrong dimension":
        items[-1] = put(items[-1], [0.5] * 3)
    elif how == "wrong count":
        items.pop()
    elif how == "out of order":
        items.reverse()
    elif how == "index twice":
        items[-1] = items[0]
    else:
        value = {"nan": float("nan"), "infinite": 1e300, "zero": 0.0, "text": "0.5", "huge whole": 10**400}[how]
        items[0] = put(items[0], [value] * 8)


STATUSES = {"400": 400, "401": 401, "403": 403, "422": 422, "429": 429, "500": 500, "503": 503, "529": 529}
CHANGES = {
    "wrong dimension",
    "wrong count",
    "out of order",
    "index twice",
    "nan",
    "infinite",
    "zero",
    "text",
    "huge whole",
}
BODIES = {
    "not JSON": b"<html>Sign in</html>",
    "not an object": b"[1, 2]",
    "nested": b"[" * 100_000,
    "half": b'{"data": [',
    "empty": b"",
}
FAULTS = {*STATUSES, *CHANGES, *BODIES, "slow", "cut", "huge", "drip", "redirect", "html"}
"""``slow`` waits for ``released``; ``cut`` closes in the middle of the body; ``drip`` sends it byte by byte for ever."""


def _handler_of(fake):
    class Handler(_Handler):
        provider = fake

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: FakeProvider
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        """Answer a request, or fail as told."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.provider.guard:
            self.provider.seen.append((self.path, dict(self.headers.items()), body))
        fault = self.provider.next_fault()
        try:
            if callable(fault):
                fault(self, body)
            elif fault is None or fault in CHANGES:
                self.serve(body, fault)
            else:
                self._fail(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve(self, body, how=None):
        """Answer as documented, the answer changed as told."""
        provider = self.provider
        if self.path != provider.path:
            self.send_json(404, {"detail": "Not Found"})
            return
        if provider.key is not None and self.headers.get("authorization") != f"Bearer {provider.key}":
            told = f"Incorrect API key provided: {self.headers.get('authorization')}"
            self.send_json(401, provider.complaint(told, "invalid_api_key"))
            return
        refusal = provider.refusal(body)
        if refusal is not None:
            self.send_json(*refusal)
            return
        payload = provider.answer(body)
        self.send_json(200, payload if how is None else provider.change(payload, how))

    def _fail(self, body, fault):
        provider = self.provider
        if fault in STATUSES:
            self.send_json(STATUSES[fault], provider.complaint("The fake fails on demand", "on_demand"))
        elif fault in BODIES:
            self.send_bytes(200, BODIES[fault], "text/html" if fault == "not JSON" else "application/json")
        elif fault == "html":
            self.send_bytes(502, b"<html>Bad gateway</html>", "text/html")
        elif fault == "slow":
            provider.released.wait(30)
            self.serve(body)
        elif fault == "redirect":
            self.send_bytes(307, b"", "text/plain", location="http://localhost:9/elsewhere")
        elif fault == "huge":
            self.send_bytes(200, b" " * 40_000_000, "application/json")
        elif fault == "drip":
            self._drip()
        else:
            self._cut(body)

    def _drip(self):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "1000000")
        self.end_headers()
        while not self.provider.released.is_set():
            self.wfile.write(b" ")
            time.sleep(0.01)

    def _cut(self, body):
        content = json.dumps(self.provider.answer(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.close_connection = True

    def send_json(self, status, payload, **headers):
        """Answer with JSON."""
        self.send_bytes(status, json.dumps(payload).encode(), "application/json", **headers)

    def send_bytes(self, status, content, kind, **headers):
        """Answer with bytes; ``_`` in the name of a header stands for ``-``."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", f"req-{len(self.provider.seen)}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


class FakeClock:
    """Time that passes only when someone sleeps, and a chance that always gives 0. ``slept`` has every pause."""

    def __init__(self):
        self.seconds, self.slept = 0.0, []
        self._guard = threading.Lock()

    def now(self):
        """Return the seconds so far."""
        return self.seconds

    def sleep(self, seconds):
        """Let time pass at once."""
        with self._guard:
            self.seconds += seconds
            self.slept.append(seconds)

    def clock(self):
        """Return this as the clock of a client."""
        return Clock(now=self.now, day=self.now, chance=lambda: 0.0, sleep=self.sleep)
