"""scikit-learn, where it is installed."""

from __future__ import annotations

from types import ModuleType

from vicinal.errors import MissingExtraError


def sklearn() -> ModuleType:
    """Return what talks with scikit-learn.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        from vicinal.evaluate.protocols import _sklearn  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise MissingExtraError(
            "This protocol needs scikit-learn. Run: pip install 'vicinal[eval]'",
            expected="scikit-learn",
            where="protocol",
        ) from error
    return _sklearn
