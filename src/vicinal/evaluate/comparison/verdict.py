"""What the numbers say, in plain words, each with its reason: a pure function of what was measured.

A difference is claimed where its randomisation test, adjusted for all pairs that were tested, and its interval carry
it. That nothing is lost is claimed where the interval that holds for all pairs at once excludes a loss that counts.
Between the two there is only one honest sentence: too few queries to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vicinal.evaluate.comparison.flips import KindGain
from vicinal.evaluate.comparison.pairs import LEVEL, Pair, Standing, best_of
from vicinal.evaluate.comparison.settings import number_text
from vicinal.evaluate.significance import queries_needed

ALLOWED_LOSS = 0.01
"""A difference of the metric that is smaller does not count, where the user does not say another one."""
LEAST_QUERIES = 50
"""With fewer, intervals are too rough to claim that nothing is lost."""
LEAST_GAIN = 0.001
"""Nobody is told how many queries a smaller gain would take."""
SAME_TIME = 1.05
"""Times whose ratio is smaller are the same: clocks are no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence of a verdict.

    ``kind`` says which: ``beats``, ``enough``, ``too_few``, ``alone``, ``nothing`` of the headline; ``beats`` and
    ``beaten`` of others; ``lose``, ``lose_nothing``, ``gain``, ``unclear`` of one field; ``rerank``, ``cheapest``,
    ``selected``, ``codes``, ``failed``. ``about`` names the settings, the one that the sentence begins with first.
    """

    kind: str
    text: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The best of one half of the questions, measured on the other half.

    ``selected`` is the name; ``among`` how many settings it was the best of. ``before`` is its gain over the baseline
    where it was selected, ``after`` where it was not; both are None where it is the baseline itself.
    """

    selected: str
    among: int
    before: Pair | None
    after: Pair | None

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "selected": self.selected,
            "among": self.among,
            "before": None if self.before is None else self.before.to_mapping(),
            "after": None if self.after is None else self.after.to_mapping(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do, and why.

    ``headline`` answers the question; ``reasons`` are the sentences behind it, the most important first.
    ``recommended`` is the cheapest setting that is shown to lose less than is allowed; where none is shown to, the one
    that beats the baseline, or else the baseline; ``""`` where nothing could be measured.
    """

    headline: Statement
    reasons: tuple[Statement, ...]
    recommended: str

    @property
    def text(self) -> str:
        """All sentences, one a line."""
        return "\n".join(one.text for one in (self.headline, *self.reasons))

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "headline": asdict(self.headline),
            "reasons": [asdict(one) for one in self.reasons],
            "recommended": self.recommended,
        }


def verdict(  # noqa: PLR0913 - everything that was measured, and nothing else
    standings: Sequence[Standing],
    pairs: Sequence[Pair],
    *,
    metric: str,
    baseline: str,
    against_best: Sequence[Pair] = (),
    choice: Choice | None = None,
    kinds: Sequence[KindGain] = (),
    kinds_of: tuple[str, str] | None = None,
    failures: Mapping[str, str] | None = None,
    allowed_loss: float = ALLOWED_LOSS,
) -> Verdict:
    """Return what the numbers say.

    Parameters
    ----------
    standings : sequence of Standing
        Of the settings that ran, in the order given.
    pairs : sequence of Pair
        Those that were tested, adjusted together.
    metric, baseline : str
        What was measured, and the name that the others are held against.
    against_best : sequence of Pair
        Each setting against the one with the best mean.
    choice : Choice, optional
        The best of one half on the other half.
    kinds, kinds_of : sequence of KindGain and their (reference, other)
        What the second gains over the first for each kind of question.
    failures : mapping of name to code
        Settings that did not run.
    allowed_loss : float, 0 <= allowed_loss
        A difference that is smaller does not count.
    """
    told = failures or {}
    failed = [_failed(told)] if told else []
    if not standings:
        return Verdict(
            headline=Statement(kind="nothing", text="No setting could be measured."), reasons=(*failed,), recommended=""
        )
    if max(one.mean for one in standings) <= 0:
        text = f"No setting found a relevant document ({metric} 0): are the judged documents those of this collection?"
        names = [one.name for one in standings]
        kept = baseline if baseline in names else names[0]
        return Verdict(headline=Statement(kind="nothing", text=text), reasons=(*failed,), recommended=kept)
    of_baseline = [one for one in pairs if one.role == "baseline"]
    if len(standings) == 1 or not of_baseline:
        text = f"Only {standings[0].name} was measured ({metric} {standings[0].mean:.3f}): there is nothing to compare it with."
        alone = Statement(kind="alone", text=text, about=(standings[0].name,))
        return Verdict(headline=alone, reasons=(*failed,), recommended=standings[0].name)
    by_name = {one.name: one for one in standings}
    headline = _headline(by_name, of_baseline, metric, baseline, allowed_loss, len(pairs))
    cheapest = _cheapest(by_name, against_best, allowed_loss)
    reasons = [
        *_worse(of_baseline, headline, baseline),
        *_selected(choice, headline, baseline),
        *_contrasts(by_name, pairs, allowed_loss),
        *_codes(kinds, kinds_of),
        *cheapest,
        *failed,
    ]
    recommended = cheapest[0].about[0] if cheapest else headline.about[0] if headline.kind == "beats" else baseline
    return Verdict(headline=headline, reasons=tuple(reasons), recommended=recommended)


def _headline(
    by_name: Mapping[str, Standing],
    pairs: Sequence[Pair],
    metric: str,
    baseline: str,
    allowed_loss: float,
    count: int,
) -> Statement:
    """Return whether anything beats the baseline, nothing does by what counts, or it cannot be told."""
    queries = pairs[0].queries
    may_count = [one for one in pairs if one.wide_high >= allowed_loss or queries < LEAST_QUERIES]
    winners = {one.other: one for one in may_count if one.better}
    if winners:
        best = best_of([by_name[name] for name in winners])
        won = winners[best.name]
        means = f"{metric} {best.mean:.3f} against {by_name[baseline].mean:.3f}"
        text = f"{best.name} beats {baseline} by {amount(won.gain, won.half_width)} on {won.queries} queries ({means})."
        return Statement(kind="beats", text=text, about=(best.name, baseline))
    if not may_count:
        bound = max(one.wide_high for one in pairs)
        text = f"{baseline} is enough: on {queries} queries nothing else gains {number(allowed_loss)} or more in {metric} ({_at_most('gain', bound)})."
        return Statement(kind="enough", text=text, about=(baseline,))
    return _too_few(may_count, metric, baseline, allowed_loss, count)


def _too_few(pairs: Sequence[Pair], metric: str, baseline: str, allowed_loss: float, count: int) -> Statement:
    """Return that it cannot be told, and how many queries it would take."""
    rival = max(pairs, key=lambda one: (one.gain, one.wide_high))
    needed = needed_queries(rival, allowed_loss, count)
    told = f"{rival.other} and {baseline} are {number(abs(rival.gain))} apart in {metric}, which on {rival.queries} queries may be chance"
    if rival.worse:
        told = f"on {rival.queries} queries {rival.other} may still gain {number(allowed_loss)} over {baseline} in {metric}"
    sought = number(max(abs(rival.gain), allowed_loss))
    text = f"Too few queries to say: {told}. About {needed:,} would be needed to see a gain of {sought}."
    return Statement(kind="too_few", text=text, about=(rival.other, baseline))


def needed_queries(pair: Pair, allowed_loss: float, count: int) -> int:
    """Return about how many queries would show the gain of a pair, or the smallest one that counts if it is less.

    For a test at 0.05 over ``count`` pairs with a power of 0.8; more than there are, and two digits of it.
    """
    target = max(abs(pair.gain), allowed_loss, LEAST_GAIN)
    needed = queries_needed(target, spread=pair.spread, level=LEVEL / max(1, count))
    return _rounded(max(needed, LEAST_QUERIES, math.ceil(pair.queries * 1.2)))


def _rounded(count: int) -> int:
    """Return a count to two digits, upwards."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def _worse(pairs: Sequence[Pair], headline: Statement, baseline: str) -> list[Statement]:
    """Return which settings the baseline beats, in one sentence; and which others beat it too."""
    made = []
    lost = [one for one in pairs if one.worse]
    if lost:
        listed = ", ".join(f"{one.other} by {amount(-one.gain, one.half_width)}" for one in lost)
        made.append(
            Statement(kind="beats", text=f"{baseline} beats {listed}.", about=(baseline, *(one.other for one in lost)))
        )
    won = [one for one in pairs if one.better and one.other not in headline.about]
    if won:
        listed = ", ".join(f"{one.other} by {amount(one.gain, one.half_width)}" for one in won)
        also = "also " if headline.kind == "beats" else ""
        text = f"{baseline} is {also}beaten by {listed}."
        made.append(Statement(kind="beaten", text=text, about=(baseline, *(one.other for one in won))))
    return made


def _selected(choice: Choice | None, headline: Statement, baseline: str) -> list[Statement]:
    """Return what the selected setting gains on the questions that did not select it."""
    if choice is None or choice.among <= 2 or headline.kind != "beats":  # noqa: PLR2004 - two: nothing was picked
        return []
    if choice.before is None or choice.after is None:
        text = f"Selected on half of the queries among {choice.among}, the best would have been {baseline} itself: take the gain for less than it looks."
        return [Statement(kind="selected", text=text, about=(choice.selected,))]
    after = choice.after
    told = "which confirms it" if after.better else "which does not confirm it by itself"
    text = (
        f"{choice.selected} was the best of {choice.among} on {choice.before.queries} queries, by "
        f"{signed(choice.before.gain)} over {baseline}; on the other {after.queries} it gains "
        f"{amount(after.gain, after.half_width)}, {told}."
    )
    return [Statement(kind="selected", text=text, about=(choice.selected, baseline))]


def _contrasts(by_name: Mapping[str, Standing], pairs: Sequence[Pair], allowed_loss: float) -> list[Statement]:
    """Return one sentence for each value of each field, from the two best settings that differ in it alone."""
    chosen: dict[tuple[str, Any, Any], Pair] = {}
    for one in pairs:
        if not one.field or one.field == "mode":
            continue
        reference, other = (by_name[name].setting.get(one.field) for name in (one.reference, one.other))
        place = (one.field, reference, other)
        held = chosen.get(place)
        if held is None or by_name[one.reference].mean > by_name[held.reference].mean:
            chosen[place] = one
    return [_contrast(by_name, one, allowed_loss) for one in chosen.values()]


def _contrast(by_name: Mapping[str, Standing], pair: Pair, allowed_loss: float) -> Statement:
    """Return what a change of one field does."""
    reference, other = by_name[pair.reference], by_name[pair.other]
    about = (pair.other, pair.reference)
    subject, plural = _subject(pair.field, other.setting.get(pair.field))
    against = _subject(pair.field, reference.setting.get(pair.field))[0]
    costs = _costs(reference, other)
    at = f"{amount(abs(pair.gain), pair.half_width)}"
    if pair.field == "rerank":
        return _rerank(reference, other, pair, subject, allowed_loss)
    if pair.better:
        text = f"{subject} {_verb('gain', plural=plural)} {at} over {against}{costs}."
        return Statement(kind="gain", text=_upper(text), about=about)
    if pair.worse:
        text = f"{subject} {_verb('lose', plural=plural)} {at} against {against}{costs}."
        return Statement(kind="lose", text=_upper(text), about=about)
    if pair.wide_low > -allowed_loss and pair.queries >= LEAST_QUERIES:
        bound = _at_most("loss", -pair.wide_low) if pair.wins or pair.losses else "the same on every query"
        text = f"{subject} {_verb('lose', plural=plural)} nothing you can measure against {against} ({bound}){costs}."
        return Statement(kind="lose_nothing", text=_upper(text), about=about)
    text = (
        f"Too few queries to say what {subject} {_verb('do', plural=plural)} against {against}: "
        f"between {signed(pair.low)} and {signed(pair.high)}{costs}."
    )
    return Statement(kind="unclear", text=text, about=about)


def _rerank(reference: Standing, other: Standing, pair: Pair, subject: str, allowed_loss: float) -> Statement:
    """Return what a reranker gains and costs."""
    cost = other.p50_ms - reference.p50_ms
    faster = other.p50_ms <= reference.p50_ms * SAME_TIME
    costs = "costs no time that shows" if faster else f"costs {time_text(cost)} a query"
    about = (pair.other, pair.reference)
    if pair.better:
        text = f"The reranker {subject} gains {amount(pair.gain, pair.half_width)} and {costs}."
    elif pair.worse:
        text = f"The reranker {subject} loses {amount(-pair.gain, pair.half_width)} and {costs}."
    elif pair.wide_high < allowed_loss and pair.queries >= LEAST_QUERIES:
        text = f"The reranker {subject} gains nothing that counts ({_at_most('gain', pair.wide_high)}) and {costs}."
    else:
        text = (
            f"Too few queries to say what the reranker {subject} does: between {signed(pair.low)} and "
            f"{signed(pair.high)}; it {costs}."
        )
    return Statement(kind="rerank", text=text, about=about)


def _subject(field: str, value: object) -> tuple[str, bool]:
    """Return how a value of a field is spoken of, and whether it is a plural."""
    if value is None:
        return f"the collection's own {'dimensions' if field == 'dim' else field}", field == "dim"
    shown = number_text(value)
    if field == "dim":
        return f"{shown} dimensions", True
    if field == "weight":
        return f"a weight of {shown}", False
    if field in {"chunker", "fusion", "model"}:
        return f"the {field} {shown}", False
    return shown, False


def _verb(verb: str, *, plural: bool) -> str:
    return verb if plural else {"do": "does"}.get(verb, f"{verb}s")


def _costs(reference: Standing, other: Standing) -> str:
    """Return what of bytes and time differs, as the end of a sentence."""
    said = []
    before, after = reference.bytes_per_vector, other.bytes_per_vector
    if before is not None and after is not None and before != after:
        said.append(f"{after:g} bytes a vector in place of {before:g}")
    fast, slow = sorted((reference.p50_ms, other.p50_ms))
    if slow > fast * SAME_TIME * 1.2 and slow - fast > 1:
        said.append(f"{time_text(other.p50_ms)} a query in place of {time_text(reference.p50_ms)}")
    return f", with {' and '.join(said)}" if said else ""


def _codes(kinds: Sequence[KindGain], kinds_of: tuple[str, str] | None) -> list[Statement]:
    """Return for which kind of question the reference should be kept, and for which the other is better."""
    if kinds_of is None:
        return []
    reference, other = kinds_of
    spoken = {"codes": "queries with numbers or codes", "prose": "plain queries"}
    made = []
    for one in kinds:
        pair = one.pair
        if pair is None or not (pair.better or pair.worse):
            continue
        winner, loser = (other, reference) if pair.better else (reference, other)
        at = amount(abs(pair.gain), pair.half_width)
        told = f"on {one.queries} {spoken[one.kind]} {winner} beats {loser} by {at}."
        if pair.worse:
            where = "codes" if one.kind == "codes" else "prose"
            text = f"Keep {reference} for {where}: {told}"
        else:
            text = _upper(told)
        made.append(Statement(kind="codes", text=text, about=(winner, loser)))
    return made


def _cheapest(by_name: Mapping[str, Standing], against_best: Sequence[Pair], allowed_loss: float) -> list[Statement]:
    """Return the cheapest setting that is shown to lose less than is allowed against the best mean, if any is."""
    best = best_of(list(by_name.values()))
    near = [
        one
        for one in against_best
        if one.reference == best.name and one.wide_low > -allowed_loss and one.queries >= LEAST_QUERIES
    ]
    chosen = min((best, *(by_name[one.other] for one in near)), key=lambda one: one.price)
    if chosen is best:
        return []
    pair = next(one for one in near if one.other == chosen.name)
    text = (
        f"The cheapest that loses less than {number(allowed_loss)} against the best mean ({best.name}) is {chosen.name}: "
        f"{_price(chosen)}, {_at_most('loss', -pair.wide_low)}."
    )
    return [Statement(kind="cheapest", text=text, about=(chosen.name, best.name))]


def _price(standing: Standing) -> str:
    """Return what a setting costs."""
    known = standing.bytes_per_vector
    held = "bytes not known" if known is None else f"{known:g} bytes a vector" if known else "no vectors"
    return f"{held}, {time_text(standing.p50_ms)} a query"


def _failed(failures: Mapping[str, str]) -> Statement:
    listed = ", ".join(f"{name} ({code})" for name, code in failures.items())
    told = "setting was" if len(failures) == 1 else "settings were"
    return Statement(kind="failed", text=f"{len(failures)} {told} not measured: {listed}.", about=tuple(failures))


def _at_most(noun: str, bound: float) -> str:
    """Return a bound in words: below zero there is none of it."""
    return f"no {noun}" if bound <= 0 else f"{noun} at most {number(bound)}"


def amount(gain: float, half_width: float) -> str:
    """Return a gain with half of its interval: ``0.050 ± 0.020``, with digits enough for both."""
    digits = max(_digits(gain), _digits(half_width))
    return f"{gain:.{digits}f} ± {half_width:.{digits}f}"


def number(value: float) -> str:
    """Return a value of a metric, with three decimals, or more where it would be nothing."""
    return f"{value:.{_digits(value)}f}"


def signed(value: float) -> str:
    """Return the same with its sign."""
    if value == 0:
        return "0"
    return f"{value:+.{_digits(value)}f}".replace("-", "−")


def _digits(value: float) -> int:
    """Return the decimals in which a value has a digit that is not 0: 3 to 6."""
    size = abs(value)
    return next((digits for digits in (3, 4, 5) if size == 0 or size >= 10**-digits), 6)


def time_text(ms: float) -> str:
    """Return milliseconds as a person reads them."""
    if ms >= 1000:  # noqa: PLR2004 - a second
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"  # noqa: PLR2004 - two digits say enough


def _upper(text: str) -> str:
    """Return a sentence that begins with a capital letter, unless it begins with a name."""
    return text[:1].upper() + text[1:] if text.startswith(("the ", "a ", "on ")) else text
