"""One migration, from the plan to the end: each verb is a stage, and ``run`` goes through all that it may."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vicinal import encode
from vicinal._arrays import texts_list, whole_number
from vicinal.errors import DtypeError, InputError, MigrationError, RangeError
from vicinal.evaluate.judgements import Judged, read_judged, read_queries
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.bridge.keeping import keep
from vicinal.lifecycle.bridge.pairs import SAMPLE, fit_pairs
from vicinal.lifecycle.forms import Making, offer
from vicinal.lifecycle.reads import reads_of
from vicinal.migrations.gate import METRIC, Gate, gate, settle
from vicinal.migrations.plan import Plan, Target, target_of
from vicinal.migrations.shadow import Shadow, shadow_reads
from vicinal.migrations.status import MigrationStatus, status_of
from vicinal.search.hybrid import Mode
from vicinal.space import Encoder, Space
from vicinal.store import Lane, Transaction, beside
from vicinal.trials import Asked, Trials
from vicinal.types import Progress

DELTA = 0.02
SOAK_S = 7 * 86_400.0
KNOWN_QUERIES = 200
KINDS = ("sentence", "title", "heading", "keywords")
"""What questions are made of, where none are given."""
SHADOW_QUERIES = 200
BEGINNING_CHARS = 100
"""Of a record, what is asked where nothing better can be made of it."""
Told = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Migration:
    """A collection on its way to another space. Made by ``Collection.migrate`` and ``Collection.migration``.

    Safe to be dropped at any time: where it stands is in the database, and another process can go on.
    """

    def __init__(self, collection: Trials, *, target: Target | None = None, settings: dict[str, Any]) -> None:
        self.collection = collection._by_own_name()  # noqa: SLF001 - of the facade; an alias may stand for another one later
        self._store = collection._store  # noqa: SLF001 - of the facade
        self._name = collection.name
        self._target = target
        self._settings = settings
        self._plan: Plan | None = None

    def __repr__(self) -> str:
        """Tell the collection and the stage."""
        state = self._state()
        return f"Migration({self._name!r}, {'planned' if state is None else state.stage})"

    @classmethod
    def planned(  # noqa: PLR0913 - what is to change, and how it goes
        cls,
        collection: Trials,
        to: str | Encoder | None,
        *,
        dim: int | None,
        precision: str | None,
        chunker: str | None,
        runtime: str | None,
        delta: float,
        soak_s: float,
        rate: float | None,
        share: float,
    ) -> Migration:
        """Return a migration of which nothing is written yet; see ``Collection.migrate``."""
        settings = {
            "delta": _positive(delta, "delta", zero=True),
            "soak_s": _positive(soak_s, "soak_s", zero=True),
            "rate": None if rate is None else _positive(rate, "rate"),
            "share": _share(share),
        }
        target = target_of(collection, to, dim=dim, precision=precision, chunker=chunker, runtime=runtime)
        space = target.making.encoder.space
        if space == collection.space and target.making.chunker_id == collection._chunker_id:  # noqa: SLF001 - of the facade
            raise InputError(
                f"Collection {collection.name!r} is in that space, and cut by that chunker: there is nothing to migrate.",
                where="to",
            )
        return cls(collection, target=target, settings=settings)

    def plan(self, *, seconds: float = 4.0, progress: Progress | None = None) -> Plan:
        """Return what the migration will take: a sample is carried over in a folder of its own, and timed.

        Parameters
        ----------
        seconds : float
            How long to carry.
        progress : callable, optional
            Called with (records carried, records of the sample).

        Raises
        ------
        MigrationError
            The collection is empty, it was begun in another program, or the model takes none of its records.
        """
        target = self._required_target()
        seconds = _positive(seconds, "seconds", zero=True)
        making, former = target.making, self.collection.space
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._name)
        found = stages.rehearse(
            self._store,
            self._name,
            making,
            derived=_is_derived(target, former) and lane.chunker == making.chunker_id,
            seconds=seconds,
            progress=progress,
        )
        space = making.encoder.space
        self._plan = Plan(
            collection=self._name,
            model=target.model,
            former_model=self.collection.model,
            space=space.id,
            former_space=former.id,
            differs=tuple(former.diff(space)),
            dim=space.dim,
            chunker=making.chunker_id,
            former_chunker=lane.chunker,
            **asdict(found),
        )
        return self._plan

    def begin(self) -> MigrationStatus:
        """Make the new lane: from now on what is written is written to both, in one commit.

        Raises
        ------
        MigrationError
            One is under way already.
        ModelNotFoundError
            The collection's own encoder has no name, and was not given: nothing could be written to both.
        """
        target = self._required_target()
        former = None if self.collection.model else encode.uncached(self.collection.encoder)
        stages.begin(
            self._store,
            self._name,
            model=target.model,
            space=target.making.encoder.space,
            chunker=target.making.chunker_id,
            probes=target.probes,
            projections=target.projections,
            plan=None if self._plan is None else asdict(self._plan),
            **self._settings,
        )
        if not target.model:
            offer(self._store, target.making.encoder)
        if former is not None:
            offer(self._store, former)
        with self._store.write() as transaction:
            reads_of(self._store, self._name).save(transaction, self._name, due=False)
        return self._required_status()

    def backfill(self, *, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False) -> stages.Filled:
        """Fill the new lane with what it lacks: what is read most first, then what is newest.

        Interrupted at any time, what was committed stays, and the next call goes on from there. A record that was changed
        or deleted meanwhile is never written over or brought back.

        Parameters
        ----------
        progress : callable, optional
            Called with (records there, records).
        stop : callable
            Asked after each part whether to stop.

        Returns
        -------
        Filled
            ``failed`` maps ids to what was wrong; ``stopped`` is true where it was paused or stopped before the end.

        Raises
        ------
        MigrationError
            It was not begun, or is over.
        """
        self._required_state(*stages.OPEN)
        wanted = stages.most_read(self._store, self._name)
        return stages.fill(self._store, self._name, self._making_of, wanted=wanted, progress=progress, stop=stop)

    def bridge(self, *, samples: int = SAMPLE, seed: int = 0, progress: Progress | None = None) -> MigrationStatus:
        """Answer questions in the new space from now on, before its lane is filled; ``unbridge`` ends it, and so does the cutover.

        The old index fetches what lies near a question carried over by a bridge, the new model ranks it, and what the new
        lane lacked of it is encoded and kept there: questions fill it where they are asked. Every answer is wholly in the
        new space. A text asked by ``search`` and ``ask`` goes this way; vectors, several queries, pages and words alone are
        answered by the old lane.

        Parameters
        ----------
        samples : int, 2 <= samples
            Chunks that the bridge is fitted on. Those that the new lane lacks are encoded for it.
        seed : int, 0 <= seed
            Which.
        progress : callable, optional
            Called with (chunks encoded, chunks to encode).

        Raises
        ------
        MigrationError
            It is cut over already, or over.
        RangeError
            The collection has fewer than two chunks with a text.

        Notes
        -----
        Whether it is worth it ``Collection.bridge`` tells before.
        """
        self._required_state(*stages.BRIDGED)
        samples = whole_number(samples, "samples", low=2, high=1_000_000)
        seed = whole_number(seed, "seed", low=0)
        new = self._beside()
        fitted = fit_pairs(
            self._store, self._name, encoder=new.encoder, new=new.name, sample=samples, seed=seed, progress=progress
        )
        with self._store.write() as transaction:
            lane = transaction.lane(self._name)
            twin = transaction.twin(lane)
            if twin is None:
                raise MigrationError(f"Nothing stands beside {self._name!r}: the migration is over.", where=self._name)
            keep(transaction, twin, lane, fitted)
            self._mark_bridge(transaction, fitted.digest)
        return self._required_status()

    def unbridge(self) -> MigrationStatus:
        """Answer questions by the old lane again, until the cutover; what questions brought to the new one stays there."""
        with self._store.write() as transaction:
            self._mark_bridge(transaction, "")
        return self._required_status()

    def _mark_bridge(self, transaction: Transaction, digest: str) -> None:
        state = stages.require_state(stages.state_of(transaction, self._name), self._name, *stages.BRIDGED)
        stages.put_state(transaction, self._name, replace(state, bridge=digest))

    def compare(
        self,
        queries: Sequence[str] | Judged | str | Path | None = None,
        *,
        k: int = 10,
        mode: Mode | None = None,
        samples: int = SHADOW_QUERIES,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Shadow:
        """Return how far the answers of both lanes agree; what they do not tell is which are right.

        Parameters
        ----------
        queries : list of str, Judged or path, optional
            What is asked: such as a log of questions, one a line. Default: first sentences of the collection's records.
        k : int, 1 <= k
            Records of an answer.
        mode : {"dense", "lexical", "hybrid"}, optional
            As ``search``.
        samples : int, 1 <= samples
            How many questions at most.
        seed : int, 0 <= seed
            Which records are asked for where no questions are given.
        progress : callable, optional
            Called with (questions asked, questions).
        """
        samples = whole_number(samples, "samples", low=1, high=10_000)
        texts = self._texts(queries, samples, seed)
        plain = self.collection._uncrossed()  # noqa: SLF001 - of the facade
        found = shadow_reads(plain, self._beside(), texts, k=k, mode=mode, progress=progress)
        stages.mark(self._store, self._name, shadow=asdict(found))
        return found

    def gate(
        self,
        judged: Asked | None = None,
        *,
        metric: str = METRIC,
        mode: Mode | None = "dense",
        delta: float | None = None,
        samples: int = KNOWN_QUERIES,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Gate:
        """Measure whether the new lane may answer, and keep what was found.

        Parameters
        ----------
        judged : Judged, or path, optional
            Questions with answers. Default: questions made of the collection's own records, each asking for its record,
            which see a model that is much worse and not one that is a little.
        metric : str
            What must not fall: see ``evaluate.metrics``.
        mode : {"dense", "lexical", "hybrid"} or None
            How it is asked. ``dense`` is what changes; None: as users ask by default, where words cover for a worse model.
        delta : float, optional, 0 <= delta
            The loss that is taken for none. Default: the migration's.
        samples : int
            How many questions are made where none are given.
        seed : int, 0 <= seed
        progress : callable, optional
            Called with (steps done, steps) of each measurement.

        Returns
        -------
        Gate
            It passes where no record is missing, both sides are equal but for their vectors, the model is the one that it
            was, the index finds what is asked of it, and the lower end of the gain's interval lies above ``-delta``.

        Raises
        ------
        MigrationError
            There is nothing beside the collection to measure.
        """
        state = self._required_state("copy", "ready", "back")
        new = self._beside()
        settle(self._store, self._name, progress=progress)
        asked = self._known(samples, seed) if judged is None else _read(judged)
        found = gate(
            self.collection._uncrossed(),  # noqa: SLF001 - of the facade
            new,
            encode.uncached(new.encoder),
            asked,
            metric=metric,
            mode=mode,
            delta=state.delta if delta is None else _positive(delta, "delta", zero=True),
            seed=seed,
            progress=progress,
        )
        stage = "ready" if found.forcible and state.stage != "back" else None
        kept = {**asdict(found), "passed": found.passed, "forcible": found.forcible}
        stages.mark(self._store, self._name, stage, gate=kept)
        return found

    def cutover(self, *, reason: str = "") -> stages.Cut:
        """Let the collection's name lead to the new lane, in one commit; the old one is written to as well from then on.

        Parameters
        ----------
        reason : str
            Why the gate is to be passed by, where it is quality or recall alone that it holds against; it is kept.

        Raises
        ------
        MigrationError
            The gate did not pass, it is paused, or records are missing.
        ModelNotFoundError, CanaryMismatchError
            The new model cannot be had here, so no question could be asked behind the cutover.
        """
        self._own_encoder()
        self._require_answering()
        (reason,) = texts_list([reason], "reason")
        done = stages.cut_over(self._store, self._name, self._making_of, reason=reason.strip())
        self.collection._follow()  # noqa: SLF001 - of the facade
        return done

    def rollback(self) -> stages.Cut:
        """Let the name lead to the old lane again, in one commit, with all that was written meanwhile.

        The new lane stays beside, written to as well: ``gate`` and ``cutover`` lead forward again, ``abort`` drops it.

        Raises
        ------
        MigrationError
            It is not cut over; before that there is nothing to roll back, and ``abort`` ends it.
        """
        done = stages.roll_back(self._store, self._name, self._making_of)
        self.collection._follow()  # noqa: SLF001 - of the facade
        return done

    def pause(self) -> MigrationStatus:
        """Stop the backfill wherever it runs, and let nothing be cut over; writes go to both lanes all the same."""
        stages.pause(self._store, self._name)
        return self._required_status()

    def resume(self, *, rate: float | None = None, share: float | None = None) -> MigrationStatus:
        """Let it go on, perhaps at another pace: at most so many records a second, or this share of the time.

        Nothing runs by itself: call ``run`` or ``backfill``.
        """
        told: dict[str, Any] = {}
        if rate is not None:
            told["rate"] = _positive(rate, "rate")
        if share is not None:
            told["share"] = _share(share)
        stages.resume(self._store, self._name, **told)
        return self._required_status()

    def abort(self) -> int:
        """Drop the new lane at whatever stage, and answer from the old one; return how many records it had."""
        count = stages.abort(self._store, self._name)
        self.collection._follow()  # noqa: SLF001 - of the facade
        return count

    def retire(self, *, early: bool = False) -> int:
        """Drop the old lane for good, once the soak is over, or ``early``; return how many records it had."""
        count = stages.retire(self._store, self._name, early=early)
        self.collection._follow()  # noqa: SLF001 - of the facade
        return count

    def status(self) -> MigrationStatus | None:
        """Return where it stands, None where nothing was begun."""
        with self._store.snapshot() as snapshot:
            state = stages.state_of(snapshot, self._name)
            return None if state is None else status_of(snapshot, self._name, state)

    def run(
        self,
        judged: Asked | None = None,
        *,
        queries: Sequence[str] | str | Path | None = None,
        confirm: Callable[[MigrationStatus], bool] = lambda _: True,
        reason: str = "",
        told: Told = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> MigrationStatus:
        """Go through all stages that are left, as far as they may go, and return where it stands then.

        Parameters
        ----------
        judged : Judged, or path, optional
            As ``gate``.
        queries : list of str, or path, optional
            As ``compare``.
        confirm : callable
            Asked before the cutover, with what the gate found; false ends the run there.
        reason : str
            As ``cutover``.
        told : callable
            Called with (what is being done, how much of it, of how much).
        stop : callable
            Asked after each part of the backfill whether to stop.

        Raises
        ------
        MigrationError
            Another migration than the one that was planned here is under way.
        """
        state = self._state()
        if state is None or (state.stage in stages.OVER and self._target is not None):
            self.begin()
        state = self._required_state(*stages.OPEN)
        self._require_own(state)
        if state.paused or state.stage == "soak":
            return self._required_status()
        filled = self.backfill(progress=lambda done, total: told("filling", done, total), stop=stop)
        if filled.stopped or filled.failed:
            return self._required_status()
        settle(self._store, self._name, progress=lambda done, total: told("indexing", done, total))
        asked = None if judged is None else _read(judged)
        shadowed = asked if queries is None else queries
        with suppress(RangeError) if shadowed is None else nullcontext():  # of what has no texts no question is made
            self.compare(shadowed, progress=lambda done, total: told("comparing", done, total))
        found = self.gate(asked, progress=lambda done, total: told("measuring", done, total))
        may = found.passed or (reason.strip() and found.forcible)
        if may and confirm(self._required_status()):
            self.cutover(reason=reason)
            if not state.soak_s:
                self.retire()
        return self._required_status()

    def _require_own(self, state: stages.MigrationState) -> None:
        """Refuse to go on with what another program planned, where this one planned something else."""
        if self._target is None:
            return
        making = self._target.making
        if (making.encoder.space.id, making.chunker_id) != (state.space, state.chunker):
            raise MigrationError(
                f"Collection {self._name!r} is being migrated to {state.model or state.space} (stage {state.stage!r}), which is "
                f"not what was planned here. Collection.migration() goes on with it; vicinal migrate abort {self._name} ends it.",
                expected=state.space,
                got=making.encoder.space.id,
                where=self._name,
            )

    def _known(self, samples: int, seed: int) -> Judged | None:
        """Return questions made of the collection's own records, of the first kind that they have; None for none."""
        for kind in KINDS:
            with suppress(InputError):
                return self.collection.known_queries(samples, seed=seed, kind=kind)
        return None

    def _texts(self, queries: Sequence[str] | Judged | str | Path | None, samples: int, seed: int) -> list[str]:
        """Return the questions of shadow reads."""
        if queries is None:
            made = self._known(samples, seed)
            if made is not None:
                return list(made.queries.values())
            beginnings = (document.text[:BEGINNING_CHARS] for document in self.collection._documents())  # noqa: SLF001 - of the facade
            texts = list(islice(beginnings, samples))
        elif isinstance(queries, Judged):
            texts = list(queries.queries.values())
        elif isinstance(queries, str | Path):
            texts = list(read_queries(queries).values())
        else:
            texts = texts_list(queries, "queries")
        texts = [text for text in texts if text.strip()][:samples]
        if not texts:
            raise RangeError("There is no question to ask.", where="queries")
        return texts

    def _beside(self) -> Trials:
        """Return the lane beside the collection, opened as one itself."""
        self._required_state("copy", "ready", "back")
        collection = self.collection
        with self._store.snapshot() as snapshot:
            twin = snapshot.twin(snapshot.lane(self._name))
        if twin is None:
            raise MigrationError(f"Nothing stands beside {self._name!r}: the migration is over.", where=self._name)
        self._own_encoder()
        made = Trials(self._store, beside(self._name), base=collection._base, runtime=collection._runtime)  # noqa: SLF001 - of the facade
        made._stand = collection._stand_of(twin)  # noqa: SLF001 - so that a model is loaded once
        made.recall = collection.recall
        return made

    def _require_answering(self) -> None:
        """Load the model of the lane beside, and prove it: the first question finds it, and a name never leads where none is."""
        with self._store.snapshot() as snapshot:
            twin = snapshot.twin(snapshot.lane(self._name))
            state = stages.state_of(snapshot, self._name)
        if twin is not None and state is not None and state.stage in {"ready", "back"}:
            self._making_of(twin)

    def _own_encoder(self) -> None:
        """Let the new lane use the encoder that this migration was planned with, if it has no name."""
        if self._target is not None and not self._target.model:
            offer(self._store, self._target.making.encoder)

    def _making_of(self, lane: Lane) -> Making:
        return self.collection._making_of(lane)  # noqa: SLF001 - of the facade

    def _state(self) -> stages.MigrationState | None:
        with self._store.snapshot() as snapshot:
            return stages.state_of(snapshot, self._name)

    def _required_state(self, *names: str) -> stages.MigrationState:
        return stages.require_state(self._state(), self._name, *names)

    def _required_status(self) -> MigrationStatus:
        found = self.status()
        if found is None:
            raise MigrationError(f"Collection {self._name!r} is not being migrated.", where=self._name)
        return found

    def _required_target(self) -> Target:
        if self._target is None:
            raise MigrationError(
                f"The migration of {self._name!r} was begun already; its plan is in its status.", where=self._name
            )
        return self._target


def _read(judged: Asked) -> Judged:
    if isinstance(judged, Judged):
        return judged
    if not isinstance(judged, str | Path):
        raise DtypeError(
            f"judged must be Judged, or the path of a file or folder, got {type(judged).__name__}.",
            expected="Judged or path",
            got=type(judged).__name__,
            where="judged",
        )
    return read_judged(judged)


def _is_derived(target: Target, former: Space) -> bool:
    """Return whether the vectors are made of those that are stored."""
    space = target.making.encoder.space
    same = {
        "weights",
        "architecture",
        "tokenizer",
        "pooling",
        "query_prompt",
        "document_prompt",
        "max_tokens",
        "overflow",
    }
    return space.dim < former.dim and not same & set(former.diff(space))


def _positive(value: Any, name: str, *, zero: bool = False) -> float:  # noqa: ANN401 - checked here
    is_number = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    if not is_number or not (value > 0 or (zero and value == 0)):
        allowed = f"a finite number {'>= 0' if zero else '> 0'}"
        raise RangeError(f"{name} must be {allowed}, got {value!r}.", expected=allowed, got=value, where=name)
    return float(value)


def _share(value: Any) -> float:  # noqa: ANN401 - checked here
    checked = _positive(value, "share")
    if checked > 1:
        raise RangeError(f"share must be above 0 and at most 1, got {value!r}.", expected="0 < share <= 1", got=value)
    return checked
