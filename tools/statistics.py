"""What the images and faces of a label file are like, in numbers."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from tqdm import tqdm

from data.annotations.record import Annotations
from data.image_files import ImageFolder, image_size
from utils.errors import UserError
from utils.threads import overlapped

THREADS = 8  # that wait for the disk


def distributions(annotations: Annotations, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values whose distributions describe a dataset of P images and F faces that count and have some size.

    Boxes are taken as the file has them, not clipped; those without width or height are left out.

    Args:
        sizes: (P, 2) float64 height and width of the images in pixels, NaN where unknown.

    Returns:
        width, height: (P,) of the images in pixels, NaN where unknown.
        faces, ignored: (P,) how many an image has, and how many further ones do not count.
        size: (F,) square root of a face's area, in pixels.
        relative_size: (F,) size in parts of the image's short side; NaN where that is unknown.
        aspect: (F,) width / height.
        x, y: (F,) centre of a face in parts of the image's width and height; NaN where these are unknown.
    """
    counts = np.diff(annotations.ends, prepend=0)
    owners = np.repeat(np.arange(len(annotations)), counts)
    is_face = face_sizes(annotations.boxes) > 0
    ignored = np.bincount(owners[is_face & annotations.ignored], minlength=len(annotations))
    kept = is_face & ~annotations.ignored
    owners, boxes = owners[kept], annotations.boxes[kept]
    height, width = np.asarray(sizes, np.float64).reshape(-1, 2).T
    size = face_sizes(boxes)
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    return {
        "width": width,
        "height": height,
        "faces": np.bincount(owners, minlength=len(annotations)),
        "ignored": ignored,
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


def image_sizes(folder: ImageFolder, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Read the sizes of images from their headers.

    Args:
        names: (P,) of the images in the folder, with their suffixes or without.

    Returns:
        sizes: (P, 2) float64 height and width in stored pixels, NaN where an image cannot be read.
        errors: a line for each of those.
    """
    sizes, errors = np.full((len(names), 2), np.nan), []
    found: Iterable = overlapped(partial(_size_or_error, folder), names, threads=THREADS, ahead=64 * THREADS)
    found = tqdm(found, total=len(names), desc="reading the sizes", unit="image", disable=None)
    for index, size in enumerate(found):
        if isinstance(size, UserError):
            errors.append(str(size))
        else:
            sizes[index] = size
    return sizes, errors


def _size_or_error(folder: ImageFolder, name: str) -> tuple[int, int] | UserError:
    try:
        return image_size(folder.path / folder.find(name))
    except UserError as error:
        return error
