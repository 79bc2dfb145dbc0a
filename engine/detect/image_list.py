"""The images of a list: their files are checked first, then detected, one prediction file each."""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

import numpy as np

from data.annotations import image_key
from engine.detect.pipeline import DetectionSummary, detect_and_write, read_images
from engine.detect.prediction_writer import PredictionWriter
from models.detector import Detector
from utils.console import progress_bar
from utils.distributed import Ranks
from utils.errors import UserError
from utils.files import join_inside


@dataclass(frozen=True)
class ListedImage:
    """An image of a list: its name without suffix, and its file."""

    key: str
    path: Path

    def __str__(self) -> str:
        return str(self.path)


def locate_images(names: Iterable[str], folder: Path) -> Iterator[ListedImage]:
    """Yield the image of each name.

    Args:
        names: paths below `folder`.

    Raises:
        UserError: a name leads outside the folder.
    """
    for name in names:
        yield ListedImage(image_key(name), join_inside(folder, name))


def check_image_list(names: Iterable[str], folder: Path) -> int:
    """Check that all images of a list exist and differ, and return their number.

    Args:
        names: paths below `folder`; they can be iterated over twice. Memory grows by 8 bytes a name.

    Raises:
        UserError: a missing image, a repeated name, or a name that leads outside the folder.
    """
    hashes = array("q")
    for image in locate_images(names, folder):
        if not os.path.isfile(image.path):
            raise UserError(f"{image}: no such image; correct the list or name its folder with --dataset_folder")
        hashes.append(hash(image.key))
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if repeated:  # either names or only their hashes
        seen = {}
        for image in locate_images(names, folder):
            if hash(image.key) in repeated and seen.setdefault(image.key, image) is not image:
                raise UserError(
                    f"{image}: the list has this image twice, or another of the same name ({seen[image.key]})"
                )
    return len(hashes)


def detect_listed(
    detector: Detector,
    names: Iterable[str],
    folder: Path,
    writer: PredictionWriter,
    *,
    batch_size: int,
    ranks: Ranks,
    stop: Callable[[], bool],
) -> DetectionSummary:
    """Detect this rank's share of the images that have no prediction file of this run yet.

    Args:
        names: paths of the images below `folder`, the same on all ranks.
        stop: called before each image is read; True ends the run early.

    Raises:
        UserError: a file cannot be written; the files written before stay.
    """

    def remaining() -> Iterator[ListedImage]:
        share = islice(locate_images(names, folder), ranks.rank, None, ranks.size)
        return (image for image in share if not writer.is_done(image.key))

    total = sum(1 for _ in remaining()) if ranks.is_main else None
    jobs = read_images(takewhile(lambda _: not stop(), remaining()), detector)
    hidden = None if ranks.is_main else True
    with progress_bar(total=total, desc="detecting", unit="image", disable=hidden) as progress:
        return detect_and_write(detector, jobs, writer.write, batch_size, progress, on_error=writer.remove)
