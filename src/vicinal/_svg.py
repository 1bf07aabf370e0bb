"""A small writer of SVG: shapes and texts with a title and a description, in the colours of a light or a dark page."""

from __future__ import annotations

import math
import re
from html import escape

UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, not even escaped."""
WIDE = 0x2E80
"""From here on a letter may be as wide as it is high."""

COLORS = """
:root { --ground: #fdfcf9; --ink: #22201c; --soft: #6d675c; --line: #d9d4c8; --band: #efeadd;
        --lexical: #b4561b; --dense: #2b62b3; --hybrid: #23744a; --plain: #6a4fa3; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #1c1b19; --ink: #ece8df; --soft: #a39d90; --line: #45423b; --band: #2b2924;
          --lexical: #f0a366; --dense: #85b4f7; --hybrid: #79cf9b; --plain: #bda6f0; } }
"""
STYLE = """
svg text { font-family: system-ui, sans-serif; fill: var(--ink); }
svg .ground { fill: var(--ground); } svg .soft { fill: var(--soft); } svg .band { fill: var(--band); }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none; } svg .axis { stroke: var(--soft); stroke-width: 1; fill: none; }
svg .frontier { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
svg .label { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
svg .lexical { fill: var(--lexical); stroke: var(--lexical); } svg .dense { fill: var(--dense); stroke: var(--dense); }
svg .hybrid { fill: var(--hybrid); stroke: var(--hybrid); } svg .plain { fill: var(--plain); stroke: var(--plain); }
svg .open { fill: var(--ground); } svg .whisker { stroke-width: 1.5; opacity: .55; } svg .dot { stroke-width: 1.5; }
"""


class Drawing:
    """Shapes on a ground of ``width`` and ``height`` pixels, in the order in which they are added.

    Parameters
    ----------
    name : str
        Letters and ``-``; ids begin with it, so that several drawings may stand in one page.
    title, description : str
        What the picture is, and what it shows, for those who do not see it.
    """

    def __init__(self, name: str, *, width: float, height: float, title: str, description: str) -> None:
        self.name = name
        self.width = width
        self.height = height
        self._title = title
        self._description = description
        self._parts: list[str] = []

    def shape(self, tag: str, *, css: str, title: str = "", **at: float | str) -> None:
        """Add a shape with numbers or words as attributes; ``title`` is shown when pointed at."""
        told = " ".join(f'{name.replace("_", "-")}="{_value(value)}"' for name, value in at.items())
        head = f'<{tag} class="{css}" {told}'
        self._parts.append(f"{head}><title>{fit(title)}</title></{tag}>" if title else f"{head}/>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        css: str = "",
        size: float = 12,
        anchor: str = "start",
        turned: bool = False,
    ) -> None:
        """Add a line of text; ``turned`` runs upwards."""
        turn = f' transform="rotate(-90 {_value(x)} {_value(y)})"' if turned else ""
        self._parts.append(
            f'<text class="{css}" x="{_value(x)}" y="{_value(y)}" font-size="{_value(size)}" '
            f'text-anchor="{anchor}"{turn}>{fit(text)}</text>'
        )

    def render(self, *, alone: bool) -> str:
        """Return the picture; ``alone`` brings its style along, as a file needs it and a page with ``STYLE`` does not."""
        style = f"<style>{COLORS}{STYLE}</style>" if alone else ""
        ground = f'<rect class="ground" width="{_value(self.width)}" height="{_value(self.height)}"/>' if alone else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_value(self.width)} {_value(self.height)}" '
            f'width="{_value(self.width)}" height="{_value(self.height)}" role="img" '
            f'aria-labelledby="{self.name}-title {self.name}-description">'
            f'<title id="{self.name}-title">{fit(self._title)}</title>'
            f'<desc id="{self.name}-description">{fit(self._description)}</desc>{style}{ground}'
            f"{''.join(self._parts)}</svg>"
        )


def fit(text: str) -> str:
    """Return a text as XML and HTML can hold it."""
    return escape(clean(text))


def clean(text: str) -> str:
    """Return a text with � for what XML cannot hold."""
    return UNFIT.sub("�", text)


def width_of(text: str, size: float) -> float:
    """Return about how wide a text is, rather more than less: no font is known here."""
    return sum(size * (1.05 if ord(one) >= WIDE else 0.62) for one in text)


def shortened(text: str, width: float, size: float) -> str:
    """Return a clean text that is no wider than that, with … where it was cut."""
    text = clean(text)
    if width_of(text, size) <= width:
        return text
    kept = text
    while kept and width_of(kept + "…", size) > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _value(value: float | str) -> str:
    """Return an attribute's value: numbers with at most two decimals."""
    if isinstance(value, str):
        return escape(value)
    if not math.isfinite(value):
        return "0"
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
