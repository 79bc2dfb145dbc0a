"""Running as where the compiled modules are not built."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from utils import compiled


@contextmanager
def without_compiled(*modules: str) -> Iterator[None]:
    """Make compiled modules impossible to import within the block, as where they are not built."""
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setitem(sys.modules, module, None)
        compiled.load_compiled.cache_clear()
        compiled._warn.cache_clear()
        yield
    compiled.load_compiled.cache_clear()
