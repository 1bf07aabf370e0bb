"""Several settings on the same questions: planned, measured one after the other, tested, judged, and written down."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import share, whole_number
from vicinal._files import disk_errors, write_atomically
from vicinal.errors import InputError, VicinalError
from vicinal.evaluate.comparison.findings import Failure, Findings
from vicinal.evaluate.comparison.flips import by_kind
from vicinal.evaluate.comparison.page import drawings_of, page_of
from vicinal.evaluate.comparison.pairs import Pair, Standing, best_of, pairs_of, planned
from vicinal.evaluate.comparison.plan import Plan, plan
from vicinal.evaluate.comparison.settings import Setting
from vicinal.evaluate.comparison.verdict import ALLOWED_LOSS, Choice, verdict
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Evaluation, Searcher, checked_metrics, evaluate
from vicinal.evaluate.judgements import Judged, write_run
from vicinal.evaluate.significance import bootstrap_interval, halves
from vicinal.types import Progress

FAULTS = (VicinalError, OSError, RuntimeError, ValueError, MemoryError)
"""What a setting may fail with while the others go on. Anything else is a fault of ours, and ends the run."""
MOST_K = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Findings):
    """Settings measured on the same questions, what their differences are worth, and a verdict: see ``Findings``."""

    def write(self, folder: Path | str) -> list[Path]:
        """Write the report into a folder, which is made if it is not there.

        Returns
        -------
        list of Path
            ``report.html``, ``report.json``, ``quality-bytes.svg``, ``quality-time.svg``, ``gains.svg``, and a run
            file for each setting in ``runs/``. Files of those names are replaced; nothing else is touched.

        Raises
        ------
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused.
        """
        folder = Path(folder)
        with disk_errors(folder):
            (folder / "runs").mkdir(parents=True, exist_ok=True)
        told = json.dumps(self.to_mapping(), ensure_ascii=False, indent=1, allow_nan=False)
        drawings = drawings_of(self)
        texts = {"report.html": page_of(self, drawings), "report.json": f"{told}\n"}
        texts |= {f"{name}.svg": f"{one.render(alone=True)}\n" for name, one in drawings.items()}
        written = []
        for name, text in texts.items():
            write_atomically(folder / name, text.encode("utf-8"))
            written.append(folder / name)
        for name, stem in file_stems(tuple(self.evaluations)).items():
            path = folder / "runs" / f"{stem}.trec"
            write_run(self.evaluations[name].run, path, tag=stem)
            written.append(path)
        return written


def file_stems(names: tuple[str, ...]) -> dict[str, str]:
    """Return for each name a file's name without its ending: ASCII, at most 60 characters, no two alike."""
    stems: dict[str, str] = {}
    for place, name in enumerate(names, 1):
        plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:50].rstrip("-.") or "setting"
        stems[name] = plain if plain not in stems.values() else f"{plain}-{place}"
    return stems


def compare(  # noqa: PLR0913 - what is compared, on what, by what
    make: Callable[[Setting], Searcher],
    settings: Sequence[Setting],
    judged: Judged,
    *,
    metric: str = "ndcg@10",
    metrics: Sequence[str] | None = None,
    baseline: str | None = None,
    k: int = 100,
    seed: int = 0,
    allowed_loss: float = ALLOWED_LOSS,
    progress: Progress | None = None,
) -> Comparison:
    """Return what each setting measures on the same questions, what the differences are worth, and a verdict.

    Parameters
    ----------
    make : callable (Setting) -> Searcher
        Makes what searches with a setting; called once for each, in order, when its turn comes.
    settings : sequence of Setting
        At most 100; those without a name get one from their fields.
    judged : Judged
        Questions and judgements.
    metric : str
        What the verdict is about.
    metrics : sequence of str, optional
        What is measured besides. Default: those of ``DEFAULT_METRICS`` that ``k`` documents suffice for.
    baseline : str, optional
        The name of a setting, or a mode that one alone has. Default: the search by words, else the first.
    k : int, 1 <= k <= 100,000
        How many documents each question is answered with.
    seed : int, 0 <= seed
        Fixes the draws of the tests and the halves of the questions.
    allowed_loss : float, 0 to 1
        A difference of the metric that is smaller does not count.
    progress : callable, optional
        Called with (questions answered, questions in all settings).

    Returns
    -------
    Comparison
        With a setting that failed among ``failures``, and its error.

    Raises
    ------
    InputError
        As ``plan`` does, and for an unknown metric, before anything is run.

    Notes
    -----
    Each setting is tested against the baseline, and any two that differ in one field alone, by a paired randomisation
    test with Holm over all of them. The best of one half of the questions is measured again on the other half.
    Cost beside the searches: some 0.1 s a pair for 300 questions.

    References
    ----------
    Smucker, Allan, Carterette 2007, "A comparison of statistical significance tests for information retrieval
    evaluation". Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    k = whole_number(k, "k", low=1, high=MOST_K)
    seed = whole_number(seed, "seed", low=0)
    allowed_loss = share(allowed_loss, "allowed_loss")
    ahead = plan(settings, judged, baseline=baseline)
    wanted = _metrics(metric, metrics, k)
    evaluations, failures = _measured(make, ahead, judged, wanted, k=k, seed=seed, progress=progress)
    return concluded(ahead, evaluations, failures, judged, metric=wanted[0], k=k, seed=seed, allowed_loss=allowed_loss)


def _metrics(metric: str, metrics: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Return the canonical names, the one that the verdict is about first, each once."""
    others = [one for one in DEFAULT_METRICS if int(one.partition("@")[2]) <= k] if metrics is None else metrics
    return checked_metrics((metric, *others), k)


def _measured(
    make: Callable[[Setting], Searcher],
    ahead: Plan,
    judged: Judged,
    metrics: Sequence[str],
    *,
    k: int,
    seed: int,
    progress: Progress | None,
) -> tuple[dict[str, Evaluation], tuple[Failure, ...]]:
    """Return what each setting measured, and those that failed."""
    evaluations: dict[str, Evaluation] = {}
    failures: list[Failure] = []
    for place, setting in enumerate(ahead.settings):
        shown = _shifted(progress, place, len(ahead.settings))
        try:
            evaluations[setting.name] = evaluate(make(setting), judged, metrics=metrics, k=k, seed=seed, progress=shown)
        except FAULTS as error:
            failures.append(_failure(setting, error))
    return evaluations, tuple(failures)


def _shifted(progress: Progress | None, place: int, count: int) -> Progress | None:
    """Return what tells the progress of one setting as that of all."""
    if progress is None:
        return None

    def told(done: int, total: int) -> None:
        progress(place * total + done, count * total)

    return told


def _failure(setting: Setting, error: BaseException) -> Failure:
    """Return why a setting was not measured; errors that are not ours may quote texts, so they only give their kind."""
    if isinstance(error, VicinalError):
        return Failure(setting=setting, code=error.code, message=error.message)
    told = error.strerror if isinstance(error, OSError) and error.strerror else ""
    message = f"{type(error).__name__}{': ' + told if told else ''}. Search with this setting alone to see where."
    return Failure(setting=setting, code="fault", message=message)


def concluded(
    ahead: Plan,
    evaluations: Mapping[str, Evaluation],
    failures: Sequence[Failure],
    judged: Judged,
    *,
    metric: str,
    k: int,
    seed: int,
    allowed_loss: float,
) -> Comparison:
    """Return the comparison that evaluations of a plan's settings make."""
    columns, query_ids = _columns(evaluations, metric)
    standings = [
        _standing(one, evaluations[one.name], metric, seed) for one in ahead.settings if one.name in evaluations
    ]
    baseline = ahead.baseline if ahead.baseline in columns or not standings else standings[0].name
    pairs = pairs_of(planned([one.setting for one in standings], baseline), columns, seed=seed) if standings else []
    against_best = _against_best(standings, columns, seed)
    kinds_of = _kinds_of(standings, baseline)
    queries = [(name, judged.queries.get(name, "")) for name in query_ids]
    kinds = () if kinds_of is None else by_kind(*kinds_of, columns, queries, seed=seed, among=len(standings) - 1)
    choice = _choice(standings, baseline, columns, query_ids, seed)
    return Comparison(
        plan=ahead,
        evaluations=dict(evaluations),
        failures=tuple(failures),
        standings=tuple(standings),
        pairs=tuple(pairs),
        against_best=tuple(against_best),
        choice=choice,
        kinds=kinds,
        kinds_of=kinds_of,
        verdict=verdict(
            standings,
            pairs,
            metric=metric,
            baseline=baseline,
            against_best=against_best,
            choice=choice,
            kinds=kinds,
            kinds_of=kinds_of,
            failures={one.setting.name: one.code for one in failures},
            allowed_loss=allowed_loss,
        ),
        metric=metric,
        baseline=baseline,
        judged_name=judged.name,
        judged_digest=judged.digest,
        k=k,
        seed=seed,
        allowed_loss=allowed_loss,
    )


def _columns(
    evaluations: Mapping[str, Evaluation], metric: str
) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Return the metric of each setting for each question, and the questions."""
    query_ids: tuple[str, ...] = ()
    columns = {}
    for name, one in evaluations.items():
        if query_ids and one.scores.query_ids != query_ids:
            raise InputError(f"{name} was measured on other questions than the settings before it.", where=name)
        query_ids = one.scores.query_ids
        columns[name] = np.asarray(one.scores.column(metric), dtype=np.float64)
    return columns, query_ids


def _standing(setting: Setting, evaluation: Evaluation, metric: str, seed: int) -> Standing:
    """Return the numbers of one setting that a verdict needs."""
    values = np.asarray(evaluation.scores.column(metric), dtype=np.float64)
    low, high = bootstrap_interval(values, seed=seed)
    return Standing(
        setting=setting,
        mean=float(values.mean()),
        low=low,
        high=high,
        bytes_per_vector=0.0 if setting.mode == "lexical" else _bytes_of(evaluation),
        p50_ms=0.0 if evaluation.latency is None else evaluation.latency.p50_ms,
    )


def _bytes_of(evaluation: Evaluation) -> float | None:
    """Return the bytes of a vector, where the searcher told a number."""
    told = evaluation.described.get("bytes_per_vector")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < math.inf:
        return float(told)
    return None


def _against_best(standings: Sequence[Standing], columns: Mapping[str, NDArray[np.float64]], seed: int) -> list[Pair]:
    """Return each setting against the one with the best mean."""
    if not standings:
        return []
    best = best_of(standings).name
    return pairs_of([(best, one.name, "", "best") for one in standings if one.name != best], columns, seed=seed)


def _kinds_of(standings: Sequence[Standing], baseline: str) -> tuple[str, str] | None:
    """Return what is looked at by kind of question: the search by words, or the baseline, and the best of the others."""
    by_words = [one.name for one in standings if one.setting.mode == "lexical"]
    reference = baseline if baseline in by_words or not by_words else by_words[0]
    others = [one for one in standings if one.name != reference and (not by_words or one.name not in by_words)]
    others = others or [one for one in standings if one.name != reference]
    return (reference, best_of(others).name) if others else None


def _choice(
    standings: Sequence[Standing],
    baseline: str,
    columns: Mapping[str, NDArray[np.float64]],
    query_ids: Sequence[str],
    seed: int,
) -> Choice | None:
    """Return the best of one half of the questions, tested on both halves."""
    if len(standings) < 2 or len(query_ids) < 4:  # noqa: PLR2004 - two in each half
        return None
    select, _ = halves(query_ids, seed=seed)
    chosen_ids = set(select)
    mask = np.array([one in chosen_ids for one in query_ids], dtype=np.bool_)
    means = [replace(one, mean=float(columns[one.name][mask].mean())) for one in standings]
    best = best_of(means).name
    if best == baseline:
        return Choice(selected=best, among=len(standings), before=None, after=None)
    sides = {"select": mask, "confirm": ~mask}
    before, after = (
        pairs_of([(baseline, best, "", role)], columns, seed=seed, masks={role: side})[0]
        for role, side in sides.items()
    )
    return Choice(selected=best, among=len(standings), before=before, after=after)
