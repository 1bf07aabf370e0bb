"""charset-normalizer: what encoding bytes look like."""

from __future__ import annotations

COMMON = ("cp1252", "cp932", "euc_jis_2004", "gb18030", "cp949", "big5", "cp1251", "koi8_r", "cp1250", "iso8859_2")
"""How often encodings are met, the commonest first. Of those that fit about as well as the best, it decides:
a page of French is as clean in cp1250 as in cp1252, and the library takes the first of the alphabet."""
CHAOS_MARGIN = 0.1
COHERENCE_MARGIN = 0.05


def detected(sample: bytes) -> str | None:
    """Return the most likely encoding of some bytes, or None when they look like no text."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - loaded only for a file that is no UTF-8

    found = from_bytes(sample)
    best = found.best()
    if best is None:
        return None
    near = {
        name
        for match in found
        if match.chaos <= best.chaos + CHAOS_MARGIN and match.coherence >= best.coherence - COHERENCE_MARGIN
        for name in match.could_be_from_charset
    }
    return next((name for name in COMMON if name in near), best.encoding)
