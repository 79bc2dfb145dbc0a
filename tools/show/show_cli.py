r"""Look at a dataset: contact sheets of its images or of training samples, and plots of its distributions.

    python -m tools.show data/tvface/train/label.txt                       # 24 random images: sheet.jpg
    python -m tools.show data/tvface/train/label.txt --pick smallest       # cuts around the smallest faces
    python -m tools.show data/tvface/train/label.txt --names a.jpg b       # these images
    python -m tools.show data/tvface/train/label.txt --augmented --priors  # training samples: samples.jpg
    python -m tools.show data/tvface/train/label.txt --statistics          # statistics.png

Ignored faces are drawn in a color of their own, and not picked or measured. The names of the images are printed by the
numbers of their cells. A legend at the end of a sheet explains the colors. No window is needed.

Exit status: 0; 2 for a mistake; 3 if some images cannot be read, each named on stderr.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from data.annotations import annotation_images, read_annotations
from data.annotations.record import Annotations
from data.augmentation import PUBLISHED, AugmentationOptions
from data.config import RECIPES
from data.dataset import FaceDataset
from data.image_files import ImageFolder, refuse_among_images
from layers.functions.prior_box import PriorBox
from layers.matching import MIN_BEST_IOU, POSITIVE_IOU, match_priors, pairwise_iou
from models.registry import DEFAULT_NETWORK, NETWORKS
from tools.show.grid import GridCell, check_size, contact_sheet
from tools.show.image_cells import choose_by_size, choose_named, choose_random, show_images
from tools.show.sample_cells import Matcher, first_samples, show_samples
from tools.statistics.measures import count_line, measure_dataset
from tools.statistics.statistics_plots import SUFFIXES as PLOT_SUFFIXES
from tools.statistics.statistics_plots import draw_statistics
from utils.box_utils import point_form
from utils.console import print_notes
from utils.errors import UNREADABLE, UserError
from utils.files import write_image
from utils.flags import fraction, image_side, natural_float, natural_int, positive_float, positive_int
from utils.wording import counted, printable

DEFAULTS = {
    "count": 24, "columns": 6, "side": 320, "seed": 0, "epoch": 0, "network": DEFAULT_NETWORK, "pick": "random",
    **asdict(PUBLISHED),
}  # fmt: skip
IMAGES, NAMES, AUGMENTED, STATISTICS = "--pick", "--names", "--augmented", "--statistics"
SHEETS = (IMAGES, NAMES, AUGMENTED)
# The modes in which a flag has an effect.
GOES_WITH = {
    "images": (IMAGES, NAMES, STATISTICS),
    "category": (IMAGES, NAMES, AUGMENTED, STATISTICS),
    "min_score": (IMAGES, NAMES, STATISTICS),
    "count": (IMAGES, AUGMENTED),
    "columns": SHEETS,
    "side": SHEETS,
    "seed": (IMAGES, AUGMENTED),
    "epoch": (AUGMENTED,),
    "network": (AUGMENTED,),
    "image_size": (AUGMENTED,),
    "negatives": (AUGMENTED,),
    "priors": (AUGMENTED,),
    "recipe": (AUGMENTED,),
    "crop_scales": (AUGMENTED,),
    "mosaic": (AUGMENTED,),
    "box_shift": (AUGMENTED,),
}
SUFFIXES = {
    **dict.fromkeys(SHEETS, (".jpg", ".jpeg", ".png")),
    STATISTICS: PLOT_SUFFIXES,
}
OUTPUTS = {IMAGES: "sheet.jpg", NAMES: "sheet.jpg", AUGMENTED: "samples.jpg", STATISTICS: "statistics.png"}
LONGEST_NAME = 4096


def main() -> None:
    args, mode = _parse_flags()
    if not args.labels.exists():
        raise UserError(f"{args.labels}: no such label file; to draw a small dataset: python -m tools.sample")
    images = args.images or annotation_images(args.labels)
    refuse_among_images("--out ", args.out, images, args.labels)
    if args.negatives:
        refuse_among_images("--out ", args.out, args.negatives)
    if mode == AUGMENTED:
        errors = _show_augmented(args)
    else:
        annotations = read_annotations(
            args.labels, images=args.images, category=args.category, predictions=True, min_score=args.min_score
        )
        print_notes(args.labels, annotations.remarks)
        if len(annotations) == 0:
            raise UserError(f"{args.labels}: has no images; expected labels that name some")
        show = _show_statistics if mode == STATISTICS else _show_images
        errors = show(args, annotations, ImageFolder(images))
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    if errors:
        raise SystemExit(UNREADABLE)


def _parse_flags() -> tuple[argparse.Namespace, str]:
    """Return the flags with their defaults, and the flag that selects the mode.

    Raises:
        UserError: flags do not go together.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tools.show", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("labels", type=Path, metavar="LABELS", help="label file or folder, in any format that eval.py reads")
    add("--images", type=Path, metavar="FOLDER", help="folder of the images (default: images/ beside the labels)")
    add("--category", metavar="NAME", help='object class of the faces (default: "face", or the only class)')
    add(
        "--min_score", type=fraction, metavar="SCORE",
        help="only faces with at least this score (default: 0.5 for a detector's output)",
    )  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="output image, replaced if it exists (default: see above)")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--pick", choices=("random", "largest", "smallest"),
        help="random images, or crops around the largest or smallest faces (default: random)",
    )  # fmt: skip
    modes.add_argument("--names", nargs="+", metavar="NAME", help="names of images, with or without suffix")
    modes.add_argument("--augmented", action="store_true", help="the first training samples of an epoch")
    modes.add_argument("--statistics", action="store_true", help="plots of sizes, positions and shapes of faces")
    add("--count", type=positive_int, metavar="N", help="maximum number of cells (default: 24)")
    add("--columns", type=positive_int, metavar="N", help="cells in a row (default: 6)")
    add("--side", type=image_side, metavar="PX", help="width of a cell (default: 320)")
    add("--seed", type=natural_int, metavar="N", help="random seed of the images, or of the training (default: 0)")
    add("--epoch", type=natural_int, metavar="N", help="epoch of --augmented (default: 0)")
    add("--network", choices=list(NETWORKS), help=f"network of --augmented (default: {DEFAULT_NETWORK})")
    add("--image_size", type=image_side, metavar="PX", help="side of the samples (default: the network's)")
    add("--negatives", type=Path, metavar="DIR", help="folder of background images, as for train.py")
    add(
        "--priors", action="store_true", default=None,
        help="draw the priors matched with the faces of --augmented, and count unmatched faces",
    )  # fmt: skip
    add("--recipe", choices=list(RECIPES), help="recipe whose samples --augmented shows (default: published)")
    as_for_training = "of --augmented, as for train.py (default: the recipe's)"
    add("--crop_scales", type=positive_float, nargs="+", metavar="X", help=as_for_training)
    add("--mosaic", type=fraction, metavar="X", help=as_for_training)
    add("--box_shift", type=natural_float, metavar="PX", help=as_for_training)
    args = parser.parse_args()
    mode = next((flag for flag in (NAMES, AUGMENTED, STATISTICS) if getattr(args, flag[2:])), IMAGES)
    for flag, allowed in GOES_WITH.items():
        if getattr(args, flag) is not None and mode not in allowed:
            raise UserError(f"--{flag}: does nothing here; it goes with {' or '.join(allowed)}")
    of_recipe = {flag: value for flag, value in RECIPES[args.recipe or "published"].items() if flag in DEFAULTS}
    for flag, value in (DEFAULTS | of_recipe).items():
        if getattr(args, flag) is None:
            setattr(args, flag, value)
    args.out = args.out or Path(OUTPUTS[mode])
    if args.out.suffix.lower() not in SUFFIXES[mode]:
        raise UserError(f"--out {args.out}: its suffix must be one of {', '.join(SUFFIXES[mode])}")
    return args, mode


def _show_images(args: argparse.Namespace, annotations: Annotations, images: ImageFolder) -> list[str]:
    """Write the sheet of images; return a line for each unreadable image."""
    faces = None
    if args.names:
        indices = choose_named(annotations, args.names)
    elif args.pick == "random":
        indices = choose_random(annotations, args.count, args.seed)
    else:
        indices, faces = choose_by_size(annotations, args.count, largest=args.pick == "largest")
    check_size(len(indices), args.columns, args.side)
    cells, errors = show_images(annotations, indices, faces, images, args.side)
    _write_sheet(args, cells, errors)
    return errors


def _show_augmented(args: argparse.Namespace) -> list[str]:
    """Write the sheet of training samples; return a line for each unreadable image."""
    cfg = NETWORKS[args.network].cfg
    size = args.image_size or cfg["image_size"]
    dataset = FaceDataset(
        args.labels,
        size,
        args.seed,
        skip_unreadable=True,
        negatives=args.negatives,
        category=args.category,
        augmentation=AugmentationOptions.of(args),
    )
    print_notes(args.labels, dataset.annotations.remarks)
    keys = first_samples(dataset, args.epoch, args.count)
    check_size(len(keys), args.columns, args.side)
    shown = show_samples(dataset, keys, args.side, prior_matcher(cfg, size) if args.priors else None)
    _write_sheet(args, shown.cells, shown.errors)
    if args.priors:
        print(
            f"{counted(shown.priors, 'prior')} matched with {counted(shown.faces, 'face')}:"
            f" {shown.priors - shown.forced:,} at IoU >= {POSITIVE_IOU:g}, {shown.forced:,} only as a face's best at"
            f" IoU >= {MIN_BEST_IOU:g}; {counted(shown.unmatched, 'face')} without a matched prior"
        )
    return shown.errors


def prior_matcher(cfg: dict, size: int) -> Matcher:
    """Return a function that matches the faces of a sample with priors."""
    priors = point_form(PriorBox(cfg, (size, size)).forward())
    corners = priors.T.contiguous()

    def find(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        positives, faces = match_priors(boxes, corners, POSITIVE_IOU)
        overlaps = pairwise_iou(boxes, corners[:, positives])
        forced = overlaps[faces, torch.arange(len(faces))] < POSITIVE_IOU
        return priors[positives], forced, torch.isin(torch.arange(len(boxes)), faces)

    return find


def _show_statistics(args: argparse.Namespace, annotations: Annotations, images: ImageFolder) -> list[str]:
    """Write the plots; return a line for each unreadable image."""
    values, errors = measure_dataset(args.labels, annotations, images)
    draw_statistics(args.out, str(args.labels), values, NETWORKS[args.network].cfg)
    print(f"{args.out}: {count_line(values)}")
    return errors


def _write_sheet(args: argparse.Namespace, cells: Sequence[GridCell], errors: Sequence[str]) -> None:
    _check_readable(len(cells), errors)
    write_image(args.out, contact_sheet(cells, args.columns, args.side))
    for number, cell in enumerate(cells, 1):
        print(f"{number:4}  {printable(cell.name, LONGEST_NAME)}  ({cell.note or 'cannot be read'})")
    print(f"{args.out}: {counted(len(cells), 'image')}")


def _check_readable(count: int, errors: Sequence[str]) -> None:
    if count == len(errors):
        raise UserError(f"none of {counted(count, 'image')} can be read; are they in --images? First: {errors[0]}")
