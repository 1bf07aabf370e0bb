"""Records, vectors and the ledger on disk, with one commit point.

Step: 5 of 11, after encode.
Takes: records with their chunks and vectors of one space.
Gives: durable writes, and snapshots that read records, mapped vectors, live rows, the ledger, and what changed since a commit.
Never: encodes, searches, or shows half of a write.
"""

from vicinal.store.bits import cleared, mask_of, rows_of
from vicinal.store.catalog import BESIDE, Lane, Probe, beside
from vicinal.store.check import check_everything
from vicinal.store.compaction import SPARSE, Compacted, SegmentUse, compactable, use_of
from vicinal.store.feed import SWAPPED, Change, Deletion
from vicinal.store.record import Form, NewRecord
from vicinal.store.snapshot import LaneView, LedgerEntry, Snapshot, StoredChunk, StoredRecord
from vicinal.store.store import Store
from vicinal.store.transaction import Transaction

__all__ = [
    "BESIDE",
    "SPARSE",
    "SWAPPED",
    "Change",
    "Compacted",
    "Deletion",
    "Form",
    "Lane",
    "LaneView",
    "LedgerEntry",
    "NewRecord",
    "Probe",
    "SegmentUse",
    "Snapshot",
    "Store",
    "StoredChunk",
    "StoredRecord",
    "Transaction",
    "beside",
    "check_everything",
    "cleared",
    "compactable",
    "mask_of",
    "rows_of",
    "use_of",
]
