"""Who is at work at a place, so that nobody sweeps away pieces that a snapshot under way relies on.

Snapshots only add, so any number may run at once. A sweep deletes what no manifest names, and a snapshot that
has not written its manifest yet may rely on exactly that. So each writes a lease first and looks for the other's
second: of two that begin at once, at least one sees the other and stands back.
A lease is renewed while its work goes on; one that has grown old belongs to a process that died.
Ages are told by the place's own clock: it stamps the lease that was written just now as it stamps everything else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from vicinal.errors import LockedError, VicinalError
from vicinal.lifecycle.snapshots.place import Place

LEASES = "leases"
LEASE_S = 3600.0
"""A lease that was not renewed for so long has no owner."""
RENEW_S = 300.0

Kind = Literal["snapshot", "sweep"]
OTHER: dict[Kind, Kind] = {"snapshot": "sweep", "sweep": "snapshot"}


class Lease:
    """The sign of one piece of work. Made by ``held``.

    ``began_at`` is when the work began, by the place's clock.
    """

    def __init__(self, place: Place, kind: Kind) -> None:
        self.began_at = time.time()
        self.name = f"{LEASES}/{kind}-{secrets.token_hex(8)}"
        self._place = place
        self._renewed_at = time.monotonic()
        self._write()

    def _write(self) -> None:
        now = time.monotonic()
        self._place.put(self.name, b"")
        self._renewed_at = now

    def renew(self) -> None:
        """Say that the work goes on, if that was not said lately.

        Raises
        ------
        LockedError
            It was not said for so long that others may have taken the work for dead.
        """
        silent_s = time.monotonic() - self._renewed_at
        if silent_s > LEASE_S / 2:
            raise LockedError(
                f"The work at {self._place.url} stood still for {silent_s:.0f} s, and a sweep may have begun meanwhile. "
                "Run it again: what is there already is not sent twice.",
                where=self._place.url,
            )
        if silent_s > RENEW_S:
            self._write()

    def end(self) -> None:
        """Take the sign away."""
        self._place.delete(self.name)


@contextmanager
def held(place: Place, kind: Kind, *, grace_s: float = LEASE_S) -> Iterator[Lease]:
    """Hold a lease while the block runs.

    Parameters
    ----------
    place : Place
        Where.
    kind : {"snapshot", "sweep"}
        Any number of snapshots may run together, and so may sweeps; not one with the other.
    grace_s : float
        Leases of the other kind that are older are of the dead.

    Raises
    ------
    LockedError
        The other kind is at work.
    """
    lease = Lease(place, kind)
    try:
        listed = list(place.names(LEASES))
        lease.began_at = next((one.written_at for one in listed if one.name == lease.name), lease.began_at)
        for one in listed:
            if one.name.startswith(f"{LEASES}/{OTHER[kind]}-") and lease.began_at - one.written_at <= grace_s:
                raise _at_work(place, OTHER[kind], grace_s)
        yield lease
    finally:
        with suppress(VicinalError):  # it grows old by itself
            lease.end()


def _at_work(place: Place, kind: Kind, grace_s: float) -> LockedError:
    return LockedError(
        f"A {kind} is under way at {place.url}, or died there less than {grace_s / 3600:g} hours ago. Try again later.",
        got=kind,
        where=place.url,
    )


def remove_old(place: Place, lease: Lease, *, grace_s: float) -> None:
    """Remove the leases of the dead."""
    for one in list(place.names(LEASES)):
        if lease.began_at - one.written_at > grace_s:
            place.delete(one.name)
