"""What a comparison will be able to see, said before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vicinal.errors import InputError, UnknownNameError
from vicinal.evaluate.comparison.pairs import LEVEL, planned
from vicinal.evaluate.comparison.settings import Setting, named
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.ranking import has_relevant
from vicinal.evaluate.significance import smallest_detectable_gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a comparison will be able to see, known before anything is run.

    Parameters
    ----------
    settings : tuple of Setting
        Each with its name.
    baseline : str
        The name that the others are held against.
    queries : int
        Questions that have a relevant document.
    tests : int
        Pairs that will be tested, all adjusted together.
    smallest_gain : float
        The least gain that a test of one pair finds four times of five, at 0.05 over all pairs.
    """

    settings: tuple[Setting, ...]
    baseline: str
    queries: int
    tests: int
    smallest_gain: float

    @property
    def text(self) -> str:
        """The plan in one sentence."""
        if not self.tests:
            return f"{len(self.settings)} setting on {self.queries} queries: nothing will be compared."
        return (
            f"{len(self.settings)} settings on {self.queries} queries, {self.tests} "
            f"{'test' if self.tests == 1 else 'tests'}: a gain below {self.smallest_gain:.3f} will most likely go unseen."
        )


def plan(settings: Sequence[Setting], judged: Judged, *, baseline: str | None = None) -> Plan:
    """Return what a comparison will be able to see, without running it.

    Parameters
    ----------
    settings : sequence of Setting
        At most 100.
    judged : Judged
        Questions and judgements.
    baseline : str, optional
        The name of a setting, or a mode that one alone has. Default: the search by words, else the first.

    Raises
    ------
    InputError
        There is no setting, or two have one name; fewer than two questions have a relevant document.
    UnknownNameError
        No setting is called like the baseline.

    Notes
    -----
    The spread of the differences is not known before the run; what is typical of nDCG@10 is taken.
    """
    full = named(settings)
    first = baseline_of(full, baseline)
    queries = sum(map(has_relevant, judged.qrels.values()))
    if queries < 2:  # noqa: PLR2004 - a difference has a spread
        raise InputError(
            f"{judged.name} has {queries} queries with a relevant document, and it takes at least 2 to compare. "
            "Check that the judgements are of this split, and that their grades are above 0.",
            expected=">= 2",
            got=queries,
            where="judged",
        )
    tests = len(planned(full, first))
    gain = smallest_detectable_gain(queries, level=LEVEL / max(1, tests))
    return Plan(settings=full, baseline=first, queries=queries, tests=tests, smallest_gain=float(gain))


def baseline_of(settings: Sequence[Setting], wanted: str | None) -> str:
    """Return the name of the setting that the others are held against."""
    if wanted is None:
        return next((one.name for one in settings if one.mode == "lexical"), settings[0].name)
    names = [one.name for one in settings]
    if wanted in names:
        return wanted
    of_mode = [one.name for one in settings if one.mode == wanted]
    if len(of_mode) == 1:
        return of_mode[0]
    listed = ", ".join(names)
    raise UnknownNameError(
        f"No setting is called {wanted!r}, so it cannot be the baseline; there are {listed}.",
        expected=listed,
        got=wanted,
        where="baseline",
    )
