"""Images of the report: crops around boxes and whole images scaled down, as data URIs."""

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

# Side of a crop, and longest side of a whole image, in pixels of the report.
CROP_SIDE = 200
IMAGE_SIDE = 560
# Side of a crop in multiples of the box's longer side, and its minimum in pixels of the image: faces of a few pixels
# need surroundings to be recognized.
CONTEXT = 2.0
MIN_CROP = 40
JPEG_QUALITY = 80
GRAY = (128, 128, 128)


class CropRequest(NamedTuple):
    """An image to show: around a box, x1 y1 x2 y2 in pixels, or all of it if the box is None."""

    name: str
    box: tuple[float, ...] | None = None


@dataclass(frozen=True)
class CropView:
    """A crop or an image, ready to be shown.

    Attributes:
        source: data URI of a JPEG; empty if the image cannot be shown.
        left, top, width, height: region in pixels of the image; a crop may extend beyond the image.
        problem: why the image cannot be shown, or that the box lies outside; else empty.
    """

    source: str = ""
    left: int = 0
    top: int = 0
    width: int = 0
    height: int = 0
    problem: str = ""


def cut_crops(requests: Iterable[CropRequest], files: Mapping[str, Path]) -> dict[CropRequest, CropView]:
    """Cut crops out of images. Each image is read once, and one is in memory at a time.

    Args:
        requests: what to show.
        files: image_key(name) -> file.

    Returns:
        A view for each request, without a source if the image has no file or cannot be read.
    """
    by_name: dict[str, list[CropRequest]] = {}
    for request in dict.fromkeys(requests):
        by_name.setdefault(request.name, []).append(request)
    views = {}
    for name, same_image in by_name.items():
        path = files.get(image_key(name))
        try:
            image = read_image(path) if path else None
            problem = "" if path else "no such image in the folder"
        except UserError as error:
            image, problem = None, str(error)
        for request in same_image:
            views[request] = CropView(problem=problem) if image is None else _view(image, request.box)
    return views


def _view(image: np.ndarray, box: tuple[float, ...] | None) -> CropView:
    height, width = image.shape[:2]
    if box is None:
        scale = min(1.0, IMAGE_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return CropView(_encode(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), 0, 0, width, height)
    side, left, top = _crop_window(box, width, height)
    square = _cut_square(image, side, left, top)
    interpolation = cv2.INTER_AREA if side > CROP_SIDE else cv2.INTER_CUBIC
    square = cv2.resize(square, (CROP_SIDE, CROP_SIDE), interpolation=interpolation)
    outside = box[2] < 0 or box[3] < 0 or box[0] > width or box[1] > height
    return CropView(_encode(square), left, top, side, side, "the box lies outside the image" if outside else "")


def _crop_window(box: tuple[float, ...], width: int, height: int) -> tuple[int, int, int]:
    """Return side, left and top of a square around a box, moved into the image as far as it fits."""
    x1, y1, x2, y2 = box
    wanted = max(MIN_CROP, CONTEXT * max(x2 - x1, y2 - y1))
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
    return cv2.copyMakeBorder(inside, above, below, before, behind, cv2.BORDER_CONSTANT, value=GRAY)


def _encode(image: np.ndarray) -> str:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
