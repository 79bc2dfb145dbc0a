"""The command line that val_tvface.py and test_tvface.py share."""

import argparse
import os
import sys
from pathlib import Path

from data.annotations import read_annotations
from data.config import NETWORKS
from data.splits import Split
from engine.detection import detect_pictures
from models.detector import Detector, Scaling
from utils.devices import choose_device
from utils.errors import UserError
from utils.files import make_folder
from utils.flags import boolean, fraction, natural_int, positive_int


def detect_split(split: Split) -> None:
    """Read the flags of sys.argv and detect the split's pictures.

    Raises:
        UserError: whatever the user can mend.
    """
    flags = _parse_flags(split)
    images = Path(flags.dataset_folder)
    if not images.is_dir():
        raise UserError(
            f"{images}: no such folder of pictures; put the dataset there, name another with --dataset_folder, or draw"
            " a small one with: python -m data.sample"
        )
    list_file = Path(flags.list_file) if flags.list_file else Path(os.path.abspath(images)).parent / split.list_name
    if not list_file.is_file():
        raise UserError(
            f"{list_file}: no such list of pictures; name one with --list_file, or another folder of pictures with"
            " --dataset_folder"
        )
    names = [annotation.name for annotation in read_annotations(list_file)]
    detector = Detector.load(
        flags.trained_model or f"weights/{NETWORKS[flags.network]['name']}_Final.pth",
        flags.network,
        choose_device("cpu" if flags.cpu else flags.device),
        scaling=_scaling(flags),
        confidence_threshold=flags.confidence_threshold,
        nms_threshold=flags.nms_threshold,
        top_k=flags.top_k,
        keep_top_k=flags.keep_top_k,
    )
    save_folder = make_folder(flags.save_folder).resolve()
    drawn_folder = save_folder.with_name(f"{save_folder.name}_drawn") if flags.save_image else None
    detect_pictures(detector, names, images, save_folder, drawn_folder, flags.vis_thres)
    print(f"{len(names)} detection files: {save_folder}")
    if drawn_folder is not None:
        print(f"pictures with boxes: {drawn_folder}")


def _scaling(flags: argparse.Namespace) -> Scaling | None:
    if not flags.origin_size:
        return Scaling(flags.target_size or Scaling.target_size, flags.max_size or Scaling.max_size)
    if flags.target_size or flags.max_size:
        print("warning: --target_size and --max_size do nothing without --origin_size false", file=sys.stderr)
    return None


def _parse_flags(split: Split) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"Detect the faces in the {split.name} pictures and write a text file for each: its base name,"
        " the number of faces, then 'x y w h score' a line.",
        epilog=f"{split.evaluation_folder}/eval.py scores what is written by default.",
    )
    add = parser.add_argument
    add(
        "-m",
        "--trained_model",
        metavar="FILE",
        help="weights of a trained detector (default: weights/{name}_Final.pth of the network)",
    )
    add(
        "--network",
        choices=list(NETWORKS),
        default="resnet50",
        help="the network that they belong to (default: %(default)s)",
    )
    add(
        "--dataset_folder",
        default=split.images,
        metavar="DIR",
        help="folder of the pictures (default: %(default)s)",
    )
    add(
        "--list_file",
        metavar="FILE",
        help=f"names of the pictures, or their labels in any known format (default: {split.list_name} beside the"
        " folder of the pictures)",
    )
    add(
        "--save_folder",
        default=f"{split.evaluation_folder}/tvface_txt",
        metavar="DIR",
        help="where the text files go (default: %(default)s)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cpu", action="store_true", help="compute on the CPU even where there is a GPU")
    where.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    add(
        "--origin_size",
        type=boolean,
        default=True,
        metavar="BOOL",
        help="true: every picture at its own size; false: scaled to --target_size (default: true)",
    )
    add(
        "--target_size",
        type=positive_int,
        metavar="PX",
        help=f"short side of a picture with --origin_size false (default: {Scaling.target_size})",
    )
    add(
        "--max_size",
        type=positive_int,
        metavar="PX",
        help=f"longest long side of a picture with --origin_size false (default: {Scaling.max_size})",
    )
    add(
        "--confidence_threshold",
        type=fraction,
        default=0.02,
        metavar="S",
        help="only scores above it are written; AP needs the low ones too (default: %(default)s)",
    )
    add(
        "--top_k",
        type=natural_int,
        default=0,
        metavar="N",
        help="how many of the best candidates reach NMS, 0: all (default: %(default)s)",
    )
    add(
        "--nms_threshold",
        type=fraction,
        default=0.4,
        metavar="IOU",
        help="of two boxes that overlap more than this the worse one goes (default: %(default)s)",
    )
    add(
        "--keep_top_k",
        type=natural_int,
        default=0,
        metavar="N",
        help="how many faces of a picture are written, 0: all (default: %(default)s)",
    )
    add(
        "-s",
        "--save_image",
        action="store_true",
        help="also write the pictures with their boxes, to the folder SAVE_FOLDER_drawn",
    )
    add(
        "--vis_thres", type=fraction, default=0.5, metavar="S", help="lowest score that is drawn (default: %(default)s)"
    )
    return parser.parse_args()
