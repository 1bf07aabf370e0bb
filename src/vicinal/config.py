"""Settings: the one place that reads the environment.

Each is a function, so that the environment of the call counts and importing reads nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from vicinal.errors import RangeError

SETTINGS = {
    "VICINAL_CACHE": "The folder of models, graphs, word vectors and encodings. Default: vicinal in the user's cache folder.",
    "VICINAL_OFFLINE": "1: ask no network for anything.",
    "HF_HUB_OFFLINE": "1: the same, as other programs of the field name it.",
    "HF_ENDPOINT": "The address of the hub, for a mirror. Default: that of the hub's own client.",
    "VICINAL_THREADS": "How many threads encode. Default: the processors that this process may use.",
    "VICINAL_RUNTIME": "What runs the networks: onnxruntime (default), openvino, openvino-bf16, cuda, sentence-transformers.",
    "VICINAL_ENCODING_CACHE_MB": "How much the cache of encodings may hold, in mebibytes. Default: 512; 0: none.",
    "OPENAI_API_KEY": "The key for openai: models. Sent to the server of the model only, never shown.",
    "COHERE_API_KEY": "The key for cohere: models; CO_API_KEY does as well.",
    "CO_API_KEY": "The same, as Cohere's own client names it.",
    "VOYAGE_API_KEY": "The key for voyage: models.",
    "JINA_API_KEY": "The key for jina: rerankers. Sent to their server only, never shown.",
    "VICINAL_CHAT_URL": "The base URL of the chat endpoint that vicinal ask asks, when --endpoint is not given.",
    "VICINAL_CHAT_MODEL": "Its model, when --model is not given.",
    "VICINAL_CHAT_KEY": "The key for that endpoint. Sent to it only, never shown.",
    "VICINAL_PRICE_PER_MILLION": "What a million tokens of a provider cost, in your currency: runs then tell what they cost.",
    "VICINAL_KEY_HOSTS": "Servers, separated by commas, that a provider's key may be sent to when a database names them.",
    "VICINAL_MAINTENANCE": "0: nothing is indexed, measured or compacted in the background; vicinal compact does it.",
    "VICINAL_DB": "The database, when --db is not given.",
    "VICINAL_KERNELS": "numpy: use the NumPy twins of the native kernels.",
}
"""Every setting and what it does; docs/reference/settings.md is made of it."""


def cache_folder() -> Path:
    """Return the folder of models and graphs; it may not exist yet."""
    named = os.environ.get("VICINAL_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vicinal"


def offline() -> bool:
    """Return whether the network must not be asked."""
    return any(
        os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}
        for name in ("VICINAL_OFFLINE", "HF_HUB_OFFLINE")
    )


def runtime() -> str | None:
    """Return the runtime that the environment names, if it names one."""
    return os.environ.get("VICINAL_RUNTIME", "").strip() or None


def secret(name: str) -> str | None:
    """Return the key that a variable of the environment holds, None without one; for sending, never for showing."""
    keys = ("OPENAI_API_KEY", "COHERE_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY", "JINA_API_KEY", "VICINAL_CHAT_KEY")
    return (os.environ.get(name, "").strip() or None) if name in keys else None


def chat_url() -> str | None:
    """Return the base URL of the chat endpoint that the environment names, if it names one."""
    return os.environ.get("VICINAL_CHAT_URL", "").strip() or None


def chat_model() -> str | None:
    """Return the chat model that the environment names, if it names one."""
    return os.environ.get("VICINAL_CHAT_MODEL", "").strip() or None


def price_per_million() -> float | None:
    """Return what a million tokens of a provider cost, None where nothing is said.

    Raises
    ------
    RangeError
        The setting is no number of at least 0.
    """
    named = os.environ.get("VICINAL_PRICE_PER_MILLION", "").strip()
    if not named:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", named):
        raise RangeError(
            f"VICINAL_PRICE_PER_MILLION must be a number such as 0.02, got {named!r}.",
            expected=">= 0",
            got=named,
            where="VICINAL_PRICE_PER_MILLION",
        )
    return float(named)


def key_hosts() -> frozenset[str]:
    """Return the hosts, in lower case, that a key may be sent to though only a database names them."""
    return frozenset(
        host.strip().lower() for host in os.environ.get("VICINAL_KEY_HOSTS", "").split(",") if host.strip()
    )


def encoding_cache_bytes() -> int:
    """Return how many bytes the cache of encodings may hold; 0 for none.

    Raises
    ------
    RangeError
        The setting is no whole number of at least 0.
    """
    named = os.environ.get("VICINAL_ENCODING_CACHE_MB", "").strip() or "512"
    if not named.isdecimal():
        raise RangeError(
            f"VICINAL_ENCODING_CACHE_MB must be a whole number of at least 0, got {named!r}.",
            expected=">= 0",
            got=named,
            where="VICINAL_ENCODING_CACHE_MB",
        )
    return int(named) << 20


def hub_endpoint() -> str | None:
    """Return the address of the hub that the environment names, None for the one its client knows."""
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or None


def database_path() -> Path | None:
    """Return the database that the environment names, if it names one."""
    named = os.environ.get("VICINAL_DB")
    return Path(named).expanduser() if named else None


def native_kernels() -> bool:
    """Return whether the native kernels may be used."""
    return os.environ.get("VICINAL_KERNELS", "").strip().lower() != "numpy"


def threads() -> int:
    """Return how many threads encode: the setting, or the processors that this process may use.

    Raises
    ------
    RangeError
        The setting is no whole number of at least 1.
    """
    named = os.environ.get("VICINAL_THREADS", "").strip()
    if not named:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    if not re.fullmatch(r"0*[1-9]\d{0,4}", named, re.ASCII):
        raise RangeError(
            f"VICINAL_THREADS must be a whole number of at least 1, got {named!r}.",
            expected=">= 1",
            got=named,
            where="VICINAL_THREADS",
        )
    return int(named)


def maintenance() -> bool:
    """Return whether work that makes later answers fast may be done in the background."""
    return os.environ.get("VICINAL_MAINTENANCE", "").strip().lower() not in {"0", "false", "no", "off"}


def kept_environment(names: Iterable[str]) -> dict[str, str]:
    """Return those of some variables that are set, for a child process that is to see nothing else."""
    return {name: os.environ[name] for name in names if name in os.environ}
