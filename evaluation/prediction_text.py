"""Reader of many prediction files; data/annotations/formats/prediction_text.py defines their format and its errors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations.formats.prediction_text import parse_text
from evaluation.extension import load_extension


def parse_texts(contents: Sequence[bytes], paths: Sequence[str | Path]) -> list[np.ndarray]:
    """Parse the contents of several files with the results and errors of `parse_text`, in compiled code if built."""
    rows = np.empty((sum(content.count(b"\n") for content in contents), 5))
    counts = np.full(len(contents), -1, np.int64)
    if (module := load_extension("_prediction_rows")) and len(rows):
        module.read_plain(list(contents), rows, counts)
    ends = counts.clip(0).cumsum().tolist()
    return [
        rows[end - count : end] if count >= 0 else parse_text(content, path)
        for content, path, count, end in zip(contents, paths, counts.tolist(), ends, strict=True)
    ]


def read_columns(path: str | Path) -> np.ndarray:
    """Return the (N, C) numbers of a prediction file that has been parsed, with the columns that all its rows have."""
    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()[2:]
    rows = [list(_leading_numbers(line)) for line in lines if line.strip()]
    columns = min(map(len, rows), default=5)
    return np.array([row[:columns] for row in rows], np.float64).reshape(-1, columns)


def _leading_numbers(line: str) -> Iterator[float]:
    for word in line.split():
        try:
            yield float(word)
        except ValueError:
            return
