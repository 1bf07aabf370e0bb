"""The store against a dictionary: any sequence of writes, deletes, failures and reopenings leaves the same contents."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from store_worlds import contents, put, records, vectors
from vicinal.store import Store

NAMES = st.lists(st.integers(0, 12), min_size=1, max_size=5, unique=True)


class StoreAsDictionary(RuleBasedStateMachine):
    """Each rule changes the store and a dictionary alike."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "db"
        self.store = Store.open(self.folder)
        self.model: dict[str, tuple[str, bytes]] = {}
        self.version = 0
        put(self.store, [])

    @rule(names=NAMES, spans=st.integers(0, 3))
    def upsert(self, names: list[int], spans: int) -> None:
        """Records are written over."""
        self.version += 1
        new = records(names, spans=spans, version=self.version)
        put(self.store, new, self.version)
        made = np.asarray(vectors(len(new) * spans, self.version))
        for place, one in enumerate(new):
            raw = made[place * spans : (place + 1) * spans].tobytes()
            self.model.pop(one.id, None)
            if spans:
                self.model[one.id] = (one.text, raw)

    @rule(names=NAMES)
    def delete(self, names: list[int]) -> None:
        """Records go."""
        with self.store.write() as transaction:
            transaction.delete(transaction.lane("main"), [f"r{name}" for name in names])
        for name in names:
            self.model.pop(f"r{name}", None)

    @rule(names=NAMES)
    def fail(self, names: list[int]) -> None:
        """A write that raises in its last moment does nothing."""
        with suppress(RuntimeError), self.store.write() as transaction:
            lane = transaction.lane("main")
            transaction.put(lane, records(names, version=-1), vectors(2 * len(names)), replace_existing=True)
            raise RuntimeError

    @rule()
    def reopen(self) -> None:
        """Closing and opening changes nothing."""
        self.store.close()
        self.store = Store.open(self.folder)

    @invariant()
    def same_as_the_dictionary(self) -> None:
        """What is read is what was written."""
        assert contents(self.folder) == self.model

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.close()
        shutil.rmtree(self.folder.parent)


TestStoreAsDictionary = StoreAsDictionary.TestCase
TestStoreAsDictionary.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
