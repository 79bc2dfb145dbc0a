"""Boxes and landmarks in images as people see them, with their EXIF rotation, as places in the stored pixels."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.image_files import read_header
from utils.errors import UserError
from utils.wording import counted

FLIPS_X, FLIPS_Y, MIRRORS = (2, 3, 7, 8), (3, 4, 6, 7), (2, 4, 5, 7)  # EXIF orientations; from 5 on, x and y change
SWAPPED = [1, 0, 2, 4, 3]  # the landmarks of a mirrored face
Size = tuple[int, int]


def to_stored_pixels(
    folder: Path,
    names: Sequence[str],
    sizes: Sequence[Size | None],
    counts: Sequence[int],
    boxes: np.ndarray,
    landmarks: np.ndarray,
) -> tuple[list[Size | None], np.ndarray, np.ndarray, list[str]]:
    """Return sizes, boxes and landmarks in stored pixels, and a sentence on the images that are turned.

    An image is left alone where its file is missing, is not turned, or has another size than recorded.

    Args:
        folder: of the images.
        names: (P,) paths of the images below it.
        sizes: (P,) (height, width) of the images as shown.
        counts: (P,) numbers of faces, F in total.
        boxes: (F, 4) x1 y1 x2 y2; landmarks: (F, 5, 2), -1 for a missing one.
    """
    sizes, boxes, landmarks = list(sizes), boxes.copy(), landmarks.copy()
    ends, turned = np.cumsum(counts, dtype=np.int64), []
    for index, (name, size, end) in enumerate(zip(names, sizes, ends, strict=True)):
        found = _stored(folder, name) if size is not None else None
        if found is None:
            continue
        stored, orientation = found
        if orientation == 1 or size != (stored[::-1] if orientation >= 5 else stored):
            continue
        faces = slice(int(end) - counts[index], int(end))
        corners = _stored_points(boxes[faces].reshape(-1, 2, 2), stored, orientation)
        boxes[faces] = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        points = landmarks[faces][:, SWAPPED] if orientation in MIRRORS else landmarks[faces]
        landmarks[faces] = np.where(points == -1, -1.0, _stored_points(points, stored, orientation))
        sizes[index] = stored
        turned.append(name)
    if not turned:
        return sizes, boxes, landmarks, []
    note = (
        f"turned by their EXIF tag: {counted(len(turned), 'image')}, as {turned[0]!r}; their faces are given in stored"
        " pixels, as a training reads them. Remove the turn from the files before a labelling tool shows them turned"
    )
    return sizes, boxes, landmarks, [note]


def _stored(folder: Path, name: str) -> tuple[Size, int] | None:
    """Return (height, width) in stored pixels and the EXIF orientation of an image; None if it cannot be read."""
    path = os.path.join(folder, name)
    try:
        return read_header(path) if os.path.isfile(path) else None
    except UserError:
        return None


def _stored_points(points: np.ndarray, stored: Size, orientation: int) -> np.ndarray:
    """Return (..., 2) points x y of the shown image in the stored one."""
    x, y = np.moveaxis(points[..., ::-1] if orientation >= 5 else points, -1, 0)
    height, width = stored
    x = width - x if orientation in FLIPS_X else x
    y = height - y if orientation in FLIPS_Y else y
    return np.stack([x, y], axis=-1)
