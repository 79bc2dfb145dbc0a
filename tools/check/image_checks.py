"""A look at every image of a dataset, in processes on all cores."""

import hashlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from data.image_files import check_pixels, read_header
from utils.errors import UserError
from utils.files import decode_image, read_bytes

SIDE = 16  # of a thumbnail
# A JPEG decoder leaves out the fine detail for a fraction of the time, and still reads every byte.
REDUCTIONS = (
    (256, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (128, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (64, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    (0, cv2.IMREAD_GRAYSCALE),
)
CHUNK = 16  # images that a process takes at a time
ENDS_EARLY = "premature end"  # libjpeg's words: the rest of the image is grey, though the file has its end


class Look(NamedTuple):
    """What was seen of one image.

    Attributes:
        problem: why it cannot be read; the rest is then empty.
        warning: what the decoder said of it.
        size: (height, width) in stored pixels.
        orientation: EXIF's, from 2 to 8 where it is shown otherwise than stored.
        digest: equal for equal files.
        thumbnail: (SIDE, SIDE) uint8, grey.
    """

    problem: str | None
    warning: str | None = None
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    digest: bytes = b""
    thumbnail: np.ndarray = np.zeros((SIDE, SIDE), np.uint8)


@dataclass
class Looks:
    """What was seen of P images; of those with a problem, the rest is zero.

    Attributes:
        problems, warnings: index of the image -> words.
        sizes: (P, 2) int64, height and width in stored pixels.
        orientations: (P,) int64.
        digests: (P,) bytes.
        thumbnails: (P, SIDE, SIDE) uint8.
    """

    problems: dict[int, str]
    warnings: dict[int, str]
    sizes: np.ndarray
    orientations: np.ndarray
    digests: list[bytes]
    thumbnails: np.ndarray


def look_at(groups: Sequence[Sequence[Path]], workers: int) -> list[Looks]:
    """Read and decode groups of images, and return what was seen of each group.

    Raises:
        UserError: a process was killed, for want of memory as a rule.
    """
    try:
        with (
            # Fresh processes: one forked from a program whose libraries have threads can wait for them for ever.
            ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin) as pool,
            tqdm(total=sum(map(len, groups)), desc="checking", unit="image", disable=None) as progress,
        ):
            found = [pool.map(look, paths, chunksize=CHUNK) for paths in groups]
            return [_gather(looks, progress) for looks in found]
    except BrokenProcessPool as error:
        raise UserError(
            "a process that decodes images was killed, as a system without memory does; try --num_workers 1"
        ) from error


def _gather(found: Iterable[Look], progress: tqdm) -> Looks:
    looks = []
    for one in found:
        looks.append(one)
        progress.update()
    return Looks(
        problems={i: look.problem for i, look in enumerate(looks) if look.problem},
        warnings={i: look.warning for i, look in enumerate(looks) if look.warning},
        sizes=np.array([look.size for look in looks], np.int64).reshape(-1, 2),
        orientations=np.array([look.orientation for look in looks], np.int64),
        digests=[look.digest for look in looks],
        thumbnails=np.array([look.thumbnail for look in looks], np.uint8).reshape(-1, SIDE, SIDE),
    )


def _begin() -> None:
    """Prepare a process: one thread, and stderr in a file, since libjpeg tells of damage nowhere else.

    It ends with the program that began it, however that ends.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    file = tempfile.TemporaryFile()  # noqa: SIM115, open as long as the process lives
    os.dup2(file.fileno(), 2)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _header(path: Path, content: bytes) -> tuple[tuple[int, int], int]:
    """Return size and orientation by the header, or by decoding kinds of images that OpenCV alone knows."""
    try:
        return read_header(path, content)
    except UserError:
        return decode_image(path, content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION).shape[:2], 1


def look(path: Path) -> Look:
    """Look at one image, in a process that `_begin` has prepared."""
    try:
        content = read_bytes(path)
        if not content:
            raise UserError(f"{path}: is empty, a file of 0 bytes; fetch it again")
        size, orientation = _header(path, content)
        check_pixels(path, size)
        flags = next(flags for side, flags in REDUCTIONS if min(size) >= side)
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)
        image = decode_image(path, content, flags | cv2.IMREAD_IGNORE_ORIENTATION)
        os.lseek(2, 0, os.SEEK_SET)
        words = os.read(2, 200).decode("utf-8", "replace").strip()
        if ENDS_EARLY in words:
            raise UserError(f"{path}: the image ends early inside ({words.splitlines()[0]}); fetch it again")
    except UserError as error:
        return Look(str(error))
    thumbnail = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return Look(None, f"{path}: {words.splitlines()[0]}" if words else None, size, orientation, digest, thumbnail)
