"""Load the Cython modules where they have been built."""

import sys
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def load_compiled(module: str, without: str) -> ModuleType | None:
    """Return a compiled module, or None with a warning where it is not built.

    Args:
        module: its dotted name.
        without: what is missing and what replaces it; modules with the same text share one warning.
    """
    try:
        return import_module(module)
    except ImportError:
        _warn(without)
        return None


@cache
def _warn(without: str) -> None:
    print(f"warning: {without}; build it with: python setup.py build_ext --inplace", file=sys.stderr)
