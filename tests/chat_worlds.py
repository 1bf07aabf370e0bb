"""A fake chat endpoint on this machine: a real HTTP server in threads that says what it was told to, and fails on demand.

It speaks the documented words of OpenAI's ``POST /v1/chat/completions``, streaming and not. It is no model.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-fake-0123456789abcdef"
"""What a fake with ``key=KEY`` wants to see."""


class FakeChat:
    """A fake: what it says, what it saw, and how its next answers fail.

    Parameters
    ----------
    says : str or callable
        The answer, or JSON of the request → the answer.
    model : str
        The one model that it knows.
    key : str or None
        What it wants as a bearer token.
    streams : bool
        Whether it streams when asked to; some servers do not.
    step : int
        Characters of a piece.

    Attributes
    ----------
    faults : deque
        What is done with the next requests, one each; see ``FAULTS``, or a callable that is given the handler and JSON.
    always : str or callable or None
        What is done with every request that no fault of ``faults`` is for.
    seen : list of (path, headers, JSON)
        The requests so far.
    line_end : str
        How its events end their lines.
    """

    def __init__(self, says="A kitten sleeps. [1]", *, model="fake-chat", key=None, streams=True, step=3):
        self.says, self.model, self.key, self.streams, self.step = says, model, key, streams, step
        self.faults, self.always, self.seen, self.line_end = deque(), None, [], "\n"
        self.finish = "stop"
        self.guard = threading.Lock()
        self.released = threading.Event()
        """What a ``slow`` answer waits for."""
        fake = self

        class Handler(_Handler):
            provider = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # who was asked hangs up, as it should
        self.port = self._server.server_address[1]

    @property
    def url(self):
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

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

    def text(self, body):
        """Return the answer to a request."""
        return self.says(body) if callable(self.says) else self.says


STATUSES = {"400": 400, "401": 401, "403": 403, "404": 404, "429": 429, "500": 500, "503": 503}
BODIES = {
    "not JSON": b"<html>Sign in</html>",
    "not an object": b"[1, 2]",
    "nested": b"[" * 100_000,
    "half": b'{"choices": [',
    "empty": b"",
    "no choices": b'{"choices": []}',
    "no message": b'{"choices": [{"index": 0}]}',
    "number": b'{"choices": [{"message": {"content": 5}}]}',
    "error in 200": b'{"error": {"message": "overloaded", "code": "overloaded"}}',
}
STREAMS = {
    "stream not JSON": "data: hello\n\n",
    "stream not an object": "data: [1]\n\n",
    "stream error": 'data: {"choices": [{"delta": {"content": "A kit"}}]}\n\ndata: {"error": {"message": "gone"}}\n\n',
    "stream without end": 'data: {"choices": [{"delta": {"content": "A kit"}}]}\n\n',
    "stream of nothing": "",
    "stream number": 'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
    "huge line": "data: " + "x" * 3_000_000,
    "huge event": ("data: " + "x" * 90_000 + "\n") * 40,
    "long answer": ('data: {"choices": [{"delta": {"content": "' + "x" * 50_000 + '"}}]}\n\n') * 5,
}
FAULTS = {
    *STATUSES,
    *BODIES,
    *STREAMS,
    "slow",
    "cut",
    "cut in the middle",
    "drip",
    "redirect",
    "html",
    "no temperature",
}
"""``slow`` waits for ``released``; ``cut`` closes without a word, ``cut in the middle`` behind the first piece; ``drip``
sends comments for ever; ``no temperature`` refuses that parameter."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: FakeChat
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
            elif fault is None:
                self.serve(body)
            else:
                self._fail(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve(self, body):
        """Answer as documented."""
        fake = self.provider
        if self.path != "/v1/chat/completions":
            self.send_json(404, {"detail": "Not Found"})
        elif fake.key is not None and self.headers.get("authorization") != f"Bearer {fake.key}":
            told = f"Incorrect API key provided: {self.headers.get('authorization')}"
            self.send_json(401, {"error": {"message": told, "code": "invalid_api_key"}})
        elif body["model"] != fake.model:
            self.send_json(404, {"error": {"message": f"The model `{body['model']}` does not exist"}})
        elif body["stream"] and fake.streams:
            self._stream(self._events(fake.text(body)))
        else:
            message = {"role": "assistant", "content": fake.text(body)}
            choice = {"index": 0, "message": message, "finish_reason": fake.finish}
            self.send_json(200, {"object": "chat.completion", "model": fake.model, "choices": [choice], "usage": {}})

    def _events(self, text):
        """Give the events of an answer, as OpenAI documents them: a role, pieces, an end, a count, ``[DONE]``."""
        fake = self.provider
        pieces = [text[start : start + fake.step] for start in range(0, len(text), fake.step)]
        deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
        yield ": a comment\n\n"
        for place, delta in enumerate(deltas):
            finish = fake.finish if place == len(deltas) - 1 else None
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            yield f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
        yield 'data: {"choices": [], "usage": {"total_tokens": 7}}\n\n'
        yield "data: [DONE]\n\n"

    def _stream(self, events, *, finish=True):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            content = event.replace("\n", self.provider.line_end).encode()
            for part in (content[:5], content[5:]):
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
        if finish:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _fail(self, body, fault):
        fake = self.provider
        if fault in STATUSES:
            told = {"error": {"message": "The fake fails on demand", "code": "on_demand"}}
            self.send_json(STATUSES[fault], told)
        elif fault in BODIES:
            self.send_bytes(200, BODIES[fault], "text/html" if fault == "not JSON" else "application/json")
        elif fault in STREAMS:
            self._stream(re.findall(r".{1,40000}", STREAMS[fault], re.DOTALL))
        elif fault == "html":
            self.send_bytes(502, b"<html>Bad gateway</html>", "text/html")
        elif fault == "slow":
            fake.released.wait(30)
            self.serve(body)
        elif fault == "redirect":
            self.send_bytes(307, b"", "text/plain", location="http://localhost:9/elsewhere")
        elif fault == "cut in the middle":
            self._stream(list(self._events(fake.text(body)))[:4], finish=False)
        elif fault == "drip":
            self._stream(self._comments(), finish=False)
        elif fault == "no temperature":
            self._refuse(body)
        else:
            self.close_connection = True

    def _comments(self):
        while not self.provider.released.is_set():
            yield ": still here\n\n"
            time.sleep(0.01)

    def _refuse(self, body):
        if "temperature" in body or "max_tokens" in body:
            name = "temperature" if "temperature" in body else "max_tokens"
            told = {"message": f"Unsupported parameter: '{name}' is not supported", "code": "unsupported_parameter"}
            self.send_json(400, {"error": told})
        else:
            self.serve(body)

    def send_json(self, status, payload, **headers):
        """Answer with JSON."""
        self.send_bytes(status, json.dumps(payload).encode(), "application/json", **headers)

    def send_bytes(self, status, content, kind, **headers):
        """Answer with bytes; ``_`` in the name of a header stands for ``-``."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
