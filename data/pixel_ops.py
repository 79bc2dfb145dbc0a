"""Scaling an image and changing a channel: the compiled loops where they are faster and built, OpenCV's elsewhere."""

from functools import lru_cache
from types import ModuleType

import cv2
import numpy as np

from utils.compiled import load_compiled


def resize(image: np.ndarray, scale: float, interpolation: int) -> np.ndarray:
    """Scale an (H, W, 3) uint8 image to the whole pixels next to H * scale and W * scale, at least one each.

    Where those are no whole numbers, content is scaled by `scale` itself, as boxes are: it ends inside the last pixel.
    Compiled or not, the result is the same, but a value next to a half may be rounded up by one, down by the other:
    they add in different orders.
    """
    size = [round(length * scale) for length in image.shape[:2]]
    is_copy = tuple(size) == image.shape[:2]  # OpenCV scales nothing then
    if (module := _compiled()) and min(size) > 0 and not is_copy and _is_slow_in_opencv(scale, interpolation):
        if image.strides[1:] != (3, 1):
            image = np.ascontiguousarray(image)
        rows, columns = (
            _windows(interpolation, *lengths, 1 / scale) for lengths in zip(image.shape[:2], size, strict=True)
        )
        return module.resample(image, *rows, *columns)
    if interpolation == cv2.INTER_LANCZOS4:  # which OpenCV computes in half the time, and unrounded, in float32
        image = image.astype(np.float32)
    if min(size) > 0:
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation)
    else:  # OpenCV refuses a factor that leaves no pixel
        resized = cv2.resize(image, [max(1, length) for length in reversed(size)], interpolation=interpolation)
    return resized if resized.dtype == np.uint8 else cv2.add(resized, 0, dtype=cv2.CV_8U)  # rounds and cuts to a byte


def look_up(image: np.ndarray, channel: int, table: np.ndarray) -> None:
    """Replace every value of one channel of an (H, W, 3) uint8 image by table[value], (256,) uint8."""
    if module := _compiled():
        module.look_up(image[..., channel], table)
    else:  # in half the time of cv2.LUT with a table for each
        cv2.insertChannel(cv2.LUT(cv2.extractChannel(image, channel), table), image, channel)


def _compiled() -> ModuleType | None:
    return load_compiled(
        "data._pixel_ops",
        "the compiled loops over pixels are missing, making training samples with OpenCV alone, which is slower",
    )


def _is_slow_in_opencv(scale: float, interpolation: int) -> bool:
    """Whether the interpolation is one of those without vector instructions."""
    if interpolation == cv2.INTER_AREA:  # a quick mean of whole pixels, or linear where it enlarges
        return scale < 1 and not (1 / scale).is_integer()
    return interpolation == cv2.INTER_LANCZOS4


@lru_cache(maxsize=64)  # the images of a dataset have few sizes, and their crops five
def _windows(interpolation: int, length: int, size: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what OpenCV makes each of `size` pixels of, when they lie `step` apart in a row of `length`.

    Returns:
        starts: (size,) int32, ascending, the first pixel of each window.
        weights: (size, T) float32, T a multiple of four; those beyond the row are zero.
    """
    if interpolation == cv2.INTER_AREA:
        left = np.arange(size)[:, None] * step
        right = np.minimum(left + step, length)
        taps = np.floor(left).astype(np.int64) + np.arange(np.ceil(step) + 1, dtype=np.int64)
        covered = np.minimum(taps + 1, right) - np.maximum(taps, left)
        weights = np.where(covered > 1e-3, covered, 0) / (right - left)  # OpenCV leaves slivers out
    else:
        center = ((np.arange(size)[:, None] + 0.5) * step - 0.5).astype(np.float32)
        taps = np.floor(center).astype(np.int64) + np.arange(-3, 5)
        weights = np.sinc(center - taps) * np.sinc((center - taps) / 4)
        weights /= weights.sum(axis=1, keepdims=True)
    count = -(-taps.shape[1] // 4) * 4
    starts = taps[:, :1].clip(0, max(0, length - count))
    # Taps beyond the row's ends are its outermost pixels, as often as that.
    places = np.arange(size)[:, None] * count + taps.clip(0, length - 1) - starts
    weights = np.bincount(places.ravel(), weights.ravel(), size * count).reshape(size, count)
    return starts[:, 0].astype(np.int32), weights.astype(np.float32)
