"""What an examination found: the checks, the most worth doing first, and what is drawn of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from vicinal.errors import VicinalError
from vicinal.lifecycle.doctor.check import RESTORE, STATES, Check, Pictures, State, broken
from vicinal.lifecycle.doctor.page import page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of a collection: every check, alarms first, then notices; within them by worth.

    ``sampled`` of its ``chunks`` were looked at, drawn by ``seed``; what is counted by the store is of all of them.
    """

    collection: str
    records: int
    chunks: int
    sampled: int
    seed: int
    took_s: float
    checks: tuple[Check, ...]
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def state(self) -> State:
        """The worst state of all checks that could be made."""
        return next((state for state in STATES if any(one.state == state for one in self.checks)), "ok")

    @property
    def alarms(self) -> tuple[Check, ...]:
        """What must be looked at."""
        return tuple(one for one in self.checks if one.state == "alarm")

    @property
    def notices(self) -> tuple[Check, ...]:
        """What is worth a look."""
        return tuple(one for one in self.checks if one.state == "notice")

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, in order of worth, none twice."""
        return tuple(dict.fromkeys(one.advice for one in self.checks if one.advice))

    def check(self, name: str) -> Check:
        """Return the check of a name.

        Raises
        ------
        KeyError
            There is none; ``checks`` holds them all.
        """
        return {one.name: one for one in self.checks}[name]

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain data, for ``--json``."""
        return {"state": self.state, "advice": list(self.advice), **asdict(self)}

    def html(self) -> str:
        """Return it as one page with pictures, which asks for nothing from anywhere."""
        about = (
            f"{_counted(len(self.alarms), 'alarm')}, {_counted(len(self.notices), 'notice')}. {self.chunks:,} chunks of {self.records:,} records, "
            f"{self.sampled:,} looked at (seed {self.seed}), {self.took_s:.1f} s."
        )
        return page_of(
            self.collection, self.state, about, advice=self.advice, checks=self.checks, pictures=self.pictures
        )

    @classmethod
    def of_damage(cls, collection: str, error: VicinalError) -> Health:
        """Return the health of a collection that could not even be opened: one alarm, which says why."""
        found = broken("files and ledger", "ledger", error, RESTORE)
        return cls(collection=collection, records=0, chunks=0, sampled=0, seed=0, took_s=0.0, checks=(found,))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
