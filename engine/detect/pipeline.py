"""The detection pipeline: images are read, detected and written at the same time, and an error ends one image only."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from data.image_header import image_size
from models.detector import Detections, Detector
from utils.devices import available_memory, usable_cores
from utils.errors import ImageError, UserError
from utils.files import read_image_with_notes
from utils.image_decoding import DecodedImage
from utils.image_notes import ImageNote, ImageNotes
from utils.threads import batch_by_key, map_in_threads

MAX_READERS = 8  # threads; more decode faster than any network detects
MEMORY_CHECK_FROM = 10**9  # bytes of decoded images; less is not compared with the free memory


@dataclass
class ImageJob:
    """An image on its way through the pipeline.

    Attributes:
        source: the file or video frame; str(source) names it in messages.
        image: (H, W, 3) uint8 BGR; None if it cannot be read.
        detections: its faces; None before detection.
        error: one line that names the image and the problem, or None.
        notes: what the user of the image may not expect.
    """

    source: Any
    image: np.ndarray | None = None
    detections: Detections | None = None
    error: str | None = None
    notes: tuple[ImageNote, ...] = ()


@dataclass
class DetectionSummary:
    """Counts of written images and faces, a line for each error and interpretation of an input, notes on images."""

    images: int = 0
    faces: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    image_notes: ImageNotes = field(default_factory=ImageNotes)

    def add(self, other: "DetectionSummary") -> None:
        self.images += other.images
        self.faces += other.faces
        self.errors += other.errors
        self.notes += other.notes
        self.image_notes.update(other.image_notes)


def read_stored(source: Any) -> DecodedImage:
    """Read an image in its stored orientation, which labels refer to."""
    return read_image_with_notes(source.path)


def read_images(
    sources: Iterable[Any], detector: Detector, read: Callable[[Any], DecodedImage] = read_stored
) -> Iterator[ImageJob]:
    """Yield a job for each image file, in order, read in threads a few files ahead.

    Args:
        sources: objects with the `path` of an image file.
        detector: an image that needs more memory than is free gets an error before it is decoded.
        read: reads the image of a source.
    """

    def read_job(source: Any) -> ImageJob:
        try:
            _check_memory(source.path, detector)
            image, notes = read(source)
            return ImageJob(source, image, notes=notes)
        except UserError as error:
            return ImageJob(source, error=str(error))

    threads = min(MAX_READERS, usable_cores())
    return map_in_threads(read_job, sources, threads=threads, ahead=threads)


def _check_memory(path: Path, detector: Detector) -> None:
    """Raise UserError if an image is too large to be decoded and detected."""
    try:
        height, width = image_size(path)
    except UserError:
        return  # OpenCV reads more formats, and its reader explains errors better
    try:
        detector.images_at_once(height, width)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    decoded = 3 * height * width * 2 * MAX_READERS  # bytes, if every image that is read ahead has this size
    if decoded > MEMORY_CHECK_FROM and decoded > (available_memory(torch.device("cpu")) or decoded):
        raise UserError(f"{path}: {width} x {height} pixels need more memory than is free; cut the image up")


def detect_jobs(detector: Detector, jobs: Iterable[ImageJob], batch_size: int) -> Iterator[ImageJob]:
    """Yield the jobs with their detections, in order; successive images of one size form a batch."""

    def detect(batch: list[ImageJob]) -> list[ImageJob]:
        if batch[0].image is None:
            return batch
        found = detector.detect_each([job.image for job in batch])
        return [with_result(job, result) for job, result in zip(batch, found, strict=True)]

    def with_result(job: ImageJob, result: Detections | UserError) -> ImageJob:
        if isinstance(result, UserError):
            return replace(job, image=None, error=f"{job.source}: {result}")
        return replace(job, detections=result)

    batches = batch_by_key(jobs, batch_size, lambda job: job.image is not None and job.image.shape)
    if detector.device.type == "cpu":  # PyTorch's CPU threads belong to the main thread
        detected = map(detect, batches)
    else:  # two threads: one keeps the GPU busy while the other runs NMS
        detected = map_in_threads(detect, batches, threads=2, ahead=2)
    for batch in detected:
        yield from batch


def detect_and_write(
    detector: Detector,
    jobs: Iterable[ImageJob],
    write: Callable[[ImageJob], int],
    batch_size: int,
    progress: tqdm,
    on_error: Callable[[ImageJob], None] | None = None,
) -> DetectionSummary:
    """Detect images and write their faces while the next images are detected.

    Args:
        write: writes the faces of an image and returns their number.
        on_error: called with each job that has an error.

    Raises:
        UserError: raised by `write`; an ImageError counts as an error of that image.
    """

    def write_one(job: ImageJob) -> DetectionSummary:
        if job.error is None:
            try:
                summary = DetectionSummary(images=1, faces=write(job))
                summary.image_notes.add(job.source, job.notes)
                return summary
            except ImageError as error:
                return DetectionSummary(errors=[str(error)])
        if on_error is not None:
            on_error(job)
        return DetectionSummary(errors=[job.error])

    summary = DetectionSummary()
    detected = detect_jobs(detector, jobs, batch_size)
    for outcome in map_in_threads(write_one, detected, threads=1, ahead=2 * batch_size):
        summary.add(outcome)
        progress.update()
    return summary
