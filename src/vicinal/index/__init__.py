"""Vectors to neighbours.

Step: 6 of 11, after store.
Takes: float32 vectors (N, D) of one space, in parts, and queries of the same space.
Gives: rows and scores of the nearest to each query, as ``Neighbors``.
Never: touches text, files or models.
"""

from vicinal.index.exact import ExactIndex

__all__ = ["ExactIndex"]
