"""Pages as documents, asked for again only if they say that they changed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message

from vicinal.errors import InputError
from vicinal.read import html
from vicinal.read.decode import encoding_of, is_binary
from vicinal.read.web.address import Address, ForbiddenError, RefusedError, address_of
from vicinal.read.web.client import MOST_BYTES, Answer, Client
from vicinal.read.web.robots import Robots
from vicinal.read.web.sitemap import MOST_BYTES as MOST_SITEMAP_BYTES
from vicinal.read.web.sitemap import Listed, listed
from vicinal.types import Document, Fields, Skipped, Source, Unmodified

WEB = ("http://", "https://")
SITEMAP = "sitemap:"
MOST_DEPTH = 3
"""Sitemaps within sitemaps."""
MOST_SITEMAPS = 1_000
GOOD, SAME, GONE = 200, 304, {404, 410}
FORMS = {
    "text/html": ("html", "markdown"),
    "application/xhtml+xml": ("html", "markdown"),
    "text/plain": ("text", "text"),
    "text/markdown": ("markdown", "markdown"),
}
Known = Callable[[str], Fields | None]
"""Gives the fields of a page that is stored and current, by its id; None for any other."""


@dataclass(slots=True)
class _Site:
    """What a run over pages needs."""

    client: Client
    robots: Robots
    known: Known
    origin: str


def web_origin(source: Source) -> str:
    """Return the name of a web source in the ledger.

    Raises
    ------
    InputError
        It is no address that can be asked.
    """
    mark = SITEMAP if source.place.startswith(SITEMAP) else ""
    return f"{mark}{_address(source).url}:"


def read_page(source: Source, known: Known) -> Iterator[Document | Skipped | Unmodified]:
    """Give the document of one page, or that it is what it was."""
    address = _address(source)
    yield _page(_site(source, address, known), address)


def read_sitemap(source: Source, known: Known) -> Iterator[Document | Skipped | Unmodified]:
    """Give the documents of the pages that a sitemap lists, each once, in its order.

    A sitemap that cannot be read, or lists more pages than the source allows, is a hole of the whole source.
    """
    address = _address(source)
    site = _site(source, address, known)
    seen: set[str] = set()
    for url in _listed(site, address):
        if isinstance(url, Skipped):
            yield url
            continue
        try:
            page = address_of(url, address.url)
        except RefusedError as error:
            shown = url.rpartition("@")[2][:200]  # what stands before it may be a password
            yield Skipped(source=shown, reason="refused", detail=str(error))
            continue
        if page.url in seen:
            continue
        if len(seen) >= source.most_pages:
            yield Skipped(
                source=site.origin,
                reason="too large",
                detail=f"it lists more than {source.most_pages} pages; raise most_pages",
                failed=True,
            )
            return
        seen.add(page.url)
        yield _page(site, page)


def _address(source: Source) -> Address:
    try:
        return address_of(source.place.removeprefix(SITEMAP))
    except RefusedError as error:
        raise InputError(f"This address cannot be read: {error}.", where="source") from error


def _site(source: Source, address: Address, known: Known) -> _Site:
    client = Client(frozenset({address.host}), private=source.private, other_sites=source.other_sites)
    return _Site(client, Robots(client), known, web_origin(source))


def _listed(site: _Site, first: Address) -> Iterator[str | Skipped]:
    """Go through the addresses of a sitemap and of those that it names."""
    waiting, asked = [(first.url, 0)], 0
    while waiting:
        url, depth = waiting.pop(0)
        asked += 1
        try:
            found = _asked(site, address_of(url, first.url))
            _require_few(found, depth, asked + len(waiting))
        except (RefusedError, OSError) as error:
            yield Skipped(source=site.origin, reason="unreadable", detail=f"{url[:200]}: {error}", failed=True)
            continue
        waiting += [(one, depth + 1) for one in found.sitemaps]
        yield from found.pages


def _asked(site: _Site, address: Address) -> Listed:
    """Return what one sitemap lists."""
    site.robots.require(address)
    answer = site.client.get(address, most_bytes=MOST_SITEMAP_BYTES)
    if answer.status != GOOD:
        raise RefusedError(f"it gives status {answer.status}")
    return listed(answer.body)


def _require_few(found: Listed, depth: int, known: int) -> None:
    if found.sitemaps and (depth >= MOST_DEPTH or known + len(found.sitemaps) > MOST_SITEMAPS):
        raise RefusedError("it names too many other sitemaps")


def _page(site: _Site, address: Address) -> Document | Skipped | Unmodified:
    """Return the document of a page, that it is what it was, or why there is none."""
    fields = site.known(address.url)
    headers = {"accept": "text/html,text/plain;q=0.9,*/*;q=0.1"}
    if fields:
        asked = {"if-none-match": fields.get("etag"), "if-modified-since": fields.get("last_modified")}
        headers |= {name: value for name, value in asked.items() if isinstance(value, str) and value.isascii()}
    try:
        site.robots.require(address)
        answer = site.client.get(address, headers)
    except RefusedError as error:
        is_hole = not isinstance(error, ForbiddenError)
        return Skipped(source=address.url, reason="refused", detail=str(error), failed=is_hole)
    except OSError as error:
        return Skipped(source=address.url, reason="unreachable", detail=str(error) or type(error).__name__, failed=True)
    if answer.status == SAME and fields:
        return Unmodified(id=address.url)
    if answer.status in GONE:
        return Skipped(source=address.url, reason="gone", detail=f"status {answer.status}")
    if answer.status != GOOD:
        return Skipped(source=address.url, reason="unreachable", detail=f"status {answer.status}", failed=True)
    return _document(address, answer)


def _document(address: Address, answer: Answer) -> Document | Skipped:
    """Return the document of a page that was answered. Its id is the address that was asked for."""
    said = Message()
    said["content-type"] = answer.headers.get("content-type", "text/html")
    kind = FORMS.get(said.get_content_type())
    if kind is None or is_binary(answer.body[:8192]):
        return Skipped(source=address.url, reason="binary", detail=said.get_content_type())
    text = _decoded(answer.body, said.get_content_charset())
    if text is None:
        return Skipped(source=address.url, reason="undecodable", detail="no known encoding", failed=True)
    text = html.visible_text(text) if kind[0] == "html" else text
    if not text or text.isspace():
        return Skipped(source=address.url, reason="empty", detail="no visible text")
    told = {"etag": answer.headers.get("etag"), "last_modified": answer.headers.get("last-modified")}
    kept = {name: value for name, value in told.items() if value and value.isascii() and len(value) <= MOST_BYTES >> 14}
    return Document(
        id=address.url,
        text=text,
        source=address.url,
        form=kind[1],
        fields={"path": address.url, "format": kind[0], **kept},
    )


def _decoded(body: bytes, charset: str | None) -> str | None:
    """Return a page's text: in the encoding that the server names if it is that, else as a file's is found."""
    if charset:
        try:
            return body.decode(charset)
        except (LookupError, UnicodeError):
            pass
    found = encoding_of(io.BytesIO(body), declares=True)
    return None if found is None else body.decode(found)
