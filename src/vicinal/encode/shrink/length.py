"""Vectors at unit length, where they have a direction at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats


def unit_or_zero(array: NDArray[np.floating]) -> Floats:
    """Return the rows at unit length; a row of zeros stays one.

    Parameters
    ----------
    array : float array of shape (N, D)
        Finite. Any range: each row is brought to a largest component of 1 before it is squared.

    Returns
    -------
    float32 array of shape (N, D)
        Computed in float64, so that a row does not depend on the others, not in its last bit.
    """
    wide = np.asarray(array, dtype=np.float64)
    if not wide.size:
        return wide.astype(np.float32)
    largest = np.abs(wide).max(axis=1, keepdims=True)
    scaled = np.divide(wide, largest, out=np.zeros_like(wide), where=largest > 0)
    norms = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
    units = np.divide(scaled, norms, out=scaled, where=norms > 0)
    return np.asarray(units, dtype=np.float32)
