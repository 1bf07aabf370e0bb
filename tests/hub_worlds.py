"""A fake of the hub on this machine: it speaks the part of the hub's HTTP interface that its own client uses."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_SUFFIXES = (".safetensors", ".onnx", ".bin")


class FakeHub:
    """What the fake serves: folders by repository id. ``asked`` are the paths of all requests so far."""

    def __init__(self, repos: dict[str, Path], licence: str = "apache-2.0") -> None:
        self.repos = repos
        self.licence = licence
        self.asked: list[str] = []
        self.swapped: dict[str, bytes] = {}
        self.url = ""

    def content(self, repo: str, name: str) -> bytes:
        """Return the bytes that are sent for a file, which a test may have swapped."""
        return self.swapped.get(name, (self.repos[repo] / name).read_bytes())

    def info(self, repo: str) -> bytes:
        """Return the answer of /api/models/<repo>/revision/<revision>?blobs=true."""
        siblings = []
        for path in sorted(self.repos[repo].rglob("*")):
            if not path.is_file():
                continue
            told = {
                "rfilename": str(path.relative_to(self.repos[repo])),
                "size": path.stat().st_size,
                "blobId": "0" * 40,
            }
            if path.suffix in LFS_SUFFIXES:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                told["lfs"] = {"sha256": digest, "size": path.stat().st_size, "pointerSize": 134}
            siblings.append(told)
        said = {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
        return json.dumps(said | {"cardData": {"license": self.licence}}).encode()

    def reply(self, path: str):
        """Return (status, kind of content, the hub's own error code, content) for a path."""
        self.asked.append(path)
        for repo in self.repos:
            if path.startswith(f"/api/models/{repo}"):
                return 200, "application/json", "", self.info(repo)
            if path.startswith(f"/{repo}/resolve/"):
                name = path.removeprefix(f"/{repo}/resolve/").partition("/")[2]
                if (self.repos[repo] / name).is_file():
                    return 200, "application/octet-stream", "", self.content(repo, name)
                return 404, "text/plain", "EntryNotFound", b""
        return 404, "application/json", "RepoNotFound", b'{"error": "Repository not found"}'


@contextmanager
def serve(hub: FakeHub):
    """Run the fake on a free port of the loopback interface."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        """Answer without a body."""
        self._answer()

    def do_GET(self):
        """Answer with it."""
        self.wfile.write(self._answer())

    def _answer(self):
        status, kind, code, content = self.hub.reply(unquote(self.path.partition("?")[0]))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        return content
