"""Checks of the image files of a dataset, in processes on all cores."""

import hashlib
import multiprocessing
import os
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

from data.image_header import read_header
from utils.errors import UserError
from utils.files import read_bytes
from utils.image_decoding import decode_image, read_size_and_frames
from utils.image_notes import ImageNote

SIDE = 16  # of a thumbnail in pixels
# Decoding a JPEG at reduced size takes a fraction of the time, and still reads every byte.
REDUCTIONS = (
    (256, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (128, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (64, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    (0, cv2.IMREAD_GRAYSCALE),
)
CHUNK = 16  # images that a worker takes at a time
ENDS_EARLY = "premature end"  # in libjpeg's message: the rest of the image is gray


class ImageCheck(NamedTuple):
    """The result for one image.

    Attributes:
        problem: why it cannot be read; the other fields are then empty.
        notes: what was found in decoding it.
        size: (height, width) in stored pixels.
        orientation: of EXIF, 2 to 8 if the image is displayed rotated or flipped.
        digest: hash of the file.
        thumbnail: (SIDE, SIDE) uint8, gray.
    """

    problem: str | None
    notes: tuple[ImageNote, ...] = ()
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    digest: bytes = b""
    thumbnail: np.ndarray = np.zeros((SIDE, SIDE), np.uint8)


@dataclass
class ImageChecks:
    """The results for P images; those of unreadable images are zero.

    Attributes:
        problems: index of the image -> message.
        notes: index of the image -> what was found in decoding it.
        sizes: (P, 2) int64, height and width in stored pixels.
        orientations: (P,) int64.
        digests: (P,) bytes.
        thumbnails: (P, SIDE, SIDE) uint8.
    """

    problems: dict[int, str]
    notes: dict[int, tuple[ImageNote, ...]]
    sizes: np.ndarray
    orientations: np.ndarray
    digests: list[bytes]
    thumbnails: np.ndarray


def check_images(groups: Sequence[Sequence[Path]], workers: int) -> list[ImageChecks]:
    """Read and decode groups of images; return the results of each group.

    Raises:
        UserError: a worker was killed, usually for lack of memory.
    """
    try:
        with (
            # Spawned, not forked: a fork of a process with threads can deadlock.
            ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker) as pool,
            tqdm(total=sum(map(len, groups)), desc="checking", unit="image", disable=None) as progress,
        ):
            found = [pool.map(check_image, paths, chunksize=CHUNK) for paths in groups]
            return [_gather(results, progress) for results in found]
    except BrokenProcessPool as error:
        raise UserError(
            "a worker that decodes images was killed, probably for lack of memory; try --num_workers 1"
        ) from error


def _gather(results: Iterable[ImageCheck], progress: tqdm) -> ImageChecks:
    checks = []
    for check in results:
        checks.append(check)
        progress.update()
    return ImageChecks(
        problems={i: check.problem for i, check in enumerate(checks) if check.problem},
        notes={i: check.notes for i, check in enumerate(checks) if check.notes},
        sizes=np.array([check.size for check in checks], np.int64).reshape(-1, 2),
        orientations=np.array([check.orientation for check in checks], np.int64),
        digests=[check.digest for check in checks],
        thumbnails=np.array([check.thumbnail for check in checks], np.uint8).reshape(-1, SIDE, SIDE),
    )


def _start_worker() -> None:
    """Prepare a worker: one thread, and an end with the process that started it, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def check_image(path: Path) -> ImageCheck:
    """Check one image, in a worker that `_start_worker` has prepared."""
    try:
        content = read_bytes(path)
        size, _ = read_size_and_frames(content)
        flags = next(flags for side, flags in REDUCTIONS if min(size) >= side)
        image, notes = decode_image(path, content, flags | cv2.IMREAD_IGNORE_ORIENTATION)
        for kind, message in notes:
            if kind == "damaged" and ENDS_EARLY in message:
                raise UserError(f"{path}: the image ends early inside ({message}); fetch it again")
        size, orientation = read_header(path, content)
    except UserError as error:
        return ImageCheck(str(error))
    thumbnail = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return ImageCheck(None, notes, size, orientation, digest, thumbnail)
