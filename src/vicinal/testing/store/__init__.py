"""What every store must do, embedded or on a server: one suite that holds them all to the same word.

Step: none; beside the stages.
Takes: what opens a store.
Gives: nothing, or an AssertionError that says what breaks the contract.
Never: knows how a store keeps what it is given.
"""

from vicinal.testing.store.protocol import CAPABILITIES, OpenStore, StoreReads, StoreWrites, WritableStore
from vicinal.testing.store.suite import STORE_CHECKS, STORE_NEEDS, StoreCheck, check_store, declared
from vicinal.testing.store.worlds import GivenRecord

__all__ = [
    "CAPABILITIES",
    "STORE_CHECKS",
    "STORE_NEEDS",
    "GivenRecord",
    "OpenStore",
    "StoreCheck",
    "StoreReads",
    "StoreWrites",
    "WritableStore",
    "check_store",
    "declared",
]
