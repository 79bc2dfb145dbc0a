"""Boxes in parts of their image's size, in formats that say pixels."""

from copy import copy
from pathlib import Path

import numpy as np

from data.annotations.record import Annotations
from data.annotations.shapes import DIGITS, LARGEST_PART
from data.image_files import ImageFolder
from data.image_header import read_header
from utils.errors import UserError
from utils.wording import counted

FRACTIONS = f"no coordinate of a box is above {LARGEST_PART}: taken for parts of the images' sizes"


def in_pixels(annotations: Annotations, images: Path) -> Annotations:
    """Scale boxes and landmarks by the sizes of the images, where no box has a coordinate above
    LARGEST_PART.

    A note of the result says so, also where the size of an image is not known and nothing is scaled. Whole numbers
    alone, and boxes without area, are pixels.

    Args:
        images: folder of the images, for sizes that the annotation does not have.
    """
    boxes = annotations.boxes
    if not len(boxes) or not _are_fractions(boxes):
        return annotations
    result, counts = copy(annotations), np.diff(annotations.ends, prepend=0)
    sizes = list(annotations.sizes or [None] * len(annotations))
    try:
        unknown = [index for index in np.flatnonzero(counts) if sizes[index] is None]
        folder = ImageFolder(images) if unknown else None
        for index in unknown:
            sizes[index] = read_header(images / folder.find(annotations.names[index])).shown_size
    except UserError as error:
        result.notes = [*annotations.notes, f"{FRACTIONS}, but not scaled by them: {error}; name their folder"]
        return result
    scale = np.repeat([size[::-1] if size else (0, 0) for size in sizes], counts, axis=0).astype(np.float64)
    result.sizes = sizes
    result.boxes = (boxes * np.tile(scale, 2)).round(DIGITS)
    landmarks = annotations.landmarks
    if (landmarks != -1).any() and landmarks.max() <= LARGEST_PART:
        missing = (landmarks == -1).all(axis=2, keepdims=True)
        result.landmarks = np.where(missing, -1.0, (landmarks * scale[:, None]).round(DIGITS))
    result.notes = [*annotations.notes, f"{FRACTIONS}, and scaled by them: {counted(len(boxes), 'face')}"]
    return result


def _are_fractions(boxes: np.ndarray) -> bool:
    has_area = (boxes[:, 2:] > boxes[:, :2]).all()
    return bool(has_area and boxes.max() <= LARGEST_PART and boxes.min() >= -1 and (boxes != np.round(boxes)).any())
