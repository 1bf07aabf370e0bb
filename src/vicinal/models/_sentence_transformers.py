"""sentence-transformers: a model that no network here knows, run by PyTorch on the processor in float32.

It reads a folder of links to the pinned files and sees nothing else: no file that no digest vouches for, no pickle,
no code, no network.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

with warnings.catch_warnings():  # its parts change the filters of the whole program at import
    import sentence_transformers
    import torch
    import transformers

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import EncodeError, ModelLoadError, UnsupportedError
from vicinal.models.pins import CONFIG
from vicinal.models.runtimes import Gives, Running
from vicinal.models.settings import read_json, read_json_if_there, read_json_value
from vicinal.models.sources import Found
from vicinal.types import Floats

MODULES = "modules.json"
OWN = "sentence_transformers."
SETTINGS = ("sentence_bert_config.json", "config_sentence_transformers.json")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
SAFE = ".safetensors"
ORIGIN = frozenset({"_name_or_path", "transformers_version", "torch_dtype", "dtype"})
"""Settings that change no vector: where the model came from, and the type it was stored in; float32 is used."""
UNUSED = "pooler."
"""Weights of a layer behind the token vectors: a checkpoint may lack them."""
VERSION = str(torch.__version__).partition("+")[0]


def start(found: Found, *, architecture: str = "", tokens: bool = True) -> Running:
    """Return a model, ready to run.

    Parameters
    ----------
    found : Found
        Verified files.
    architecture : str
        The line of the network where it is known here too: then the vectors are of the same space.
    tokens : bool
        Whether the token vectors are taken; else the whole pipeline runs, up to one vector for each text.

    Raises
    ------
    ModelLoadError
        The model needs code of its own, holds its weights in a pickle only or not at all, or is damaged.
    UnsupportedError
        It takes something else than tokens.
    """
    config = read_json(found.folder / CONFIG)
    modules = _modules(found)
    _require_code_known(config, found)
    _require_safe_weights(found)
    with _staged(found, modules, tokens=tokens) as folder, _quiet():
        model = _loaded(folder, found)
        _require_weights(model[0], folder, found)
    gives: Gives = "tokens" if tokens else "vectors"
    run = _Run(model[0] if tokens else model, "token_embeddings" if tokens else "sentence_embedding")
    kinds = ["Transformer"] if tokens else [_told(found, step) for step in modules]
    dim = _dim(run, gives, found)
    return Running(
        run=run,
        gives=gives,
        dim=dim,
        positions=found.pin.max_tokens,
        architecture=architecture
        or f"transformers {_model_type(config)} config={_digest(config)} modules={','.join(kinds)}",
        runtime=f"torch {VERSION} cpu fp32",
    )


class _Run:
    """Feeds a module and takes one of its features; a call runs in one thread."""

    def __init__(self, module: Any, feature: str) -> None:  # noqa: ANN401 - the library's
        self._module = module
        self._feature = feature

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        features = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        try:
            with _one_thread(), torch.inference_mode():
                return np.array(self._module(features)[self._feature].float().numpy(), dtype=np.float32)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise EncodeError(
                f"sentence-transformers failed on a batch of shape {ids.shape}: {_first_line(error)}"
            ) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch compute in the calling thread: batches run side by side already (0.2 µs a call).

    The number belongs to the calling thread and is put back.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _modules(found: Found) -> list[Mapping[str, Any]]:
    """Return the steps of the model, each of the library's own."""
    if MODULES not in found.pin.files:
        return []
    told = read_json_value(found.folder / MODULES)
    steps: list[Mapping[str, Any]] = [step for step in told if isinstance(step, dict)] if isinstance(told, list) else []
    foreign = [str(step.get("type")) for step in steps if not str(step.get("type")).startswith(OWN)]
    if foreign:
        raise _needs_code(found, ", ".join(foreign))
    first = str(steps[0].get("type")).rpartition(".")[2] if steps else ""
    if first != "Transformer":
        raise UnsupportedError(
            f"{found.pin.name} begins with the module {first or '(none)'}; texts are given as tokens to a Transformer only.",
            expected="Transformer",
            got=first,
            where=MODULES,
        )
    return steps


def _require_code_known(config: Mapping[str, Any], found: Found) -> None:
    """Refuse a kind of network that only the code of its repository knows."""
    kind = _model_type(config)
    if kind in transformers.CONFIG_MAPPING:
        return
    if "auto_map" in config:
        raise _needs_code(found, f"the kind {kind!r}")
    raise ModelLoadError(
        f"{found.pin.name} is of the kind {kind!r}, which transformers {transformers.__version__} does not know. "
        "Upgrade transformers, or take another model.",
        got=kind,
        where="model_type",
    )


def _needs_code(found: Found, what: str) -> ModelLoadError:
    return ModelLoadError(
        f"{found.pin.name} needs code from its own repository for {what} (trust_remote_code), and code out of a model "
        "is never run. Take a model made of known modules.",
        got=what,
        where=found.pin.name,
    )


def _require_safe_weights(found: Found) -> None:
    """Refuse a folder of the model that holds its weights in a pickle only, or the model without any."""
    folders = {str(Path(name).parent) for name in found.pin.files}
    for folder in sorted(folders):
        here = [path.name for path in (found.folder / folder).glob("*")]
        pickles = sorted(name for name in here if name.endswith(PICKLES))
        if not any(name.endswith(SAFE) for name in here) and (pickles or folder == "."):
            came = f"only in {pickles[0]}, a pickle, which could run code and is never read" if pickles else "nowhere"
            raise ModelLoadError(
                f"{found.folder / folder} holds its weights {came}. Save them as safetensors, or take a revision that has them.",
                expected=f"*{SAFE}",
                got=", ".join(pickles),
                where=str(found.folder / folder),
            )


@contextmanager
def _staged(found: Found, modules: list[Mapping[str, Any]], *, tokens: bool) -> Iterator[Path]:
    """Lend a folder with links to the pinned files; for token vectors without what comes behind the network."""
    inner = str(modules[0].get("path", "")) if modules else ""
    with tempfile.TemporaryDirectory(prefix="vicinal-") as name:
        folder = Path(name)
        for file in found.pin.files:
            behind = tokens and (file == MODULES or "/" in file) and not (inner and file.startswith(f"{inner}/"))
            if not behind and not file.endswith(PICKLES):
                target = folder / (file.removeprefix(f"{inner}/") if tokens and inner else file)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to((found.folder / file).resolve())
        yield folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries from drawing bars and from reporting on weights, which are checked here."""
    said: Any = transformers.utils.logging
    level, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    own = logging.getLogger("sentence_transformers")
    own_level = own.level
    said.set_verbosity_error()
    said.disable_progress_bar()
    own.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the libraries' own future
            yield
    finally:
        said.set_verbosity(level)
        own.setLevel(own_level)
        if bars:
            said.enable_progress_bar()


OPTIONS = {"use_safetensors": True, "dtype": torch.float32}


def _loaded(folder: Path, found: Found) -> Any:  # noqa: ANN401 - the library's
    """Return the library's model in float32."""
    try:
        model = sentence_transformers.SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=dict(OPTIONS)
        )
    except Exception as error:  # what a damaged model makes the library raise has no common parent
        raise _cannot_load(found, error) from error
    return model.float().eval()


def _require_weights(module: Any, folder: Path, found: Found) -> None:  # noqa: ANN401 - the library's
    """Refuse weights that lack a part of the network: the library fills it with random numbers."""
    network = module.auto_model
    try:
        _, told = type(network).from_pretrained(
            str(folder),
            config=network.config,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **OPTIONS,
        )
    except Exception as error:  # as above
        raise _cannot_load(found, error) from error
    lacking = sorted(name for name in told["missing_keys"] if not name.startswith(UNUSED) and f".{UNUSED}" not in name)
    lacking += sorted(str(entry[0]) for entry in told["mismatched_keys"])
    if lacking:
        raise ModelLoadError(
            f"The weights of {found.pin.name} lack {len(lacking)} tensors of its network, or have them in another shape: "
            f"{', '.join(lacking[:3])}. The settings are of another model.",
            got=", ".join(lacking[:8]),
            where=found.pin.name,
        )


def _cannot_load(found: Found, error: Exception) -> ModelLoadError:
    return ModelLoadError(
        f"sentence-transformers {sentence_transformers.__version__} cannot load {found.pin.name}: "
        f"{type(error).__name__}: {_first_line(error)}",
        where=str(found.folder),
    )


def _dim(run: _Run, gives: Gives, found: Found) -> int:
    """Return D, by running the model once."""
    probe = np.ones((2, 3), dtype=np.int64)
    try:
        array = run(probe, probe)
    except EncodeError as error:
        raise _cannot_load(found, error) from error
    expected = (2, 3) if gives == "tokens" else (2,)
    if array.shape[:-1] != expected or not np.isfinite(array).all():
        raise ModelLoadError(
            f"{found.pin.name} gives an array of shape {array.shape} for 2 texts of 3 tokens, or numbers that are none.",
            got=array.shape,
            where=found.pin.name,
        )
    return int(array.shape[-1])


def _told(found: Found, step: Mapping[str, Any]) -> str:
    """Return a module as it stands in the architecture: its kind and the digest of its settings."""
    kind, path = str(step.get("type")).rpartition(".")[2], str(step.get("path", ""))
    if kind == "Transformer":
        return kind
    settings = read_json_if_there(found.folder / path / CONFIG) if path else {}
    return f"{kind}:{_digest(settings)[:8]}" if settings else kind


def _digest(settings: Mapping[str, Any]) -> str:
    """Return 16 digits of the SHA-256 of settings in canonical form, without those that change no vector."""
    kept = {name: value for name, value in settings.items() if name not in ORIGIN}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _model_type(config: Mapping[str, Any]) -> str:
    return str(config.get("model_type", ""))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
