"""Animated images, read frame by frame."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.detect.video import SQUARE, FrameInfo
from utils.errors import UserError
from utils.files import check_file
from utils.image_decoding import check_pixels, frame_numbers, open_pillow

PLAYED_MS = 100  # duration of a frame that gives none, as browsers play it


class Animation:
    """An animated GIF, WebP, PNG or AVIF, with the methods and attributes of a Video.

    Args:
        every: yield every Nth frame only.

    Raises:
        UserError: Pillow cannot read it.
    """

    def __init__(self, path: Path, every: int = 1):
        self.path, self.every = path, every
        self.problem: str | None = None
        self.notes: list[str] = []
        self.pixel_aspect = SQUARE
        check_file(path)
        try:
            self.image = open_pillow(path, path)
            self.count = len(frame_numbers(self.image))
        except Exception as error:  # Pillow raises many types for a damaged file
            raise UserError(f"{path}: is an animated image that cannot be read ({error})") from error
        self.height, self.width = self.image.height, self.image.width
        check_pixels(path, (self.height, self.width))
        self.rate = Fraction(1000, round(self._duration() or PLAYED_MS))

    def frames(self) -> Iterator[tuple[FrameInfo, np.ndarray]]:
        """Yield every Nth frame with its image, (H, W, 3) uint8 BGR.

        Frames after the first that cannot be decoded are missing; `problem` reports them at the end.
        """
        milliseconds = 0.0
        with self.image:
            for index in range(self.count):
                try:
                    self.image.seek(index)
                    image = np.asarray(self.image.convert("RGB"))
                except Exception as error:  # Pillow raises many types for a damaged frame
                    self.problem = f"{self.path}: only {index} of {self.count} frames can be decoded ({error})"
                    return
                if index % self.every == 0:
                    yield FrameInfo(str(self.path), index, milliseconds / 1000), np.ascontiguousarray(image[..., ::-1])
                milliseconds += self._duration() or PLAYED_MS

    def _duration(self) -> float:
        """Return the milliseconds for which the current frame is shown, 0 where it does not tell."""
        return self.image.info.get("duration", 0)
