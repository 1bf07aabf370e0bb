"""One string → a reranker: late interaction, a cross-encoder's folder or repository, a provider's model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vicinal import config
from vicinal.errors import DtypeError, InputError, UnknownNameError
from vicinal.models.hub import is_repo
from vicinal.rerank.cross import CrossEncoder
from vicinal.rerank.late import LateInteraction
from vicinal.rerank.protocol import Reranker
from vicinal.rerank.remote import HttpReranker, host_of, is_remote
from vicinal.space import Encoder

LATE = "late-interaction"
KNOWN = f"{LATE}, a folder, owner/name, cohere:MODEL, voyage:MODEL, jina:MODEL"


def by_name(
    name: str, *, encoder: Encoder | None = None, threads: int | None = None, named_by_user: bool = True
) -> Reranker:
    """Return the reranker of a name.

    Parameters
    ----------
    name : str
        ``late-interaction``; the folder of a cross-encoder in the hub's layout, or its repository ``owner/name`` or
        ``owner/name@revision``; or a provider's model, ``cohere:rerank-v3.5``, ``voyage:rerank-2.5``,
        ``jina:jina-reranker-v2-base-multilingual``, with ``@URL`` behind it for a server of your own.
    encoder : Encoder, optional
        The collection's own, which late interaction needs.
    threads : int, optional, 1 <= threads
        For a cross-encoder. Default: the setting ``VICINAL_THREADS``.
    named_by_user : bool
        Whether the name was given in this program; a name out of a file gets no key sent to a server in it, unless
        VICINAL_KEY_HOSTS names that server.

    Raises
    ------
    DtypeError, UnknownNameError, InputError
        The name is no string, is none of these, or late interaction was asked for without an encoder.
    VicinalError
        As the reranker itself, see ``CrossEncoder`` and ``HttpReranker``.
    """
    if not isinstance(name, str):
        got = type(name).__name__
        raise DtypeError(f"A reranker is named by a string, got {got}.", expected="str", got=got, where="reranker")
    if name == LATE:
        if encoder is None:
            raise InputError(f"{LATE} compares the tokens of a collection's encoder; give it.", where="encoder")
        return LateInteraction(encoder)
    if is_remote(name):
        return HttpReranker(name, send_key=named_by_user or host_of(name).lower() in config.key_hosts())
    if is_repo(name) or _is_folder(name):
        return CrossEncoder(name, threads=threads)
    raise UnknownNameError(
        f"No reranker is called {name!r:.60}; known: {KNOWN}.", expected=KNOWN, got=name[:60], where="reranker"
    )


def _is_folder(name: str) -> bool:
    with suppress(RuntimeError, OSError):  # no user of that name, or one too long, so it is no folder
        return name != "" and "\0" not in name and Path(name).expanduser().is_dir()
    return False
