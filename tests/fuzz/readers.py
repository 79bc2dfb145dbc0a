"""The readers of files from anywhere, as the fuzz run calls them: on the files of a folder."""

import contextlib
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np

from data.annotations import FORMATS, WRITABLE, Annotation, ImageNames, read_annotations, write_annotations
from data.annotations.formats.mat_file import MOST_UNPACKED, unpacked_bytes
from data.annotations.record import Annotations
from data.image_header import image_size, read_header
from engine.detect.image_list import check_image_list
from engine.detect.prediction_writer import record_settings
from engine.detect.video import Video
from engine.train import main as training
from engine.train.config import parse_config, resolve
from evaluation.predictions import load_predictions
from models.registry import find_network
from models.weights import load_network
from tests.fuzz import seeds
from utils.errors import UserError
from utils.files import read_bytes, read_image, read_image_with_notes
from utils.image_decoding import MOST_PIXELS

LONGEST_COMMAND = 128 << 10  # bytes, which Linux allows for one argument
FRAMES = 30  # of a film that are decoded


def _nothing(content: object, folder: Path) -> None:
    pass


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        name: what --only and a finding's folder call it.
        read: reads the files of a folder; raises UserError where they are malformed.
        seeds: returns its seeds.
        use: uses what was read; a failure is a finding, too, but its memory is not measured.
        decoded: bytes that the content of compressed files announces, and the program accepts.
    """

    name: str
    read: Callable[[Path], object]
    seeds: Callable[[], Sequence[seeds.Seed]]
    use: Callable[[object, Path], None] = _nothing
    decoded: Callable[[Path], int] = lambda folder: 0

    def weight(self, folder: Path, size: int) -> int:
        """Return the bytes that the memory is compared with."""
        return size + self.decoded(folder)


def _place(folder: Path) -> Path:
    """Return what the user would name: the file, or the folder where it has several."""
    names = sorted(path for path in folder.iterdir() if path.name != "images")
    return names[0] if len(names) == 1 else folder


def _read_annotation(folder: Path) -> Annotations:
    """Read an annotation; where it is malformed, a second time without what is wrong."""
    with contextlib.suppress(UserError):  # whose traceback holds the content
        return read_annotations(_place(folder), predictions=True)
    return read_annotations(_place(folder), predictions=True, problems=[])


def _use_annotations(annotations: Annotations, folder: Path) -> None:
    """Write what was read in one of the formats; what the program writes, it can read."""
    assert np.isfinite(annotations.boxes).all()
    assert all(isinstance(each, str) for each in (*annotations.remarks, *annotations.unread))
    for annotation in annotations:
        assert len(annotation.boxes) == len(annotation.landmarks), annotation.name
    kind = WRITABLE[zlib.crc32(annotations.boxes.tobytes()) % len(WRITABLE)]
    path = folder / "written" / (FORMATS[kind].name_in_dataset or f"written{FORMATS[kind].suffix}")
    path.parent.mkdir(exist_ok=True)
    try:
        write_annotations(annotations, path, kind, images=folder / "images")
    except UserError:
        return
    if not FORMATS[kind].capabilities.needs_sizes:  # whose images are missing
        again = read_annotations(path, kind)
        assert len(again), kind


def _ground_truth() -> list[Annotation]:
    return [replace(each, identity=number) for number, each in enumerate(seeds.annotations(), start=1)]


def _unpacked(folder: Path) -> int:
    """Return the bytes that MATLAB files unpack to."""
    sizes = [unpacked_bytes(path.read_bytes()) for path in folder.rglob("*.mat")]
    return sum(size for size in sizes if size <= MOST_UNPACKED)


def _read_options(folder: Path) -> object:
    content = (folder / "options.txt").read_bytes()
    if len(content) > LONGEST_COMMAND:
        raise UserError("Argument list too long")  # as a shell says
    words = content.decode("utf-8", "surrogateescape").split("\n")
    with _arguments("train.py", *words):
        config = parse_config("")
    return resolve(config, find_network(config.network or seeds.NETWORK), 1, 1, 0)


@contextlib.contextmanager
def _arguments(*words: str) -> Iterator[None]:
    """Set sys.argv; argparse's way to refuse an argument becomes a UserError."""
    with mock.patch.object(sys, "argv", list(words)):
        try:
            yield
        except SystemExit as stop:
            raise UserError(f"exit status {stop.code}") from stop


def _resume(folder: Path) -> None:
    """Resume the run of a checkpoint up to its first step."""
    flags = ("--training_dataset", str(folder / "label.txt"), "--device", "cpu", "--num_workers", "0")
    flags += ("--tensorboard", "false", "--save_folder", str(folder), "--image_size", "64", "--batch_size", "2")

    def train(*arguments: object) -> None:
        raise UserError("trains")

    with _arguments("train.py", "--resume", *flags), mock.patch.object(training, "train", train):
        training.main("")


def _read_image(folder: Path) -> None:
    path, outcomes = folder / "image", []
    for read in (image_size, lambda path: read_header(path, read_bytes(path)), read_image, _read_upright):
        try:
            read(path)
        except UserError as error:
            outcomes.append(error)
    if outcomes:
        raise outcomes[-1]


def _read_upright(path: Path) -> np.ndarray:
    return read_image_with_notes(path, upright=True).pixels


def _pixels(folder: Path) -> int:
    """Return half of the bytes of an image's pixels: reading may take five times these."""
    try:
        height, width = image_size(folder / "image")
    except UserError:
        return 0
    return height * width * 3 // 2 if height * width <= MOST_PIXELS else 0


def _read_video(folder: Path) -> None:
    video = Video(_place(folder))
    times = [info.time for info, _ in islice(video.frames(), FRAMES)]
    assert all(np.isfinite(times))


def _frame_pixels(folder: Path) -> int:
    """Return the bytes of some frames: decoders keep up to 16, for each thread one more."""
    try:
        video = Video(_place(folder))
    except UserError:
        return 0
    return min(video.height * video.width, MOST_PIXELS) * 6


READERS = {
    reader.name: reader
    for reader in (
        *(
            Reader(name, _read_annotation, lambda name=name: seeds.annotation_seeds(name), _use_annotations, _unpacked)
            for name in FORMATS
        ),
        Reader("prediction_text", lambda folder: load_predictions(folder, _ground_truth()), seeds.prediction_texts),
        Reader(
            "prediction_coco",
            lambda folder: load_predictions(folder / "results.json", _ground_truth()),
            seeds.prediction_results,
        ),
        Reader(
            "image_list",
            lambda folder: check_image_list(ImageNames(folder / "list.txt"), folder / "images"),
            seeds.image_lists,
        ),
        Reader("options", _read_options, seeds.command_lines),
        Reader("checkpoint", _resume, seeds.checkpoints),
        Reader("weights", lambda folder: load_network(folder / "weights.pth"), seeds.weights),
        Reader("detection_record", lambda folder: record_settings(folder, {}, True), seeds.detection_records),
        Reader("image", _read_image, seeds.image_files, decoded=_pixels),
        Reader("video", _read_video, seeds.videos, decoded=_frame_pixels),
    )
}
