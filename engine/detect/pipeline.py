"""Detecting many images: reading, decoding and the network at the same time, and a bad image stops no other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from data.image_files import image_size
from models.detector import Detections, Detector
from utils.devices import available_memory, usable_cores
from utils.errors import ImageError, UserError
from utils.files import read_image
from utils.threads import batch_by_key, map_in_threads

LARGE = 10**9  # bytes, from which on the free memory is looked at
READERS = 8  # threads at most: more decode faster than any network detects

Source = TypeVar("Source")


class File(Protocol):
    """An image file."""

    path: Path


@dataclass
class ImageJob(Generic[Source]):
    """An image on its way: read, then detected, or given up with an error.

    Attributes:
        source: what it was asked for by; a frame's or a file's name where it is shown as text.
        image: (H, W, 3) uint8 BGR; None where it cannot be read.
        found: its faces, once it is detected.
        error: one line that names it and says what is wrong with it; None where nothing is.
    """

    source: Source
    image: np.ndarray | None = None
    found: Detections | None = None
    error: str | None = None


def read_each(files: Iterable[File], detector: Detector, upright: bool = False) -> Iterator[ImageJob[File]]:
    """Read image files in threads, in order and only a few ahead, however many there are.

    Args:
        detector: an image for which it has not the memory is given up before it is decoded.
        upright: turn images as their EXIF tag says; otherwise they stay as stored.
    """

    def read(file: File) -> ImageJob[File]:
        try:
            _refuse_too_large(file.path, detector)
            return ImageJob(file, read_image(file.path, upright))
        except UserError as error:
            return ImageJob(file, error=str(error))

    threads = min(READERS, usable_cores())
    return map_in_threads(read, files, threads=threads, ahead=threads)


def _refuse_too_large(path: Path, detector: Detector) -> None:
    try:
        height, width = image_size(path)
    except UserError:
        return  # OpenCV may know it, or has better words
    try:
        detector.images_at_once(height, width)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    decoded = 3 * height * width * 2 * READERS  # as many may wait at once
    if decoded > LARGE and decoded > (available_memory(torch.device("cpu")) or decoded):
        raise UserError(f"{path}: {width} x {height} pixels are more than the memory takes; cut the image up")


def detect_each(detector: Detector, images: Iterable[ImageJob[Source]], batch_size: int) -> Iterator[ImageJob[Source]]:
    """Detect the faces of images, in order; neighbours of one size go through the network together.

    Args:
        images: as they are read; they are taken while others are detected.
    """

    def detect(batch: list[ImageJob[Source]]) -> list[ImageJob[Source]]:
        if batch[0].image is None:
            return batch
        try:
            found = detector([picture.image for picture in batch])
        except UserError as error:  # it takes too much memory
            return [replace(picture, image=None, error=f"{picture.source}: {error}") for picture in batch]
        return [replace(picture, found=detections) for picture, detections in zip(batch, found, strict=True)]

    together = batch_by_key(images, batch_size, lambda picture: picture.image is not None and picture.image.shape)
    if detector.device.type == "cpu":  # its threads are PyTorch's, which are those of the program's first thread
        detected = map(detect, together)
    else:  # a second thread gives a GPU its next batch while the boxes of the one before are sorted out
        detected = map_in_threads(detect, together, threads=2, ahead=2)
    for batch in detected:
        yield from batch


def write_each(
    detector: Detector,
    images: Iterable[ImageJob[Source]],
    write: Callable[[ImageJob[Source]], None],
    batch_size: int,
    progress: tqdm,
    give_up: Callable[[ImageJob[Source]], None] | None = None,
) -> tuple[int, list[str]]:
    """Detect images and hand each to a function that writes its faces, while the next ones are detected.

    Args:
        give_up: called with each image that has an error.

    Returns:
        how many were written, and the error of each other.

    Raises:
        UserError: of the function.
    """

    def write_or_not(image: ImageJob[Source]) -> str | None:
        if image.error is None:
            try:
                write(image)
            except ImageError as error:
                return str(error)
        elif give_up is not None:
            give_up(image)
        return image.error

    detected = detect_each(detector, images, batch_size)
    written, errors = 0, []
    for error in map_in_threads(write_or_not, detected, threads=1, ahead=2 * batch_size):
        if error is None:
            written += 1
        else:
            errors.append(error)
        progress.update()
    return written, errors
