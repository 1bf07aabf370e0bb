"""The health of a collection as a page: what to do first, every check, three pictures. No script, no request to anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from vicinal._svg import COLORS, STYLE, Drawing, fit
from vicinal.lifecycle.doctor.check import Check, Pictures, State

LOOK = """
:root { color-scheme: light dark; --alarm: #b3261e; --notice: #9a6b00; --ok: #23744a; --skipped: #6d675c; }
@media (prefers-color-scheme: dark) { :root { --alarm: #ff8a80; --notice: #f2c14e; --ok: #79cf9b; --skipped: #a39d90; } }
body { margin: 2rem auto 4rem; max-width: 66rem; padding: 0 1rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.35rem; font-weight: 600; margin: 0; } h2 { font-size: 1rem; font-weight: 600; margin: 2.2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } ol { margin: .3rem 0; padding-left: 1.4rem; max-width: 50rem; } li { margin: .3rem 0; }
.alarm { color: var(--alarm); } .notice { color: var(--notice); } .ok { color: var(--ok); } .skipped { color: var(--skipped); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; vertical-align: baseline; } th { color: var(--soft); font-weight: 500; }
tr + tr td { border-top: 1px solid var(--line); } .n { text-align: right; font-variant-numeric: tabular-nums; } td.n { max-width: 9rem; }
td.state, td.name { white-space: nowrap; } td.told { overflow-wrap: anywhere; min-width: 18rem; } td.state { font-weight: 600; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1rem; } svg { display: block; max-width: 100%; height: auto; }
@media (max-width: 48rem) {
  table, tbody { display: block; } tr { display: grid; grid-template-columns: auto 1fr auto; padding: .4rem 0; }
  tr:first-child { display: none; } tr + tr { border-top: 1px solid var(--line); } tr + tr td { border: 0; padding: .1rem .7rem .1rem 0; }
  td.name { white-space: normal; } td.n { max-width: 11rem; padding-right: 0; } td.told { grid-column: 1 / -1; min-width: 0; order: 1; } td.limits { grid-column: 1 / -1; order: 2; }
}
"""
MARKS: dict[State, str] = {"alarm": "✖ alarm", "notice": "▲ notice", "ok": "✓ ok", "skipped": "– skipped"}
WIDTH, HEIGHT = 320.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 14.0, 34.0
HUB_BARS = 40


def page_of(
    collection: str, state: State, about: str, *, advice: Sequence[str], checks: Sequence[Check], pictures: Pictures
) -> str:
    """Return the page of a collection's health: one file, which asks for nothing."""
    style = f"{COLORS}{STYLE}{LOOK}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    todo = "".join(f"<li>{fit(one)}</li>" for one in advice)
    drawn = "".join(one.render(alone=False) for one in drawings_of(pictures))
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">',
            f"<title>{fit(collection)}: {fit(state)}</title><style>{style}</style></head><body><main>",
            f'<h1>{fit(collection)}: <span class="{state}">{fit(state)}</span></h1>',
            f'<p class="soft">{fit(about)}</p>',
            f"<h2>What to do, in order of worth</h2><ol>{todo}</ol>" if todo else "<p>There is nothing to do.</p>",
            "<h2>Checks</h2>",
            _table(checks),
            f'<h2>Pictures</h2><div class="pictures">{drawn}</div>' if drawn else "",
            "</main></body></html>\n",
        ]
    )


def _table(checks: Sequence[Check]) -> str:
    """Return one row for each check."""
    rows = "".join(
        f'<tr><td class="state {one.state}">{MARKS[one.state]}</td><td class="name">{fit(one.name)}</td>'
        f'<td class="n">{fit(one.value_text)}</td><td class="limits soft">{fit(_limits(one))}</td>'
        f'<td class="told">{fit(one.told)}</td></tr>'
        for one in checks
    )
    names = {"": "", "check": "", "measured": "n", "limits and their source": "", "found": ""}
    heads = "".join(f'<th class="{css}">{one}</th>' for one, css in names.items())
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def _limits(check: Check) -> str:
    return f"{check.limit} ({check.source})" if check.limit and check.source else check.limit


def drawings_of(found: Pictures) -> list[Drawing]:
    """Return the pictures; none where there was too little to draw."""
    drawn = []
    if found.cosines:
        step = 2 / len(found.cosines)
        bars = [(-1 + place * step, -1 + (place + 1) * step, float(count)) for place, count in enumerate(found.cosines)]
        total = sum(found.cosines)
        drawn.append(
            _bars(
                "cosines",
                [(low, high, count / total if total else 0.0) for low, high, count in bars],
                (-1.0, 1.0),
                title="Cosines of random pairs",
                below="cosine",
            )
        )
    if found.hubs:
        most = max(times for times, _ in found.hubs)
        width = max(1, -(-(most + 1) // HUB_BARS))
        counts: dict[int, int] = {}
        for times, vectors in found.hubs:
            counts[times // width] = counts.get(times // width, 0) + vectors
        total = sum(counts.values())
        hubs = [(float(place * width), float((place + 1) * width), count / total) for place, count in counts.items()]
        end = float((most // width + 1) * width)
        drawn.append(
            _bars("hubs", hubs, (0.0, end), title="Hubs: vectors by how often they are a neighbour", below="times")
        )
    if found.spectrum:
        bars = [(float(place), float(place + 1), share) for place, share in enumerate(found.spectrum)]
        title = "Spectrum: share of the variance by direction"
        drawn.append(
            _bars("spectrum", bars, (0.0, float(len(bars))), title=title, below="direction, the strongest first")
        )
    return drawn


def _bars(
    name: str, bars: Sequence[tuple[float, float, float]], ends: tuple[float, float], *, title: str, below: str
) -> Drawing:
    """Return a picture of bars (from, to, share), their heights from 0 to the highest."""
    most = max((share for _, _, share in bars), default=0.0) or 1.0
    told = f"The highest bar is {most:.1%}, the axis runs from {ends[0]:g} to {ends[1]:g}."
    drawing = Drawing(name, width=WIDTH, height=HEIGHT, title=title, description=told)
    floor, room = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT
    scale = room / (ends[1] - ends[0])
    drawing.text(LEFT, 10, title, size=11)
    for part in (0.0, 0.5, 1.0):
        y = floor - part * (floor - TOP - 6)
        drawing.shape("line", css="grid", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y)
        drawing.text(LEFT - 5, y + 4, f"{part * most:.2g}", css="soft", size=10, anchor="end")
    for low, high, share in bars:
        height = share / most * (floor - TOP - 6)
        drawing.shape(
            "rect",
            css="dense",
            title=f"{low:.3g} to {high:.3g}: {share:.2%}",
            x=LEFT + (low - ends[0]) * scale,
            y=floor - height,
            width=max(0.5, (high - low) * scale - 0.5),
            height=height,
        )
    for part in (0.0, 0.5, 1.0):
        x = LEFT + part * room
        anchor = ("start", "middle", "end")[int(part * 2)]
        drawing.text(x, floor + 13, f"{ends[0] + part * (ends[1] - ends[0]):g}", css="soft", size=10, anchor=anchor)
    drawing.text(LEFT + room / 2, HEIGHT - 6, below, css="soft", size=10, anchor="middle")
    return drawing
