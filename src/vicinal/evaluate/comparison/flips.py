"""For which kind of question which setting is better: codes and numbers beside plain prose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.evaluate.comparison.pairs import Pair, pairs_of

KINDS = ("codes", "prose")
CODE = re.compile(
    r"""
      \d                               # a number, a year, a version, a part's number
    | [A-Za-z]_[A-Za-z]                # snake_case
    | \b[a-z]+[A-Z]                    # camelCase
    | \b[A-Z]{2,}-[A-Z]                # XJ-A
    | \w\(\) | \w::\w                 # a call(), a::b
    | \b\w{2,}\.\w{2,}\.\w            # package.module.name
    | [/\\]\w+[/\\.]                  # a path
    """,
    re.VERBOSE,
)
EXAMPLES = 5
MOST_TEXT_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A question that two settings answer very differently. Its text is cut to 160 characters."""

    query_id: str
    text: str
    reference: float
    other: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KindGain:
    """What a setting gains over another one on one kind of question.

    ``pair`` is None where there are fewer than two such questions. ``flips`` are those with the largest differences,
    both ways, the largest first.
    """

    kind: str
    queries: int
    pair: Pair | None
    flips: tuple[Flip, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain data, questions by their ids."""
        return {
            "kind": self.kind,
            "queries": self.queries,
            "pair": None if self.pair is None else self.pair.to_mapping(),
            "flips": [{"query_id": one.query_id, "reference": one.reference, "other": one.other} for one in self.flips],
        }


def kind_of(text: str) -> str:
    """Return ``codes`` for a question with a digit or a word that looks like code, else ``prose``."""
    return "codes" if CODE.search(text) else "prose"


def by_kind(
    reference: str,
    other: str,
    columns: Mapping[str, NDArray[np.float64]],
    queries: Sequence[tuple[str, str]],
    *,
    seed: int,
    among: int = 1,
) -> tuple[KindGain, ...]:
    """Return for each kind of question what one setting gains over another.

    Parameters
    ----------
    reference, other : str
        Names of settings with a column.
    columns : mapping of name to float64 array of shape (Q,)
    queries : sequence of (id, text), Q
    among : int, 1 <= among
        Of how many settings the other is the best: p-values are adjusted for the kinds by Holm, and multiplied with it.
    """
    kinds = np.array([kind_of(text) for _, text in queries], dtype=object)
    masks = {kind: np.asarray(kinds == kind, dtype=np.bool_) for kind in KINDS}
    many = [(reference, other, "", kind) for kind in KINDS if masks[kind].sum() > 1]
    found = pairs_of(many, columns, seed=seed, masks=masks)
    pairs = {one.role: replace(one, adjusted=min(1.0, one.adjusted * among)) for one in found}
    return tuple(
        KindGain(
            kind=kind,
            queries=int(mask.sum()),
            pair=pairs.get(kind),
            flips=_flips(columns[reference], columns[other], queries, np.flatnonzero(mask)),
        )
        for kind, mask in masks.items()
    )


def _flips(
    reference: NDArray[np.float64],
    other: NDArray[np.float64],
    queries: Sequence[tuple[str, str]],
    places: NDArray[np.int64],
) -> tuple[Flip, ...]:
    """Return the questions with the largest differences both ways, the gains first."""
    difference = other[places] - reference[places]
    order = np.argsort(-difference, kind="stable")
    chosen = [place for place in order[:EXAMPLES] if difference[place] > 0]
    chosen += [place for place in order[::-1][:EXAMPLES] if difference[place] < 0]
    return tuple(
        Flip(
            query_id=queries[row][0],
            text=queries[row][1][:MOST_TEXT_CHARS],
            reference=float(reference[row]),
            other=float(other[row]),
        )
        for row in (int(places[place]) for place in chosen)
    )
