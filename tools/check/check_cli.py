"""The command: flags, then calls."""

import argparse
import os
import sys

from models.registry import NETWORKS
from tools.check.copies import find_copies
from tools.check.findings import KINDS, find, find_copies_between
from tools.check.fix import refuse_fixed, write_fixed
from tools.check.image_checks import look_at
from tools.check.labels import Seen, examine
from tools.check.parts import find_parts
from tools.check.report import to_json, to_text
from tools.check.summary import describe, learnable
from utils.flags import image_side, positive_int

DESCRIPTION = """\
Read every image and every label of a dataset and say, with file and line, what is wrong with it:

  errors      rows that cannot be read, labels without an image, images that cannot be read, are listed twice or have
              another size than recorded, boxes without a size or outside their image, lists that do not fit the
              labels, and the same image in two parts (what a training has seen is no test)
  to look at  damaged, unlisted, turned (EXIF) and nearly equal images, boxes that reach beyond the edge, faces
              labelled twice, landmarks outside their image or far from their box

and how large its images and faces are, how many of them the prior boxes can learn, and which would learn more.
"""
EPILOG = """\
The status is 0 without errors, 1 with some, and 2 where nothing could be checked. Nothing is changed.

  python -m tools.check data/tvface
  python -m tools.check data/tvface --fix
  python -m tools.check my_labels.json --images my_pictures --json > check.json
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.check",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "dataset",
        nargs="+",
        metavar="DATASET",
        help="a folder with train/, val/ and test/ in it, one with images/, or an annotation in any format; of several,"
        " images that are in two are found, too",
    )
    parser.add_argument("--images", metavar="FOLDER", help="of the images (default: images/ beside the annotation)")
    parser.add_argument("--category", metavar="NAME", help='the class of objects that is the face (default: "face")')
    parser.add_argument(
        "--network", choices=NETWORKS, default="mobile0.25", help="whose prior boxes are tried (default: %(default)s)"
    )
    parser.add_argument(
        "--image_size", type=image_side, metavar="PX", help="of the training's samples (default: the network's)"
    )
    parser.add_argument(
        "--num_workers",
        type=positive_int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        metavar="N",
        help="processes that decode images (default: the cores, %(default)s)",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="write a cleaned copy of each annotation beside it, label_fixed.txt for label.txt: without what cannot be"
        " read, without empty, outside and repeated boxes and images that have no others, and with the rest clipped;"
        " of faces alone",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with all places")
    args = parser.parse_args()

    cfg = NETWORKS[args.network].cfg
    parts = find_parts(args.dataset, args.images, args.category)
    if args.fix:
        refuse_fixed(parts)  # so that nobody waits for a copy that cannot be written
    looks = look_at([part.paths for part in parts], args.num_workers)
    every = [Seen(part, look, examine(part, look.sizes)) for part, look in zip(parts, looks, strict=True)]
    copies = find_copies(looks, [one.labels.used(len(one.part.files)) for one in every])
    findings = [finding for one in every for finding in find(one)] + list(find_copies_between(parts, copies))
    described = {one.part.name: describe(one) for one in every}
    learnt = (learnable(one, cfg, args.image_size or cfg["image_size"]) for one in every)
    trained = next((found for found in learnt if found), None)
    print((to_json if args.json else to_text)(described, findings, trained))
    if args.fix:
        for sentence in write_fixed(every, copies):
            print(sentence, file=sys.stderr if args.json else sys.stdout)
    if any(KINDS[finding.kind].is_error for finding in findings):
        sys.exit(1)
