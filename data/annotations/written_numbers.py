"""Boxes and numbers as files have them: as few digits as give the same number again."""

import numpy as np


def written_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return (N, 4) boxes x1 y1 x2 y2 as x y w h for a file.

    x2 - x1 is 9.899999999999999 where the file had 9.9, so sizes are rounded to six digits where that gives the same x2
    again. Elsewhere, x2 may differ by the rounding of its last digit when it is read.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    short = sizes.round(6)
    return np.concatenate([boxes[:, :2], np.where(boxes[:, :2] + short == boxes[:, 2:], short, sizes)], axis=1)


def written_number(value: float) -> str:
    """Return the shortest text of a float64 that is parsed as the same number, without a fraction if it is whole."""
    is_whole = float(value).is_integer() and abs(value) < 2**53
    return str(int(value)) if is_whole else repr(float(value))
