"""Records, vectors and the ledger on disk, with one commit point.

Step: 5 of 11, after encode.
Takes: records with their chunks and vectors of one space.
Gives: durable writes, and snapshots that read records, mapped vectors, live rows and the ledger.
Never: encodes, searches, or shows half of a write.
"""

from vicinal.store.check import check_everything
from vicinal.store.snapshot import Lane, LaneView, LedgerEntry, Probe, Snapshot
from vicinal.store.store import Store
from vicinal.store.transaction import NewRecord, Transaction

__all__ = [
    "Lane",
    "LaneView",
    "LedgerEntry",
    "NewRecord",
    "Probe",
    "Snapshot",
    "Store",
    "Transaction",
    "check_everything",
]
