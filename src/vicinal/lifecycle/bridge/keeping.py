"""A fitted bridge in the database, beside the new collection: it goes with it, and a new one takes its place."""

from __future__ import annotations

import base64
import binascii

import numpy as np

from vicinal.errors import InputError
from vicinal.lifecycle.bridge.fitting import Fitted
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Transaction

BRIDGE = "bridge"
"""What the setting of a bridge is called, before the number of the old collection."""


def bridge_setting(new: Lane, old: Lane) -> str:
    """Return the name under which the database keeps the bridge between two collections; it goes with the new one."""
    return f"collection {new.collection} {BRIDGE} {old.collection}"


def keep(transaction: Transaction, new: Lane, old: Lane, fitted: Fitted) -> None:
    """Keep a bridge, in place of the one there was.

    Parameters
    ----------
    transaction : Transaction
        The one that makes the new collection, or a later one.
    new, old : Lane
        Of both collections.
    fitted : Fitted
        From the space of the one to that of the other.

    Raises
    ------
    SpaceMismatchError
        It leads elsewhere.

    Notes
    -----
    A row of ``settings`` under the checksum of all rows, and a digest of its own in the bytes: 0.5 MB for 384 to 256.
    """
    fitted.cross(Vectors(np.empty((0, new.space.dim), dtype=np.float32), new.space), old.space)  # refuses other spaces
    content = base64.b64encode(fitted.to_bytes()).decode("ascii")
    transaction.put_setting(bridge_setting(new, old), content)


def kept(snapshot: Snapshot, new: Lane, old: Lane) -> Fitted | None:
    """Return the bridge that is kept between two collections, None where there is none or it is of other spaces.

    Raises
    ------
    InputError, CorruptStoreError
        It is damaged.
    """
    text = snapshot.setting(bridge_setting(new, old))
    if text is None:
        return None
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("The bridge is damaged. Fit it again: fit_pairs().", where="bridge") from error
    fitted = Fitted.from_bytes(content)
    return fitted if (fitted.new, fitted.old) == (new.space.id, old.space.id) else None
