"""The command line that val_tvface.py and test_tvface.py share."""

import argparse
import os
import sys
from hashlib import sha256
from pathlib import Path

import torch

from data.annotations import ImageNames
from data.splits import Split
from engine.detect.flags import add_detector_flags, load_detector, weights_file
from engine.detect.image_list import Output, begin_output, check_images, detect_listed
from utils.distributed import Ranks, init_distributed
from utils.errors import UNREADABLE, UserError
from utils.files import make_folder
from utils.flags import fraction
from utils.signals import Stop, stop_request
from utils.version import VERSION

DECIDING = (  # flags that change what is written
    *("network", "amp", "origin_size", "target_size", "max_size"),
    *("confidence_threshold", "nms_threshold", "top_k", "keep_top_k", "save_image", "vis_thres"),
)
MINUTES = 7 * 24 * 60  # for a rank that is done to wait for the others


def detect_split(split: Split) -> None:
    """Read the flags of sys.argv and detect the split's images.

    Raises:
        UserError: whatever the user can mend.
        SystemExit: with status UNREADABLE, all is written but for images that cannot be read.
    """
    flags = _parse_flags(split)
    images = Path(flags.dataset_folder)
    if not images.is_dir():
        raise UserError(
            f"{images}: no such folder of images; put the dataset there, name another with --dataset_folder, or draw"
            " a small one with: python -m tools.sample"
        )
    list_file = Path(flags.list_file) if flags.list_file else Path(os.path.abspath(images)).parent / split.list_name
    if not list_file.is_file():
        raise UserError(
            f"{list_file}: no such list of images, a name a line; name one with --list_file, or another folder of"
            " images with --dataset_folder, or use detect.py, which needs none"
        )
    names = ImageNames(list_file)
    detector = load_detector(flags)
    # The ranks say nothing to each other that a GPU need know of.
    with init_distributed(torch.device("cpu"), MINUTES) as ranks:
        count = ranks.run_on_main(lambda: check_images(names, images))
        begun = ranks.run_on_main(lambda: _begin(flags, images))
        save_folder = Path(flags.save_folder).resolve()
        drawn_folder = save_folder.with_name(f"{save_folder.name}_drawn") if flags.save_image else None
        output = Output(save_folder, begun, drawn_folder, flags.vis_thres)
        with stop_request(quiet=not ranks.is_main, follows="--resume goes on with the rest") as stop:
            written, errors = detect_listed(
                detector, names, images, output, batch_size=flags.batch_size, ranks=ranks, stop=lambda: bool(stop)
            )
        if stop:
            raise Stop(stop.signal)
        _report(ranks, output, count, written, errors)


def _begin(flags: argparse.Namespace, images: Path) -> int:
    """Make the output folder and note what decides about its files."""
    try:
        weights = sha256(weights_file(flags).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"{weights_file(flags)}: cannot be read ({error.strerror})") from error
    settings = {
        "--dataset_folder": str(images.resolve()),
        "weights of hash": weights,
        **{f"--{flag}": getattr(flags, flag) for flag in DECIDING},
        "version": VERSION,
    }
    return begin_output(make_folder(flags.save_folder), settings, flags.resume)


def _report(ranks: Ranks, output: Output, count: int, written: int, errors: list[str]) -> None:
    """Say what all ranks did."""
    written = round(sum(ranks.all_reduce_sum([written])))
    errors = [error for share in ranks.gather(errors) for error in share]
    if ranks.is_main:
        before = count - written - len(errors)
        print(f"{count - len(errors)} detection files: {output.folder}{f' ({before} of them before)' * bool(before)}")
        if output.drawn_folder is not None:
            print(f"images with boxes: {output.drawn_folder}")
        for error in errors:
            print(f"error: {error}", file=sys.stderr)
        if errors:
            print(
                f"{len(errors)} of {count} images could not be read and have no detection file; mend them and go on"
                " with --resume",
                file=sys.stderr,
                flush=True,
            )
    if errors:
        ranks.gather(None)  # torchrun ends all ranks with the first that ends like this
        raise SystemExit(UNREADABLE)


def _parse_flags(split: Split) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"Detect the faces in the {split.name} images and write a text file for each: its base name,"
        " the number of faces, then 'x y w h score' a line, in the pixels that the file stores: an EXIF rotation is not"
        f" applied, as in the labels. torchrun shares the images among several GPUs: torchrun --nproc_per_node=4"
        f" {split.detection_script} ...",
        epilog=f"{split.evaluation_folder}/eval.py scores what is written by default. Exit status: 0, 2 for a mistake,"
        f" {UNREADABLE} where all is done but for images that cannot be read, which are named at the end.",
    )
    add = parser.add_argument
    add(
        "--dataset_folder",
        default=split.images,
        metavar="DIR",
        help="folder of the images (default: %(default)s)",
    )
    add(
        "--list_file",
        metavar="FILE",
        help=f"names of the images, or their labels in any known format (default: {split.list_name} beside the"
        " folder of the images)",
    )
    add(
        "--save_folder",
        default=f"{split.evaluation_folder}/tvface_txt",
        metavar="DIR",
        help="where the text files go (default: %(default)s)",
    )
    add(
        "--resume",
        action="store_true",
        help="go on with a run that was interrupted: keep the text files that it has written with the same settings",
    )
    add_detector_flags(parser, confidence_threshold=0.02, why="AP needs the low ones too")
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
