"""A match as a page: words on a ground that is the warmer the more they gave. No script, no request to anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from vicinal.rerank import HeatMap
from vicinal.rerank.heat import Credit

STYLE = """
:root { color-scheme: light dark; --ground: #fdfcf9; --ink: #22201c; --line: #d9d4c8; --soft: #6d675c; }
@media (prefers-color-scheme: dark) { :root { --ground: #1c1b19; --ink: #ece8df; --line: #45423b; --soft: #a39d90; } }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; background: var(--ground); color: var(--ink);
       font: 16px/1.6 system-ui, sans-serif; }
h1 { font-size: 1.1rem; font-weight: 600; } h2 { font-size: .85rem; color: var(--soft); font-weight: 500; margin: 1.6rem 0 .3rem; }
p.text { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem; margin: 0; }
p.text span { border-radius: 3px; padding: .1em 0; }
table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: left; padding: .15rem 1rem .15rem 0; }
td.n { font-variant-numeric: tabular-nums; text-align: right; } th { color: var(--soft); font-weight: 500; }
"""
WARM, COLD = "224, 122, 32", "64, 120, 200"
"""Red, green and blue of what adds to the score, and of what takes from it."""


def page_of(
    *,
    query: str,
    text: str,
    title: str,
    heat: HeatMap,
    terms: Sequence[tuple[str, str, int, float, float]],
    scores: Sequence[tuple[str, float]],
    ranks: Sequence[tuple[str, int, float]],
) -> str:
    """Return the page of a match.

    Parameters
    ----------
    terms : sequence of (kind, tokens, rows that have them, times in this one, contribution)
    scores : sequence of (kind, score)
    ranks : sequence of (side, rank, score)
    """
    told = (
        "exact: the shares sum to the score" if heat.kind == "exact" else "largest cosine of each word of the question"
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>",
        _table(("score", ""), [(kind, _number(score)) for kind, score in scores]),
    ]
    if ranks:
        parts.append(
            _table(("side", "rank", "score"), [(side, str(rank), _number(score)) for side, rank, score in ranks])
        )
    parts += [
        f"<h2>Question, by meaning ({told})</h2><p class=text>{_warm(query, heat.query_credits(), heat.query_own.tolist())}</p>",
        f"<h2>Text</h2><p class=text>{_warm(text, heat.text_credits(), heat.text_own.tolist())}</p>",
        f"<h2>Outside of the words (marks that the model adds): {_number(heat.outside())} of {_number(heat.score)}</h2>",
    ]
    if terms:
        rows = [(kind, tokens, str(df), f"{tf:g}", _number(score)) for kind, tokens, df, tf, score in terms]
        parts.append("<h2>Words</h2>" + _table(("kind", "word", "in chunks", "times here", "gives"), rows))
    return "".join(parts)


def _warm(text: str, shares: Sequence[Credit], own: Sequence[bool]) -> str:
    """Return a text with the ground of each token as warm as its share is large."""
    held = [one for one, is_own in zip(shares, own, strict=True) if is_own and one.end > one.start]
    most = max((abs(one.share) for one in held), default=0.0)
    parts, at = [], 0
    for one in sorted(held):
        if one.start < at:
            continue
        strength = abs(one.share) / most if most else 0.0
        color = WARM if one.share >= 0 else COLD
        parts += [
            escape(text[at : one.start]),
            f'<span title="{one.share:+.4f}" style="background: rgba({color}, {0.75 * strength:.2f})">',
            escape(text[one.start : one.end]),
            "</span>",
        ]
        at = one.end
    return "".join([*parts, escape(text[at:])])


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _number(value: float) -> str:
    return f"{value:.4f}"
