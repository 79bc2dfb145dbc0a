"""Image files of rare kinds: damaged, deep and animated."""

import io

import cv2
import numpy as np
from PIL import Image


def scene(seed: int = 0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Return a smooth image, (height, width, 3) uint8 BGR, with values from 0 to 255."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float64)
    return np.rint((image - image.min()) * 255 / (image.max() - image.min())).astype(np.uint8)


def saved(image: np.ndarray, kind: str, **options) -> bytes:
    """Return a BGR image as a file of one of Pillow's formats."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(file, kind, **options)
    return file.getvalue()


def frames(kind: str, count: int = 3, **options) -> bytes:
    """Return an animated image, or a TIFF of several pages, with the scenes of 0, 1 and so on."""
    further = [Image.fromarray(np.ascontiguousarray(scene(seed)[..., ::-1])) for seed in range(1, count)]
    return saved(scene(0), kind, save_all=True, append_images=further, **options)


def damaged_jpeg(image: np.ndarray) -> bytes:
    """Return a JPEG with bytes inserted into the middle of its data, of which libjpeg warns."""
    content = cv2.imencode(".jpg", image)[1].tobytes()
    middle = len(content) * 6 // 10
    return content[:middle] + b"\x55" * 60 + content[middle:]
