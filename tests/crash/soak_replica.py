"""Replicas killed at random under write load: in tests/, ``python -m crash.soak_replica [trials] [seed]`` tells how each ended.

In each trial a process writes to a primary as fast as it can, commits of every kind. Beside it a replica follows,
is killed at a random moment, and started again, many times; the writer is killed sometimes as well.
Meanwhile a third process reads the replica: what it sees must be a commit of the primary.
In the end the writer stops, the replica takes a last step, and both must have the same digest.

Every commit writes one record, ``clock``, that tells how many records the collection has by then and the sum of their
versions: a reader that finds other figures than ``clock`` tells has seen half of a commit.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from store_worlds import SPACE, records
from vicinal.errors import DatabaseNotFoundError
from vicinal.lifecycle.replica import Replica, digest
from vicinal.lifecycle.replica.replica import SEEN_NAME
from vicinal.space import Vectors
from vicinal.store import Lane, NewRecord, Snapshot, Store, Transaction

NAMES = 60
"""Ids that come and go."""
LIFE_S = 0.2
"""How long a replica lives at most after its first step; one in four is killed within that time of its start."""
FIRST_STEP_S = 30.0
COLLECTIONS = ("main", "main", "main", "other")


@dataclass(frozen=True)
class Trial:
    """How a trial ended.

    ``applied`` is the primary's last commit, ``steps`` the commits of the replica, ``read`` how often the reader looked.
    """

    same: bool
    kills: int
    applied: int
    steps: int
    read: int


def vectors(count: int, seed: int) -> Vectors:
    """Return random vectors."""
    return Vectors(np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32), SPACE)


Held = dict[str, dict[str, int]]
"""What a writer knows of its primary: collection → id → version."""


def held_by(store: Store) -> Held:
    """Return what a primary holds, the clocks left out."""
    with store.snapshot() as snapshot:
        lanes = [snapshot.lane(name) for name in snapshot.collection_names()]
        return {
            lane.name: {
                one.id: one.fields["version"]
                for change in snapshot.changes(lane, 0)
                for one in change.records
                if one.id != "clock"
            }
            for lane in lanes
        }


def commit(store: Store, chance: random.Random, version: int, held: Held) -> None:
    """Write one commit of some kind, with the clock of its collection."""
    name = chance.choice(COLLECTIONS)
    names = sorted({chance.randrange(NAMES) for _ in range(chance.randrange(1, 12))})
    ids = [f"r{one}" for one in names]
    kind = chance.choice(["put"] * 6 + ["delete"] * 2 + ["fields", "drop"])
    if kind == "drop" and name in held and name != "main":
        with store.write() as transaction:
            transaction.drop_collection(name)
        del held[name]
        return
    after = dict(held.get(name, {}))
    with store.write() as transaction:
        if name not in held:
            transaction.create_collection(name, model="m", space=SPACE, chunker="c")
        lane = transaction.lane(name)
        if kind == "delete":
            transaction.delete(lane, ids)
            after = {record_id: one for record_id, one in after.items() if record_id not in ids}
        elif kind == "fields":
            transaction.set_fields(lane, {record_id: {"version": version} for record_id in ids})
            after |= {record_id: version for record_id in ids if record_id in after}
        else:
            new = records(names, spans=chance.randrange(4), version=version)
            put(transaction, lane, [replace(one, fields={"version": version}) for one in new], version)
            after |= dict.fromkeys(ids, version)
        told = {"records": len(after), "versions": sum(after.values())}
        one = NewRecord(id="clock", text="", fields=told, spans=(), chunker="c", text_digest="", fields_digest="")
        put(transaction, lane, [one], version)
    held[name] = after


def put(transaction: Transaction, lane: Lane, new: list[NewRecord], seed: int) -> None:
    """Write records with random vectors."""
    made = vectors(sum(len(one.spans) for one in new), seed)
    transaction.put(lane, new, made, replace_existing=True)


def require_whole(snapshot: Snapshot) -> None:
    """Compare each collection with its clock."""
    for name in snapshot.collection_names():
        lane = snapshot.lane(name)
        told, found, versions = None, 0, 0
        for change in snapshot.changes(lane, 0):
            for one in change.records:
                if one.id == "clock":
                    told = dict(one.fields)
                else:
                    found, versions = found + 1, versions + int(one.fields["version"])
        assert told == {"records": found, "versions": versions}, f"half of a commit: {told}, {found}, {versions}"


def in_a_process(work: Callable[[], None]) -> int:
    """Run something in a process of its own and return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - told by the exit status
        traceback.print_exc()
    finally:
        os._exit(status)


def write(folder: Path, stop: Path, seed: int) -> None:
    """Write commits until there is a file that says stop."""
    chance = random.Random(seed)
    with closing(Store.open(folder)) as store:
        held = held_by(store)
        while not stop.exists():
            commit(store, chance, chance.randrange(1 << 30), held)


def follow(folder: Path, primary: Path) -> None:
    """Follow for ever."""
    with Replica.open(folder, primary) as one:
        one.follow(poll_s=0.001)


def read(folder: Path, stop: Path, count: Path) -> None:
    """Look at the replica again and again; leave behind how often."""
    looked = 0
    while not stop.exists():
        try:
            store = Store.open(folder, create=False, read_only=True)
        except DatabaseNotFoundError:
            time.sleep(0.001)
            continue
        with closing(store):
            for _ in range(20):
                with store.snapshot() as snapshot:
                    require_whole(snapshot)
                looked += 1
    count.write_text(str(looked))


def end(child: int) -> None:
    """Wait for a process that must end well."""
    _, status = os.waitpid(child, 0)
    assert status == 0, f"process {child} ended with {status}"


def kill(child: int) -> None:
    """Kill a process; one that has ended by itself did so with an error."""
    done, status = os.waitpid(child, os.WNOHANG)
    assert not done, f"process {child} ended by itself with {status}"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def wait_for_a_step(seen: Path) -> None:
    """Return when the replica has made a step."""
    before = seen.stat().st_mtime if seen.exists() else 0.0
    until = time.monotonic() + FIRST_STEP_S
    while not seen.exists() or seen.stat().st_mtime == before:
        assert time.monotonic() < until, "the replica makes no step"
        time.sleep(0.002)


def trial(world: Path, seed: int, *, kills: int) -> Trial:
    """Run one trial in an empty folder."""
    chance = random.Random(seed)
    primary, replica, stop, count = (world / name for name in ("primary", "replica", "stop", "count"))
    with closing(Store.open(primary)) as store:
        commit(store, random.Random(seed), 1, {})
    writer = in_a_process(lambda: write(primary, stop, seed))
    reader = in_a_process(lambda: read(replica, stop, count))
    for turn in range(kills):
        follower = in_a_process(lambda: follow(replica, primary))
        if chance.random() < 0.75:
            wait_for_a_step(replica / SEEN_NAME)
        time.sleep(chance.random() * LIFE_S)
        kill(follower)
        if chance.random() < 0.2:
            kill(writer)
            turn_seed = seed * 1000 + turn
            writer = in_a_process(lambda turn_seed=turn_seed: write(primary, stop, turn_seed))
    stop.touch()
    end(writer)
    end(reader)
    with Replica.open(replica, primary) as one:
        one.step()
        one.store.check()
        status = one.status()
        with closing(Store.open(primary)) as store, store.snapshot() as truth, one.store.snapshot() as copy:
            require_whole(copy)
            same = digest(truth) == digest(copy) and status.lag == 0
            steps = copy.sequence
    return Trial(same=same, kills=kills, applied=status.applied, steps=steps, read=int(count.read_text()))


def main(trials: int = 100, seed: int = 1) -> None:
    """Run trials and print how each ended; stop at the first that does not converge."""
    shared = Path("/dev/shm")
    for number in range(trials):
        with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
            done = trial(Path(folder), seed + number, kills=12)
        sys.stdout.write(f"{number + 1}: {done}\n")
        sys.stdout.flush()
        if not done.same:
            sys.exit(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
