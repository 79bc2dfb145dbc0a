"""The one place that knows whether the compiled modules have been built."""

import sys
from functools import cache
from importlib import import_module
from multiprocessing import parent_process
from types import ModuleType


@cache
def load_compiled(module: str, without: str) -> ModuleType | None:
    """Return a compiled module, None where it is not built; the first None of a process warns.

    Args:
        module: its dotted name.
        without: what is missing and what is done instead, for the warning.
    """
    try:
        return import_module(module)
    except ImportError:
        if parent_process() is None:  # which its workers need not repeat
            _warn(without)
        return None


@cache
def _warn(without: str) -> None:
    print(f"warning: {without}; build it with: python setup.py build_ext --inplace", file=sys.stderr)
