"""Lines and progress bars on a terminal or in a log."""

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO

from tqdm import tqdm


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line at once, by default to stdout, above a progress bar.

    A closed pipe is no error: the run continues without output.
    """
    stream = stream or sys.stdout
    try:
        tqdm.write(line, file=stream)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress_bar(**options) -> tqdm:
    """Return a tqdm bar as wide as the terminal; 80 columns where the terminal does not report its size.

    With `disable=None` nothing is shown where stderr is not a terminal.
    """
    columns, rows = shutil.get_terminal_size()
    return tqdm(ncols=columns, nrows=rows, **options)


def print_notes(path: object, sentences: Iterable[str]) -> None:
    """Print sentences on how a file was read, on stderr."""
    for sentence in sentences:
        print(f"note: {path}: {sentence}", file=sys.stderr)
