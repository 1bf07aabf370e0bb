"""The pages that a sitemap lists (sitemaps.org 0.9): XML, a list of lines, or an index of other sitemaps."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from xml.parsers import expat

from vicinal.read.web.address import RefusedError

MOST_BYTES = 50 << 20
"""Of one sitemap, unpacked, as its own rules have it."""
GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Listed:
    """What one sitemap lists."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def listed(body: bytes) -> Listed:
    """Return what a sitemap lists.

    Raises
    ------
    RefusedError
        It is no sitemap, declares entities, or is too large.
    """
    if body.startswith(GZIP):
        body = _unpacked(body)
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"<"):
        lines = body.decode("utf-8-sig", "replace").split()
        if not all(line.startswith(("http://", "https://")) for line in lines):
            raise RefusedError("it is no sitemap")
        return Listed(pages=lines)
    return _parsed(start)


def _unpacked(body: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise RefusedError("it is no gzip") from error
    if len(plain) > MOST_BYTES:
        raise RefusedError(f"it has over {MOST_BYTES} bytes")
    return plain


def _parsed(body: bytes) -> Listed:
    """Return what XML lists: ``loc`` within ``url`` or ``sitemap``, whatever their name space."""
    found, above, text = Listed(), ["", ""], [""]

    def begin(name: str, _: object) -> None:
        above.append(name.rpartition(" ")[2])
        text[0] = ""

    def end(_: str) -> None:
        name = above.pop()
        if name == "loc" and (loc := text[0].strip()):
            {"url": found.pages, "sitemap": found.sitemaps}.get(above[-1], []).append(loc)

    def say(part: str) -> None:
        text[0] += part

    def refuse(*_: object) -> None:
        raise RefusedError("it declares a document type, which no sitemap needs")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = say, refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat's own way to say that this is all
    except expat.ExpatError as error:
        raise RefusedError("it is no XML") from error
    return found
