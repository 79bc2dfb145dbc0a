"""Detection in video frames with pixels that are not square: the network sees the frame as players show it."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from engine.detect.video import FrameInfo
from models.detector import Detections

NEARLY_SQUARE = 0.02  # no face looks different


@dataclass(frozen=True)
class StoredFrame:
    """A frame with its stored pixels; str() names it in messages."""

    info: FrameInfo
    image: np.ndarray

    def __str__(self) -> str:
        return str(self.info)

    def square(self) -> np.ndarray:
        """Return the image, (H, W, 3) uint8 BGR, stretched to square pixels."""
        height, width = self.image.shape[:2]
        size = square_size(height, width, self.info.pixel_aspect)
        return self.image if size == (height, width) else cv2.resize(self.image, size[::-1])

    def to_stored(self, found: Detections) -> Detections:
        """Return the detections of the stretched image in stored pixels."""
        height, width = self.image.shape[:2]
        square_height, square_width = square_size(height, width, self.info.pixel_aspect)
        scale = np.array([width / square_width, height / square_height], np.float32)
        landmarks = None if found.landmarks is None else found.landmarks * scale
        return Detections(found.boxes * np.tile(scale, 2), found.scores, landmarks)


def square_size(height: int, width: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Return (height, width) with square pixels: one side is stretched, none is shrunk."""
    if abs(pixel_aspect - 1) <= NEARLY_SQUARE:
        return height, width
    return round(height / min(pixel_aspect, 1)), round(width * max(pixel_aspect, 1))
