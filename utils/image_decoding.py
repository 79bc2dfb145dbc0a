"""Decode image files to 8 bits, and note what a user may not expect: damage, a scaled range, further frames."""

import io
import re
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from utils.decoder_messages import catch_damage
from utils.errors import UserError
from utils.image_kinds import AVIF, RAW, advice, is_raw, jpeg_header
from utils.image_notes import ImageNote
from utils.value_range import DARK, MOST_BRIGHT, scale_to_bytes

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 1 << 28  # of an image; a larger one takes gigabytes of memory
# Of Pillow, which reads what OpenCV does not. EPS and others that start a program are not among them.
PILLOW_FORMATS = {
    *("JPEG", "MPO", "PNG", "BMP", "DIB", "WEBP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "SUN", "ICO", "PCX", "QOI"),
    *("SGI", "DDS", "PSD"),
}
FRAME_FORMATS = {"GIF", "WEBP", "PNG", "AVIF", "TIFF"}  # MPO, ICO and PSD have other images than frames
# Formats whose samples may have more than 8 bits: PNG, TIFF, PNM, PAM, PFM, JPEG 2000, Radiance HDR.
DEEP = re.compile(rb"\x89PNG.{20}\x10|II[*+]\0|MM\0[*+]|P[2356Ff7]\s|\0\0\0\x0cjP|\xff\x4f\xff\x51|#\?R", re.DOTALL)
FOURTEEN_BITS = 64  # of 255, rounded up: deep images without a larger value may use 14 of 16 bits or less
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SUBFILE_TYPE = 254  # of TIFF
THUMBNAIL_OR_MASK = 0b101


class DecodedImage(NamedTuple):
    """An image, and what its user may not expect.

    Attributes:
        pixels: (H, W, 3) uint8 BGR, or (H, W) uint8 if the flags ask for gray.
        notes: at most one of each kind.
    """

    pixels: np.ndarray
    notes: tuple[ImageNote, ...] = ()


def decode_image(path: str | Path, content: bytes, flags: int, page: int | None = None) -> DecodedImage:
    """Decode the content of an image file with OpenCV, or with Pillow where OpenCV does not know the format.

    Args:
        path: the file.
        flags: cv2.IMREAD_COLOR or a gray one, also at reduced size, and whether to ignore the EXIF orientation.
        page: index of a page of a TIFF; None: the first, with a note if there are more.

    Raises:
        UserError: the content is not an image, is truncated, or has more than MOST_PIXELS.
    """
    if not content:
        raise UserError(f"{path}: is not an image, it is an empty file of 0 bytes; fetch it again")
    if is_raw(path):
        raise UserError(f"{path}: is {RAW}")
    if _ends_early(content):
        raise UserError(f"{path}: the image ends early after {len(content)} bytes; fetch it again")
    size, frames = read_size_and_frames(content)
    check_pixels(path, size)
    silence_opencv()
    found, damage = catch_damage(lambda: _decode(path, content, flags, page or 0))
    notes = [ImageNote("damaged", damage)] if damage else []
    notes += found.notes
    if frames > 1 and page is None:
        notes.append(ImageNote("frames", f"1 of {frames}"))
    return found._replace(notes=tuple(notes))


def check_pixels(path: str | Path, size: tuple[int, int]) -> None:
    """Raise UserError where an image of (height, width) has more than MOST_PIXELS."""
    if size[0] * size[1] > MOST_PIXELS:
        raise UserError(f"{path}: has {size[1]} x {size[0]} pixels; expected at most {MOST_PIXELS:,} in all")


def _decode(path: str | Path, content: bytes, flags: int, page: int) -> DecodedImage:
    if AVIF.match(content) and "AVIF" in _known_formats():  # OpenCV ignores its orientation
        return _decode_pillow(path, content, flags, page, "")
    pixels, reason = _decode_opencv(path, content, flags, page)
    is_tiff = content.startswith(TIFF)
    is_dark = pixels is None or (DEEP.match(content) is not None and pixels.max() <= FOURTEEN_BITS)
    if is_dark or is_tiff:
        orientation = flags & cv2.IMREAD_IGNORE_ORIENTATION
        deep, _ = _decode_opencv(path, content, orientation | cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, page)
        # OpenCV saturates the floating-point numbers of a TIFF, or refuses them.
        if deep is not None and deep.dtype != np.uint8 and (is_dark or deep.dtype.kind == "f"):
            return _scaled(deep, pixels, flags)
    if pixels is None:
        return _decode_pillow(path, content, flags, page, reason)
    notes = _note_of_dark(pixels)
    if is_tiff and (damage := _damage_of_tiff(content)):
        notes.append(ImageNote("damaged", damage))
    return DecodedImage(pixels, tuple(notes))


def _note_of_dark(pixels: np.ndarray) -> list[ImageNote]:
    """Return a note if hardly any value is bright enough for anything to be seen."""
    sample = pixels[::8, ::8]  # clears nearly all images, fast
    if np.count_nonzero(sample >= DARK) > sample.size / 10:
        return []
    if np.count_nonzero(pixels >= DARK) > MOST_BRIGHT * pixels.size:
        return []
    return [ImageNote("dark", f"at most {int(np.quantile(pixels, 1 - MOST_BRIGHT, method='lower'))}")]


def _decode_opencv(path: str | Path, content: bytes, flags: int, page: int) -> tuple[np.ndarray | None, str]:
    """Return the pixels or None, and why OpenCV refuses them."""
    try:
        if page:
            pages = cv2.imreadmulti(str(path), page, 1, flags=flags)[1]
            return (pages[0] if pages else None), ""
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags), ""
    except cv2.error as error:
        return None, error.err


def _scaled(values: np.ndarray, pixels: np.ndarray | None, flags: int) -> DecodedImage:
    """Return an image of more than 8 bits; `pixels` are OpenCV's 8 bits of it, if it has any."""
    if values.ndim == 2:  # OpenCV 4.11 reads a gray PFM so, whatever the flags
        values = cv2.merge([values] * 3)
    scaled, used = scale_to_bytes(values)
    if used is not None:
        pixels = None
    if pixels is None:
        pixels = scaled if flags & cv2.IMREAD_COLOR else cv2.cvtColor(scaled, cv2.COLOR_BGR2GRAY)
    notes = [ImageNote("stretched", used)] if used is not None else []
    return DecodedImage(pixels, (*notes, *_note_of_dark(pixels)))


def _decode_pillow(path: str | Path, content: bytes, flags: int, page: int, reason: str) -> DecodedImage:
    """Decode what OpenCV does not; `reason` is its message."""
    from PIL import ImageOps, UnidentifiedImageError  # most images do not need Pillow

    try:
        with open_pillow(io.BytesIO(content), path) as image:
            check_pixels(path, (image.height, image.width))
            if page:
                image.seek(page)
            upright = image if flags & cv2.IMREAD_IGNORE_ORIENTATION else ImageOps.exif_transpose(image)
            if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
                return _scaled(np.asarray(upright), None, flags)
            pixels = cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)
    except UserError:
        raise
    except Exception as error:  # Pillow raises many types for damaged data
        if AVIF.match(content) and "AVIF" in _known_formats():
            found = "; it is a damaged AVIF image; fetch it again"
        elif found := advice(content):
            found = f"; it is {found}"
        elif reason or not isinstance(error, UnidentifiedImageError):
            found = f": {reason or error}"
        raise UserError(f"{path}: is not an image that OpenCV can decode{found or ''}") from error
    pixels = pixels if flags & cv2.IMREAD_COLOR else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return DecodedImage(pixels, tuple(_note_of_dark(pixels)))


def open_pillow(source: str | Path | io.BytesIO, path: str | Path) -> "Image.Image":
    """Open an image with Pillow, in one of PILLOW_FORMATS.

    Args:
        path: its suffix tells TGA, which has no mark of its own.

    Raises:
        Exception: many types.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # `check_pixels` has a limit of its own
    formats = [*_known_formats(), *(["TGA"] if str(path).lower().endswith(".tga") else [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an error says it
        return Image.open(source, formats=formats)


@cache
def _known_formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(sorted(PILLOW_FORMATS & set(Image.OPEN)))  # AVIF and QOI are newer than the oldest Pillow


def _damage_of_tiff(content: bytes) -> str | None:
    """Return Pillow's message about the compressed data of a TIFF, of which OpenCV says nothing."""
    try:
        with warnings.catch_warnings(), open_pillow(io.BytesIO(content), "") as image:
            warnings.simplefilter("ignore")
            image.load()
    except OSError as error:
        return f"libtiff: {error}" if re.search(r"decoder error|truncated|^-\d", str(error)) else None
    except Exception:  # a kind of TIFF that Pillow does not know
        return None
    return None


def read_size_and_frames(content: bytes) -> tuple[tuple[int, int], int]:
    """Return (height, width) in stored pixels and the number of frames or pages by a file's header.

    The size is (0, 0) where the header is of an unknown kind.
    """
    if content.startswith(b"\xff\xd8"):
        return jpeg_header(content).size, 1
    if content.startswith(b"\x89PNG"):
        animation = content.find(b"acTL", 8, max(content.find(b"IDAT"), 8))
        frames = int.from_bytes(content[animation + 4 : animation + 8], "big") if animation > 0 else 1
        return (int.from_bytes(content[20:24], "big"), int.from_bytes(content[16:20], "big")), frames
    with suppress(Exception), warnings.catch_warnings():  # the decoder says what is wrong
        warnings.simplefilter("ignore")
        with open_pillow(io.BytesIO(content), "") as image:
            return (image.height, image.width), len(frame_numbers(image))
    return (0, 0), 1


def frame_numbers(image: "Image.Image") -> list[int]:
    """Return the numbers of an opened image's frames or pages, without the thumbnails and masks of a TIFF."""
    count = getattr(image, "n_frames", 1) if image.format in FRAME_FORMATS else 1
    if image.format != "TIFF" or count == 1:
        return list(range(count))
    numbers = []
    for number in range(count):
        image.seek(number)
        if not image.tag_v2.get(SUBFILE_TYPE, 0) & THUMBNAIL_OR_MASK:
            numbers.append(number)
    image.seek(0)
    return numbers


def tiff_pages(path: str | Path) -> list[int]:
    """Return the indices of the pages of a TIFF; none for an image in another format."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_pillow(path, path) as image:
            return frame_numbers(image) if image.format == "TIFF" else []
    return []


def _ends_early(content: bytes) -> bool:
    """Whether a JPEG or PNG file lacks its end marker, or a WebP file is shorter than it says.

    OpenCV fills the missing part with gray without an error. A JPEG may have a preview, which is a JPEG itself, in a
    segment before its scan, so only an end marker after the start of the scan is its own.
    """
    if content.startswith(b"\xff\xd8"):
        scan = jpeg_header(content).scan
        return scan < 0 or content.rfind(b"\xff\xd9") < scan
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return len(content) < int.from_bytes(content[4:8], "little") + 7  # the last byte may be padding
    return False


@cache
def silence_opencv() -> None:
    """Turn off OpenCV's own messages about a bad image or camera: the UserError says it in one line."""
    logging = getattr(cv2.utils, "logging", cv2)  # cv2.setLogLevel up to OpenCV 4.10
    logging.setLogLevel(0)
