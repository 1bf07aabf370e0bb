"""Snapshots of databases at another place: what is there, whether it is whole, and databases made of it again.

``Database.snapshot`` takes one. A place is a folder, or the URL of an object store.

>>> from vicinal import snapshots
>>> with vicinal.open("notes.vicinal") as db:
...     taken = db.snapshot("backup")
>>> snapshots.restore("backup", "restored.vicinal").sequence == taken.sequence
True
"""

from __future__ import annotations

from vicinal.lifecycle.snapshots import Pruned, StoredSnapshot, Taken, Verified, prune, restore, verify
from vicinal.lifecycle.snapshots import snapshots as at

__all__ = ["Pruned", "StoredSnapshot", "Taken", "Verified", "at", "prune", "restore", "verify"]
