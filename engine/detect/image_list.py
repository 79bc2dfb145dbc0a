"""The images of a list: a text file for each, which evaluation.predictions reads."""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations import image_key
from engine.detect.pipeline import ImageJob, read_each, write_each
from models.detector import Detections, Detector
from utils.console import progress_bar
from utils.distributed import Ranks
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import join_inside, read_text, write_image, write_text

RECORD = ".detection.json"
FARTHEST = 4e8


@dataclass(frozen=True)
class ListedImage:
    """An image of a list: its name without suffix, and its file."""

    key: str
    path: Path

    def __str__(self) -> str:
        return str(self.path)


def locate_images(names: Iterable[str], images: Path) -> Iterator[ListedImage]:
    """Give the image of each name below a folder.

    Raises:
        UserError: a name that leads outside.
    """
    for name in names:
        yield ListedImage(image_key(name), join_inside(images, name))


def check_images(names: Iterable[str], images: Path) -> int:
    """Look at all images of a list before the first is detected, and return their number.

    Args:
        names: may be iterated over twice. Of each, 8 bytes are kept.

    Raises:
        UserError: a name that leads outside or is there twice, an image that does not exist, or no name.
    """
    hashes = array("q")
    for listed in locate_images(names, images):
        if not listed.path.is_file():
            raise UserError(f"{listed}: no such image; correct the list or name its folder with --dataset_folder")
        hashes.append(hash(listed.key))
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if twice:  # names, or hashes alone
        seen = {}
        for listed in locate_images(names, images):
            if hash(listed.key) in twice and seen.setdefault(listed.key, listed) is not listed:
                raise UserError(
                    f"{listed}: the list has this image twice, or another of the same name ({seen[listed.key]})"
                )
    return len(hashes)


@dataclass(frozen=True)
class Output:
    """Where the detections of listed images go.

    Attributes:
        folder: of the text files, in the sub-folders of the names.
        begun: time in ns of the run's record; text files from then on are finished work of this run.
        drawn_folder: where the images with their boxes go, as JPEG; None: nowhere.
        vis_thres: lowest score that is drawn.
    """

    folder: Path
    begun: int
    drawn_folder: Path | None = None
    vis_thres: float = 0.5

    def text(self, listed: ListedImage) -> Path:
        return join_inside(self.folder, f"{listed.key}.txt")

    def has(self, listed: ListedImage) -> bool:
        """Whether this run has written the image's text, which is the last that it writes of an image."""
        try:
            return self.text(listed).stat().st_mtime_ns >= self.begun
        except OSError:
            return False

    def write(self, image: ImageJob[ListedImage]) -> None:
        """Write what was found in an image.

        Raises:
            UserError: a file that cannot be written.
        """
        if self.drawn_folder is not None:
            seen = image.found.where(image.found.scores >= self.vis_thres)
            drawn = draw_detections(image.image, seen.boxes, seen.scores, seen.landmarks)
            write_image(join_inside(self.drawn_folder, f"{image.source.key}.jpg"), drawn)
        write_text(self.text(image.source), format_detections(PurePosixPath(image.source.key).name, image.found))

    def remove(self, image: ImageJob[ListedImage]) -> None:
        """Remove the text that an older run wrote for an image that cannot be read now."""
        self.text(image.source).unlink(missing_ok=True)


def begin_output(folder: Path, settings: Mapping[str, object], resume: bool) -> int:
    """Note in a folder what its text files are written with, and return the time of that note in ns.

    Args:
        resume: keep the note of the run that wrote there before, if there is one.

    Raises:
        UserError: the run to resume had other settings, or the folder cannot be written.
    """
    record = folder / RECORD
    if not (resume and record.is_file()):
        write_text(record, json.dumps(settings, indent=1) + "\n")
        return record.stat().st_mtime_ns
    try:
        before = json.loads(read_text(record))
        differences = [f"{key} {before[key]}, not {value}" for key, value in settings.items() if before[key] != value]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{record}: is no record of a detection; leave --resume out to detect all anew") from error
    if differences:
        raise UserError(
            f"{folder}: its files were written with {'; '.join(differences)}; leave --resume out to detect all anew"
        )
    return record.stat().st_mtime_ns


def detect_listed(
    detector: Detector,
    names: Iterable[str],
    images: Path,
    output: Output,
    *,
    batch_size: int,
    ranks: Ranks,
    stop: Callable[[], bool],
) -> tuple[int, list[str]]:
    """Detect this rank's share of the images that the output does not have yet.

    Args:
        names: paths of the images below `images`, the same on all ranks.
        stop: asked before each image is read whether to begin no more.

    Returns:
        how many were written, and an error for each image that cannot be read.

    Raises:
        UserError: a file that cannot be written; what was written before stays.
    """

    def missing() -> Iterator[ListedImage]:
        share = islice(locate_images(names, images), ranks.rank, None, ranks.size)
        return (listed for listed in share if not output.has(listed))

    total = sum(1 for _ in missing()) if ranks.is_main else None
    pictures = read_each(takewhile(lambda _: not stop(), missing()), detector)
    with progress_bar(total=total, desc="detecting", unit="image", disable=None if ranks.is_main else True) as progress:
        return write_each(detector, pictures, output.write, batch_size, progress, give_up=output.remove)


def written_rows(found: Detections) -> np.ndarray:
    """Return (N, 5) float64 x1 y1 x2 y2 score, as they are after they were written to a text file and read again.

    Corners are cut to whole pixels, scores rounded to seven digits. An untrained network's boxes may pass every
    integer, so that they end at a distance where no image is.
    """
    corners = np.trunc(found.boxes.astype(np.float64).clip(-FARTHEST, FARTHEST))
    return np.column_stack([corners, found.scores.astype(np.float64).round(7)])


def format_detections(stem: str, found: Detections) -> str:
    """Return the text of a detection file: base name, count, then `x y w h score` a line, best first."""
    rows = [
        f"{x1:.0f} {y1:.0f} {x2 - x1:.0f} {y2 - y1:.0f} {score:.7f}"
        for x1, y1, x2, y2, score in written_rows(found).tolist()
    ]
    return "\n".join([stem, str(len(rows)), *rows]) + "\n"
