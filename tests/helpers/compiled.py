"""Run code as if the compiled modules were not built."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from utils import compiled


@contextmanager
def without_compiled(*modules: str) -> Iterator[None]:
    """Make compiled modules impossible to import within the block."""
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setitem(sys.modules, module, None)
        compiled.load_compiled.cache_clear()
        compiled._warn.cache_clear()
        yield
    compiled.load_compiled.cache_clear()
