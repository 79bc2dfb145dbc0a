"""Reading and writing files so that a failure names the file and never leaves half of one."""

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

LARGEST_FILE = 1 << 32  # bytes; all of it is held in memory


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
    """Read an image of any kind that OpenCV knows.

    Args:
        upright: turn it as its EXIF tag says, so that it is as people see it; otherwise the pixels are returned as
            stored, which is what labels refer to.

    Returns:
        (H, W, 3) uint8, BGR. Grey images get three equal channels, transparency is dropped.

    Raises:
        UserError: the file is missing, is not an image, or ends early.
    """
    return decode_image(path, read_bytes(path), cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION))


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Return what is in a file, or its first `most` bytes.

    Raises:
        UserError: it cannot be read, or is none that should be: a pipe, which might never end, or too large.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            return file.read(-1 if most is None else most)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def check_file(path: str | Path) -> None:
    """Make sure that a file, which may be a stranger's, can be read to its end.

    Raises:
        UserError: there is none, it is a pipe or a device, or larger than LARGEST_FILE.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # a zero byte in a name for one
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path}: cannot be read ({os.strerror(errno.EISDIR)})")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: is a pipe or a device; expected a file")
    if found.st_size > LARGEST_FILE:
        raise UserError(f"{path}: has {found.st_size:,} bytes; expected at most {LARGEST_FILE:,}")


def decode_image(path: str | Path, content: bytes, flags: int) -> np.ndarray:
    """Decode the image that a file holds; `flags` are OpenCV's, the rest is as for `read_image`."""
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

    OpenCV fills what is missing with grey and says nothing to the program. A JPEG may hold another one, a preview,
    in a segment before its scan, so that only an end marker behind the start of the scan is its own.
    """
    if content.startswith(b"\xff\xd8"):
        scan = _start_of_scan(content)
        return scan < 0 or content.rfind(b"\xff\xd9") < scan
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content
    return False


def _start_of_scan(jpeg: bytes) -> int:
    """Return the position of a JPEG's first start-of-scan marker, -1 where the file ends before it."""
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
    """Keep OpenCV's own words about a bad image or camera off stderr: the UserError says it in one line."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def join_inside(root: str | Path, name: str) -> Path:
    """Return root/name for a name that comes from a list or a label file.

    Raises:
        UserError: the name is absolute or leads outside root.
    """
    return Path(path_inside(root, name))


def path_inside(root: str | Path, name: str) -> str:
    """Return what `join_inside` does as text, for those who ask a million times."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or ".." in parts or parts[0] == "" or (":" in name and PureWindowsPath(name).drive):
        raise UserError(f"{name!r}: an image's name must be a relative path that stays inside {root}")
    return os.path.join(root, *parts)


def make_folder(path: str | Path) -> Path:
    """Create a folder with its parents and make sure that files can be written in it.

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
    """Give a temporary path beside `path`, renamed to `path` when the block succeeds.

    A reader sees the old file or the whole new one; a killed run leaves the old one. The temporary name keeps the
    suffix, by which matplotlib chooses the format.

    Raises:
        UserError: the file cannot be written, a full disk for one.
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
        with suppress(OSError):  # a parent that is no folder has its own message above
            temporary.unlink()


def unique_beside(path: Path, end: str) -> Path:
    """Return a hidden path beside `path`, ending in a dot and `end`, that no other run has.

    A process's number would not do: in containers that share a disk, many have the same.
    """
    # The longest names have 255 bytes, and a letter up to four.
    return path.with_name(f".{path.stem[:50]}.{secrets.token_hex(8)}.{end}")


def refuse_existing(path: Path) -> None:
    """Raise UserError where something is at a path that a command is about to write."""
    if os.path.lexists(path):
        raise UserError(f"{path}: exists already; move it away or name another place")


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, renamed to `path` when the block succeeds and removed when it fails.

    Raises:
        UserError: something is at `path`, or the folder cannot be written.
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
    """Write a whole text file in UTF-8 or none of it; of a file name that is no text, bytes are written as escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a whole image or none of it; the suffix of `path` chooses the format.

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
