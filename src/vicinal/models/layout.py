"""A folder in the hub's layout → its pin: what the model's own files say of window, modules, pooling, prompts, metric.

::

    modules.json                       the steps, in order; without it a transformer and mean pooling
    config.json                        the network
    model.safetensors  tokenizer.json  its weights and its tokens (or model.onnx, onnx/model.onnx)
    sentence_bert_config.json          the window; newer files leave it to tokenizer_config.json
    1_Pooling/config.json              how token vectors become one
    2_Dense/…  3_LayerNorm/…           what follows
    config_sentence_transformers.json  prompts by role, how vectors are compared
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.errors import ModelLoadError
from vicinal.models.digests import digest_of
from vicinal.models.pins import CONFIG, NEEDED, TOKENIZER, WEIGHTS, Pin
from vicinal.models.settings import count_of, read_json, read_json_if_there, read_json_value

MODULES = "modules.json"
WINDOW = "sentence_bert_config.json"
PROMPTS = "config_sentence_transformers.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
ONNX_FILES = ("model.onnx", "onnx/model.onnx")
STATIC = "StaticEmbedding"
OWN_MODULES = "sentence_transformers."
"""What the type of a module begins with, unless a model brings its own code."""
HEADS = {"Dense": "dense", "LayerNorm": "layer_norm"}
POOLINGS = {
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
    "weightedmean": "weighted_mean",
    "max": "max",
}
"""The hub's names of poolings → ours."""
OLD_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}
"""How files older than 2026 say the same."""
METRICS = {"cosine": "cosine", "dot": "dot", "dot_score": "dot", "euclidean": "l2"}
MAX_WINDOW = 1_000_000
"""A window above it is a placeholder: tokenizers without one say 1e30."""
WORD_NETWORK_WINDOW = 512
DOCUMENT_ROLES = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Module:
    """One step of a model: its kind, the folder of its settings, and whether its code is the library's own."""

    kind: str
    path: str
    own: bool


def pin_of(folder: Path) -> Pin:
    """Return the pin of what lies in a folder: the digests of its files and the settings they hold.

    Raises
    ------
    ModelLoadError
        A needed file is missing or unreadable, or the settings ask for what nothing here can run.
    """
    modules = _modules(folder)
    config = read_json_if_there(folder / CONFIG)
    if config.get("model_type") == "model2vec" or (modules and modules[0].kind == STATIC):
        return _static_pin(folder, modules, config)
    _require_plain(folder, modules)
    onnx = _onnx_file(folder)
    _require_files(folder, onnx)
    foreign = _foreign(folder, modules)
    prompts = _prompts(folder)
    used = _files_used(folder, modules, onnx, foreign=foreign)
    heads = tuple(f"{HEADS[module.kind]}:{module.path}" for module in modules if module.kind in HEADS)
    metric = _metric(folder)
    return Pin(
        name=str(folder),
        files={name: digest_of(folder / name) for name in used},
        size_bytes=sum((folder / name).stat().st_size for name in used),
        max_tokens=_window(folder, config),
        dim=_dim(folder, config, [] if foreign else modules),
        kind="transformer" if not onnx else "onnx",
        pooling="model" if foreign else _pooling(folder, modules),
        heads=() if foreign else heads,
        normalized=metric == "cosine" or any(module.kind == "Normalize" for module in modules),
        metric=metric,
        query_prompt=prompts.get("query", ""),
        document_prompt=next((prompts[role] for role in DOCUMENT_ROLES if role in prompts), ""),
        matryoshka=matryoshka_of(config),
        foreign=foreign,
        folder=str(folder),
    )


def matryoshka_of(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the dimensions that the settings say the model was trained to be cut to, ascending."""
    told = config.get("matryoshka_dimensions")
    if not isinstance(told, list):
        return ()
    return tuple(sorted({dim for dim in told if type(dim) is int and dim > 0}))


def _static_pin(folder: Path, modules: list[Module], config: Mapping[str, Any]) -> Pin:
    """Return the pin of a table of token vectors: Model2Vec's layout, or a module of sentence-transformers."""
    place = modules[0].path if modules and modules[0].kind == STATIC and modules[0].path != "." else ""
    files = [f"{place}/{name}" if place else name for name in (WEIGHTS, TOKENIZER)]
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise _lacks(folder, missing, files)
    used = [name for name in (*files, CONFIG, MODULES, PROMPTS) if (folder / name).is_file()]
    prompts = _prompts(folder)
    return Pin(
        name=str(folder),
        files={name: digest_of(folder / name) for name in used},
        size_bytes=sum((folder / name).stat().st_size for name in used),
        max_tokens=MAX_WINDOW,
        dim=0,
        kind="static",
        pooling="mean",
        query_prompt=prompts.get("query", ""),
        document_prompt=next((prompts[role] for role in DOCUMENT_ROLES if role in prompts), ""),
        matryoshka=matryoshka_of(config),
        folder=str(folder),
    )


def _require_plain(folder: Path, modules: list[Module]) -> None:
    """Refuse what would change the network or its texts beside its own settings, and a network that lies elsewhere."""
    told = read_json_if_there(folder / WINDOW)
    if told.get("do_lower_case", False) is not False:
        raise ModelLoadError(
            f"{folder / WINDOW} lowers texts before the tokenizer does (do_lower_case), which is not supported. "
            f"Let {TOKENIZER} do it in its normalizer.",
            got=told["do_lower_case"],
            where=str(folder / WINDOW),
        )
    for module in modules:
        pooling = read_json_if_there(folder / module.path / CONFIG) if module.kind == "Pooling" else {}
        if pooling.get("include_prompt", True) is not True:
            raise ModelLoadError(
                f"The pooling of {folder} leaves the prompt's tokens out (include_prompt), which is not supported. "
                "Take a model that pools over all tokens.",
                got=pooling["include_prompt"],
                where=str(folder / module.path / CONFIG),
            )
    changing = sorted(name for name, value in told.items() if name.endswith(("_args", "_kwargs")) and value)
    if changing:
        raise ModelLoadError(
            f"{folder / WINDOW} changes the network by {', '.join(changing)}, which is not supported. "
            f"Write its settings into {CONFIG}.",
            got=", ".join(changing),
            where=str(folder / WINDOW),
        )
    if modules and modules[0].kind == "Transformer" and modules[0].path not in {"", "."}:
        raise ModelLoadError(
            f"The network of {folder} lies in {modules[0].path!r}, which is not supported. Move its files up into the folder.",
            got=modules[0].path,
            where=str(folder / MODULES),
        )


def _onnx_file(folder: Path) -> str:
    """Return the exported network of a folder that has no weights of its own, ``""`` for none."""
    if (folder / WEIGHTS).is_file():
        return ""
    return next((name for name in ONNX_FILES if (folder / name).is_file()), "")


def _require_files(folder: Path, onnx: str) -> None:
    """Refuse a folder that lacks a needed file."""
    needed = NEEDED if not onnx else (TOKENIZER,)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise _lacks(folder, missing, needed)


def _lacks(folder: Path, missing: list[str], needed: tuple[str, ...] | list[str]) -> ModelLoadError:
    pickled = sorted(path.name for path in folder.glob("*.bin")) if WEIGHTS in missing else []
    why = (
        f" Its weights are in {pickled[0]}, a pickle, which could run code and is never read; "
        "save them as safetensors, or take a revision that has them."
        if pickled
        else ""
    )
    return ModelLoadError(
        f"{folder} is no model that can be loaded: it lacks {', '.join(missing)}.{why}",
        expected=", ".join(needed),
        got=f"without {', '.join(missing)}",
        where=str(folder),
    )


def _modules(folder: Path) -> list[Module]:
    """Return the steps of a model; without a list of them there are none."""
    if not (folder / MODULES).is_file():
        return []
    told = read_json_value(folder / MODULES)
    if not isinstance(told, list) or not told or not all(isinstance(step, dict) for step in told):
        raise ModelLoadError(f"{folder / MODULES} must be a list of modules.", where=str(folder / MODULES))
    steps = []
    for step in told:
        kind, path = str(step.get("type")), str(step.get("path", ""))
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ModelLoadError(f"The module path {path!r} leaves the model's folder.", where=MODULES)
        steps.append(Module(kind=kind.rpartition(".")[2], path=path, own=kind.startswith(OWN_MODULES)))
    return steps


def _foreign(folder: Path, modules: list[Module]) -> str:
    """Return why the steps cannot be run here, ``""`` if they can; refuse a model that needs its own code."""
    custom = [module.kind for module in modules if not module.own]
    if custom:
        raise ModelLoadError(
            f"{folder} needs the code of its own repository for {', '.join(custom)} (trust_remote_code), "
            "and code out of a model is never run. Take a model made of known modules.",
            expected="modules of sentence-transformers",
            got=", ".join(custom),
            where=str(folder / MODULES),
        )
    kinds = [module.kind for module in modules]
    if kinds and kinds[:2] != ["Transformer", "Pooling"]:
        return f"it is made of {', '.join(kinds)}"
    unknown = [kind for kind in kinds[2:] if kind not in {*HEADS, "Normalize"}]
    if unknown:
        return f"it has the module {', '.join(unknown)}"
    if "Normalize" in kinds[:-1]:
        return "its Normalize module is not the last"
    return _foreign_settings(folder, modules)


def _foreign_settings(folder: Path, modules: list[Module]) -> str:
    """Return why the settings of known modules are beyond what is run here."""
    for module in modules:
        told = read_json_if_there(folder / module.path / CONFIG) if module.path else {}
        if module.kind == "Pooling" and (len(_modes(told)) != 1 or _modes(told)[0] not in POOLINGS):
            return f"its pooling is {', '.join(_modes(told))}"
        inner = [told.get(f"module_{side}_name") or "sentence_embedding" for side in ("input", "output")]
        if module.kind in HEADS and (inner != ["sentence_embedding"] * 2 or told.get("use_residual", False)):
            return f"its module {module.path} works on something else than the pooled vector"
    return ""


def _pooling_file(modules: list[Module]) -> str:
    return next(
        (str(Path(module.path) / CONFIG) for module in modules if module.kind == "Pooling"), f"1_Pooling/{CONFIG}"
    )


def _pooling(folder: Path, modules: list[Module]) -> str:
    """Return our name of the pooling; the mean where nothing is said."""
    file = folder / _pooling_file(modules)
    modes = _modes(read_json_if_there(file))
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ModelLoadError(
            f"{file} asks for {', '.join(modes)}; supported are {', '.join(POOLINGS)}, one of them.",
            expected=", ".join(POOLINGS),
            got=", ".join(modes),
            where=str(file),
        )
    return POOLINGS[modes[0]]


def _modes(told: Mapping[str, Any]) -> list[str]:
    """Return the poolings that the settings switch on, by the hub's present names; the mean where none is."""
    said = told.get("pooling_mode")
    if said is not None:
        return [str(mode) for mode in said] if isinstance(said, list) else [str(said)]
    return sorted(new for old, new in OLD_POOLINGS.items() if told.get(old) is True) or ["mean"]


def _window(folder: Path, config: Mapping[str, Any]) -> int:
    """Return the window: its own setting, else the tokenizer's where it is one, else the network's positions."""
    told = read_json_if_there(folder / WINDOW)
    if "max_seq_length" in told and told["max_seq_length"] is not None:
        return count_of(told["max_seq_length"], "max_seq_length", folder)
    limit = read_json_if_there(folder / TOKENIZER_SETTINGS).get("model_max_length")
    positions = config.get("max_position_embeddings", config.get("n_positions", WORD_NETWORK_WINDOW))
    usable = count_of(positions, "max_position_embeddings", folder) - _position_offset(config)
    if type(limit) is int and 1 <= limit <= MAX_WINDOW:
        return min(limit, usable)
    return max(usable, 1)


def _position_offset(config: Mapping[str, Any]) -> int:
    """Return how many positions RoBERTa and its kin leave unused: they count from behind the padding's id."""
    padding = config.get("pad_token_id", 1)
    offset_kinds = {"roberta", "xlm-roberta", "camembert", "mpnet"}
    return padding + 1 if config.get("model_type") in offset_kinds and type(padding) is int else 0


def _dim(folder: Path, config: Mapping[str, Any], modules: list[Module]) -> int:
    """Return D behind the last module that changes it; 0 where only the network can tell."""
    dense = [module for module in modules if module.kind == "Dense"]
    if dense:
        path = folder / dense[-1].path
        return count_of(read_json(path / CONFIG).get("out_features"), "out_features", path)
    said = next((config[name] for name in ("hidden_size", "dim", "n_embd", "d_model") if name in config), None)
    return count_of(said, "hidden_size", folder) if config else 0


def _metric(folder: Path) -> str:
    """Return how the authors compare vectors; cosine where they do not say."""
    told = read_json_if_there(folder / PROMPTS).get("similarity_fn_name")
    if told is None:
        return "cosine"
    if not isinstance(told, str) or told not in METRICS:
        raise ModelLoadError(
            f"{folder / PROMPTS} compares vectors by {told!r}; supported are {', '.join(METRICS)}.",
            expected=", ".join(METRICS),
            got=told,
            where=str(folder / PROMPTS),
        )
    return METRICS[told]


def _prompts(folder: Path) -> dict[str, str]:
    """Return the prompts by role, as far as there are any; the default prompt stands for a role without its own."""
    told = read_json_if_there(folder / PROMPTS)
    prompts = told.get("prompts")
    if not isinstance(prompts, dict):
        return {}
    known = {role: prompt for role, prompt in prompts.items() if isinstance(prompt, str)}
    named = told.get("default_prompt_name")
    default = known.get(named, "") if isinstance(named, str) else ""
    return {"query": default, "document": default, **known} if default else known


def _files_used(folder: Path, modules: list[Module], onnx: str, *, foreign: str) -> list[str]:
    """Return the files that decide a vector, by their paths in the folder."""
    weights = [onnx, *(f"{onnx}{suffix}" for suffix in ("_data", ".data"))] if onnx else [WEIGHTS]
    names = [CONFIG, *weights, TOKENIZER, MODULES, WINDOW, PROMPTS, _pooling_file(modules)]
    if not (folder / WINDOW).is_file() or "max_seq_length" not in read_json(folder / WINDOW):
        names.append(TOKENIZER_SETTINGS)
    names += [f"{module.path}/{name}" for module in modules if module.kind in HEADS for name in (CONFIG, WEIGHTS)]
    if foreign:
        inner = [path for module in modules if module.path for path in (folder / module.path).rglob("*")]
        names += [str(path.relative_to(folder)) for path in (*folder.glob("*.json"), *folder.glob("*.txt"), *inner)]
    return [name for name in dict.fromkeys(names) if (folder / name).is_file()]
