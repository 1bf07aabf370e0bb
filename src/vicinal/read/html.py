"""The visible text of a web page, its headings, lists and code written as Markdown."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

HIDDEN = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "audio",
        "video",
        "select",
        "datalist",
    ]
)
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "html",
        "legend",
        "main",
        "nav",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "ul",
    ]
)
CELLS = frozenset({"td", "th"})
HEADINGS = {f"h{depth}": "#" * depth for depth in range(1, 7)}
VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
SPACE = re.compile(r"[ \t\r\n\f]+")
GAPS = re.compile(r"\n{3,}")
LINE_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)


def visible_text(page: str) -> str:
    """Return the text that a reader of the page sees.

    Headings become ``#`` lines, items of lists ``- ``, preformatted text a fence, cells of a table ``|``.
    Scripts, styles and what is marked hidden are left out. The page's title stands first when it has no ``h1``.
    """
    parser = _Page()
    end = page.rfind(">") + 1
    parser.feed(page[:end])
    parser.close()
    parser.handle_data(
        unescape(page[end:].partition("<!--")[0])
    )  # no tag ends here; the library would look for one at each "<"
    body = GAPS.sub("\n\n", LINE_ENDS.sub("", "".join(parser.out))).strip()
    title = SPACE.sub(" ", "".join(parser.title)).strip()
    return f"# {title}\n\n{body}".strip() if title and not parser.has_h1 else body


class _Page(HTMLParser):
    """Collects the text of a page in ``out``, with line feeds where blocks begin and end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.title: list[str] = []
        self.has_h1 = False
        self._in_title = False
        self._hidden_tag = ""
        self._hidden_depth = 0
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element, or go deeper into a hidden one."""
        if self._hidden_tag:
            self._hidden_depth += tag == self._hidden_tag
        elif tag in HIDDEN or (tag not in VOID and any(name == "hidden" for name, _ in attrs)):
            self._hidden_tag, self._hidden_depth = tag, 1
        else:
            self._in_title = tag == "title"
            self._open(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take ``<tag/>``: for an element that holds nothing it is both ends, for others a beginning, as browsers do."""
        if tag not in HIDDEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """End an element, or come out of a hidden one."""
        if self._hidden_tag:
            self._hidden_depth -= tag == self._hidden_tag
            if not self._hidden_depth:
                self._hidden_tag = ""
            return
        self._in_title = self._in_title and tag != "title"
        self._close(tag)

    def handle_data(self, data: str) -> None:
        """Take text: as it is where it is preformatted, else with its white space as one space."""
        if self._hidden_tag:
            return
        if self._in_title:
            self.title.append(data)
        elif self._preformatted:
            self.out.append(data)
        else:
            self._inline(SPACE.sub(" ", data))

    def parse_comment(self, i: int, report: int = 1) -> int:
        """Take a comment to its end, an open one to the page's, as browsers do; the library would try again for each."""
        del report
        end = self.rawdata.find("-->", i + 2)  # "<!-->" is one
        return end + 3 if end >= 0 else len(self.rawdata)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take ``<![…`` as a comment up to its ``>``, as browsers do; the library would give up on some."""
        del report
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else -1

    def _open(self, tag: str) -> None:
        if tag in HEADINGS:
            self.has_h1 = self.has_h1 or tag == "h1"
            self.out.append(f"\n\n{HEADINGS[tag]} ")
        elif tag == "pre":
            self.out.append("\n\n```\n" if not self._preformatted else "")
            self._preformatted += 1
        elif tag in BLOCKS:
            self.out.append("\n\n")
        elif tag in {"br", "tr"}:
            self.out.append("\n")
        elif tag == "li":
            self.out.append("\n- ")
        elif tag in CELLS:
            self.out.append("| ")

    def _close(self, tag: str) -> None:
        if tag == "pre" and self._preformatted:
            self._preformatted -= 1
            self.out.append("\n```\n\n" if not self._preformatted else "")
        elif tag in BLOCKS or tag in HEADINGS:
            self.out.append("\n\n")
        elif tag in CELLS:
            self._inline(" ")

    def _inline(self, text: str) -> None:
        """Add text of a line; a space is not doubled and does not begin a line."""
        last = next((piece for piece in reversed(self.out[-2:]) if piece), "\n")
        self.out.append(text[1:] if text.startswith(" ") and last[-1] in " \n" else text)
