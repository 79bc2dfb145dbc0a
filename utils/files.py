"""Read and write files. Errors name the file, and a failed write leaves no partial file."""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np

from utils.errors import ImageError, UserError

LARGEST_FILE = 1 << 32  # bytes; files are read into memory


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark.

    Raises:
        UserError: the file cannot be read or is not text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def read_image(path: str | Path, upright: bool = False) -> np.ndarray:
    """Read an image in any format of OpenCV.

    Args:
        upright: whether to apply the EXIF orientation. Otherwise the pixels are returned as stored, which labels
            refer to.

    Returns:
        (H, W, 3) uint8, BGR. Gray images get three equal channels, transparency is dropped.

    Raises:
        UserError: the file is missing, not an image, or truncated.
    """
    return decode_image(path, read_bytes(path), cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION))


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Return the content of a file, or its first `most` bytes.

    Raises:
        UserError: it cannot be read, or as `check_file`.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            return file.read(-1 if most is None else most)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def check_file(path: str | Path) -> None:
    """Check that a file from anywhere is safe to read.

    Raises:
        UserError: there is no such file, it is a pipe or a device, which may never end, or larger than LARGEST_FILE.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path}: cannot be read ({os.strerror(errno.EISDIR)})")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: is a pipe or a device; expected a file")
    if found.st_size > LARGEST_FILE:
        raise UserError(f"{path}: has {found.st_size:,} bytes; expected at most {LARGEST_FILE:,}")


def decode_image(path: str | Path, content: bytes, flags: int) -> np.ndarray:
    """Decode the content of an image file; `flags` are OpenCV's, the rest as for `read_image`."""
    if _ends_early(content):
        raise UserError(f"{path}: the image ends early after {len(content)} bytes; fetch it again")
    silence_opencv()
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as error:
        raise UserError(f"{path}: OpenCV cannot decode the image ({error.err})") from error
    if image is None:
        raise UserError(f"{path}: is not an image that OpenCV can decode")
    return image


def _ends_early(content: bytes) -> bool:
    """Whether a JPEG or PNG file lacks its end marker.

    OpenCV fills the missing part with gray without an error. A JPEG may have a preview, which is a JPEG itself, in a
    segment before its scan, so only an end marker after the start of the scan is its own.
    """
    if content.startswith(b"\xff\xd8"):
        scan = _start_of_scan(content)
        return scan < 0 or content.rfind(b"\xff\xd9") < scan
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content
    return False


def _start_of_scan(jpeg: bytes) -> int:
    """Return the position of a JPEG's first start-of-scan marker, -1 where the file has none."""
    position = 2
    while position + 4 <= len(jpeg):
        if jpeg[position + 1] == 0xDA:
            return position
        if jpeg[position + 1] == 0xFF:  # any number of fill bytes may precede a marker
            position += 1
        else:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    return -1


@cache
def silence_opencv() -> None:
    """Turn off OpenCV's own messages about a bad image or camera: the UserError says it in one line."""
    logging = getattr(cv2.utils, "logging", cv2)  # cv2.setLogLevel up to OpenCV 4.10
    logging.setLogLevel(0)


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
