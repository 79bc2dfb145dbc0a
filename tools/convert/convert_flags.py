"""The options of python -m tools.convert."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.annotations import FORMATS, WRITABLE
from tools.convert.dataset_folder import SPLITS
from utils.errors import UserError
from utils.flags import fraction, natural_int, positive_int

DESCRIPTION = """\
Convert annotations to another format, or images with one annotation to a dataset with splits in the layout that
training and evaluation expect. WIDER FACE as downloaded is converted to a dataset as it is. The command reports what
the target format drops. Existing files are not changed.

A detector's output becomes draft labels to correct: the JSON lines of detect.py, a folder of val_tvface.py, or COCO
results. Frames of a video are written as images.
"""
EPILOG = """\
  python -m tools.convert labels.json label.txt
  python -m tools.convert label.txt voc_xml --to voc --images my_images
  python -m tools.convert laboro.txt data/tvface --images frames --split train=0.8 val=0.1 test=0.1 --by_prefix
  python -m tools.convert WIDER_downloaded data/widerface
  python -m tools.convert detections/film.jsonl drafts --to coco --video film.mp4 --frames 25

Exit status: 0 if everything is written, 2 with the reason if nothing is, 3 if --skip_unreadable left something out.
"""
FOLDERS = [name for name in WRITABLE if FORMATS[name].is_folder]


def parse_flags() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.convert",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source", type=Path, metavar="SOURCE",
        help="an annotation file or its folder; or the folder with WIDER FACE's unpacked archives, and optionally"
        " RetinaFace's train/label.txt with landmarks and the official eval_tools",
    )  # fmt: skip
    add("out", type=Path, metavar="OUT", help="new file or folder; it must not exist")
    add(
        "--to", choices=WRITABLE, metavar="KIND",
        help=f"format to write, one of {', '.join(WRITABLE)} (default: label); {', '.join(FOLDERS)} are folders",
    )  # fmt: skip
    add("--from", choices=list(FORMATS), metavar="KIND", help="format of the source (default: recognized by content)")
    add(
        "--min_score", type=fraction, metavar="SCORE",
        help="keep the faces with at least this score (default: 0.5 for a detector's output)",
    )  # fmt: skip
    add(
        "--ids", type=Path, metavar="FILE",
        help="COCO JSON with the images that the ids of COCO results refer to (default: the ids are names)",
    )  # fmt: skip
    add(
        "--video", type=Path, nargs="+", metavar="FILE",
        help="the video whose detections SOURCE has; several, if SOURCE is the folder of their .jsonl files",
    )  # fmt: skip
    add(
        "--frames", type=positive_int, metavar="EVERY",
        help="with --video, write every Nth frame that was detected as an image of the dataset OUT, with its faces",
    )  # fmt: skip
    add("--category", metavar="CLASS", help="object class of faces (default: 'face', or the only class)")
    add(
        "--images", type=Path, metavar="FOLDER",
        help="folder of the images (default: images/ beside the source); names get the suffixes of the files, and YOLO"
        " coordinates are scaled by the sizes",
    )  # fmt: skip
    add(
        "--skip_unreadable", action="store_true",
        help="leave out rows and records that cannot be read, each named on stderr, instead of stopping at the first;"
        " an image that loses all its faces is left out, too",
    )  # fmt: skip
    add("--faces_only", action="store_true", help="drop background images, as the published TV Face does")
    _add_split_flags(parser)
    add(
        "--landmarks", type=Path, metavar="FILE",
        help="for WIDER FACE as downloaded: RetinaFace's label.txt of the training images (default: the matching"
        " train/label.txt below the source)",
    )  # fmt: skip
    return parser.parse_args()


def _add_split_flags(parser: argparse.ArgumentParser) -> None:
    """Add the options of a dataset with splits."""
    add = parser.add_argument
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--split", nargs="+", metavar="SPLIT=SHARE",
        help="make a dataset with these shares of the images: train=0.8 val=0.1 test=0.1",
    )  # fmt: skip
    split.add_argument(
        "--split_list", nargs="+", metavar="SPLIT=FILE",
        help="make a dataset with val and test images from these lists, one name per line, and the rest in train",
    )  # fmt: skip
    add(
        "--by_prefix", nargs="?", const="", metavar="REGEX",
        help="with --split, keep images whose names have the same prefix in one split. The prefix is the match, or"
        " group 1, of the regular expression at the start of the name. Default: the name with its folders up to the"
        " last number or time, as in news_0001, news_00-01-23 or news_12h34m56s, ignoring a size, '(1)' or 'copy' at"
        " the end; frames of one programme stay together",
    )  # fmt: skip
    add("--seed", type=natural_int, metavar="N", help="with --split, seed of the assignment (default: 0)")
    add("--copy", action="store_true", help="copy images (default: hard links if possible)")


def split_values(flag: str, texts: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """Return split -> value of an option's texts SPLIT=VALUE; raise UserError where one is something else."""
    pairs = {}
    for text in texts:
        split, equals, value = text.partition("=")
        if split not in splits or not equals or not value or split in pairs:
            raise UserError(f"{flag} {text}: expected SPLIT=VALUE, once for each split, one of {', '.join(splits)}")
        pairs[split] = value
    return pairs


def split_ratios(texts: Sequence[str]) -> dict[str, float]:
    """Return split -> share of the texts of --split, in the order of SPLITS; raise UserError where one is no number."""
    pairs = split_values("--split", texts, SPLITS)
    try:
        return {split: float(pairs[split]) for split in SPLITS if split in pairs}
    except ValueError as error:
        raise UserError(f"--split {' '.join(texts)}: expected numbers, as in train=0.8 ({error})") from error
