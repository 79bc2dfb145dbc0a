"""The one place that knows whether the compiled modules of the scorer have been built."""

import sys
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def compiled(name: str) -> ModuleType | None:
    """Return the compiled module evaluation.`name`, None where it is not built; the first None of a process warns."""
    try:
        return import_module(f"evaluation.{name}")
    except ImportError:
        _warn()
        return None


@cache
def _warn() -> None:
    print(
        "warning: the compiled scorer is missing, reading and scoring in Python and NumPy instead, which is slower;"
        " build it with: python setup.py build_ext --inplace",
        file=sys.stderr,
    )
