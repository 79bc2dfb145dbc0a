"""Predictions as files: a tree of text files, one per picture, at the picture's path with the suffix .txt.

    0_Parade_marchingband_1_465
    2
    345 211 23 33 0.9987
    411 205 20 31 0.8012

A name, the number of rows, and the rows in any order: x y w h in pixels and a score. Neither the name, which
the path tells already, nor further columns are looked at.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.annotations import Annotation, picture_key
from utils.errors import UserError
from utils.files import join_inside, read_text


def load_predictions(
    folder: str | Path, ground_truth: Sequence[Annotation], allow_missing: bool = False
) -> dict[str, np.ndarray]:
    """Read the predictions for the pictures of the ground truth.

    One line on stderr counts the pictures without a file, with allow_missing, and one the files for other
    pictures, which are not read.

    Returns:
        picture_key(name) -> (N, 5) float64, x1 y1 x2 y2 score, in the order of the file. A picture without a
        file has no entry.

    Raises:
        UserError: no such folder, a picture without a file, a malformed file, a picture that is annotated
            twice or whose name leads outside the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run the detection, or name its output with --pred")
    paths = _prediction_paths(folder, ground_truth)
    missing = [key for key, path in paths.items() if not path.is_file()]
    if missing and not allow_missing:
        raise UserError(
            f"{paths[missing[0]]}: no such file, {len(missing):,} of {len(paths):,} pictures have no"
            f" predictions; run the detection for {missing[0]!r} or count it as nothing found with"
            " --allow_missing"
        )
    present = paths.keys() - set(missing)
    predictions = {key: read_prediction(path) for key, path in paths.items() if key in present}
    _report_mismatches(folder, set(paths.values()), missing)
    return predictions


def read_prediction(path: str | Path) -> np.ndarray:
    """Read one file: (N, 5) float64, x1 y1 x2 y2 score, with x2 = x + w.

    Raises:
        UserError: the file cannot be read, ends early or has a malformed row, named by its line.
    """
    lines = read_text(path).split("\n")
    rows = [line for line in lines[2:] if line.strip()]
    try:
        values = np.loadtxt(rows, usecols=range(5), ndmin=2, comments=None) if rows else np.empty((0, 5))
    except ValueError:
        values = None
    if values is None or not np.isfinite(values).all() or (values[:, 2:4] < 0).any():
        values = _read_rows(path, lines)
    _check_count(path, lines, len(values))
    values[:, 2:4] += values[:, :2]
    return values


def _prediction_paths(folder: Path, ground_truth: Sequence[Annotation]) -> dict[str, Path]:
    paths = {}
    for annotation in ground_truth:
        key = picture_key(annotation.name)
        if key in paths:
            raise UserError(f"{annotation.name}: the ground truth has this picture more than once")
        paths[key] = join_inside(folder, f"{key}.txt")
    return paths


def _read_rows(path: str | Path, lines: list[str]) -> np.ndarray:
    """Read the rows one by one, to find and name the malformed one."""
    rows = []
    for number, line in enumerate(lines[2:], start=3):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in line.split()[:5]]
        except ValueError:
            row = []
        if len(row) < 5 or not np.isfinite(row).all():
            raise UserError(f"{path}:{number}: found {line[:80]!r}; expected five numbers, 'x y w h score'")
        if row[2] < 0 or row[3] < 0:
            raise UserError(f"{path}:{number}: found {line[:80]!r}; expected a width and height of 0 or more")
        rows.append(row)
    return np.array(rows)


def _check_count(path: str | Path, lines: list[str], rows: int) -> None:
    if not any(lines):
        raise UserError(f"{path}:1: found an empty file; expected a name, a count and the detections")
    count = lines[1].strip() if len(lines) > 1 else ""
    if not count.isdecimal():
        raise UserError(f"{path}:2: found {count[:80]!r}; expected the number of detections")
    if int(count) != rows:
        raise UserError(
            f"{path}:2: found {rows} rows below; expected {count} as this line says: the file is not whole,"
            " run the detection for it again"
        )


def _report_mismatches(folder: Path, expected: set[Path], missing: list[str]) -> None:
    if missing:
        print(
            f"warning: {folder}: {len(missing):,} of {len(expected):,} pictures have no predictions and count"
            f" as nothing found; the first is {missing[0]!r}",
            file=sys.stderr,
        )
    unknown = sorted(set(folder.rglob("[!.]*.txt")) - expected)
    if unknown:
        print(
            f"warning: {folder}: {len(unknown):,} files were not read, since the ground truth has no pictures"
            f" of these names; the first is {str(unknown[0].relative_to(folder))!r}",
            file=sys.stderr,
        )
