"""Vectors to neighbours.

Step: 6 of 11, after store.
Takes: float32 vectors (N, D) of one space, in parts, and queries of the same space.
Gives: rows and scores of the nearest to each query, as ``Neighbors``; and derived files, published whole.
Never: touches text or models, or holds anything that cannot be made again from the vectors.
"""

from vicinal.index import generation
from vicinal.index.calibration import Calibration
from vicinal.index.exact import ExactIndex
from vicinal.index.funnel import FunnelIndex

__all__ = ["Calibration", "ExactIndex", "FunnelIndex", "generation"]
