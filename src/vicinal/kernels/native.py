"""The native module, where a compiler was at the installation, and the one place that says when it is missing."""

from __future__ import annotations

import functools
import importlib
import warnings
from types import ModuleType
from typing import Literal

from vicinal.config import native_kernels
from vicinal.errors import FallbackWarning


def _imported() -> ModuleType | None:
    """Return the native module, or None where the package was built without a compiler."""
    try:
        return importlib.import_module("vicinal.kernels._native")
    except ImportError:
        return None


module = _imported()


def implementation() -> Literal["native", "numpy"]:
    """Return which kernels serve: the native ones unless they were not built or the setting says ``numpy``."""
    return "native" if module is not None and native_kernels() else "numpy"


def serving() -> ModuleType | None:
    """Return the native module if it serves; else None, and warn once if the setting did not choose that."""
    if module is not None and native_kernels():
        return module
    if native_kernels():
        say_fallback()
    return None


@functools.cache
def say_fallback() -> None:
    """Warn once in a process."""
    warnings.warn(
        "The native kernels were not built, so NumPy does their work, several times slower and with the same answers; "
        "install a C++ compiler and reinstall, or set VICINAL_KERNELS=numpy to choose this.",
        FallbackWarning,
        stacklevel=4,
    )
