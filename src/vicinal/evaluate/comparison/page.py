"""A comparison as a page: verdict, table, plots, what went into it. No script, no request to anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from vicinal._svg import COLORS, STYLE, Drawing, fit
from vicinal.evaluate.comparison.axis import bytes_text, ms_text
from vicinal.evaluate.comparison.findings import Findings
from vicinal.evaluate.comparison.pairs import Pair, Standing
from vicinal.evaluate.comparison.plots import Gain, Mark, frontier_plot, gain_plot
from vicinal.evaluate.comparison.verdict import amount, number, signed
from vicinal.evaluate.evaluation import Evaluation
from vicinal.evaluate.significance import bootstrap_interval

LOOK = """
:root { color-scheme: light dark; }
body { margin: 2rem auto 4rem; max-width: 70rem; padding: 0 1rem; background: var(--ground); color: var(--ink);
       font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.35rem; font-weight: 600; margin: 0 0 .2rem; } h2 { font-size: 1rem; font-weight: 600; margin: 2.2rem 0 .5rem; }
p { margin: .4rem 0; max-width: 46rem; } .soft { color: var(--soft); } .headline { font-size: 1.15rem; font-weight: 600; margin: 1rem 0 .4rem; }
ul { margin: .3rem 0; padding-left: 1.2rem; max-width: 46rem; } li { margin: .2rem 0; }
.verdict { border-left: 4px solid var(--hybrid); padding: .1rem 0 .1rem 1rem; margin: 1.2rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { text-align: left; padding: .28rem .8rem .28rem 0; vertical-align: baseline; } th { color: var(--soft); font-weight: 500; }
tr + tr td { border-top: 1px solid var(--line); } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { min-width: 9.5rem; overflow-wrap: anywhere; } tr.taken td.name { font-weight: 600; } svg { display: block; max-width: 100%; height: auto; margin: .8rem 0; }
.text { overflow-wrap: anywhere; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .88rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
"""
MARKS = {"better": "▲ better", "worse": "▼ worse", "": "not certain"}
SHORT = {"reciprocal_rank": "mrr", "average_precision": "map"}
MOST_CHARS = 300
MOST_FLIPS = 10


def page_of(comparison: Findings, drawings: Mapping[str, Drawing]) -> str:
    """Return the page of a comparison with its plots: one file, which asks for nothing."""
    style = f"{COLORS}{STYLE}{LOOK}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{comparison.judged_name}: {len(comparison.settings)} settings compared"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">',
        f"<title>{fit(title)}</title><style>{style}</style></head><body><main><h1>{fit(title)}</h1>",
        _told(comparison.plan.text, "soft"),
        _verdict(comparison),
        _table_of_settings(comparison),
        "".join(one.render(alone=False) for one in drawings.values()),
        _selection(comparison),
        _kinds(comparison),
        _pairs(comparison),
        _failures(comparison),
        _made_with(comparison),
        "</main></body></html>\n",
    ]
    return "".join(parts)


def drawings_of(comparison: Findings) -> dict[str, Drawing]:
    """Return the plots by name: gains, recall against bytes, quality against time; none where nothing ran."""
    if not comparison.standings:
        return {}
    recall, values = _recall(comparison)
    quality = [_mark(one, one.p50_ms, one.mean, one.low, one.high) for one in comparison.standings]
    recalled = [_mark(one, one.bytes_per_vector, *values[one.name]) for one in comparison.standings]
    drawn = {
        "quality-bytes": frontier_plot(
            "quality-bytes",
            recalled,
            title=f"{recall} against bytes",
            quality=recall,
            cost="bytes of a vector",
            kind="bytes",
        ),
        "quality-time": frontier_plot(
            "quality-time",
            quality,
            title=f"{comparison.metric} against time",
            quality=comparison.metric,
            cost="time of a query, half of them take less",
            kind="ms",
        ),
    }
    gains = [
        _gain(one, pair) for one in comparison.standings if (pair := comparison.against_baseline(one.name)) is not None
    ]
    if not gains:
        return drawn
    plot = gain_plot(
        "gains",
        gains,
        title=f"Gain over {comparison.baseline}, with 95 % intervals",
        axis=f"{comparison.metric} more than {comparison.baseline}",
        allowed_loss=comparison.allowed_loss,
    )
    return {"gains": plot, **drawn}


def _recall(comparison: Findings) -> tuple[str, dict[str, tuple[float, float, float]]]:
    """Return the metric that is shown over bytes: the deepest recall that was measured, else the one of the verdict."""
    first = next(iter(comparison.evaluations.values()))
    named = [one for one in first.scores.metrics if one.startswith("recall")]
    if not named:
        return comparison.metric, {one.name: (one.mean, one.low, one.high) for one in comparison.standings}
    metric = max(named, key=lambda one: int(one.partition("@")[2] or 1_000_000_000))
    found = {}
    for name, one in comparison.evaluations.items():
        values = one.scores.column(metric)
        found[name] = (float(values.mean()), *bootstrap_interval(values, seed=comparison.seed))
    return metric, found


def _mark(standing: Standing, cost: float | None, mean: float, low: float, high: float) -> Mark:
    mode = standing.setting.mode or "plain"
    return Mark(name=standing.name, cost=cost, quality=mean, low=low, high=high, mode=mode)


def _gain(standing: Standing, pair: Pair) -> Gain:
    return Gain(
        name=standing.name,
        gain=pair.gain,
        low=pair.low,
        high=pair.high,
        told=_amount(pair),
        certain=pair.better or pair.worse,
        mode=standing.setting.mode or "plain",
    )


def _amount(pair: Pair) -> str:
    """Return a gain with its sign and half of its interval."""
    told = amount(abs(pair.gain), pair.half_width)
    return f"{'+' if pair.gain > 0 else '−' if pair.gain < 0 else '±'}{told}" if pair.gain else told


def _told(text: str, css: str = "") -> str:
    return f'<p class="{css}">{fit(text)}</p>' if css else f"<p>{fit(text)}</p>"


def _verdict(comparison: Findings) -> str:
    """Return the verdict: its headline, and a list of its reasons."""
    said = comparison.verdict
    listed = "".join(f"<li>{fit(one.text)}</li>" for one in said.reasons)
    reasons = f"<ul>{listed}</ul>" if listed else ""
    return f'<div class="verdict"><p class="headline">{fit(said.headline.text)}</p>{reasons}</div>'


def _table_of_settings(comparison: Findings) -> str:
    """Return one row for each setting that ran, the best mean first."""
    if not comparison.standings:
        return ""
    first = next(iter(comparison.evaluations.values()))
    others = [one for one in first.scores.metrics if one != comparison.metric]
    heads = ["setting", f"{comparison.metric} (95 %)", f"against {comparison.baseline}", "p (Holm)"]
    heads += ["vector", "p50", "p95", *map(short_name, others)]
    rows = [_row(comparison, one, others) for one in sorted(comparison.standings, key=lambda one: -one.mean)]
    notes = (
        "Best mean first. “Better” and “worse” are what a paired randomisation test carries at 0.05, by Holm over all "
        f"{len(comparison.pairs)} tests; “not certain” means that it may be chance, not that both are the same."
    )
    return f"<h2>Settings</h2>{_table(heads, rows, comparison.verdict.recommended)}{_told(notes, 'soft')}"


def _row(comparison: Findings, one: Standing, others: Sequence[str]) -> list[str]:
    pair = comparison.against_baseline(one.name)
    evaluation = comparison.evaluations[one.name]
    means = evaluation.mean()
    mark = "" if pair is None else f"{_mark_of(pair)}, {_p_text(pair.adjusted)}"
    held = one.bytes_per_vector
    latency = evaluation.latency
    return [
        one.name,
        f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]",
        "baseline" if pair is None else _amount(pair),
        mark,
        "unknown" if held is None else bytes_text(held) if held else "none",
        "" if latency is None else ms_text(latency.p50_ms),
        "" if latency is None else ms_text(latency.p95_ms),
        *(f"{means[name]:.3f}" for name in others),
    ]


def short_name(metric: str) -> str:
    """Return what the head of a table calls a metric: ``mrr@10``."""
    name, at, k = metric.partition("@")
    return f"{SHORT.get(name, name)}{at}{k}"


def _short(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _mark_of(pair: Pair) -> str:
    return MARKS["better" if pair.better else "worse" if pair.worse else ""]


def _p_text(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"  # noqa: PLR2004 - a draw's worth


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], taken: str = "") -> str:
    """Return a table; the first column is a name, the others are numbers. The row of the name that is taken stands out."""
    head = "".join(f'<th class="{"n" if place else "name"}">{fit(one)}</th>' for place, one in enumerate(heads))
    body = "".join(
        f'<tr class="{"taken" if taken and row[0] == taken else ""}">'
        + "".join(f'<td class="{"n" if place else "name"}">{fit(one)}</td>' for place, one in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _selection(comparison: Findings) -> str:
    """Return how the best of one half did on the other half."""
    choice = comparison.choice
    if choice is None:
        return ""
    if choice.before is None or choice.after is None:
        told = f"On the half of the queries that selects, the best of {choice.among} is {choice.selected}, the baseline itself."
        return f"<h2>Selected and confirmed</h2>{_told(told)}"
    rows = [
        [half, f"{pair.queries}", _amount(pair), f"[{signed(pair.low)}, {signed(pair.high)}]"]
        for half, pair in (("that selected it", choice.before), ("that confirm it", choice.after))
    ]
    told = (
        f"The best of {choice.among} settings is partly the luckiest. {choice.selected} was the best on one half of the "
        f"queries; its gain over {comparison.baseline} on the other half is the one to expect."
    )
    return f"<h2>Selected and confirmed</h2>{_told(told)}{_table(('queries', 'how many', 'gain', '95 %'), rows)}"


def _kinds(comparison: Findings) -> str:
    """Return what the best of the others gains for each kind of question, and the questions that differ most."""
    if comparison.kinds_of is None:
        return ""
    reference, other = comparison.kinds_of
    spoken = {"codes": "with numbers or codes", "prose": "plain"}
    rows = []
    for one in comparison.kinds:
        pair = one.pair
        told = ("", "", "", "") if pair is None else (_amount(pair), _mark_of(pair), f"{pair.wins}", f"{pair.losses}")
        rows.append([spoken[one.kind], f"{one.queries}", *told])
    heads = ("queries", "how many", "gain", "", f"{other} better", f"{reference} better")
    flips = sorted(
        (flip for one in comparison.kinds for flip in one.flips), key=lambda one: -abs(one.other - one.reference)
    )
    listed = [
        [one.text[:MOST_CHARS], one.query_id[:MOST_CHARS], f"{one.reference:.3f}", f"{one.other:.3f}"]
        for one in flips[:MOST_FLIPS]
    ]
    shown = _table(("query", "id", reference, other), listed) if listed else ""
    title = f"{other} against {reference}, by kind of query"
    return f"<h2>{fit(title)}</h2>{_table(heads, rows)}" + (f"<h2>Where they differ most</h2>{shown}" if shown else "")


def _pairs(comparison: Findings) -> str:
    """Return all pairs that were tested."""
    if not comparison.pairs:
        return ""
    rows = [
        [
            f"{one.other} against {one.reference}",
            one.field,
            _amount(one),
            f"[{signed(one.low)}, {signed(one.high)}]",
            _p_text(one.adjusted),
            "all alike" if one.to_mapping()["effect_size"] is None else _short(one.effect_size),
            f"{one.wins} : {one.losses}",
        ]
        for one in comparison.pairs
    ]
    heads = ("pair", "differs in", "gain", "95 %", "p (Holm)", "effect size", "wins : losses")
    return f"<h2>All tests</h2>{_table(heads, rows)}"


def _failures(comparison: Findings) -> str:
    if not comparison.failures:
        return ""
    rows = [[one.setting.name, one.code, one.message] for one in comparison.failures]
    return f"<h2>Not measured</h2>{_table_of_texts(('setting', 'code', 'what went wrong'), rows)}"


def _made_with(comparison: Findings) -> str:
    """Return what a second run needs to give the same numbers."""
    told: dict[str, Any] = {
        "queries": f"{comparison.plan.queries} of {comparison.judged_name}",
        "digest of queries and judgements": comparison.judged_digest,
        "documents asked for": comparison.k,
        "seed": comparison.seed,
        "a difference that counts": number(comparison.allowed_loss),
        "smallest gain seen four times of five": number(comparison.plan.smallest_gain),
    }
    for one in comparison.evaluations.values():
        told.update({str(name): value for name, value in _machine(one.environment).items()})
        break
    listed = "".join(f"<dt>{fit(str(name))}</dt><dd>{fit(str(value))}</dd>" for name, value in told.items())
    rows = [
        [name, str(one.described.get("model", "")), str(one.described.get("space", ""))[:16], _notes(one)]
        for name, one in comparison.evaluations.items()
    ]
    spaces = _table_of_texts(("setting", "model", "space", "notes"), rows) if rows else ""
    return f"<h2>Made with</h2><dl>{listed}</dl>{spaces}"


def _machine(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    found = environment.get("machine", {})
    return found if isinstance(found, Mapping) else {}


def _notes(evaluation: Evaluation) -> str:
    """Return what a reader of a setting's numbers must know."""
    approximate = f"{evaluation.incomplete} answers are approximate." if evaluation.incomplete else ""
    return " ".join([approximate, *evaluation.notices]).strip()


def _table_of_texts(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are all texts."""
    head = "".join(f"<th>{fit(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f'<td class="text">{fit(one)}</td>' for one in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
