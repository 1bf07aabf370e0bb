"""The trend of a collection's comparisons as a picture, and a report as a page. No script, no request to anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vicinal._svg import fit
from vicinal.lifecycle.history import Entry

NAMES: Mapping[str, str] = {"document": "corpus drift", "query": "query drift"}
BARS = "▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 96, 24, 34, 26
LEAST_P = 1e-5
LEAST_SHOWN = 1e-9
"""A p-value below it is one of a normal distribution where nothing is normal any more."""
MOST_POINTS = 120
"""Of a picture: the latest."""
STYLE = """
:root { color-scheme: light dark; --ground: #fdfcf9; --ink: #22201c; --line: #d9d4c8; --soft: #6d675c; --plain: #2b62b3; --alarm: #b4361b; }
@media (prefers-color-scheme: dark) { :root { --ground: #1c1b19; --ink: #ece8df; --line: #45423b; --soft: #a39d90; --plain: #85b4f7; --alarm: #f0866b; } }
body { margin: 2rem auto 4rem; max-width: 52rem; padding: 0 1rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.3rem; font-weight: 600; } h2 { font-size: .95rem; font-weight: 600; margin: 1.8rem 0 .3rem; } .soft { color: var(--soft); }
table { border-collapse: collapse; font-size: .88rem; } th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: baseline; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; } tr + tr td { border-top: 1px solid var(--line); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.id { overflow-wrap: anywhere; min-width: 3rem; max-width: 10rem; } td.text { overflow-wrap: anywhere; }
.alarm { color: var(--alarm); } p { margin: .45rem 0; } svg { max-width: 100%; height: auto; }
@media (max-width: 34rem) { th, td { padding-right: .5rem; } svg text { font-size: 16px; } }
"""
PICTURE = """
svg text { font: 12px system-ui, sans-serif; fill: var(--ink, #22201c); } svg .soft { fill: var(--soft, #6d675c); }
svg .line { stroke: var(--plain, #2b62b3); stroke-width: 1.5; fill: none; } svg .bound { stroke: var(--soft, #6d675c); stroke-dasharray: 5 4; }
svg .dot { fill: var(--plain, #2b62b3); } svg .over { fill: var(--alarm, #b4361b); }
"""


def sparkline(values: Sequence[float]) -> str:
    """Return numbers as a line of bars, the lowest the smallest; "" for none."""
    if not values:
        return ""
    low, high = min(values), max(values)
    reach = high - low
    return "".join(BARS[int((value - low) / reach * (len(BARS) - 1)) if reach else 0] for value in values)


def strength(entry: Entry) -> float:
    """Return how strongly a comparison speaks for drift: minus the logarithm to 10 of its p-value, 5 at most."""
    return -math.log10(max(_number(entry.get("p"), 1.0), LEAST_P))


def trend(entries: Sequence[Entry], *, role: str, level: float) -> str:
    """Return the comparisons of one role as SVG: their p-values against the level, and how far the means lie apart.

    Parameters
    ----------
    entries : sequence of mapping
        As the history has them, the oldest first; the latest ``MOST_POINTS`` are drawn.
    role : {"document", "query"}
    level : float
        Drawn as a line.
    """
    mine = [one for one in entries if one.get("role") == role][-MOST_POINTS:]
    ratios = [
        _number(one.get("centroid_distance"), 0.0) / max(_number(one.get("centroid_expected"), 1.0), 1e-9)
        for one in mine
    ]
    panels = [
        _panel(
            [strength(one) for one in mine],
            -math.log10(level),
            0,
            "p-value: the higher, the less it is chance",
            mine,
            log=True,
        ),
        _panel(ratios, 1.0, 1, "how far the means lie apart: by chance 1", mine, log=False),
    ]
    title = f"{NAMES.get(role, role)}: {len(mine)} comparisons"
    told = f"{sum(_number(one.get('p'), 1.0) < level for one in mine)} of them beyond the level {level:g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" width="{WIDTH}" '
        f'height="{2 * HEIGHT}" role="img"><title>{fit(title)}</title><desc>{fit(told)}</desc>'
        f"<style>{PICTURE}</style>{''.join(panels)}</svg>"
    )


def page(drift: Mapping[str, Any]) -> str:
    """Return a report (``Drift.as_dict()``) as one page of HTML: verdict, sentences, tables, trend."""
    name, history = fit(drift["collection"]), drift["history"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{name}: {drift['verdict']}</title><style>{STYLE}</style></head><body>",
        f"<h1>{name}: <span{' class=alarm' if drift['alarm'] else ''}>{drift['verdict']}</span></h1>",
        *(f"<p>{fit(told)}</p>" for told in drift["findings"]),
        *(f'<p class="soft">→ {fit(told)}</p>' for told in drift["advice"]),
        *(_shift(shift) for shift in drift["shifts"]),
        *(
            f"<h2>{NAMES[role].capitalize()}, over time</h2>{trend(history, role=role, level=drift['level'])}"
            for role in NAMES
            if any(one.get("role") == role for one in history)
        ),
        "</body></html>\n",
    ]
    return "".join(parts)


def _shift(shift: Mapping[str, Any]) -> str:
    topics = [
        (
            ", ".join(one["terms"]),
            _share(one["reference_share"]),
            _share(one["current_share"]),
            f"{one['psi']:.3f}",
            _p(one["p"]),
        )
        for one in shift["topics"]
    ]
    novel = [(f"{one['similarity']:.3f}", one["id"], one["text"]) for one in shift["novel"]]
    tests = [(name, _p(p)) for name, p in shift["tests"].items()]
    return (
        f"<h2>{NAMES[shift['role']].capitalize()}: the tests, corrected for their number</h2>{_table({'test': 'id', 'p': 'n'}, tests)}"
        + (
            f"<h2>What grew and shrank</h2>{_table({'words': 'text', 'then': 'n', 'now': 'n', 'PSI': 'n', 'p': 'n'}, topics)}"
            if topics
            else ""
        )
        + f"<h2>The most novel texts</h2>{_table({'nearness': 'n', 'id': 'id', 'text': 'text'}, novel)}"
    )


def _table(heads: Mapping[str, str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the heads say how each column is set."""
    head = "".join(f'<th class="{css}">{fit(one)}</th>' for one, css in heads.items())
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{css}">{fit(one)}</td>' for one, css in zip(row, heads.values(), strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _panel(values: Sequence[float], bound: float, place: int, name: str, entries: Sequence[Entry], *, log: bool) -> str:
    """Return one series as shapes, with a line at a bound."""
    top, bottom = place * HEIGHT + TOP, (place + 1) * HEIGHT - BOTTOM
    most = max([bound * 1.2, *values])
    step = (WIDTH - LEFT - RIGHT) / max(len(values) - 1, 1)
    places = [(LEFT + at * step, bottom - value / most * (bottom - top)) for at, value in enumerate(values)]
    level = bottom - bound / most * (bottom - top)
    label = f"{10**-bound:.2g}" if log else f"{bound:g}"
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle class="{"over" if value > bound else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        f"<title>{fit(_told(entry))}</title></circle>"
        for (x, y), value, entry in zip(places, values, entries, strict=True)
    )
    ends = f'<text class="soft" x="{LEFT}" y="{bottom + 18}">{fit(_day(entries[0]))}</text>' if entries else ""
    if len(entries) > 1:
        ends += f'<text class="soft" x="{WIDTH - RIGHT}" y="{bottom + 18}" text-anchor="end">{fit(_day(entries[-1]))}</text>'
    return (
        f'<text x="{LEFT}" y="{top - 14}">{fit(name)}</text>'
        f'<line class="bound" x1="{LEFT}" y1="{level:.1f}" x2="{WIDTH - RIGHT}" y2="{level:.1f}"/>'
        f'<text class="soft" x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{label}</text>'
        f'<polyline class="line" points="{points}"/>{dots}{ends}'
    )


def _told(entry: Entry) -> str:
    return f"{entry.get('compared_at', '')}: {entry.get('current', '')} against {entry.get('reference', '')}, p {_number(entry.get('p'), 1.0):.2g}"


def _day(entry: Entry) -> str:
    return str(entry.get("compared_at", ""))[:10]


def _p(p: float) -> str:
    return f"{p:.1g}" if p >= LEAST_SHOWN else f"< {LEAST_SHOWN:g}"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: Any, default: float) -> float:  # noqa: ANN401 - what a history holds
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default
