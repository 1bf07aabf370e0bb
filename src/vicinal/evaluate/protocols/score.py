"""What a protocol gives: its main figure, the others, and everything that the figures depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from vicinal._arrays import one_of, texts_list
from vicinal.errors import EncodeError, InputError
from vicinal.evaluate.environment import machine, version_of
from vicinal.space import Encoder, runtime_of
from vicinal.types import Floats, Progress

Role: TypeAlias = Literal["document", "query"]
"""The role in which texts are encoded that have none: pairs, labelled texts, clusters."""
ROLES: tuple[Role, ...] = ("document", "query")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolScore:
    """The figures of one encoder under one protocol.

    Parameters
    ----------
    protocol : str
        Its name: ``retrieval``, ``sts`` …
    metric : str
        The name of the main figure, one of ``metrics``.
    metrics : mapping of str to float
        All figures, each a mean over what the protocol repeats (queries, runs, sets, levels).
    runs : tuple of float
        The main figure of each repetition, where there are some; empty else.
    environment : mapping
        What the figures depend on: the space, the digest of the data, settings, versions, machine. JSON-able.
    """

    protocol: str
    metric: str
    metrics: Mapping[str, float]
    runs: tuple[float, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> float:
        """The figure that a table of this protocol shows."""
        return self.metrics[self.metric]

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "protocol": self.protocol,
            "metric": self.metric,
            "main": self.main,
            "metrics": dict(self.metrics),
            "runs": list(self.runs),
            "environment": dict(self.environment),
        }


class Encoding:
    """The encoder of one measurement: encodes each different text once a role, and counts what was cut.

    Parameters
    ----------
    encoder : Encoder
        Of any kind; the vectors need not have unit length.
    progress : callable, optional
        Called with texts done and texts known so far, over all calls.
    """

    def __init__(self, encoder: Encoder, progress: Progress | None = None) -> None:
        self._encoder = encoder
        self._progress = progress
        self.texts = 0
        self.cut = 0

    def __call__(self, texts: Sequence[str], role: Role = "document") -> Floats:
        """Return float32 (N, D) vectors of the texts, in their order.

        Raises
        ------
        UnknownNameError
            The role is neither of the two.
        DtypeError, RangeError
            The texts are no list of strings.
        EncodeError
            The encoder gave another number of vectors.
        """
        one_of(role, "role", ROLES)
        listed = texts_list(texts)
        places = {text: place for place, text in enumerate(dict.fromkeys(listed))}
        encode = self._encoder.encode_queries if role == "query" else self._encoder.encode_documents
        vectors = encode(list(places), progress=self._told())
        if len(vectors) != len(places):
            raise EncodeError(
                f"The encoder gave {len(vectors)} vectors for {len(places)} texts.",
                expected=len(places),
                got=len(vectors),
            )
        self.texts += len(places)
        self.cut += len(vectors.cut_rows)
        return np.asarray(vectors, dtype=np.float32)[[places[text] for text in listed]]

    def _told(self) -> Progress | None:
        """Return what counts the texts of this call on from those before it."""
        if self._progress is None:
            return None
        told, before = self._progress, self.texts
        return lambda done, total: told(before + done, before + total)

    def environment(self, data: object, *, packages: Sequence[str] = (), **settings: object) -> dict[str, Any]:
        """Return what figures of this encoder depend on.

        Parameters
        ----------
        data : object
            Texts, judgements or labels, as JSON knows them; only their digest is kept.
        packages : sequence of str
            Distributions that took part beside NumPy and Vicinal, whose versions stand with the machine.
        **settings : object
            The protocol's own: seed, sizes, rules.
        """
        space = self._encoder.space
        return {
            "space": space.id,
            "dim": space.dim,
            "overflow": space.overflow,
            "runtime": runtime_of(self._encoder),
            "texts": self.texts,
            "cut_texts": self.cut,
            "data_digest": digest_of(data),
            "settings": dict(settings),
            "machine": {**machine(), **{name: version_of(name) for name in packages}},
        }


def digest_of(data: object) -> str:
    """Return the first 16 digits of the SHA-256 of data in JSON's canonical form."""
    found = hashlib.sha256()
    for part in json.JSONEncoder(sort_keys=True, separators=(",", ":")).iterencode(
        data
    ):  # a corpus is not copied whole
        found.update(part.encode())
    return found.hexdigest()[:16]


def normalized(vectors: Floats) -> Floats:
    """Return float32 (N, D) rows at unit length; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def require_some(count: int, what: str) -> None:
    """Refuse to measure nothing.

    Raises
    ------
    InputError
        ``count`` is 0.
    """
    if count == 0:
        raise InputError(f"There are no {what} to measure with.", expected=">= 1", got=0, where=what)


def require_equal(first: int, second: int, what: str) -> None:
    """Refuse columns of different lengths.

    Raises
    ------
    InputError
        The lengths differ.
    """
    if first != second:
        raise InputError(
            f"{what} must be as many on both sides, got {first} and {second}.", expected=first, got=second, where=what
        )
