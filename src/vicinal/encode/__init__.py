"""Text becomes vectors of one space.

Step: 4 of 11, encode.
Takes: texts in a role, query or document.
Gives: float32 vectors (N, D) with their space, one for each text, in the order of the texts.
Never: cuts a text in silence, lets a vector depend on its neighbours in the call, or writes to disk.
"""

from vicinal.encode.cache import uncached
from vicinal.encode.encoder import TextEncoder
from vicinal.encode.function import FunctionEncoder
from vicinal.encode.loading import cached, load, load_for, name_of, projections_of, usage_of
from vicinal.encode.providers import is_provider
from vicinal.encode.shrink import (
    Codes,
    Projection,
    apply,
    cut_vectors,
    fit_common,
    fit_pca,
    project,
    quantize,
    random_rotation,
)
from vicinal.encode.standing_in import made_in, stand_in

__all__ = [
    "Codes",
    "FunctionEncoder",
    "Projection",
    "TextEncoder",
    "apply",
    "cached",
    "cut_vectors",
    "fit_common",
    "fit_pca",
    "is_provider",
    "load",
    "load_for",
    "made_in",
    "name_of",
    "project",
    "projections_of",
    "quantize",
    "random_rotation",
    "stand_in",
    "uncached",
    "usage_of",
]
