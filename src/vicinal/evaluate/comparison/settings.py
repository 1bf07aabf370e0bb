"""What is compared: settings of one collection, one field left out where the collection's own is meant."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from vicinal._arrays import one_of, share, whole_number
from vicinal.errors import DtypeError, InputError, RangeError

MODES = ("lexical", "dense", "hybrid")
BITS = {"float32": 32, "float16": 16, "int8": 8, "4bit": 4, "1bit": 1}
"""Precisions, and how many bits they keep of a component."""
SPOKEN = {"int4": "4bit", "bit": "1bit", "binary": "1bit"}
"""What is said of a precision as well; a setting has the first word."""
FIELDS = ("mode", "model", "dim", "precision", "chunker", "rerank", "fusion", "weight")
"""What may differ between two settings, in the order in which a name has them."""
UNUSED = {"lexical": ("model", "dim", "precision", "fusion", "weight"), "dense": ("fusion", "weight")}
"""What a mode has no use for."""
MOST_SETTINGS = 100
MOST_CHARS = 400
"""The longest name of a setting, a model, a chunker or a reranker."""
MOST_DIM = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to search a collection. What is None is the collection's own.

    Parameters
    ----------
    name : str
        What tables call it; ``""`` for the fields that are set, as ``label`` gives them.
    mode : {"lexical", "dense", "hybrid"}, optional
        By words, by meaning, or by both.
    model : str, optional
        As ``vicinal.load`` takes it.
    dim : int, 1 <= dim, optional
        So many dimensions are kept of each vector.
    precision : {"float32", "float16", "int8", "4bit", "1bit"}, optional
        What a component is kept as. ``binary`` becomes ``1bit``, ``int4`` becomes ``4bit``.
    chunker : str, optional
        What cuts documents.
    rerank : str, optional
        As ``Collection.search`` takes it; ``"none"`` is the same as leaving it out.
    fusion : str, optional
        How ``hybrid`` makes one list of two.
    weight : float, 0 <= weight <= 1, optional
        How much meaning counts in ``hybrid``.

    Raises
    ------
    UnknownNameError, RangeError, DtypeError
        A field is none of those; ``where`` names it.
    """

    name: str = ""
    mode: str | None = None
    model: str | None = None
    dim: int | None = None
    precision: str | None = None
    chunker: str | None = None
    rerank: str | None = None
    fusion: str | None = None
    weight: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no search could be made of."""
        for field in ("name", "mode", "model", "precision", "chunker", "rerank", "fusion"):
            _require_words(getattr(self, field), field, may_be_empty=field == "name")
        if self.mode is not None:
            one_of(self.mode, "mode", MODES)
        if self.precision is not None:
            object.__setattr__(self, "precision", SPOKEN.get(self.precision, self.precision))
            one_of(self.precision, "precision", tuple(BITS))
        if self.dim is not None:
            whole_number(self.dim, "dim", low=1, high=MOST_DIM)
        if self.weight is not None:
            share(self.weight, "weight")

    @property
    def label(self) -> str:
        """The name, or else the fields that are set: ``hybrid minilm 128 int8``."""
        return self.name or label_of(self, FIELDS)

    def get(self, field: str) -> Any:  # noqa: ANN401 - a field's value
        """Return a field's value, with what means the same written the same way: ``"none"`` for no reranker."""
        value = getattr(self, field)
        return "none" if field == "rerank" and value is None else value

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) not in {None, ""}}


def label_of(setting: Setting, of: Sequence[str]) -> str:
    """Return the fields of a setting that are named and set, in few words; ``as it is`` where there is none."""
    return " ".join(_words(setting, of)) or "as it is"


def _words(setting: Setting, of: Sequence[str]) -> list[str]:
    return [word for field in of if (word := _word(setting, field))]


def _word(setting: Setting, field: str) -> str:
    """Return what a label says of one field."""
    value = setting.get(field)
    if value is None or (field == "rerank" and value == "none"):
        return ""
    if field == "mode":
        return "keyword" if value == "lexical" else str(value)
    if field == "dim":
        return f"{value}d"
    if field == "rerank":
        return f"+ {value}"
    return f"w={value:g}" if field == "weight" else str(value)


def matrix(
    *,
    mode: Sequence[str] | None = None,
    model: Sequence[str] | None = None,
    dim: Sequence[int] | None = None,
    precision: Sequence[str] | None = None,
    chunker: Sequence[str] | None = None,
    rerank: Sequence[str] | None = None,
    fusion: Sequence[str] | None = None,
    weight: Sequence[float] | None = None,
) -> list[Setting]:
    """Return each combination of the lists once, with a name of what differs between them.

    Parameters
    ----------
    mode, model, dim, precision, chunker, rerank, fusion, weight : sequence, optional
        The values of a field. One value holds for all; None and an empty list leave the collection's own.

    Returns
    -------
    list of Setting
        In the order of the lists, the last one turning fastest. What has no meaning is left out and its repetitions
        with it: vectors' fields of a search by words, fusion of one by vectors.

    Raises
    ------
    UnknownNameError, RangeError, DtypeError
        A value is none of its field.
    RangeError
        There would be more than 100.

    Examples
    --------
    >>> [one.name for one in matrix(mode=["lexical", "dense"], dim=[384, 128])]
    ['keyword', 'dense 384d', 'dense 128d']
    """
    given = {
        "mode": mode,
        "model": model,
        "dim": dim,
        "precision": precision,
        "chunker": chunker,
        "rerank": rerank,
        "fusion": fusion,
        "weight": weight,
    }
    return multiplied({name: list(_listed(values, name)) for name, values in given.items() if values is not None})


def _listed(values: object, name: str) -> Sequence[Any]:
    """Return a list of values; a bare string is none."""
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return values
    raise DtypeError(
        f"{name} must be a list, got {type(values).__name__}; put it in a list.", expected="list", where=name
    )


def multiplied(lists: dict[str, list[Any]], *, name: str = "", told: Sequence[str] = ("mode",)) -> list[Setting]:
    """Return each combination of lists of fields once: see ``matrix``.

    Names begin with ``name``; without one they say the fields that vary, and those in ``told``.
    """
    used = {name: values for name, values in lists.items() if values}
    count = math.prod(len(values) for values in used.values())
    if count > MOST_SETTINGS * 10:
        raise _too_many(count)
    made = [
        meaningful(Setting(**dict(zip(used, combination, strict=True))))
        for combination in itertools.product(*used.values())
    ]
    unique = list(dict.fromkeys(made))
    if len(unique) > MOST_SETTINGS:
        raise _too_many(len(unique))
    varying = [field for field in FIELDS if len({one.get(field) for one in unique}) > 1]
    if name:
        return [replace(one, name=" ".join([name, *_words(one, varying)])) for one in unique]
    said = [field for field in FIELDS if field in varying or (field in told and field in used)]
    return [replace(one, name=label_of(one, said)) for one in unique]


def meaningful(setting: Setting) -> Setting:
    """Return a setting without the fields that its mode has no use for."""
    nothing: dict[str, Any] = dict.fromkeys(UNUSED.get(setting.mode or "", ()))
    return replace(setting, **nothing)


def named(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return settings each with a name, in their order.

    Raises
    ------
    InputError
        There is none, two have one name, or two are the same.
    RangeError
        There are more than 100.
    """
    if not settings:
        raise InputError("No setting came: there is nothing to compare. Give at least one.", where="settings")
    if len(settings) > MOST_SETTINGS:
        raise _too_many(len(settings))
    full = tuple(replace(one, name=one.label) for one in settings)
    seen: dict[str, Setting] = {}
    for one in full:
        if one.name in seen:
            raise InputError(
                f"Two settings are called {one.name!r}; give each a name of its own, or leave one out.",
                got=one.name,
                where="settings",
            )
        seen[one.name] = one
    return full


def differing(one: Setting, other: Setting) -> tuple[str, ...]:
    """Return the fields in which two settings differ."""
    return tuple(field for field in FIELDS if one.get(field) != other.get(field))


def _too_many(count: int) -> RangeError:
    return RangeError(
        f"There would be {count} settings, and at most {MOST_SETTINGS} are compared at once: the more there are, the "
        "more questions it takes to tell them apart. Leave some values out.",
        expected=f"<= {MOST_SETTINGS}",
        got=count,
        where="settings",
    )


def _require_words(value: object, name: str, *, may_be_empty: bool) -> None:
    """Refuse what is no short line of text."""
    if value is None and not may_be_empty:
        return
    if not isinstance(value, str):
        raise DtypeError(f"{name} must be a string, got {type(value).__name__}.", expected="str", where=name)
    if (not value and not may_be_empty) or len(value) > MOST_CHARS or not value.isprintable():
        raise RangeError(
            f"{name} must be a line of 1 to {MOST_CHARS} printable characters, got {len(value)} characters.",
            expected=f"1 to {MOST_CHARS} printable characters",
            got=len(value),
            where=name,
        )


def number_text(value: object) -> str:
    """Return a value of a field as a person reads it."""
    return f"{value:g}" if isinstance(value, numbers.Real) and not isinstance(value, bool) else str(value)
