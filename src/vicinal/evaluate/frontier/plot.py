"""The options as a picture: bytes a vector to the right, on a logarithmic scale, recall or nDCG@10 upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from vicinal.errors import UnsupportedError
from vicinal.evaluate.frontier.options import Measure, Option

WIDTH, HEIGHT = 760, 480
LEFT, RIGHT, TOP, BOTTOM = 64, 40, 76, 48
LEGEND = 20
COLOURS = {"float32": "#1f4e79", "float16": "#2e86ab", "int8": "#3a9d5d", "4bit": "#d98e04", "1bit": "#c0392b"}
TICKS = 5


def picture(options: Sequence[Option], best: Sequence[Option], *, measure: Measure, title: str) -> str:
    """Return the picture as SVG: every option a dot, the best ones joined by a line and named.

    Parameters
    ----------
    options : sequence of Option
        All measured by ``measure``.
    best : sequence of Option
        Those of them that none beats, the cheapest first.
    measure : {"recall", "ndcg"}
    title : str
        What the upward axis is called.
    """
    scale = _Scale(options, measure)
    root = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif"'
    parts = [
        root + f' font-size="12"><title>{escape(title)} against bytes a vector</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_axes(scale, title),
        _line(scale, best),
        *(_dot(scale, option, is_best=option in best) for option in options),
        *(_name(scale, option) for option in best),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Where a number of bytes and a value lie in the picture."""

    def __init__(self, options: Sequence[Option], measure: str) -> None:
        self._measure = measure
        sizes = [math.log2(option.bytes_per_vector) for option in options]
        values = [self.value(option) for option in options]
        self.low_bytes, self.high_bytes = math.floor(min(sizes)), math.ceil(max(sizes))
        self.low = math.floor(min(values) * 10) / 10
        self.high = max(math.ceil(max(values) * 10) / 10, self.low + 0.1)

    def value(self, option: Option) -> float:
        """Return the mean of an option."""
        found = option.estimate(self._measure)
        if found is None:
            raise UnsupportedError("nDCG was not measured: there were no judgements.", where="measure")
        return found.mean

    def x(self, size: float) -> float:
        """Return the place of log2 of bytes."""
        share = (size - self.low_bytes) / max(self.high_bytes - self.low_bytes, 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def of(self, option: Option) -> tuple[float, float]:
        """Return the place of an option."""
        return self.x(math.log2(option.bytes_per_vector)), self.y(self.value(option))


def _axes(scale: _Scale, title: str) -> list[str]:
    end_x, end_y = WIDTH - RIGHT, HEIGHT - BOTTOM
    found = [f'<path d="M{LEFT} {TOP}V{end_y}H{end_x}" fill="none" stroke="#444444"/>']
    for power in range(scale.low_bytes, scale.high_bytes + 1):
        x = scale.x(power)
        found.append(f'<text x="{x:.1f}" y="{end_y + 18}" text-anchor="middle" fill="#444444">{2**power}</text>')
    for step in range(TICKS + 1):
        value = scale.low + (scale.high - scale.low) * step / TICKS
        y = scale.y(value)
        found += [
            f'<path d="M{LEFT} {y:.1f}H{end_x}" stroke="#e6e6e6"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{value:.2f}</text>',
        ]
    found.append(f'<text x="{(LEFT + end_x) / 2}" y="{HEIGHT - 10}" text-anchor="middle">bytes a vector</text>')
    found.append(f'<text x="{LEFT}" y="{LEGEND}">{escape(title)}</text>')
    return found


def _line(scale: _Scale, best: Sequence[Option]) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(scale.of, best))
    return f'<polyline points="{places}" fill="none" stroke="#777777" stroke-dasharray="4 3"/>'


def _dot(scale: _Scale, option: Option, *, is_best: bool) -> str:
    x, y = scale.of(option)
    colour = COLOURS[option.storage.precision]
    look = f'fill="{colour}"' if is_best else f'fill="none" stroke="{colour}"'
    told = f"{option.storage}: {option.bytes_per_vector} bytes, {scale.value(option):.4f}"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if is_best else 3.5}" {look}><title>{escape(told)}</title></circle>'
    )


def _name(scale: _Scale, option: Option) -> str:
    """Return the name of an option that none beats, aslant above its dot."""
    x, y = scale.of(option)
    return (
        f'<text x="{x + 4:.1f}" y="{y - 8:.1f}" transform="rotate(-40 {x + 4:.1f} {y - 8:.1f})" font-size="10" '
        f'fill="#222222">{escape(str(option.storage))}</text>'
    )


def _legend() -> list[str]:
    found = []
    for place, (precision, colour) in enumerate(COLOURS.items()):
        x = WIDTH - RIGHT - 76 * (len(COLOURS) - place)
        found.append(f'<circle cx="{x}" cy="{LEGEND - 4}" r="4" fill="{colour}"/>')
        found.append(f'<text x="{x + 8}" y="{LEGEND}" fill="#444444">{precision}</text>')
    return found
