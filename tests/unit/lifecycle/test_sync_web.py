"""A collection of web pages: what did not change is not sent again, what is gone goes, what cannot be asked stays."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.read.web import address, client
from vicinal.testing import ToyEncoder
from vicinal.types import SyncReport
from web_worlds import Site, running_site


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of three pages with marks, and their sitemap."""
    with running_site() as found:
        for name in "abc":
            found.put(f"/{name}", f"<h1>Page {name}</h1><p>words of {name}</p>", etag=f'"{name}1"')
        found.sitemap("/a", "/b", "/c")
        yield found


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """An empty collection."""
    with vicinal.open(tmp_path / "notes.vicinal") as db:
        yield db.collection("main", model=ToyEncoder())


def counts(report: SyncReport) -> tuple[int, int, int, int]:
    """Return (new, changed, unchanged, removed)."""
    return report.new, report.changed, report.unchanged, report.removed


def sent(site: Site) -> list[str]:
    """Return the pages whose bodies were sent since the last call: those not asked for with their own mark."""
    found = []
    for path, headers in site.asked:
        mark = site.pages.get(path, (0, {}, b""))[1].get("etag")
        if path.startswith("/") and len(path) == 2 and headers.get("if-none-match") != mark:
            found.append(path)
    site.asked.clear()
    return found


def test_only_what_changed_is_sent(site: Site, notes: vicinal.Collection) -> None:
    """The marks of yesterday are those of the records; a plan and a verification send nothing more either."""
    source = f"sitemap:{site.url}/sitemap.xml"
    assert counts(notes.sync(source)) == (3, 0, 0, 0)
    assert sent(site) == ["/a", "/b", "/c"]
    assert counts(notes.sync(source)) == (0, 0, 3, 0)
    assert sent(site) == []
    assert notes.verify().findings == ()
    assert notes.plan_sync().unchanged == 3
    assert sent(site) == []
    site.put("/b", "<p>new words</p>", etag='"b2"')
    assert counts(notes.sync()) == (0, 1, 2, 0)
    assert sent(site) == ["/b"]
    assert notes.get(f"{site.url}/b").text == "new words"


def test_what_is_gone_goes_and_what_breaks_stays(site: Site, notes: vicinal.Collection) -> None:
    """A page that is not there, or not listed, is removed; one that breaks, a sitemap that breaks, or a site is a hole."""
    source = f"sitemap:{site.url}/sitemap.xml"
    notes.sync(source)
    site.put("/a", "", status=500)
    del site.pages["/b"]
    report = notes.sync(source)
    assert not report.complete
    assert counts(report) == (0, 0, 1, 1)
    assert list(notes.ids()) == [f"{site.url}/a", f"{site.url}/c"]
    site.put("/sitemap.xml", "nothing", status=503)
    assert counts(notes.sync(source)) == (0, 0, 0, 0)
    assert len(notes) == 2
    site.sitemap("/c")
    report = notes.sync(source)
    assert report.complete
    assert counts(report) == (0, 0, 1, 1)
    assert list(notes.ids()) == [f"{site.url}/c"]


def test_pages_and_files_do_not_touch_one_another(site: Site, notes: vicinal.Collection, tmp_path: Path) -> None:
    """The folder of all relative paths is not the folder of addresses."""
    (tmp_path / "a.txt").write_text("a file")
    notes.sync(f"{site.url}/a", f"{site.url}/b")
    assert counts(notes.sync(tmp_path)) == (1, 0, 0, 0)
    assert len(notes) == 3
    assert counts(notes.sync(f"{site.url}/a")) == (0, 0, 1, 0)
    assert len(notes) == 3
    assert notes.forget(f"{site.url}/b") == 1


def test_a_page_is_read_again_when_it_would_be_cut_otherwise(site: Site, notes: vicinal.Collection) -> None:
    """Its mark counts only for a record that would be made as it is: one notion of stale."""
    notes.sync(f"{site.url}/a")
    sent(site)
    with notes._store.write() as transaction:
        lane = transaction.lane("main")
        (line,) = list(transaction.placed_from(lane, f"{site.url}/a:"))
        record = line.new_record("another")
        vectors = transaction.vectors_at(lane, np.arange(line.first_row, line.first_row + len(line.spans)))
        values = {name: getattr(record, name) for name in record.__slots__} | {"chunker": "another"}
        transaction.put(lane, [type(record)(**values)], vicinal.Vectors(vectors, lane.space), replace_existing=True)
    assert counts(notes.sync(f"{site.url}/a")) == (0, 1, 0, 0)
    assert sent(site) == ["/a"]


def test_what_is_refused_for_another_reason_than_rules_stays(
    site: Site, notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network, another site in its place, an answer that is too much or of another kind: a hole, and nothing goes."""
    page = f"{site.url}/a"
    notes.sync(page)
    monkeypatch.setattr(client.Client.get, "__kwdefaults__", {"most_bytes": 1000})
    for body, headers in (
        ("", {"status": 302, "location": "http://login.example.invalid/"}),
        ("", {"status": 302, "location": "/a"}),
        ("x" * 5000, {}),
        ("<p>words</p>", {"content_encoding": "br"}),
        (b"\0\1\2", {"content_type": "image/png"}),
        (gzip.compress(b"<p>many words</p>" * 50)[:40], {"content_encoding": "gzip"}),
    ):
        site.put("/a", body, **headers)  # type: ignore[arg-type]  # each is its own
        report = notes.sync(page)
        assert (report.complete, report.removed, report.changed) == (False, 0, 0), headers
    monkeypatch.setattr(address, "is_named_private", lambda _: False)
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    assert not notes.sync(page).complete
    assert notes.get(page).text.endswith("words of a")
    monkeypatch.undo()
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n")
    report = notes.sync(page)
    assert (report.complete, report.removed) == (True, 1)


def test_half_of_a_page_is_none(notes: vicinal.Collection) -> None:
    """A connection that breaks off in the midst of an answer is a hole, and not a shorter page."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for head in ("404 no\r\ncontent-length: 0\r\n\r\n", "200 ok\r\ncontent-length: 1000\r\n\r\n<p>only half"):
                with server.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(f"HTTP/1.1 {head}".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        report = notes.sync(f"http://127.0.0.1:{server.getsockname()[1]}/page")
        thread.join()
    assert [(one.reason, one.detail) for one in report.failed] == [("unreachable", "the answer breaks off")]
    assert len(notes) == 0
