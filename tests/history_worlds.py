"""A store and a plain model of each of its commits: what a collection held then, and what may be done to it at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store_worlds import SPACE
from vicinal.errors import CommitNotFoundError
from vicinal.space import Vectors
from vicinal.store import NewRecord, Store, rows_of
from vicinal.store.history.past import Past, state_at
from vicinal.testing.store.worlds import Kept, read

DAY_S = 86_400
NAMES = [f"r{number}" for number in range(24)]


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Let files, groups and steps of compaction be small, so that there are many of each."""
    patch.setattr("vicinal.store.rows.SEGMENT_ROWS", 16)
    patch.setattr("vicinal.store.compaction.STEP_ROWS", 5)
    patch.setattr("vicinal.store.record.GROUP_CHARS", 300)


@dataclass
class World:
    """A store, what each commit of it held, and the clock that it sees."""

    folder: Path
    store: Store
    now: float = 1_000_000.0
    contents: dict[str, Kept] = field(default_factory=dict)
    states: dict[int, dict[str, Kept]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    version: int = 0

    def remember(self) -> None:
        """Note what the new commits held: only a compaction makes several, and it changes nothing."""
        with self.store.snapshot() as snapshot:
            for sequence in range(max(self.states, default=0) + 1, snapshot.sequence + 1):
                self.states[sequence] = dict(self.contents)
                self.times[sequence] = self.now


def new_records(world: World, chance: random.Random, names: list[str]) -> tuple[list[NewRecord], Vectors]:
    """Return records with texts of this version, some without chunks, and random vectors."""
    made = []
    for name in names:
        world.version += 1
        spans = chance.choice((0, 1, 1, 2, 3))
        made.append(
            NewRecord(
                id=name,
                text=f"record {name} in version {world.version}",
                source=f"{name}.txt",
                fields={"version": world.version, name: True},
                spans=tuple((place, place + 5) for place in range(spans)),
                chunker="c",
                origin=chance.choice(("", f"{name}.txt")),
                text_digest=f"t{world.version}",
                fields_digest=f"f{world.version}",
                cut_chunks=min(spans, chance.choice((0, 0, 1))),
            )
        )
    count = sum(len(one.spans) for one in made)
    rows = np.random.default_rng(world.version).standard_normal((count, 8)).astype(np.float32)
    return made, Vectors(rows, SPACE)


def kept_of(one: NewRecord, vectors: np.ndarray) -> Kept:
    """Return what must be read of a record."""
    return Kept(
        text=one.text,
        source=one.source,
        fields=repr(sorted(one.fields.items())),
        spans=one.spans,
        vectors=vectors.tobytes(),
        ledger=(one.origin, one.text_digest, one.fields_digest, one.chunker, SPACE.id, one.cut_chunks),
    )


def write(world: World, chance: random.Random) -> None:
    """Write some records, or write them over."""
    write_all(world, chance.sample(NAMES, chance.randint(1, 5)), chance)


def write_all(world: World, names: Sequence[str], chance: random.Random | None = None) -> None:
    """Write records of some names."""
    made, vectors = new_records(world, chance or random.Random(0), list(names))
    with world.store.write() as transaction:
        transaction.put(transaction.lane("main"), made, vectors, replace_existing=True)
    first = 0
    for one in made:
        world.contents[one.id] = kept_of(one, np.asarray(vectors)[first : first + len(one.spans)])
        first += len(one.spans)


def delete(world: World, chance: random.Random) -> None:
    """Delete some records."""
    names = chance.sample(NAMES, chance.randint(1, 4))
    with world.store.write() as transaction:
        transaction.delete(transaction.lane("main"), names)
    for name in names:
        world.contents.pop(name, None)


def set_fields(world: World, chance: random.Random) -> None:
    """Give some records other fields, in place; sometimes twice in one commit."""
    names = chance.sample(NAMES, chance.randint(1, 6))
    with world.store.write() as transaction:
        for _ in range(chance.choice((1, 1, 2))):
            world.version += 1
            fields: dict[str, Any] = {"set": world.version}
            transaction.set_fields(transaction.lane("main"), dict.fromkeys(names, fields), merge=False)
    for name in names:
        if name in world.contents:
            world.contents[name] = replace(world.contents[name], fields=repr(sorted(fields.items())))


def relabel(world: World, chance: random.Random) -> None:
    """Give a record another source and origin, in place."""
    living = sorted(world.contents)
    if not living:
        return
    name = chance.choice(living)
    made, _ = new_records(world, chance, [name])
    with world.store.write() as transaction:
        transaction.relabel(transaction.lane("main"), made)
    told, new = world.contents[name], kept_of(made[0], np.zeros(0))
    ledger = (new.ledger[0], told.ledger[1], new.ledger[2], *told.ledger[3:])
    world.contents[name] = replace(told, source=new.source, fields=new.fields, ledger=ledger)


def at_once(world: World, chance: random.Random) -> None:
    """Delete, write, change and delete again in one commit."""
    with world.store.write() as transaction:
        lane = transaction.lane("main")
        first, second = chance.sample(NAMES, 2)
        transaction.delete(lane, [first, second])
        made, vectors = new_records(world, chance, [first, second])
        transaction.put(transaction.lane("main"), made, vectors, replace_existing=False)
        transaction.set_fields(transaction.lane("main"), {first: {"at once": 1}}, merge=False)
        transaction.delete(transaction.lane("main"), [second])
    world.contents.pop(second, None)
    made_first = replace(made[0], fields={"at once": 1})
    world.contents[first] = kept_of(made_first, np.asarray(vectors)[: len(made_first.spans)])


def elsewhere(world: World, _: random.Random) -> None:
    """Write a commit that has nothing to do with the collection."""
    with world.store.write() as transaction:
        transaction.put_setting("a setting", str(world.version))


def compact(world: World, chance: random.Random) -> None:
    """Rewrite what is sparse, with anything dead or with much."""
    world.store.compact("main", sparse=chance.choice((0.01, 0.3, 0.6)))


def sleep(world: World, chance: random.Random) -> None:
    """Let time go by."""
    world.now += chance.choice((600, DAY_S, 2 * DAY_S))


def reopen(world: World, _: random.Random) -> None:
    """Close the store and open it again."""
    world.store.close()
    world.store = Store.open(world.folder)


def keep(world: World, chance: random.Random) -> None:
    """Keep a history, of another length, or none."""
    with world.store.write() as transaction:
        transaction.keep_history(chance.choice((0, 1, 3, 3, 30)))


ACTIONS = (
    (write, 8),
    (delete, 4),
    (set_fields, 5),
    (relabel, 2),
    (at_once, 2),
    (elsewhere, 1),
    (compact, 3),
    (sleep, 2),
    (reopen, 1),
    (keep, 1),
)


def begun(folder: Path, patch: pytest.MonkeyPatch, *, days: float) -> World:
    """Return a world with one empty collection and a clock of its own; its past is kept for some days, or with 0 not at all."""
    world = World(folder, Store.open(folder))
    patch.setattr("time.time", lambda: world.now)
    with world.store.write() as transaction:
        transaction.create_collection("main", model="m", space=SPACE, chunker="c")
        if days:
            transaction.keep_history(days)
    world.remember()
    return world


def step(world: World, chance: random.Random, *, keeps: bool = True) -> None:
    """Do one thing at random; ``keeps`` false leaves the setting of the history alone."""
    action = chance.choices([one for one, _ in ACTIONS], [weight for _, weight in ACTIONS])[0]
    world.now += chance.choice((0, 1))
    if keeps or action is not keep:
        action(world, chance)
    world.remember()


def require_told(world: World) -> int:
    """Require of every commit that it is told as it was, or refused outside of the window; return how many were told."""
    told = 0
    with world.store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        first = snapshot.first_told(lane)
    assert first in world.states
    for sequence, contents in world.states.items():
        if sequence < first:
            with pytest.raises(CommitNotFoundError, match=f"commits {first} to "), world.store.snapshot() as snapshot:
                state_at(snapshot, snapshot.lane("main"), sequence)
            continue
        with world.store.snapshot() as snapshot:
            past = Past(snapshot, state_at(snapshot, snapshot.lane("main"), sequence))
            assert read(past) == contents
            lane = past.lane("main")
            spans = sum(len(one.spans) for one in contents.values())
            cut = [one.ledger[5] for one in contents.values() if one.ledger[5]]
            assert (lane.records, lane.rows) == (len(contents), spans)
            assert (lane.cut_records, lane.cut_chunks) == (len(cut), sum(cut))
            chunks = past.chunks_at(lane, rows_of(past.alive(lane)).tolist())
            assert len(chunks) == spans
            fields = {one.record.id: repr(sorted(one.record.fields.items())) for one in chunks.values()}
            assert fields == {name: one.fields for name, one in contents.items() if one.spans}
            assert all(past.has(lane, name) == (name in contents) for name in NAMES)
            told += 1
    return told


def require_listed(world: World) -> None:
    """Require of the list of commits that it adds up, and of the times that each leads to what held then."""
    with world.store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        first, begun = snapshot.first_told(lane), snapshot.begun(lane)
        commits = list(snapshot.commits(lane))
        assert [one.sequence for one in commits] == sorted({one.sequence for one in commits})
        assert all(first <= one.sequence <= snapshot.sequence for one in commits)
        if begun is None:
            assert snapshot.commit_at(lane, world.now) is None
            return
        for one in commits:
            if one.sequence > max(first, begun.noted):
                before = world.states[max(each for each in world.states if each < one.sequence)]
                after = world.states[one.sequence]
                assert one.time == world.times[one.sequence]
                assert one.added - one.removed == len(after) - len(before)
                assert one.added >= len(set(after) - set(before))
        for moment in {*world.times.values()}:
            found = snapshot.commit_at(lane, moment)
            assert (found is None) == (moment < begun.time)
            if found is not None and found >= first:
                held = max(each for each in world.times if world.times[each] <= moment)
                assert world.states[held] == world.states[found]
