"""Parser of prediction files, one text file per image.

    0_Parade_marchingband_1_465
    2
    345 211 23 33 0.9987
    411 205 20 31 0.8012

A name, the number of rows, and the rows in any order: x y w h in pixels and a score. The name, further columns and
empty lines are skipped.
"""

from math import isfinite
from pathlib import Path

import numpy as np

from data.annotations.problems import LARGEST
from utils.errors import UserError


def parse_text(content: bytes, path: str | Path) -> np.ndarray:
    """Parse the content of one file in Python, which defines the format and its errors.

    Returns:
        (N, 5) float64, x1 y1 x2 y2 score, with x2 = x + w, in the order of the file.

    Raises:
        UserError: the file is not UTF-8, is empty, ends early or has a malformed row, named by its line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not any(lines):
        raise UserError(f"{path}:1: found an empty file; expected a name, a count and the detections")
    count = lines[1].strip() if len(lines) > 1 else ""
    if not count.isdecimal() or len(count) > 18:
        raise UserError(f"{path}:2: found {count[:80]!r}; expected the number of detections")
    rows = [_parse_row(line, path, number) for number, line in enumerate(lines[2:], start=3) if line.strip()]
    if int(count) != len(rows):
        raise UserError(
            f"{path}:2: found {len(rows)} rows below; expected {count}, the number in this line; the file is"
            " incomplete, run the detection for it again"
        )
    return np.array(rows, np.float64).reshape(-1, 5)


def _parse_row(line: str, path: str | Path, number: int) -> tuple[float, float, float, float, float]:
    try:
        x, y, w, h, score = map(_number, line.split(None, 5)[:5])
    except ValueError:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected five numbers, 'x y w h score'") from None
    if max(map(abs, (x, y, x + w, y + h, score))) > LARGEST:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected numbers up to 1e9")
    if w < 0 or h < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected a width and height of 0 or more")
    return x, y, x + w, y + h, score


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not isfinite(value):  # Python accepts 1_000
        raise ValueError
    return value
