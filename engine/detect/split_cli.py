"""The command line of val_tvface.py and test_tvface.py."""

import argparse
import os
import sys
from hashlib import sha256
from pathlib import Path

import torch

from data.annotations import ImageNames
from data.splits import Split
from engine.detect.detector_flags import add_detector_flags, load_detector
from engine.detect.image_list import check_image_list, detect_listed
from engine.detect.pipeline import DetectionSummary
from engine.detect.prediction_writer import PredictionWriter, record_settings
from utils.distributed import Ranks, init_distributed
from utils.errors import UNREADABLE, UserError
from utils.files import make_folder
from utils.flags import fraction
from utils.image_notes import ImageNotes
from utils.signals import Stop, stop_request
from utils.version import VERSION

RECORDED_FLAGS = (  # they change the outputs
    *("network", "amp", "origin_size", "target_size", "max_size", "scales", "flip", "slices"),
    *("confidence_threshold", "nms_threshold", "top_k", "keep_top_k", "decimals", "save_image", "vis_thres"),
)
MINUTES = 7 * 24 * 60  # for which a rank that is done waits for the slowest


def detect_split(split: Split) -> None:
    """Read the flags of sys.argv and detect the images of a split.

    Raises:
        UserError: a mistake of the user.
        SystemExit: with status UNREADABLE, some images could not be read; all others are done.
    """
    flags = _parse_flags(split)
    images = Path(flags.dataset_folder)
    names = _read_names(flags, images, split)
    detector = load_detector(flags)
    # A CPU group: ranks exchange counts and errors only.
    with init_distributed(torch.device("cpu"), MINUTES) as ranks:
        total = ranks.run_on_main(lambda: check_image_list(names, images))
        started = ranks.run_on_main(lambda: _record_settings(flags, images))
        folder = Path(flags.save_folder).resolve()
        drawn_folder = folder.with_name(f"{folder.name}_drawn") if flags.save_image else None
        writer = PredictionWriter(folder, started, drawn_folder, flags.vis_thres, flags.decimals)
        with stop_request(quiet=not ranks.is_main, follows="--resume detects the remaining images") as stop:
            summary = detect_listed(
                detector, names, images, writer, batch_size=flags.batch_size, ranks=ranks, stop=lambda: bool(stop)
            )
        if stop:
            raise Stop(stop.signal)
        _report(ranks, writer, total, summary)


def _read_names(flags: argparse.Namespace, images: Path, split: Split) -> ImageNames:
    if not images.is_dir():
        raise UserError(
            f"{images}: no such folder of images; put the dataset there, name another with --dataset_folder, or draw"
            " a small one with: python -m tools.sample"
        )
    file = Path(flags.list_file) if flags.list_file else Path(os.path.abspath(images)).parent / split.list_name
    if not file.exists():
        raise UserError(
            f"{file}: no such list of images, a name a line; name one, or the annotations of the images, with"
            " --list_file, or use detect.py, which needs no list"
        )
    return ImageNames(file)


def _record_settings(flags: argparse.Namespace, images: Path) -> int:
    """Make the output folder, record the settings in it and return the time of the record in ns."""
    try:
        weights_hash = sha256(flags.trained_model.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"{flags.trained_model}: cannot be read ({error.strerror})") from error
    settings = {
        "--dataset_folder": str(images.resolve()),
        "weights of hash": weights_hash,
        **{f"--{flag}": getattr(flags, flag) for flag in RECORDED_FLAGS},
        "version": VERSION,
    }
    return record_settings(make_folder(flags.save_folder), settings, flags.resume)


def _report(ranks: Ranks, writer: PredictionWriter, total: int, summary: DetectionSummary) -> None:
    """Print the outcome of all ranks.

    Raises:
        SystemExit: with status UNREADABLE on every rank, some images could not be read.
    """
    written = round(sum(ranks.all_reduce_sum([summary.images])))
    errors = [error for share in ranks.gather(summary.errors) for error in share]
    notes = ImageNotes()
    for share in ranks.gather(summary.image_notes):
        notes.update(share)
    if ranks.is_main:
        before = total - written - len(errors)
        print(f"{total - len(errors)} prediction files: {writer.folder}{f' ({before} of them before)' * bool(before)}")
        if writer.drawn_folder is not None:
            print(f"images with boxes: {writer.drawn_folder}")
        for line in notes.lines():
            print(f"warning: {line}", file=sys.stderr)
        for error in errors:
            print(f"error: {error}", file=sys.stderr)
        if errors:
            print(
                f"{len(errors)} of {total} images could not be read and have no prediction file; repair them and"
                " continue with --resume",
                file=sys.stderr,
                flush=True,
            )
    if errors:
        ranks.gather(None)  # torchrun ends all ranks with the first that exits with an error
        raise SystemExit(UNREADABLE)


def _parse_flags(split: Split) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"Detect the faces in the {split.name} images and write a prediction file for each: its base name,"
        " the number of faces, then 'x y w h score' a line, in stored pixels: an EXIF rotation is not applied, as in"
        " the labels. To share the images among several GPUs: torchrun --nproc_per_node=4"
        f" {split.detection_script} ...",
        epilog=f"{split.evaluation_folder}/eval.py scores the files in the default folder. Exit status: 0, 2 for a"
        f" mistake, {UNREADABLE} if some images could not be read, which are named at the end.",
    )
    add = parser.add_argument
    add("--dataset_folder", default=split.images, metavar="DIR", help="folder of the images (default: %(default)s)")
    add(
        "--list_file",
        metavar="PATH",
        help=f"names of the images, or annotations in any known format, a file or a folder (default: {split.list_name}"
        " beside the folder of the images)",
    )
    add(
        "--save_folder",
        default=f"{split.evaluation_folder}/tvface_txt",
        metavar="DIR",
        help="folder of the prediction files (default: %(default)s)",
    )
    add(
        "--resume",
        action="store_true",
        help="continue an interrupted run: keep the prediction files that it wrote with the same settings",
    )
    add_detector_flags(parser, confidence_threshold=0.02, reason="AP needs low scores, too")
    add(
        "--decimals",
        type=int,
        choices=range(4),
        default=0,
        help="of x y w h in the files (default: 0, truncated as in the published files; 2 keeps the accuracy that small"
        " faces need)",
    )
    add(
        "-s",
        "--save_image",
        action="store_true",
        help="also write the images with their boxes, to the folder SAVE_FOLDER_drawn",
    )
    add(
        "--vis_thres", type=fraction, default=0.5, metavar="S", help="lowest score that is drawn (default: %(default)s)"
    )
    return parser.parse_args()
