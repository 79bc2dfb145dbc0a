"""Draw a small labelled dataset of television-like images in the layout of TV Face.

It has train/label.txt, val/tvval_list.txt, val/tvval_label.txt, test/tvtest_list.txt and test/tvtest_label.txt, each
beside its images/. A label is a line '# name.jpg' and then a line 'x y w h' per face, in pixels.
"""

import argparse

from tools.sample.folder import COUNTS, SIZE, make_sample


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample",
        description=__doc__,
        epilog="Image i of a split depends only on the seed, the split and the size, so a larger sample begins with the"
        " images of a smaller one. A folder that holds an earlier sample is replaced; any other is left alone.",
    )
    parser.add_argument("--out", default="data/tvface", metavar="FOLDER", help="output folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    for split, count in COUNTS.items():
        parser.add_argument(
            f"--{split}", type=int, default=count, metavar="N", help=f"{split} images (default: {count})"
        )
    parser.add_argument("--width", type=int, default=SIZE[0], help="image width in pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=SIZE[1], help="image height in pixels (default: %(default)s)")
    args = parser.parse_args()
    counts = {split: getattr(args, split) for split in COUNTS}
    make_sample(args.out, counts, (args.width, args.height), args.seed)
    listed = "{train} train, {val} val and {test} test images".format(**counts)
    print(f"{args.out}: {listed}, {args.width} x {args.height}")
