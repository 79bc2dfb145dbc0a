"""The command line of python -m tools.check."""

import argparse
import os
import sys

from models.registry import DEFAULT_NETWORK, NETWORKS
from tools.check.copies import find_copies
from tools.check.dataset_splits import find_splits
from tools.check.findings import FINDING_KINDS, find_copied_images, find_problems
from tools.check.findings_report import to_json, to_text
from tools.check.fixed_copies import refuse_existing_copies, write_fixed_copies
from tools.check.image_checks import check_images
from tools.check.label_checks import CheckedSplit, check_labels
from tools.check.summary import describe_split, measure_priors
from utils.flags import image_side, positive_int

DESCRIPTION = """\
Read every image and every label of a dataset and report, with file and line, what is wrong:

  errors   rows that cannot be read; labels without an image; images that cannot be read, are listed twice or do not
           have the recorded size; boxes that are empty or outside their image; lists that do not match the labels;
           and images in two splits (training images must not appear in the test set)
  look at  damaged, unlisted, rotated (EXIF) and nearly equal images; boxes that exceed their image; faces labelled
           twice; landmarks outside their image or far from their box

Then print the distributions of image and face sizes, the share of augmented faces that a prior box matches, and prior
box sizes that would match more.
"""
EPILOG = """\
Exit status: 0 without errors, 1 with errors, 2 if nothing could be checked. The dataset is not changed.

  python -m tools.check data/tvface
  python -m tools.check data/tvface --fix
  python -m tools.check my_labels.json --images my_images --json > check.json
"""


def main() -> None:
    args = _parse_flags()
    cfg = NETWORKS[args.network].cfg
    splits = find_splits(args.dataset, args.images, args.category)
    if args.fix:
        refuse_existing_copies(splits)  # before the long part
    images = check_images([split.paths for split in splits], args.num_workers)
    checked = [CheckedSplit(*pair, check_labels(pair[0], pair[1].sizes)) for pair in zip(splits, images, strict=True)]
    copies = find_copies(images, [one.labels.listed(len(one.split.files)) for one in checked])
    findings = [finding for one in checked for finding in find_problems(one)]
    findings += find_copied_images(splits, copies)
    described = {one.split.name: describe_split(one) for one in checked}
    measured = (measure_priors(one, cfg, args.image_size or cfg["image_size"]) for one in checked)
    priors = next((found for found in measured if found), None)  # of the first split with enough faces
    print((to_json if args.json else to_text)(described, findings, priors))
    if args.fix:
        for sentence in write_fixed_copies(checked, copies):
            print(sentence, file=sys.stderr if args.json else sys.stdout)
    if any(FINDING_KINDS[finding.kind].is_error for finding in findings):
        sys.exit(1)


def _parse_flags() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(
        prog="python -m tools.check",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "dataset", nargs="+", metavar="DATASET",
        help="a folder with train/, val/ and test/, a folder with images/, or an annotation in any format; several"
        " are compared for images in two of them",
    )  # fmt: skip
    add("--images", metavar="FOLDER", help="folder of the images (default: images/ beside the annotation)")
    add("--category", metavar="NAME", help='object class of faces (default: "face")')
    add(
        "--network", choices=list(NETWORKS), default=DEFAULT_NETWORK,
        help="network with the prior boxes to test (default: %(default)s)",
    )  # fmt: skip
    add("--image_size", type=image_side, metavar="PX", help="side of training samples (default: the network's)")
    add(
        "--num_workers", type=positive_int, default=cores, metavar="N",
        help="processes that decode images (default: the number of cores, %(default)s)",
    )  # fmt: skip
    add(
        "--fix", action="store_true",
        help="write a cleaned copy of each annotation beside it, label_fixed.txt for label.txt: without unreadable"
        " rows, without empty, outside and duplicate boxes, without images that lose all their faces, and with other"
        " boxes clipped",
    )  # fmt: skip
    add("--json", action="store_true", help="print everything as JSON, with all places")
    return parser.parse_args()
