"""Print the counts of a dataset's images and faces and the distributions of their sizes; draw them with --out.

    python -m tools.statistics data/tvface/train/label.txt
    python -m tools.statistics data/tvface/train/label.txt --out statistics.png

Ignored faces are counted, not measured. The exit status is 3 where some images cannot be read, which are listed.
"""

import argparse
import sys
from pathlib import Path

from data.annotations import annotation_images, read_annotations
from data.image_files import ImageFolder, refuse_among_images
from models.registry import DEFAULT_NETWORK, NETWORKS
from tools.statistics.measures import count_line, measure_dataset, quantile_table, quantiles
from tools.statistics.statistics_plots import SUFFIXES, draw_statistics
from utils.console import print_notes
from utils.errors import UNREADABLE, UserError, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.statistics", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("labels", type=Path, metavar="LABELS", help="annotation file or folder, in any format that eval.py reads")
    add("--images", type=Path, metavar="FOLDER", help="the images (default: images/ beside the labels)")
    add("--category", metavar="NAME", help='object class of faces (default: "face", or the only class)')
    add("--out", type=Path, metavar="FILE", help=f"draw plots to this {', '.join(SUFFIXES)} file (default: none)")
    add("--network", choices=list(NETWORKS), default=DEFAULT_NETWORK,
        help="network whose prior box sizes are marked in the plots (default: %(default)s)")  # fmt: skip
    args = parser.parse_args()
    if args.out and args.out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {args.out}: its suffix must be one of {', '.join(SUFFIXES)}")
    images = args.images or annotation_images(args.labels)
    if args.out:
        refuse_among_images("--out ", args.out, images, args.labels)
    annotations = read_annotations(args.labels, images=args.images, category=args.category, predictions=True)
    print_notes(args.labels, annotations.remarks)
    if len(annotations) == 0:
        raise UserError(f"{args.labels}: has no images; expected labels that name some")
    values, errors = measure_dataset(args.labels, annotations, ImageFolder(images))
    print(f"{args.labels}: {count_line(values)}\n")
    print(*quantile_table("", quantiles(values)), sep="\n")
    if args.out:
        draw_statistics(args.out, str(args.labels), values, NETWORKS[args.network].cfg)
        print(f"\nplots: {args.out}")
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    if errors:
        sys.exit(UNREADABLE)


if __name__ == "__main__":
    run(main)
