"""Random augmentation of a training image and its faces (SSD, section 2.2; RetinaFace, section 4.2).

Every function takes the generator that it draws from, so that a seed always gives the same sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import cv2
import numpy as np

from data.annotations import Annotation
from utils.box_utils import clip_boxes
from utils.pixels import MEAN_BGR

CROP_SCALES = (0.3, 0.45, 0.6, 0.8, 1.0)
MOST_BOX_SHIFT = 16.0  # pixels
CROP_TRIES = 250
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)
FLIPPED_LANDMARKS = (1, 0, 2, 4, 3)  # in a flipped image, eyes and mouth corners change sides
IDENTITY = np.arange(256, dtype=np.uint8)  # the table that changes no color


@dataclass
class Faces:
    """The faces of one image.

    Attributes:
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels.
        landmarks: (N, 5, 2) float64, x y in pixels.
        labels: (N,) int64: 1 for a face with landmarks, -1 with a box only, 0 for an ignored face.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    labels: np.ndarray

    @classmethod
    def none(cls) -> "Faces":
        return cls(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: np.ndarray) -> "Faces":
        return Faces(self.boxes[chosen], self.landmarks[chosen], self.labels[chosen])


def clip_faces(annotation: Annotation, width: int, height: int) -> tuple[Faces, int, int]:
    """Clip an image's faces to it and drop empty ones.

    Returns:
        the faces, and how many were clipped and dropped.
    """
    boxes = clip_boxes(annotation.boxes, width, height)
    changed = (boxes != annotation.boxes).any(axis=1)
    nonempty = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    labels = np.where(annotation.ignored, 0, np.where(annotation.landmark_mask, 1, -1))
    faces = Faces(boxes, annotation.landmarks, labels)[nonempty]
    return faces, int((changed & nonempty).sum()), int((~nonempty).sum())


@dataclass(frozen=True)
class AugmentationOptions:
    """Options of the augmentation; the defaults are the published ones.

    Attributes:
        crop_scales: sides of the random crop in units of the image's short side. A scale above 1 shrinks the image, in
            a random place of a canvas in the mean color.
        mosaic: probability of a sample of four images in a grid.
        box_shift: pixels of the image, not of the sample, by which boxes are moved to the right and down.
    """

    crop_scales: Sequence[float] = CROP_SCALES
    mosaic: float = 0.0
    box_shift: float = 0.0

    @classmethod
    def of(cls, options: object) -> "AugmentationOptions":
        """Return the attributes of these names of a configuration or of parsed flags."""
        return cls(**{each.name: getattr(options, each.name) for each in fields(cls)})


PUBLISHED = AugmentationOptions()


def augment(
    image: np.ndarray,
    faces: Faces,
    size: int,
    rng: np.random.Generator,
    options: AugmentationOptions = PUBLISHED,
) -> tuple[np.ndarray, Faces]:
    """Crop, distort colors, pad to a square, flip and resize.

    These steps define the result. To save time, all random numbers are drawn first and each step is applied where the
    image has the fewest pixels: a large crop is resized before its colors change, a small one after, and padding and
    flipping come last. The faces are the same to the last bit. The pixels differ by rounding, by cutting colors to 0
    to 255 after the interpolation instead of before, and by the side of the nearest pixel in a flipped image.
    tests/helpers/slow_augmentation.py applies the steps in their order.

    Args:
        image: (H, W, 3) uint8, BGR; not modified.
        faces: clipped to the image and not empty.
        size: side of the result in pixels.
        options: crop scales and the shift of boxes; a mosaic is made by `arrange_mosaic`.

    Returns:
        The image, (size, size, 3) uint8, and its faces; their boxes are inside the image before `box_shift`.
    """
    image, faces, window = random_crop(image, faces, rng, options.crop_scales)
    change = draw_color_change(rng)
    flipped = rng.random() < 0.5
    interpolation = INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))]

    scale = size / window.side
    if window.side < size:
        image = resize(change_colors(image, change), scale, interpolation)
    else:
        image = change_colors(resize(image, scale, interpolation), change)
    left, top = round(window.left * scale), round(window.top * scale)
    image = place_in_square(image, left, top, size)
    if window.left or window.top:  # the image was placed at a whole pixel of the sample, and its faces follow
        shift = (left / scale - window.left, top / scale - window.top)
        boxes = clip_boxes(faces.boxes + shift * 2, window.side, window.side)
        faces = Faces(boxes, faces.landmarks + shift, faces.labels)
    if flipped:
        image, faces = cv2.flip(image, 1), flip_faces(faces, window.side)
    boxes = (faces.boxes + options.box_shift) * scale
    return image, Faces(boxes, faces.landmarks * scale, faces.labels)


def arrange_mosaic(tiles: Sequence[tuple[np.ndarray, Faces]], side: int) -> tuple[np.ndarray, Faces]:
    """Arrange four square samples of `side` pixels in a 2 x 2 grid (YOLOv4, section 3.3, without its random center)."""
    canvas = np.empty((2 * side, 2 * side, 3), np.uint8)
    moved = []
    for number, (image, faces) in enumerate(tiles):
        row, column = divmod(number, 2)
        corner = side * np.array([column, row])
        canvas[side * row : side * (row + 1), side * column : side * (column + 1)] = image
        moved.append(Faces(faces.boxes + np.tile(corner, 2), faces.landmarks + corner, faces.labels))
    boxes, landmarks, labels = (
        np.concatenate([getattr(each, name) for each in moved]) for name in ("boxes", "landmarks", "labels")
    )
    return canvas, Faces(boxes, landmarks, labels)


class Window(NamedTuple):
    """A square crop: its side, and its margins on the left and above the image, which are 0 inside the image."""

    left: int
    top: int
    side: int


def random_crop(
    image: np.ndarray, faces: Faces, rng: np.random.Generator, scales: Sequence[float] = CROP_SCALES
) -> tuple[np.ndarray, Faces, Window]:
    """Crop a random square that holds at least one whole face that is not ignored.

    The square's side is a random one of the scales times the image's short side; where it is longer than the image, the
    image is inside the square. If none of CROP_TRIES squares holds a whole face, the image is not cropped; if all faces
    are ignored or there are none, the first square is taken. Faces with their center in the crop are kept. An ignored
    face, which may be a whole crowd, is kept where any part of it is in the crop.

    Returns:
        The part of the image in the square, the faces in pixels of the square, and the square.
    """
    height, width = image.shape[:2]
    sides = (rng.choice(scales, CROP_TRIES) * min(height, width)).astype(np.int64).clip(min=1)
    room = np.stack([width - sides, height - sides], axis=1)
    corners = rng.integers(np.minimum(room, 0), np.maximum(room, 0) + 1)
    left, top, side = corners[:, :1], corners[:, 1:], sides[:, None]
    candidates = faces.boxes[faces.labels != 0]
    x1, y1, x2, y2 = candidates.T
    fits = ((x1 >= left) & (y1 >= top) & (x2 <= left + side) & (y2 <= top + side)).any(axis=1)
    if len(candidates) and not fits.any():
        return image, faces, Window(0, 0, max(height, width))
    first = fits.argmax()
    (x1, y1), side = corners[first].tolist(), int(sides[first])
    x2, y2 = x1 + side, y1 + side

    centers = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    kept = ((centers > (x1, y1)) & (centers < (x2, y2))).all(axis=1)
    boxes = clip_boxes(faces.boxes - (x1, y1, x1, y1), side, side)
    kept |= (faces.labels == 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    landmarks = np.clip(faces.landmarks - (x1, y1), 0, side)
    part = image[max(y1, 0) : y2, max(x1, 0) : x2]
    return part, Faces(boxes, landmarks, faces.labels)[kept], Window(max(-x1, 0), max(-y1, 0), side)


@dataclass
class ColorChange:
    """A random change of colors, as look-up tables.

    Attributes:
        before: (256,) uint8, for blue, green and red, applied first.
        hue: (256,) uint8, in OpenCV's steps of two degrees.
        saturation: (256,) uint8.
        after: (256,) uint8, for blue, green and red, applied last.
    """

    before: np.ndarray
    hue: np.ndarray
    saturation: np.ndarray
    after: np.ndarray


def draw_color_change(rng: np.random.Generator) -> ColorChange:
    """Draw a change of brightness, contrast, saturation and hue, each with probability 1/2.

    Contrast comes before or after saturation and hue, with equal probability.
    """
    contrast_first = rng.random() < 0.5
    before = _linear_table(1.0, rng.uniform(-32, 32)) if rng.random() < 0.5 else IDENTITY
    if contrast_first:
        before = _draw_contrast(rng)[before]
    saturation = _linear_table(rng.uniform(0.5, 1.5), 0.0) if rng.random() < 0.5 else IDENTITY
    hue = _hue_table(rng.integers(-18, 19)) if rng.random() < 0.5 else IDENTITY
    return ColorChange(before, hue, saturation, IDENTITY if contrast_first else _draw_contrast(rng))


def _draw_contrast(rng: np.random.Generator) -> np.ndarray:
    return _linear_table(rng.uniform(0.5, 1.5), 0.0) if rng.random() < 0.5 else IDENTITY


def _linear_table(factor: float, offset: float) -> np.ndarray:
    """Return (256,) uint8: value * factor + offset, cut to 0 to 255."""
    return np.clip(np.arange(256) * factor + offset, 0, 255).astype(np.uint8)


def _hue_table(shift: int) -> np.ndarray:
    """Return (256,) uint8: value + shift modulo the 180 steps of hue."""
    return ((np.arange(256) + shift) % 180).astype(np.uint8) if shift else IDENTITY


def change_colors(image: np.ndarray, change: ColorChange) -> np.ndarray:
    """Return an (H, W, 3) uint8 BGR image with its colors changed; the input is not modified."""
    image = _look_up(image, change.before)
    tables = {channel: table for channel, table in enumerate((change.hue, change.saturation)) if table is not IDENTITY}
    if tables:  # otherwise the conversion to HSV and back would only round
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        for channel, table in tables.items():  # half the time of one cv2.LUT with a table per channel
            cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return _look_up(image, change.after)


def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    return image if table is IDENTITY else cv2.LUT(image, table)


def resize(image: np.ndarray, scale: float, interpolation: int) -> np.ndarray:
    """Scale an (H, W, 3) uint8 image to round(H * scale) x round(W * scale) pixels, at least one each.

    The content is scaled by `scale` itself, like the boxes, even where the size is rounded.
    """
    height, width = (round(length * scale) for length in image.shape[:2])
    if interpolation == cv2.INTER_LANCZOS4:  # OpenCV takes half the time in float32
        image = image.astype(np.float32)
    if min(height, width) > 0:
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation)
    else:  # OpenCV refuses a factor that leaves no pixel
        resized = cv2.resize(image, (max(1, width), max(1, height)), interpolation=interpolation)
    return resized if resized.dtype == np.uint8 else cv2.add(resized, 0, dtype=cv2.CV_8U)  # rounds and cuts


def place_in_square(image: np.ndarray, left: int, top: int, size: int) -> np.ndarray:
    """Place an image in a square of `size` pixels in the mean color, which the network sees as zero."""
    image = image[: size - top, : size - left]  # rounding may have added a row
    height, width = image.shape[:2]
    if height == width == size:
        return image
    right, bottom = size - left - width, size - top - height
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=MEAN_BGR)


def flip_faces(faces: Faces, width: int) -> Faces:
    """Return the faces of an image of `width` pixels that is flipped horizontally."""
    boxes = faces.boxes.copy()
    boxes[:, [0, 2]] = width - faces.boxes[:, [2, 0]]
    landmarks = faces.landmarks[:, FLIPPED_LANDMARKS].copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return Faces(boxes, landmarks, faces.labels)
