"""A name becomes a network that runs, and is what its pin says it is.

Step: 3 of 11, models.
Takes: a name, or a folder in the hub's layout.
Gives: a pin (digests), the verified files, and a network from token ids to token vectors.
Never: runs code out of a model file, uses a file that it has not verified, or asks the network when told not to.
"""

from vicinal.models.catalogue import ModelStatus, info, known, pull, verify
from vicinal.models.digests import derived_digest
from vicinal.models.names import get
from vicinal.models.network import Network
from vicinal.models.pins import CONFIG, TOKENIZER, WEIGHTS, Pin
from vicinal.models.runtimes import DEFAULT as DEFAULT_RUNTIME
from vicinal.models.runtimes import RuntimeStatus
from vicinal.models.runtimes import known as known_runtimes
from vicinal.models.safetensors import read_arrays
from vicinal.models.settings import read_json
from vicinal.models.sources import FileCheck, Found, find

__all__ = [
    "CONFIG",
    "DEFAULT_RUNTIME",
    "TOKENIZER",
    "WEIGHTS",
    "FileCheck",
    "Found",
    "ModelStatus",
    "Network",
    "Pin",
    "RuntimeStatus",
    "derived_digest",
    "find",
    "get",
    "info",
    "known",
    "known_runtimes",
    "pull",
    "read_arrays",
    "read_json",
    "verify",
]
