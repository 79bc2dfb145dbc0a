"""A slow reference for data.augmentation that applies every step to the whole crop, in the order of the method.

It draws the same random numbers in the same order, so that a seed gives the same crop, change of colors, flip and
interpolation in both.
"""

import cv2
import numpy as np

from data.augmentation import CROP_SCALES, CROP_TRIES, FLIPPED_LANDMARKS, INTERPOLATIONS, Faces
from utils.box_utils import clip_boxes
from utils.pixels import MEAN_BGR


def augment(image: np.ndarray, faces: Faces, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Faces]:
    """Crop, distort colors, pad to a square, flip and resize.

    Args:
        image: (H, W, 3) uint8, BGR; not modified.
        faces: clipped to the image and not empty.
        size: side of the result in pixels.

    Returns:
        The image, (size, size, 3) uint8, and its faces.
    """
    image, faces = random_crop(image, faces, rng)
    image = distort_colors(image, rng)
    image = pad_to_square(image)
    if rng.random() < 0.5:
        image, faces = flip(image, faces)
    return resize(image, faces, size, INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))])


def random_crop(image: np.ndarray, faces: Faces, rng: np.random.Generator) -> tuple[np.ndarray, Faces]:
    """Crop a random square that holds at least one whole face that is not ignored; as data.augmentation."""
    height, width = image.shape[:2]
    sides = (rng.choice(CROP_SCALES, CROP_TRIES) * min(height, width)).astype(np.int64).clip(min=1)
    corners = rng.integers(0, np.stack([width - sides, height - sides], axis=1) + 1)
    windows = np.concatenate([corners, corners + sides[:, None]], axis=1)[:, None, :]
    whole = (faces.boxes[:, :2] >= windows[..., :2]) & (faces.boxes[:, 2:] <= windows[..., 2:])
    fits = (whole.all(axis=2) & (faces.labels != 0)).any(axis=1)
    if faces.labels.any() and not fits.any():
        return image, faces
    x1, y1, x2, y2 = windows[fits.argmax(), 0]

    centers = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    centered = ((centers > (x1, y1)) & (centers < (x2, y2))).all(axis=1)
    overlaps = ((faces.boxes[:, :2] < (x2, y2)) & (faces.boxes[:, 2:] > (x1, y1))).all(axis=1)
    faces = faces[np.where(faces.labels == 0, overlaps, centered)]
    side = int(x2 - x1)
    boxes = clip_boxes(faces.boxes - (x1, y1, x1, y1), side, side)
    landmarks = np.clip(faces.landmarks - (x1, y1), 0, side)
    return image[y1:y2, x1:x2], Faces(boxes, landmarks, faces.labels)


def distort_colors(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue, each with probability 1/2.

    Contrast comes before or after saturation and hue, with equal probability.
    """
    contrast_first = rng.random() < 0.5
    image = _brightness(image, rng)
    if contrast_first:
        image = _contrast(image, rng)
    image = _saturation_and_hue(image, rng)
    return image if contrast_first else _contrast(image, rng)


def _brightness(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.LUT(image, _linear_table(1.0, rng.uniform(-32, 32))) if rng.random() < 0.5 else image


def _contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.LUT(image, _linear_table(rng.uniform(0.5, 1.5), 0.0)) if rng.random() < 0.5 else image


def _saturation_and_hue(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    factor = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    shift = rng.integers(-18, 19) if rng.random() < 0.5 else 0
    if factor == 1.0 and shift == 0:
        return image
    unchanged = np.arange(256, dtype=np.uint8)
    hue = ((np.arange(256) + shift) % 180).astype(np.uint8)  # OpenCV counts hue in steps of two degrees
    table = np.stack([hue, _linear_table(factor, 0.0), unchanged], axis=1)[None]
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR)


def _linear_table(factor: float, offset: float) -> np.ndarray:
    """Return (256,) uint8: value * factor + offset, cut to 0 to 255."""
    return np.clip(np.arange(256) * factor + offset, 0, 255).astype(np.uint8)


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """Pad to a square, on the right or at the bottom, with the mean color."""
    height, width = image.shape[:2]
    side = max(height, width)
    return cv2.copyMakeBorder(image, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=MEAN_BGR)


def flip(image: np.ndarray, faces: Faces) -> tuple[np.ndarray, Faces]:
    """Flip horizontally."""
    width = image.shape[1]
    boxes = faces.boxes.copy()
    boxes[:, [0, 2]] = width - faces.boxes[:, [2, 0]]
    landmarks = faces.landmarks[:, FLIPPED_LANDMARKS].copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return cv2.flip(image, 1), Faces(boxes, landmarks, faces.labels)


def resize(image: np.ndarray, faces: Faces, size: int, interpolation: int) -> tuple[np.ndarray, Faces]:
    """Scale a square image to size x size pixels."""
    scale = size / image.shape[0]
    resized = cv2.resize(image, (size, size), interpolation=interpolation)
    return resized, Faces(faces.boxes * scale, faces.landmarks * scale, faces.labels)
