"""Reader of many prediction files; data/annotations/prediction_text.py defines their format and its errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.annotations.prediction_text import parse_text
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
