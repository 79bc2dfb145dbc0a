"""The size and the orientation of an image, by the header of its file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2

from utils.errors import UserError
from utils.files import check_file, read_bytes
from utils.image_decoding import decode_image, open_pillow

if TYPE_CHECKING:
    from PIL import Image

EXIF_ORIENTATION = 0x0112


def image_size(path: str | Path) -> tuple[int, int]:
    """Return the (height, width) in stored pixels by an image's header; an EXIF rotation is not applied.

    Raises:
        UserError: the file cannot be read or is not an image.
    """
    check_file(path)
    try:
        with _header(path, path) as image:
            return image.height, image.width
    except UserError:
        return _decoded_size(path, read_bytes(path))


class ImageHeader(NamedTuple):
    """What the header of an image file says.

    Attributes:
        size: (height, width) in stored pixels.
        orientation: the EXIF orientation from 1 to 8; 1 is upright.
    """

    size: tuple[int, int]
    orientation: int

    @property
    def shown_size(self) -> tuple[int, int]:
        """(height, width) of the image as viewers and labelling tools show it."""
        return self.size[::-1] if self.orientation >= 5 else self.size


def read_header(path: str | Path, content: bytes | None = None) -> ImageHeader:
    """Return the size and the orientation by the header of an image file.

    Args:
        content: of the file, if it has been read.

    Raises:
        UserError: the file cannot be read or is not an image.
    """
    if content is None:
        check_file(path)
    try:
        with _header(path, path if content is None else io.BytesIO(content)) as image:
            # For a PNG without EXIF before its pixels, Pillow would decode the pixels to search after them.
            has_exif = image.format != "PNG" or "exif" in image.info
            orientation = image.getexif().get(EXIF_ORIENTATION, 1) if has_exif else 1
            return ImageHeader((image.height, image.width), orientation if orientation in range(1, 9) else 1)
    except UserError:
        return ImageHeader(_decoded_size(path, read_bytes(path) if content is None else content), 1)


def _decoded_size(path: str | Path, content: bytes) -> tuple[int, int]:
    """Return the size of an image in a format that only OpenCV knows; its error says what else a file is."""
    return decode_image(path, content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION).pixels.shape[:2]


@contextmanager
def _header(path: str | Path, source: str | Path | io.BytesIO) -> "Iterator[Image.Image]":
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the UserError reports it
            with open_pillow(source, path) as image:
                yield image
    except OSError as error:
        reason = f"cannot be read ({error.strerror})" if error.strerror else "is not an image"
        raise UserError(f"{path}: {reason}") from error
    except Exception as error:  # Pillow raises many types for a damaged header
        raise UserError(f"{path}: is not an image that Pillow can read ({error})") from error
