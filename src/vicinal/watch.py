"""What watches over a collection while the world moves: its encoder's canary, and drift of texts and of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from vicinal import encode
from vicinal._arrays import real_number, texts_list, whole_number
from vicinal._svg import clean
from vicinal.errors import DtypeError, ModelNotFoundError, RangeError
from vicinal.evaluate.judgements.lines import decoded, faulty, numbered_lines, parsed_object
from vicinal.lifecycle import canary, drift, history
from vicinal.lifecycle.canary import CanaryCheck
from vicinal.lifecycle.drift import Drift, Pair, Texts, Wanted
from vicinal.opened import Opened
from vicinal.search import compile_filter
from vicinal.types import Progress, Where

SAMPLES = 5_000
MOST_SAMPLES = 50_000
MOST_WINDOWS = 100
LEVEL = 0.05
TEXT_FIELDS = ("text", "query", "question")
"""What the text of a line of JSON may be called."""
MOST_CHARS = 100_000
"""Of one text of a file."""

SideLike: TypeAlias = Where | str | Path | Sequence[str]


class Watch(Opened):
    """The verbs that tell whether what is stored still means what it meant."""

    def check_canary(self) -> CanaryCheck:
        """Encode the probe texts of this collection's space again, now, past every cache, and compare their vectors.

        Whenever an encoder is loaded the same is done; this is for a process that lives long, and for a schedule.

        Returns
        -------
        CanaryCheck
            ``same`` is false where a probe lies elsewhere than it lay. From then on every collection of this space, in
            every process that has the database open, refuses to write and to answer by vectors until the probes lie
            where they lay, also with vectors that were made elsewhere; ``told`` says what to do.
            The check joins the collection's history; a database that is open for reading keeps nothing.

        Raises
        ------
        ModelNotFoundError, RemoteError, SpaceMismatchError
            There is no encoder to be checked.

        Notes
        -----
        Cost: two small batches, or two requests to a provider.
        """
        with self._guard:
            self._follow()
            stand = self._stand
            bare = encode.uncached(self._bare(stand) if stand.encoder is None else stand.encoder)
            found = canary.checked(self._store, bare, collection=self.name)
            stand.has_moved = not found.same
            if not found.same:
                stand.encoder = None  # the next use proves its encoder again
                self._is_proven = False
        return found

    def canary_history(self) -> list[dict[str, Any]]:
        """Return the checks that were kept, the oldest first: ``checked_at``, ``same``, ``worst``, ``runtime`` and more."""
        with self._store.snapshot() as snapshot:
            return history.entries(snapshot, self._number, canary.HISTORY, store=self._store)

    def drift(  # noqa: PLR0913 - what is compared with what, and how strictly
        self,
        *,
        reference: SideLike | None = None,
        current: SideLike | None = None,
        reference_queries: SideLike | None = None,
        current_queries: SideLike | None = None,
        level: float = LEVEL,
        windows: int = 1,
        samples: int = SAMPLES,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Drift:
        """Compare what is current with a reference, and tell whether the encoder, the corpus or the questions have moved.

        The encoder is asked first, by its canary; where it moved, nothing else is claimed.

        Parameters
        ----------
        reference, current : mapping, str, path, or list of str
            Documents: a filter such as ``{"year": {"$lt": 2024}}``; a range of commits, ``"since:120"``,
            ``"until:120"`` or ``"since:60 until:120"`` (``info()["sequence"]`` is the last); a file of texts, a line
            each, or ``.jsonl``; or the texts themselves. Records on both sides count as current only.
        reference_queries, current_queries : str, path, or list of str
            Questions, which are compared with questions: files such as a kept query log, or the texts themselves.
        level : float, 0 < level < 1
            How often a run says that there is drift when there is none, all its tests together.
        windows : int, 1 <= windows
            An alarm is raised when so many comparisons in a row, this one the last, found drift. For a schedule:
            ``level=0.01, windows=2``.
        samples : int, 100 <= samples
            Texts of a side at most, drawn evenly; of a record one chunk.
        seed : int, 0 <= seed
            Of what is drawn: the same texts and the same seed give the same report.
        progress : callable, optional
            Called with (texts encoded, texts) of each side that is encoded.

        Returns
        -------
        Drift
            Its ``verdict``, whether to raise an ``alarm``, the tests of each side, what is new in words, the smallest
            share that would have been found, and what to do. It joins the collection's history.

        Raises
        ------
        InputError
            Nothing to compare was named, or one side of it only; a file or a filter is wrong.
        RangeError
            A side has fewer than 20 texts.

        Notes
        -----
        Measured on CLINC150 with MiniLM: docs/concepts/drift.md.
        Cost: one encoding of each text that is not stored, and about a second for 1,000 texts against 1,000.
        """
        level = _level(level)
        windows = whole_number(windows, "windows", low=1, high=MOST_WINDOWS)
        samples = whole_number(samples, "samples", low=100, high=MOST_SAMPLES)
        seed = whole_number(seed, "seed", low=0)
        pairs = []
        if reference is not None or current is not None:
            drift.require_side(reference, "reference")
            drift.require_side(current, "current")
            sides = (_documents(reference, "reference"), _documents(current, "current"))
            pairs.append(Pair(role="document", reference=sides[0], current=sides[1]))
        if reference_queries is not None or current_queries is not None:
            drift.require_side(reference_queries, "reference_queries")
            drift.require_side(current_queries, "current_queries")
            asked = (_queries(reference_queries, "reference_queries"), _queries(current_queries, "current_queries"))
            pairs.append(Pair(role="query", reference=asked[0], current=asked[1]))
        if not pairs:
            drift.require_side(None, "reference")
        check = self._checked_if_there(pairs)
        return drift.compare(
            self._store,
            self.name,
            pairs,
            check=check,
            encoder=lambda: self.encoder,
            level=level,
            windows=windows,
            samples=samples,
            seed=seed,
            progress=progress,
        )

    def drift_history(self) -> list[dict[str, Any]]:
        """Return the comparisons that were kept, the oldest first, without any text of a document."""
        return drift.entries_of(self._store, self.name)

    def _checked_if_there(self, pairs: Sequence[Pair]) -> CanaryCheck | None:
        """Return what the canary shows; None where the model is not at hand and is not needed."""
        try:
            return self.check_canary()
        except ModelNotFoundError:
            if any(isinstance(wanted, Texts) for pair in pairs for _, wanted in (pair.reference, pair.current)):
                raise
            return None


def _level(value: float) -> float:
    level = real_number(value, "level")
    if not 0 < level < 1:
        raise RangeError(
            f"level must be between 0 and 1, got {level}.", expected="0 < level < 1", got=level, where="level"
        )
    return level


def _documents(side: SideLike | None, which: str) -> tuple[str, Wanted]:
    """Return what a side of documents is called, and what it is."""
    if isinstance(side, Mapping):
        return _name_of(side), compile_filter(side)
    if isinstance(side, str) and (written := drift.parse_written(side)) is not None:
        return side.strip(), written
    return _texts(side, which)


def _queries(side: SideLike | None, which: str) -> tuple[str, Wanted]:
    """Return what a side of questions is called, and what it is."""
    if isinstance(side, Mapping):
        raise DtypeError(
            f"{which} are questions, which are not stored: name a file of them, or give the texts, not a filter.",
            expected="path or list of str",
            got="mapping",
            where=which,
        )
    return _texts(side, which)


def _texts(side: SideLike | None, which: str) -> tuple[str, Wanted]:
    if isinstance(side, str | Path):
        path = Path(side).expanduser()
        return clean(path.name), Texts(texts=tuple(_texts_of(path)))
    texts = texts_list(side, which)
    return f"{len(texts)} texts", Texts(texts=tuple(text for text in texts if text.strip()))


def _name_of(where: Where) -> str:
    """Return a filter in one line."""
    several = where.get("$and")
    if len(where) == 1 and isinstance(several, Sequence) and len(several) == 1:
        return _name_of(several[0])
    return json.dumps(where, ensure_ascii=False, default=str)


def _texts_of(path: Path) -> Iterator[str]:
    """Go through the texts of a file: a line each, or the text of each object of a ``.jsonl``."""
    is_json = path.suffix.lower() in {".jsonl", ".ndjson"}
    for number, line in numbered_lines(path):
        text = _text_of_object(line, path, number) if is_json else decoded(line, path, number)
        if len(text) > MOST_CHARS:
            raise faulty(path, number, f"a text has more than {MOST_CHARS} characters")
        if text.strip():
            yield text.strip()


def _text_of_object(line: bytes, path: Path, number: int) -> str:
    told = parsed_object(line, path, number)
    text = next((told[name] for name in TEXT_FIELDS if isinstance(told.get(name), str)), None)
    if text is None:
        raise faulty(path, number, f"it has no {', '.join(TEXT_FIELDS[:-1])} or {TEXT_FIELDS[-1]}")
    return str(text)
