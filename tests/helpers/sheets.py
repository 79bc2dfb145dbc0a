"""What tests see on a sheet of tools.show."""

import re

import cv2
import numpy as np

from tools.show.grid import GAP, LINE


def cell(sheet: np.ndarray, index: int, columns: int, side: int, height: int) -> np.ndarray:
    """Return the image of a cell of a sheet whose images are all `side` wide and `height` high."""
    row, column = divmod(index, columns)
    top, left = GAP + row * (height + LINE + GAP), GAP + column * (side + GAP)
    return sheet[top : top + height, left : left + side]


def names_of(outcome) -> list[str]:
    """Return the names that the command prints, which count from 1."""
    rows = re.findall(r"^ *(\d+)  (.*)  \(", outcome.out, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    return [name for _, name in rows]


def has(image: np.ndarray, color: tuple[int, int, int], tolerance: int = 0) -> np.ndarray:
    """Return (H, W) where an image has a color."""
    return (np.abs(image.astype(int) - color) <= tolerance).all(axis=2)


def outside_boxes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (H, W) True where no line of a box x1 y1 x2 y2 can be."""
    mask = np.ones((height, width), np.uint8)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(mask, (x1, y1), (x2, y2), 0, 5)
    return mask > 0
