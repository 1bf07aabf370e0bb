"""Web pages: read once, asked for again only if they changed, and nobody is asked who was not named."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from vicinal.errors import InputError
from vicinal.read import origin_of_source, read_source
from vicinal.read.web import address as addresses
from vicinal.read.web import client
from vicinal.read.web.address import RefusedError, address_of, resolved
from vicinal.read.web.sitemap import listed
from vicinal.types import Document, Skipped, Source, Unmodified
from web_worlds import SITEMAP, Site, running_site


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this machine."""
    with running_site() as found:
        yield found


def read(place: str, known: dict[str, Any] | None = None, **options: Any) -> list[Document | Skipped | Unmodified]:
    """Return all that a source gives."""
    return list(read_source(Source(place=place, **options), known=(known or {}).get))


def test_a_page_is_a_document(site: Site) -> None:
    """Its id is its address without what stands behind #, its text what a reader sees, its marks are fields."""
    site.put("/a?b=1", "<h1>Owls</h1><p>They hunt.</p>", etag='"1"', last_modified="Sat, 01 Jan 2000 00:00:00 GMT")
    (found,) = read(f"{site.url}/a?b=1#part")
    assert isinstance(found, Document)
    assert (found.id, found.form) == (f"{site.url}/a?b=1", "markdown")
    assert found.text == "# Owls\n\nThey hunt."
    assert found.fields["etag"] == '"1"'
    assert found.fields["last_modified"] == "Sat, 01 Jan 2000 00:00:00 GMT"


def test_an_unchanged_page_is_not_sent_again(site: Site) -> None:
    """With the mark of yesterday the server says that nothing changed; without one the page is read."""
    site.put("/a", "<p>owls</p>", etag='"1"')
    known = {f"{site.url}/a": {"etag": '"1"'}}
    assert read(f"{site.url}/a", known) == [Unmodified(id=f"{site.url}/a")]
    site.put("/a", "<p>new owls</p>", etag='"2"')
    (found,) = read(f"{site.url}/a", known)
    assert isinstance(found, Document)
    assert found.text == "new owls"


def test_a_sitemap_gives_its_pages_once(site: Site) -> None:
    """In its order, each once; what is gone is no hole, what breaks is one, and other hosts are left out."""
    for path in ("/b", "/a"):
        site.put(path, f"<p>page {path}</p>")
    site.put("/broken", "no", status=500)
    site.sitemap("/b", "/a", "/b", "/gone", "/broken", "http://example.invalid/x", "ftp://127.0.0.1/y")
    found = read(f"sitemap:{site.url}/sitemap.xml")
    assert [one.id for one in found if isinstance(one, Document)] == [f"{site.url}/b", f"{site.url}/a"]
    told = {one.source: (one.reason, one.failed) for one in found if isinstance(one, Skipped)}
    assert told == {
        f"{site.url}/gone": ("gone", False),
        f"{site.url}/broken": ("unreachable", True),
        "http://example.invalid/x": ("refused", False),
        "ftp://127.0.0.1/y": ("refused", False),
    }


def test_sitemaps_in_sitemaps_and_gzip(site: Site) -> None:
    """An index leads to sitemaps, which may be packed."""
    site.put("/a", "<p>a</p>")
    inner = f'<urlset xmlns="{SITEMAP}"><url><loc>{site.url}/a</loc></url></urlset>'
    site.put("/inner.xml.gz", gzip.compress(inner.encode()))
    site.put("/sitemap.xml", f"<sitemapindex><sitemap><loc>{site.url}/inner.xml.gz</loc></sitemap></sitemapindex>")
    assert [type(one) for one in read(f"sitemap:{site.url}/sitemap.xml")] == [Document]


def test_a_sitemap_that_is_none_is_a_hole_of_all(site: Site) -> None:
    """Then nobody knows which pages there are: the hole has the name of the source."""
    origin = origin_of_source(Source(place=f"sitemap:{site.url}/sitemap.xml"), None)
    for body in ("<html", "plain words", '<!DOCTYPE x [<!ENTITY a "b">]><urlset/>'):
        site.put("/sitemap.xml", body)
        (found,) = read(f"sitemap:{site.url}/sitemap.xml")
        assert isinstance(found, Skipped)
        assert (found.source, found.failed) == (origin, True)
    site.sitemap("/a", "/b", "/c")
    found = read(f"sitemap:{site.url}/sitemap.xml", most_pages=2)
    assert isinstance(found[-1], Skipped)
    assert (found[-1].source, found[-1].reason, found[-1].failed) == (origin, "too large", True)


def test_robots_are_obeyed(site: Site) -> None:
    """A page that robots.txt forbids is not asked for; where the rules cannot be read, nothing is."""
    site.put("/robots.txt", "User-agent: *\nDisallow: /secret\n")
    for path in ("/secret/a", "/open"):
        site.put(path, "<p>words</p>")
    site.sitemap("/secret/a", "/open")
    found = read(f"sitemap:{site.url}/sitemap.xml")
    assert [(type(one), getattr(one, "reason", "")) for one in found] == [(Skipped, "refused"), (Document, "")]
    assert site.paths() == ["/sitemap.xml", "/open"]
    site.put("/robots.txt", "", status=503)
    (hole,) = read(f"{site.url}/open")
    assert isinstance(hole, Skipped)
    assert hole.failed
    assert site.paths() == []


def test_redirects_stay_on_the_host(site: Site) -> None:
    """A redirect on the host is followed, the id stays; to another host, another scheme or in circles it is not."""
    site.put("/new", "<p>words</p>")
    site.put("/old", "", status=301, location="/new")
    site.put("/away", "", status=302, location="http://example.invalid/")
    site.put("/file", "", status=302, location="file:///etc/passwd")
    site.put("/round", "", status=302, location="/round")
    (found,) = read(f"{site.url}/old")
    assert isinstance(found, Document)
    assert found.id == f"{site.url}/old"
    for path, word in (("/away", "another host"), ("/file", "only http"), ("/round", "times")):
        (refused,) = read(f"{site.url}{path}")
        assert isinstance(refused, Skipped)
        assert word in refused.detail


def test_answers_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is too large, packed or not, is refused while it comes."""
    monkeypatch.setattr(client.Client.get, "__kwdefaults__", {"most_bytes": 1000})
    site.put("/large", "x" * 5000)
    site.put("/bomb", gzip.compress(b"x" * 100_000), content_encoding="gzip")
    site.put("/packed", gzip.compress(b"<p>words</p>"), content_encoding="gzip")
    for path in ("/large", "/bomb"):
        (refused,) = read(f"{site.url}{path}")
        assert isinstance(refused, Skipped)
        assert "over 1000 bytes" in refused.detail
    (found,) = read(f"{site.url}/packed")
    assert isinstance(found, Document)


def test_what_is_no_text_gives_no_document(site: Site) -> None:
    """By its type, by its bytes, or because nobody would see anything."""
    site.put("/image", b"\x89PNG", content_type="image/png")
    site.put("/zero", b"a\0b")
    site.put("/blank", "<script>1</script>")
    site.put("/latin", "<p>caf\xe9</p>".encode("latin-1"), content_type="text/html; charset=latin-1")
    told = [read(f"{site.url}{path}")[0] for path in ("/image", "/zero", "/blank", "/latin")]
    assert [getattr(one, "reason", "") for one in told] == ["binary", "binary", "empty", ""]
    assert told[-1].text == "caf\xe9"  # type: ignore[union-attr]


def test_nobody_there_is_a_hole() -> None:
    """A port where nobody listens is told of, and the run goes on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (found,) = read(f"http://127.0.0.1:{port}/a")
    assert isinstance(found, Skipped)
    assert (found.reason, found.failed) == ("unreachable", True)


@pytest.mark.parametrize(
    "place", ["ftp://example.org/", "http://", "https://u:p@example.org/", "http://[::1", f"http://x.y/{'a' * 3000}"]
)
def test_addresses_that_are_refused(place: str) -> None:
    """Other schemes, passwords, and what cannot be read are the caller's error; a place of no scheme is a path."""
    with pytest.raises((InputError, LookupError)):
        read(place)


def test_private_machines_are_asked_only_if_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads into a private network is refused unless that is allowed; a number says it by itself."""
    numbers = {
        "inside.example": ["10.0.0.7"],
        "both.example": ["93.184.216.34", "127.0.0.1"],
        "out.example": ["93.184.216.34"],
    }

    def known(host: str, port: int, **_: object) -> list[Any]:
        return [(2, 1, 6, "", (number, port)) for number in numbers.get(host, [host])]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", known)
    monkeypatch.setenv("VICINAL_OFFLINE", "0")
    for host in ("inside.example", "both.example", "127.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]"):
        with pytest.raises(RefusedError, match="private"):
            resolved(address_of(f"http://{host}/"), private=False)
    assert resolved(address_of("http://out.example/"), private=False) == "93.184.216.34"
    assert resolved(address_of("http://inside.example/"), private=True) == "10.0.0.7"
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(RefusedError, match="VICINAL_OFFLINE"):
        resolved(address_of("http://out.example/"), private=True)


def test_addresses_have_one_spelling() -> None:
    """The scheme's own port, the part behind #, letters beyond ASCII and an empty path."""
    assert address_of("HTTP://Example.org:80/#x").url == "http://example.org/"
    assert address_of("http://example.org/a b/é?q=ä").url == "http://example.org/a%20b/%C3%A9?q=%C3%A4"
    assert address_of("../c", "http://example.org/a/b").url == "http://example.org/c"
    assert address_of("http://münchen.example/").host == "xn--mnchen-3ya.example"


def test_a_list_of_lines_is_a_sitemap() -> None:
    """As the sitemaps' own rules have it."""
    assert listed(b"http://a.b/1\nhttps://a.b/2\n").pages == ["http://a.b/1", "https://a.b/2"]
