"""Parts of images for a page: what surrounds a box, and whole images made small, as text that an <img> holds."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.annotations import image_key
from utils.errors import UserError
from utils.files import read_image

# Side of a crop, and longest side of a whole image, in pixels of the page's images.
CROP = 200
WHOLE = 560
# A crop shows this many times the longer side of its box, and no less than so many pixels of the image: around a
# face of a few pixels nothing could be recognised.
CONTEXT = 2.0
LEAST = 40
QUALITY = 80
GREY = (128, 128, 128)


class Part(NamedTuple):
    """What to show: the surroundings of a box, x1 y1 x2 y2 in pixels, or the whole of an image where it is None."""

    name: str
    box: tuple[float, ...] | None = None


@dataclass(frozen=True)
class View:
    """A part of an image, ready to be shown.

    Attributes:
        source: a data: URI of a JPEG; empty where the image cannot be shown.
        left, top, width, height: the part in pixels of the image; a crop may reach over the image's edge.
        problem: why the image cannot be shown, or that the box is not in it; else empty.
    """

    source: str = ""
    left: int = 0
    top: int = 0
    width: int = 0
    height: int = 0
    problem: str = ""


def cut(parts: Iterable[Part], files: Mapping[str, Path]) -> dict[Part, View]:
    """Cut parts out of images; each image is opened once, and one after the other.

    Args:
        parts: what to show.
        files: image_key(name) -> file.

    Returns:
        A view of each part, without a source where the image has no file or cannot be read.
    """
    by_name: dict[str, list[Part]] = {}
    for part in dict.fromkeys(parts):
        by_name.setdefault(part.name, []).append(part)
    views = {}
    for name, wanted in by_name.items():
        path = files.get(image_key(name))
        try:
            image = read_image(path) if path else None
            problem = "" if path else "no such image in the folder"
        except UserError as error:
            image, problem = None, str(error)
        for part in wanted:
            views[part] = View(problem=problem) if image is None else _view(image, part.box)
    return views


def _view(image: np.ndarray, box: tuple[float, ...] | None) -> View:
    height, width = image.shape[:2]
    if box is None:
        scale = min(1.0, WHOLE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return View(_encode(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), 0, 0, width, height)
    side, left, top = _window(box, width, height)
    square = _cut_square(image, side, left, top)
    # A small face is enlarged smoothly, a large one averaged: both read better than bare pixels.
    interpolation = cv2.INTER_AREA if side > CROP else cv2.INTER_CUBIC
    square = cv2.resize(square, (CROP, CROP), interpolation=interpolation)
    outside = box[2] < 0 or box[3] < 0 or box[0] > width or box[1] > height
    return View(_encode(square), left, top, side, side, "the box lies outside the image" if outside else "")


def _window(box: tuple[float, ...], width: int, height: int) -> tuple[int, int, int]:
    """Return side, left and top of a square around a box, moved into the image as far as it fits."""
    x1, y1, x2, y2 = box
    wanted = max(LEAST, CONTEXT * max(x2 - x1, y2 - y1))
    side = round(min(wanted, max(width, height)))

    def start(low: float, high: float, size: int) -> int:
        if side >= size:
            return (size - side) // 2
        return round(min(max((low + high - side) / 2, 0), size - side))

    return side, start(x1, x2, width), start(y1, y2, height)


def _cut_square(image: np.ndarray, side: int, left: int, top: int) -> np.ndarray:
    height, width = image.shape[:2]
    inside = image[max(top, 0) : top + side, max(left, 0) : left + side]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = max(top + side - height, 0), max(left + side - width, 0)
    return cv2.copyMakeBorder(inside, above, below, before, behind, cv2.BORDER_CONSTANT, value=GREY)


def _encode(image: np.ndarray) -> str:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
