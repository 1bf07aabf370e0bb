"""What a comparison found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.evaluate.comparison.flips import KindGain
from vicinal.evaluate.comparison.pairs import Pair, Standing
from vicinal.evaluate.comparison.plan import Plan
from vicinal.evaluate.comparison.settings import Setting
from vicinal.evaluate.comparison.verdict import Choice, Verdict
from vicinal.evaluate.evaluation import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A setting that could not be measured: the code and the message of its error."""

    setting: Setting
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Settings measured on the same questions, and what their differences are worth.

    Parameters
    ----------
    plan : Plan
        What was known before the run: settings, how many questions, the smallest gain that they can show.
    evaluations : mapping of name to Evaluation
        Of the settings that ran, in the order given.
    failures : tuple of Failure
        Those that did not.
    standings : tuple of Standing
        Means, intervals, bytes and time of each that ran.
    pairs, against_best : tuple of Pair
        Each against the baseline and for its one difference; each against the best mean.
    choice : Choice or None
        The best of one half of the questions on the other half.
    kinds, kinds_of : tuple of KindGain, and (reference, other) or None
        What the second gains over the first for each kind of question.
    verdict : Verdict
        In plain words.
    metric, baseline : str
        What the verdict is about, and against what.
    judged_name, judged_digest : str
        The questions.
    k, seed : int
    allowed_loss : float
        As they were given.
    """

    plan: Plan
    evaluations: Mapping[str, Evaluation]
    failures: tuple[Failure, ...]
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    against_best: tuple[Pair, ...]
    choice: Choice | None
    kinds: tuple[KindGain, ...]
    kinds_of: tuple[str, str] | None
    verdict: Verdict
    metric: str
    baseline: str
    judged_name: str
    judged_digest: str
    k: int
    seed: int
    allowed_loss: float

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All settings, those that failed included, in the order given."""
        return self.plan.settings

    def against_baseline(self, name: str) -> Pair | None:
        """Return the test of a setting against the baseline, None for the baseline itself."""
        return next((one for one in self.pairs if one.role == "baseline" and one.other == name), None)

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain data for JSON, runs left out."""
        return {
            "verdict": self.verdict.to_mapping(),
            "metric": self.metric,
            "baseline": self.baseline,
            "judged": {"name": self.judged_name, "digest": self.judged_digest, "queries": self.plan.queries},
            "plan": {"tests": self.plan.tests, "smallest_gain": self.plan.smallest_gain},
            "k": self.k,
            "seed": self.seed,
            "allowed_loss": self.allowed_loss,
            "settings": [self._of_setting(one) for one in self.standings],
            "failures": [
                {"setting": {**one.setting.to_mapping()}, "code": one.code, "message": one.message}
                for one in self.failures
            ],
            "pairs": [one.to_mapping() for one in self.pairs],
            "against_best": [one.to_mapping() for one in self.against_best],
            "choice": None if self.choice is None else self.choice.to_mapping(),
            "kinds_of": None if self.kinds_of is None else list(self.kinds_of),
            "kinds": [one.to_mapping() for one in self.kinds],
        }

    def _of_setting(self, one: Standing) -> dict[str, Any]:
        """Return what one setting measured."""
        return {
            "setting": one.setting.to_mapping(),
            "mean": one.mean,
            "low": one.low,
            "high": one.high,
            "bytes_per_vector": one.bytes_per_vector,
            "p50_ms": one.p50_ms,
            "evaluation": self.evaluations[one.name].to_mapping(),
        }
