"""Whether what is on disk is what was committed, and whether disk and memory have room for what comes."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from vicinal.errors import StoreError
from vicinal.lifecycle.doctor.check import RESTORE, Check, Limits, broken, judged
from vicinal.lifecycle.doctor.index import Served
from vicinal.store import Lane, Snapshot, Store

LEAST_BYTES = 100 << 20
"""Room that should be there whatever the size: the log and one index."""
HEADROOM = Limits(notice=2.0, alarm=1.0, below=True, source="compaction writes the database anew beside itself")
MEMORY = Limits(notice=0.5, alarm=0.9)
FREE = Limits(notice=0.5)
LEAST_FREE = 64 << 20


def room_of(folder: Path) -> int:
    """Return how many bytes are free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def memory_bytes() -> int:
    """Return how much memory this machine has, 0 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def check_files(store: Store) -> Check:
    """Return whether every row and every block match their checksums, and the ledger its records.

    Cost: one pass over the vectors and two over SQLite's file, about 1 GB/s.
    """
    try:
        store.check()
    except StoreError as error:
        return broken("files and ledger", "ledger", error, RESTORE)
    return Check(
        name="files and ledger",
        family="ledger",
        state="ok",
        told="Every row and every block match their checksums, and ids, origins and ledger the records.",
    )


def check_disk(store: Store, snapshot: Snapshot, lane: Lane) -> list[Check]:
    """Return whether there is room to go on, and what could be given back."""
    size, room = bytes_of(store.folder), room_of(store.folder)
    free, dead = snapshot.free_bytes(), snapshot.counts(lane)["dead_bytes"]
    idle = free + dead
    return [
        judged(
            "disk",
            "disk",
            room / max(size, LEAST_BYTES),
            HEADROOM,
            unit="times the database",
            told=f"The database has {_mib(size)} MiB, and {_mib(room)} MiB of the disk are free.",
            advice="Make room: compaction and the next index need as much again as the database has.",
            details={"bytes": size, "room_bytes": room},
        ),
        judged(
            "room within",
            "disk",
            idle / size if size and idle > LEAST_FREE else 0.0,
            FREE,
            told=f"{_mib(idle)} MiB within the database hold nothing that lives.",
            advice="vicinal compact gives it back.",
            details={"free_bytes": free, "dead_bytes": dead},
        ),
    ]


def check_memory(found: Served) -> Check:
    """Return whether the hot part of the index fits into memory."""
    info, memory = found.index.info(), memory_bytes()
    hot = int(info["hot_bytes"])
    return judged(
        "memory",
        "disk",
        hot / memory if memory else 0.0,
        MEMORY,
        told=f"The index keeps {_mib(hot)} MiB hot" + (f", of {_mib(memory)} MiB of memory." if memory else "."),
        advice="Searches will wait for the disk: take a machine with more memory, or fewer dimensions (vicinal frontier).",
        details={"hot_bytes": hot, "mapped_bytes": int(info["mapped_bytes"]), "memory_bytes": memory},
    )


def bytes_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; one that goes meanwhile counts nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(path) / name).stat().st_size
    return total


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.1f}"
