"""For tests, ours and yours: an encoder whose vectors one can work out on paper, and what every part must do.

``check_encoder`` and ``check_index`` run the contract of an encoder and of an index; ``ENCODER_CHECKS`` and
``INDEX_CHECKS`` are its checks one by one, for a test each.

Step: none; beside the stages.
Takes: an encoder, or what makes an index.
Gives: nothing, or an AssertionError that says what breaks the contract.
Never: is used by the program itself.
"""

from vicinal.testing.encoder import ENCODER_CHECKS, STRANGE_TEXTS, TEXTS, TOLERANCE, TOY_DIM, ToyEncoder, check_encoder
from vicinal.testing.index import INDEX_CHECKS, MakeIndex, SearchableIndex, check_index

__all__ = [
    "ENCODER_CHECKS",
    "INDEX_CHECKS",
    "STRANGE_TEXTS",
    "TEXTS",
    "TOLERANCE",
    "TOY_DIM",
    "MakeIndex",
    "SearchableIndex",
    "ToyEncoder",
    "check_encoder",
    "check_index",
]
