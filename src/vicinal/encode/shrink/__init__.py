"""Fewer numbers for a vector, or fewer bits for a number: behind any encoder, or on stored vectors.

Step: 4 of 11, encode, behind the model.
Takes: an encoder of one space, or Vectors of it.
Gives: an encoder of another space with fewer dimensions, or codes that stand for the vectors.
Never: gives a shorter vector under the old identity, or shortens without saying what it costs.
"""

from vicinal.encode.shrink.cut import Cost, cost, cut, cut_vectors
from vicinal.encode.shrink.projection import Projection, apply, fit_common, fit_pca, project, random_rotation
from vicinal.encode.shrink.quantize import Codes, quantize

__all__ = [
    "Codes",
    "Cost",
    "Projection",
    "apply",
    "cost",
    "cut",
    "cut_vectors",
    "fit_common",
    "fit_pca",
    "project",
    "quantize",
    "random_rotation",
]
