"""What the pictures and faces of a label file are like, in numbers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.annotations.record import Annotations
from data.pictures import picture_size
from utils.errors import UserError
from utils.overlap import overlapped

THREADS = 8  # that wait for the disk


def distributions(annotations: Annotations, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values whose distributions describe a dataset of P pictures and F faces of some size.

    Boxes are taken as the file has them, not clipped; those without width or height are left out.

    Args:
        sizes: (P, 2) float64 height and width of the pictures in pixels, NaN where unknown.

    Returns:
        width, height: (P,) of the pictures in pixels, NaN where unknown.
        faces: (P,) how many a picture has.
        size: (F,) square root of a face's area, in pixels.
        relative_size: (F,) size in parts of the picture's short side; NaN where that is unknown.
        aspect: (F,) width / height.
        x, y: (F,) centre of a face in parts of the picture's width and height; NaN where these are unknown.
    """
    counts = np.diff(annotations.ends, prepend=0)
    owners = np.repeat(np.arange(len(annotations)), counts)
    kept = face_sizes(annotations.boxes) > 0
    owners, boxes = owners[kept], annotations.boxes[kept]
    height, width = np.asarray(sizes, np.float64).reshape(-1, 2).T
    size = face_sizes(boxes)
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    return {
        "width": width,
        "height": height,
        "faces": np.bincount(owners, minlength=len(annotations)),
        "size": size,
        "relative_size": size / np.minimum(height, width)[owners],
        "aspect": (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]),
        "x": x / width[owners],
        "y": y / height[owners],
    }


def face_sizes(boxes: np.ndarray) -> np.ndarray:
    """Return (N,) the sides in pixels of squares as large as (N, 4) boxes x1 y1 x2 y2; 0 for those without area."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).clip(0).T
    return np.sqrt(width * height)


def picture_sizes(paths: Sequence[str | Path]) -> tuple[np.ndarray, list[str]]:
    """Read the sizes of pictures from their headers.

    Returns:
        sizes: (P, 2) float64 height and width in stored pixels, NaN where a picture cannot be read.
        errors: a line for each of those.
    """
    sizes, errors = np.full((len(paths), 2), np.nan), []
    found: Iterable = overlapped(_size_or_error, paths, threads=THREADS, ahead=64 * THREADS)
    found = tqdm(found, total=len(paths), desc="reading the sizes", unit="picture", disable=None)
    for index, size in enumerate(found):
        if isinstance(size, UserError):
            errors.append(str(size))
        else:
            sizes[index] = size
    return sizes, errors


def _size_or_error(path: str | Path) -> tuple[int, int] | UserError:
    try:
        return picture_size(path)
    except UserError as error:
        return error
