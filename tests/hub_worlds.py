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


@contextmanager
def serve(hub: FakeHub):
    """Run the fake on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, *, body):
            path = unquote(self.path.partition("?")[0])
            hub.asked.append(path)
            for repo in hub.repos:
                if path.startswith(f"/api/models/{repo}"):
                    return self._send(hub.info(repo), "application/json", body=body)
                if path.startswith(f"/{repo}/resolve/"):
                    name = path.removeprefix(f"/{repo}/resolve/").partition("/")[2]
                    if (hub.repos[repo] / name).is_file():
                        return self._send(hub.content(repo, name), "application/octet-stream", body=body)
                    return self._send(b"", "text/plain", body=body, status=404, code="EntryNotFound")
            return self._send(
                b'{"error": "Repository not found"}', "application/json", body=body, status=404, code="RepoNotFound"
            )

        def _send(self, content, kind, *, body, status=200, code=""):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if code:
                self.send_header("X-Error-Code", code)
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
