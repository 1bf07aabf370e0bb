"""Whatever a source holds or says, it gives documents that can be stored, holes with a name, or an error of ours."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

import vicinal
from vicinal.corpus import declared_sources
from vicinal.errors import VicinalError
from vicinal.lifecycle.records import documents_of
from vicinal.lifecycle.sync.sources import Rows, Sources
from vicinal.read import origin_of_source, read_source
from vicinal.read.sql.place import without_password
from vicinal.read.web.address import RefusedError, address_of
from vicinal.read.web.sitemap import listed
from vicinal.testing import ToyEncoder
from vicinal.types import Document, Skipped, Source

WORDS = st.text(max_size=30)
VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), WORDS, st.binary(max_size=20))
URLS = st.builds(
    lambda scheme, host, rest: scheme + host + rest,
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "", "//", "http:"]),
    st.sampled_from(["a.b", "a.b:80", "a.b:99999", "[::1]", "u@a.b", "münchen.de", "", "127.0.0.1", ".", "a..b"]),
    st.text(alphabet="/?#%é \n&=;:[]ab1~", max_size=12),
)
PARTS = st.sampled_from(
    ["<urlset>", "</urlset>", "<url>", "</url>", "<loc>", "</loc>", "http://a.b/", "&lt;", "&x;", "<!DOCTYPE a>", "<a:b>",
     "<sitemap>", "</sitemap>", "\x00", "é", "<?xml version='1.0'?>", "<sitemapindex>", "</sitemapindex>", " "]
)  # fmt: skip


@given(URLS)
def test_an_address_has_one_spelling(url: str) -> None:
    """Taking an address apart twice changes nothing; what it asks for is plain ASCII; all else is refused."""
    try:
        once = address_of(url)
    except RefusedError:
        return
    assert address_of(once.url) == once
    assert (once.url + once.target + once.named_host).isascii()
    assert not set(once.target) & set(" \r\n\t")
    assert once.scheme in {"http", "https"}


@given(st.one_of(st.binary(max_size=200), st.lists(PARTS, max_size=12).map(lambda parts: "".join(parts).encode())))
def test_a_sitemap_is_read_or_refused(body: bytes) -> None:
    """Whatever bytes a server gives, and nothing is taken from a document type."""
    try:
        found = listed(body)
    except RefusedError:
        return
    assert all(isinstance(one, str) and one.strip() for one in [*found.pages, *found.sitemaps])


@given(WORDS, WORDS)
def test_a_password_is_never_shown(user: str, password: str) -> None:
    """However strange it is, once it is written as an address wants it."""
    secret = quote(password + "Zq9", safe="")
    place = f"postgresql://{quote(user, safe='')}:{secret}@host/db?table=x"
    assert secret not in without_password(place)
    assert secret not in origin_of_source(Source(place=place), None)


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(
    ["[[sources]]", "place='a'", "place=5", "query='q'", "include='x'", "[collections.main]", "model='m'", "[[sources", "private=true",
     "most_pages=3", "collection='é'", "place='sqlite:x?table=y'", "place='https://a.b/'"]), max_size=6).map("\n".join)))  # fmt: skip
def test_a_file_declares_or_is_refused(content: str) -> None:
    """Whatever it says, with one of our errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vicinal.toml")
        path.write_text(content, encoding="utf-8", errors="replace")
        try:
            found = declared_sources(path)
        except VicinalError:
            return
    assert all(one.sources and one.collection for one in found)


def require_storable(found: list[Any]) -> list[Document]:
    """Require documents that the store takes, no id twice; return them."""
    documents = [one for one in found if isinstance(one, Document)]
    assert all(isinstance(one, Document | Skipped) for one in found)
    documents_of([{"id": one.id, "text": one.text, "source": one.source, **one.fields} for one in documents])
    return documents


@settings(max_examples=30)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=6))
def test_any_row_of_sqlite(rows: list[tuple[Any, Any, Any]]) -> None:
    """Of any type in any column: a document that can be stored, or a hole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "n.db")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE t (id, text, other)")
            db.executemany("INSERT INTO t VALUES (?, ?, ?)", [[_plain(value) for value in row] for row in rows])
        found = list(read_source(Source(place=f"sqlite:{path}?table=t"), base=Path(folder)))
    assert len(found) == max(1, len(rows))
    require_storable(found)


def _plain(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(st.none(), WORDS, st.dictionaries(st.sampled_from(["id", "text", "source", "n", "$x", ""]), VALUES))
    )
)
def test_any_record_of_a_program(records: list[Any]) -> None:
    """A mapping or not: a document, or a hole of its own, and as many as came."""
    stream = Sources(places=(), base=Path(), rows=Rows(name="crm", records=records)).streams(lambda _: None)
    found = list(stream[0][1])
    assert len(found) == len(records)
    require_storable(found)


@settings(max_examples=10)
@given(
    st.lists(
        st.builds(
            Source, place=st.sampled_from(["docs", "sqlite:x?table=y", "https://a.b/", "sitemap:https://a.b/s.xml"]),
            text_field=st.one_of(st.none(), WORDS), include=st.lists(WORDS, max_size=2).map(tuple), private=st.booleans(),
            most_pages=st.integers(1, 9),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_sources_are_remembered_as_they_were(sources: list[Source]) -> None:
    """All but where a relative path begins, those of one place together, each once."""
    from vicinal.lifecycle.sync.commit import note_sources  # noqa: PLC0415 - for one test
    from vicinal.lifecycle.sync.sources import remembered  # noqa: PLC0415 - the same

    clean = [Source(**{name: _plain(getattr(one, name)) for name in Source.__slots__}) for one in sources]
    clean = [
        Source(**{**{n: getattr(one, n) for n in Source.__slots__}, "include": tuple(map(_plain, one.include))})
        for one in clean
    ]
    with tempfile.TemporaryDirectory() as folder, vicinal.open(Path(folder, "n")) as db:
        notes = db.collection("main", model=ToyEncoder())
        given = Sources(places=tuple(clean), base=Path.cwd())
        note_sources(notes._store, "main", given)
        with notes._store.snapshot() as snapshot:
            known = remembered(snapshot, snapshot.lane("main"))
    last: dict[str, list[Source]] = {}
    for origin, one in given.named():
        assert one is not None
        last.setdefault(origin, []).append(one)
    assert set(known) == set(last)
    for origin, ones in last.items():
        assert [replace(kept, place="") for kept in known[origin]] == list(
            dict.fromkeys(replace(one, place="") for one in ones)
        )
