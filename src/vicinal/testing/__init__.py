"""For tests, ours and yours: an encoder whose vectors one can work out on paper, and what every part must do.

``check_encoder``, ``check_index`` and ``check_store`` run the contract of an encoder, of an index and of a store;
``ENCODER_CHECKS``, ``INDEX_CHECKS`` and ``STORE_CHECKS`` are its checks one by one, for a test each.

Step: none; beside the stages.
Takes: an encoder, what makes an index, or what opens a store.
Gives: nothing, or an AssertionError that says what breaks the contract.
Never: is used by the program itself.
"""

from vicinal.testing.encoder import ENCODER_CHECKS, STRANGE_TEXTS, TEXTS, TOLERANCE, TOY_DIM, ToyEncoder, check_encoder
from vicinal.testing.index import INDEX_CHECKS, MakeIndex, SearchableIndex, check_index
from vicinal.testing.store import STORE_CHECKS, STORE_NEEDS, OpenStore, WritableStore, check_store

__all__ = [
    "ENCODER_CHECKS",
    "INDEX_CHECKS",
    "STORE_CHECKS",
    "STORE_NEEDS",
    "STRANGE_TEXTS",
    "TEXTS",
    "TOLERANCE",
    "TOY_DIM",
    "MakeIndex",
    "OpenStore",
    "SearchableIndex",
    "ToyEncoder",
    "WritableStore",
    "check_encoder",
    "check_index",
    "check_store",
]
