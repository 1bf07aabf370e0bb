"""The encoder behind an HTTP interface."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import chain, islice
from typing import NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from vicinal import config
from vicinal._arrays import texts_list
from vicinal.encode.providers import tokens, workers
from vicinal.encode.providers.accounting import Account, Usage
from vicinal.encode.providers.call import Call, batches_of
from vicinal.encode.providers.client import Answer, Client, Session, TooLarge
from vicinal.encode.providers.names import ProviderName
from vicinal.encode.providers.proof import SURE_TOKENS, Proof
from vicinal.encode.providers.wire import Role
from vicinal.errors import ModelNotFoundError, TooLongError, TruncationWarning, UnknownTextWarning, UnsupportedError
from vicinal.space import Space, Vectors
from vicinal.types import Progress

LEAST_ROOM = 16
"""Tokens that a prompt must leave for the text."""


class RemoteEncoder:
    """Turns texts into unit vectors of one space by asking a server. Safe for many threads; ``connect`` makes one.

    Parameters
    ----------
    client : Client
        Who is asked.
    space : Space
        The space of what it answers.
    account : Account
        The client's.
    concurrency : int
        How many requests of one call are under way at once.

    Notes
    -----
    A blank text says nothing, and providers refuse it: nothing is sent for it, its vector is zero, and an
    UnknownTextWarning counts it. Equal texts of a call are sent once.
    """

    def __init__(self, client: Client, space: Space, account: Account, *, concurrency: int) -> None:
        self._client = client
        self._space = space
        self._account = account
        self._concurrency = concurrency
        self._asked_dim = None if space.dim == space.full_dim else space.dim
        self._proof = Proof(
            lambda texts, size: self._ask(texts, "document", self._client.shared, 2 * size),
            space.max_tokens,
            trusted=client.name.wire.refuses_long,
        )

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in tokens, as estimated here, special ones included."""
        return self._space.max_tokens

    @property
    def name(self) -> str:
        """The name that opens it again."""
        return str(self._client.name)

    @property
    def runtime(self) -> str:
        """Where the vectors are made."""
        return f"remote {self._client.name.url}"

    @property
    def usage(self) -> Usage:
        """What was used since it was made."""
        return self._account.usage()

    def __repr__(self) -> str:
        """Tell the name and the dimension; no key."""
        return f"RemoteEncoder({self.name}, dim={self._space.dim})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: it holds a key."""
        raise UnsupportedError("An encoder of a provider cannot be pickled or copied: it holds a key. Connect again.")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connection."""
        self.close()

    def close(self) -> None:
        """Close the connection that is kept open; the next call opens another."""
        self._client.close()

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of questions.

        Parameters
        ----------
        texts : list of str
            N may be 0.
        progress : callable, optional
            Called with (texts done, N) after each answer, in this thread.

        Returns
        -------
        Vectors
            float32 (N, D) of unit length, or zero for a blank text; row i for text i.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        TooLongError
            A text is beyond the window, and the overflow rule is ``error``.
        RemoteError, RemoteTimeoutError
            The server did not answer as it should, after as many tries as may help.
        ModelNotFoundError
            The network is switched off, and the provider is not on this machine.
        """
        return self._encode(texts, "query", progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of documents; parameters, result and errors as in ``encode_queries``."""
        return self._encode(texts, "document", progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) estimates, on the safe side, of the tokens of the uncut texts as documents, prompt included.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        prompt = self._space.document_prompt
        counts = [tokens.estimate(prompt + text) + tokens.SPECIAL for text in texts_list(texts)]
        return np.array(counts, dtype=np.int64)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its pieces by the rule of ``tokens``.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        return [tokens.spans_of(text) for text in texts_list(texts)]

    def _ask(self, texts: Sequence[str], role: Role, session: Session, estimate: int) -> Answer | TooLarge:
        """Return what the server answers for texts that are ready to be sent."""
        return self._client.ask(
            texts, role, session=session, dim=self._space.dim, asked_dim=self._asked_dim, estimate=estimate
        )

    def _encode(self, texts: Sequence[str], role: Role, progress: Progress | None) -> Vectors:
        """Ask for the vectors of the different texts and lay each where its text stands."""
        listed = texts_list(texts)
        refuse_offline(self._client.name)
        call = Call(listed, role, self._space, ask=self._ask, progress=progress)
        if call.places:
            self._run(call, role)
        if call.cut:
            _warn_of_cut(len(call.cut), self.max_tokens)
        if call.blank:
            _warn_of_blank(len(call.blank))
        return Vectors(call.array, self._space, cut_rows=sorted(call.cut))

    def _run(self, call: Call, role: Role) -> None:
        """Ask for all batches: one alone over the open connection, several in threads over connections of their own."""
        name = self._client.name
        batches = batches_of(call.pieces(self._room(role, call.longest)), name.wire.limits(name.model))
        first = list(islice(batches, 2))
        if len(first) == 1:
            call.take(call.work(first[0], self._client.shared))
            return
        with self._client.session() as session:
            workers.run(
                lambda batch: call.work(batch, session),
                chain(first, batches),
                call.take,
                threads=self._concurrency,
                stop=session.stop,
            )

    def _room(self, role: Role, longest: int) -> int:
        """Return how many tokens of a text go into one window, if the longest text of the call has so many."""
        prompt = self._space.query_prompt if role == "query" else self._space.document_prompt
        used = tokens.SPECIAL + tokens.estimate(prompt)
        if longest + used <= SURE_TOKENS:
            return self.max_tokens - used
        read = min(self._proof.read(longest + used), self.max_tokens)
        if read - used < LEAST_ROOM:
            raise TooLongError(
                f"The server at {self._client.name.host} reads {read} tokens of a text at most, and the prompt takes "
                f"about {used}. Shorten the prompt, or give the server a larger window.",
                expected=f"<= {read - LEAST_ROOM}",
                got=used,
                where="prompt",
            )
        return read - used


def refuse_offline(name: ProviderName) -> None:
    """Refuse to ask another machine while the network is switched off."""
    if config.offline() and not name.local:
        raise ModelNotFoundError(
            f"{name} is on another machine, and the network is switched off by VICINAL_OFFLINE or HF_HUB_OFFLINE. "
            "Switch it on, or name a server on this machine.",
            got=str(name),
            where="model",
        )


def _warn_of_cut(count: int, max_tokens: int) -> None:
    """Say how many texts were cut, at the line that called ``encode_queries`` or ``encode_documents``."""
    told = "1 text was" if count == 1 else f"{count} texts were"
    warnings.warn(
        f"{told} cut at the window of {max_tokens} tokens; Vectors.cut_rows names them.",
        TruncationWarning,
        stacklevel=4,
    )


def _warn_of_blank(count: int) -> None:
    """Say how many texts were blank, at the same line."""
    told = "1 text is blank: its vector is" if count == 1 else f"{count} texts are blank: their vectors are"
    warnings.warn(f"{told} zero and near nothing.", UnknownTextWarning, stacklevel=4)
