"""Read and write files. Errors name the file, and a failed write leaves no partial file."""

import codecs
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np

from utils.errors import ImageError, UserError
from utils.image_decoding import DecodedImage, decode_image

LARGEST_FILE = 1 << 32  # bytes; files are read into memory


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file, or of a UTF-16 file with a byte-order mark, without the mark.

    Raises:
        UserError: the file cannot be read or is not text.
    """
    content = read_bytes(path)
    try:
        return content.decode(text_encoding(content)).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def text_encoding(head: bytes) -> str:
    """Return the encoding of a text by the beginning of its file: UTF-16, which Windows writes, or UTF-8."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def read_image(path: str | Path, upright: bool = False) -> np.ndarray:
    """Read an image in any format of OpenCV, or of Pillow in `utils.image_decoding`.

    Args:
        upright: whether to apply the EXIF orientation. Otherwise the pixels are returned as stored, which labels
            refer to.

    Returns:
        (H, W, 3) uint8, BGR. Gray images get three equal channels, transparency is dropped.

    Raises:
        UserError: the file is missing, not an image, or truncated.
    """
    return read_image_with_notes(path, upright).pixels


def read_image_with_notes(path: str | Path, upright: bool = False, page: int | None = None) -> DecodedImage:
    """Read an image as `read_image`, or a page of a TIFF, with notes on what a user may not expect of it."""
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    return decode_image(path, read_bytes(path), flags, page)


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Return the content of a file, or its first `most` bytes.

    Raises:
        UserError: it cannot be read, or as `check_file`.
    """
    check_file(path, LARGEST_FILE if most is None else None)
    try:
        with open(path, "rb") as file:
            return file.read(-1 if most is None else most)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def check_file(path: str | Path, largest: int | None = LARGEST_FILE) -> None:
    """Check that a file from anywhere is safe to read.

    Args:
        largest: bytes; None: any number, for a file that is not read into memory.

    Raises:
        UserError: there is no such file, it is a pipe or a device, which may never end, or it is too large.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path}: cannot be read ({os.strerror(errno.EISDIR)})")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: is a pipe or a device; expected a file")
    if largest is not None and found.st_size > largest:
        raise UserError(f"{path}: has {found.st_size:,} bytes; expected at most {largest:,}")


def join_inside(root: str | Path, name: str) -> Path:
    """Return root/name for a name from a list or a label file.

    Raises:
        UserError: the name is absolute or leads outside root.
    """
    return Path(path_inside(root, name))


def path_inside(root: str | Path, name: str) -> str:
    """Return the same as `join_inside` as text, which is faster for a million names."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or ".." in parts or parts[0] == "" or (":" in name and PureWindowsPath(name).drive):
        raise UserError(f"{name!r}: an image's name must be a relative path that stays inside {root}")
    return os.path.join(root, *parts)


def make_folder(path: str | Path) -> Path:
    """Create a folder with its parents and check that files can be written in it.

    Raises:
        UserError: it cannot be created or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path}: the output folder cannot be written ({error.strerror})") from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which is renamed to `path` when the block succeeds.

    A reader sees the old file or the whole new one, even when the run is killed. The temporary name keeps the suffix,
    by which matplotlib chooses the format.

    Raises:
        UserError: the file cannot be written, for example on a full disk.
    """
    path = Path(path)
    temporary = unique_beside(path, f"tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # a parent that is not a folder is reported above
            temporary.unlink()


def unique_beside(path: Path, end: str) -> Path:
    """Return a hidden path beside `path`, ending in a dot and `end`, that no other run uses.

    A process id is not enough: containers that share a disk may have the same one.
    """
    # A name has at most 255 bytes, and a letter up to four.
    return path.with_name(f".{path.stem[:50]}.{secrets.token_hex(8)}.{end}")


def refuse_existing(path: Path) -> None:
    """Raise UserError where a path to be written exists."""
    if os.path.lexists(path):
        raise UserError(f"{path}: exists already; move it away or name another place")


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which is renamed to `path` when the block succeeds, else removed.

    Raises:
        UserError: `path` exists, or the folder cannot be written.
    """
    path = Path(path)
    refuse_existing(path)
    temporary = unique_beside(path, "tmp")
    try:
        temporary.mkdir(parents=True)
        try:
            yield temporary
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically; bytes of file names that are not UTF-8 are written as escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image atomically; the suffix of `path` chooses the format.

    Args:
        image: (H, W, 3) uint8, BGR.

    Raises:
        ImageError: the format cannot hold it.
        UserError: the file cannot be written.
    """
    try:
        done, content = cv2.imencode(Path(path).suffix, image)
    except cv2.error:
        done = False
    if not done:  # a JPEG has at most 65,535 pixels a side
        height, width = image.shape[:2]
        raise ImageError(f"{path}: {width} x {height} pixels cannot be written in this format")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.tobytes())
