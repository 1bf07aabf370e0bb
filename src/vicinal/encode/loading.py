"""A name → an encoder, whatever stands behind it: a network, a table of tokens, word vectors, a server."""

from __future__ import annotations

import atexit
import functools
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

from vicinal import config
from vicinal._arrays import one_of
from vicinal.encode import cache, providers, static
from vicinal.encode.encoder import OVERFLOWS, TextEncoder
from vicinal.encode.shrink import Projection, cut, project
from vicinal.encode.standing_in import StandIn, stand_in
from vicinal.errors import DtypeError, InputError, UnknownNameError
from vicinal.models import Pin, find, get
from vicinal.space import Encoder, Space
from vicinal.types import Overflow

ROLES = ("query", "document")
_NAMES: weakref.WeakKeyDictionary[Encoder, str] = weakref.WeakKeyDictionary()
"""What each loaded encoder was called."""


def load(  # noqa: PLR0913 - each says what is loaded, and all but the first go by name
    name: str = "minilm",
    *,
    overflow: Overflow = "chunk",
    threads: int | None = None,
    folder: str | Path | None = None,
    runtime: str | None = None,
    dim: int | None = None,
    force: bool = False,
    prompts: Mapping[str, str] | None = None,
    weighting: str | None = None,
) -> Encoder:
    """Return the encoder of a model, its files verified against its pin.

    Parameters
    ----------
    name : str
        A built-in name; the path of a folder in the hub's layout, or of a file of word vectors (GloVe, word2vec,
        fastText); a repository on the hub, ``owner/name`` or ``owner/name@revision``; or a provider's model,
        ``openai:MODEL``, ``cohere:MODEL``, ``voyage:MODEL``, ``ollama:MODEL``, with ``@URL`` behind it for a server
        of your own.
    overflow : {"chunk", "error", "cut"}
        What happens to a text beyond the model's window.
        ``chunk``: its tokens are split into windows of even size, and the vector is the mean over all of
        them: nothing is lost, one vector for one text.
        ``error``: TooLongError.
        ``cut``: the tokens beyond the window are left out, counted in ``Vectors.cut_rows``, and warned of.
        It is a part of the space.
    threads : int, optional, 1 <= threads
        How many threads encode. Default: the setting ``VICINAL_THREADS``.
    folder : path, optional
        A folder that must hold the model of that name; then no other source is asked.
    runtime : str, optional
        What runs the network: ``onnxruntime`` (default), ``openvino``, ``openvino-bf16``, ``cuda``,
        ``sentence-transformers``. No part of the space. Default: the setting ``VICINAL_RUNTIME``.
    dim : int, optional
        Fewer dimensions than the model gives: the first so many, at unit length. Refused for a dimension that the
        model was not trained for, unless ``force`` is true.
    force : bool
        Cut all the same; a DimensionWarning says what it costs.
    prompts : mapping of str to str, optional
        What is put before a text of each role, ``query`` and ``document``, in place of the model's own prompts.
    weighting : {"mean", "sif"}, optional
        For word vectors and token tables: every word alike, or the frequent ones less (Arora, Liang, Ma 2017).

    Raises
    ------
    ModelNotFoundError
        The name is unknown, or no source that may be asked has the model.
    PinMismatchError
        A file is not the one that the pin names.
    ModelLoadError
        The files are there, but no network can be made of them.
    MissingExtraError
        The model or the runtime needs a library that is not installed; the message has the command.
    UnknownNameError, RangeError, DtypeError, InputError
        A parameter is none of what is allowed, or means nothing for this model.

    Examples
    --------
    >>> encoder = load("minilm")
    >>> encoder.encode_queries(["cat", "kitten"]).shape
    (2, 384)
    """
    if not isinstance(name, str):
        raise DtypeError(
            f"name must be a string, got {type(name).__name__}.", expected="str", got=type(name).__name__, where="name"
        )
    one_of(overflow, "overflow", OVERFLOWS)
    if weighting is not None:
        one_of(weighting, "weighting", ("mean", "sif"))
    prompts = _checked_prompts(prompts)
    if providers.is_provider(name):
        _require_unsaid(name, folder=folder, runtime=runtime, weighting=weighting)
        return _named(_connected(name, overflow, dim, prompts), name)
    found = find(get(name), folder=None if folder is None else _folder(folder))
    if found.pin.kind not in {"static", "words"}:
        _require_unsaid(name, weighting=weighting)
    found = replace(found, pin=_prompted(found.pin, prompts))
    encoder: Encoder
    if found.pin.kind == "static":
        encoder = static.load_folder(found, overflow=overflow, threads=threads, weighting=weighting)
    elif found.pin.kind == "words":
        encoder = static.load_words(found, overflow=overflow, threads=threads, weighting=weighting or "mean")
    else:
        encoder = TextEncoder(found, overflow=overflow, threads=threads, runtime=runtime)
    encoder = encoder if dim is None else cut(encoder, dim, trained=found.pin.matryoshka, force=force)
    return _named(encoder, str(Path(name).expanduser().resolve()) if found.pin.folder else name)


def _require_unsaid(name: str, **said: object) -> None:
    """Refuse settings that mean nothing for a model, instead of leaving them out in silence."""
    for setting, value in said.items():
        if value is not None:
            raise InputError(f"{setting} means nothing for the model {name!r}; leave it out.", where=setting)


def _folder(folder: str | Path) -> Path:
    """Return the folder that a caller names."""
    if not isinstance(folder, str | Path):
        got = type(folder).__name__
        raise DtypeError(f"folder must be a path, got {got}.", expected="str | Path", got=got, where="folder")
    with suppress(RuntimeError):  # no user of that name: then it is the name of a folder
        return Path(folder).expanduser()
    return Path(folder)


def name_of(encoder: Encoder) -> str:
    """Return the name that loads an encoder in the settings of its space, ``""`` for one that nothing loads by name.

    What ``load`` gave keeps its name, also behind a projection; paths are absolute.
    """
    if isinstance(encoder, StandIn):
        return encoder.name
    if encoder in _NAMES:
        return _NAMES[encoder]
    return name_of(encoder.encoder) if hasattr(encoder, "projection") and hasattr(encoder, "encoder") else ""


def usage_of(encoder: Encoder) -> dict[str, float] | None:
    """Return what an encoder's provider was asked for so far: requests, retries, tokens, cost; None for no provider's."""
    usage = getattr(encoder, "usage", None)
    if isinstance(usage, providers.Usage):
        return {name: value for name, value in asdict(usage).items() if value is not None}
    inner = getattr(encoder, "encoder", None)
    return usage_of(inner) if inner is not None else None


def projections_of(encoder: Encoder) -> list[Projection]:
    """Return the projections that an encoder applies, the innermost first."""
    projection = getattr(encoder, "projection", None)
    if not isinstance(projection, Projection):
        return []
    return [*projections_of(getattr(encoder, "encoder", encoder)), projection]


def load_for(
    name: str,
    space: Space,
    *,
    projection: Projection | None = None,
    runtime: str | None = None,
    named_by_user: bool = False,
) -> Encoder:
    """Return the encoder of a model in the settings that a space has: overflow rule, prompts, weighting, dimension.

    ``projection`` is the one that the space names; it stands behind all else.

    A name that was read from a database, which someone else may have written, gets no key sent to the server in it,
    unless VICINAL_KEY_HOSTS names that server; ``named_by_user`` says that the name was given in this program.

    Whether it is in that space is for the caller to compare: another model under the name is not.

    Raises
    ------
    VicinalError
        As ``load``.
    """
    dim = space.dim if projection is None else projection.full_dim
    loaded = _in_settings_of(space, name, dim, runtime=runtime, named_by_user=named_by_user)
    return loaded if projection is None else project(loaded, projection)


def _in_settings_of(space: Space, name: str, dim: int, *, runtime: str | None, named_by_user: bool) -> Encoder:
    """Return the encoder with ``dim`` components; what a cut costs was told when the space was made."""
    prompts = {"query": space.query_prompt, "document": space.document_prompt}
    if providers.is_provider(name):
        send_key = named_by_user or urlsplit(providers.parse(name).url).hostname in config.key_hosts()
        remote = _connected(name, space.overflow, dim, prompts, max_tokens=space.max_tokens, send_key=send_key)
        return _named(remote, name)
    encoder = load(
        name,
        overflow=space.overflow,  # type: ignore[arg-type]  # it was one when the space was made
        runtime=runtime,
        prompts=prompts,
        weighting=space.pooling if space.pooling == "sif" else None,
    )
    return encoder if dim == encoder.space.dim else _named(cut(encoder, dim, trained=(dim,)), _NAMES[encoder])


def cached(encoder: Encoder, *, proof: str = "") -> Encoder:
    """Return the encoder behind the cache of encodings that all programs of this user share, if there is to be one.

    ``proof`` tells a provider's model from another under its name; see ``vicinal.encode.cache.cached``.
    """
    if isinstance(encoder, StandIn):  # what is kept is kept as what it was made by
        return stand_in(cached(encoder.encoder, proof=proof), encoder.space, name=encoder.name)
    limit_bytes = config.encoding_cache_bytes()
    if not limit_bytes:
        return encoder
    return cache.cached(
        encoder, _cache_of(config.cache_folder() / "encodings" / "cache.sqlite", limit_bytes), proof=proof
    )


@functools.cache
def _cache_of(path: Path, limit_bytes: int) -> cache.EncodingCache:
    """Return the cache of encodings at a path: one for the process, closed at its end, in a folder for this user alone."""
    with suppress(OSError):  # it then says itself that it cannot be written
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = cache.EncodingCache(path, limit_bytes=limit_bytes)
    atexit.register(kept.close)
    return kept


def _connected(
    name: str,
    overflow: str,
    dim: int | None,
    prompts: Mapping[str, str],
    *,
    max_tokens: int | None = None,
    send_key: bool = True,
) -> Encoder:
    """Return the encoder of a provider's model."""
    return providers.connect(
        name,
        overflow=overflow,  # type: ignore[arg-type]  # checked, or it was one when the space was made
        dim=dim,
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", ""),
        max_tokens=max_tokens,
        send_key=send_key,
        price_per_million=config.price_per_million(),
    )


def _named(encoder: Encoder, name: str) -> Encoder:
    """Return the encoder, its name noted."""
    _NAMES[encoder] = name
    return encoder


def _checked_prompts(prompts: Mapping[str, str] | None) -> dict[str, str]:
    """Return prompts by role, each a string of a known role."""
    if prompts is not None and not isinstance(prompts, Mapping):
        got = type(prompts).__name__
        raise DtypeError(
            f"prompts must be a mapping of roles, got {got}.", expected="mapping", got=got, where="prompts"
        )
    told = dict(prompts or {})
    for role, prompt in told.items():
        if role not in ROLES:
            raise UnknownNameError(
                f"Prompts are for the roles {' and '.join(ROLES)}, got {role!r}.",
                expected=", ".join(ROLES),
                got=role,
                where="prompts",
            )
        if not isinstance(prompt, str):
            raise DtypeError(
                f"The prompt for {role} must be a string, got {type(prompt).__name__}.", where="prompts", expected="str"
            )
    return told


def _prompted(pin: Pin, prompts: Mapping[str, str]) -> Pin:
    """Return the pin with the prompts that were asked for."""
    named = {f"{role}_prompt": prompt for role, prompt in prompts.items()}
    return replace(pin, **named)  # type: ignore[arg-type]  # two of its fields, both text
