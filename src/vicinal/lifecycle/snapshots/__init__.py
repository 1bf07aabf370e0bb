"""Copies of a database at another place: consistent, incremental, and compared with their digests when they come back.

Step: 9 of 11, around store.
Takes: an open store and a place: a folder or an object store.
Gives: snapshots of commits there, and new databases made of them.
Never: blocks a writer, copies what can be derived, or shows a snapshot that is not whole.
"""

from vicinal.lifecycle.snapshots.manifest import EPOCH
from vicinal.lifecycle.snapshots.place import FolderPlace, Place, open_place
from vicinal.lifecycle.snapshots.prune import Pruned, prune
from vicinal.lifecycle.snapshots.restore import StoredSnapshot, Verified, restore, snapshots, verify
from vicinal.lifecycle.snapshots.take import Taken, take

__all__ = [
    "EPOCH",
    "FolderPlace",
    "Place",
    "Pruned",
    "StoredSnapshot",
    "Taken",
    "Verified",
    "open_place",
    "prune",
    "restore",
    "snapshots",
    "take",
    "verify",
]
