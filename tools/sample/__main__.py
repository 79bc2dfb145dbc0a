"""python -m tools.sample: draw a small labelled dataset of television images."""

import argparse

from tools.sample.dataset import COUNTS, SIZE, make_sample
from utils.errors import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample",
        description="Draw a small labelled dataset of television-like images in the layout of TV Face: "
        "train/label.txt, val/tvval_list.txt, val/tvval_label.txt, test/tvtest_list.txt and "
        "test/tvtest_label.txt, each beside its images/. A label is a line '# name.jpg' and then a line "
        "'x y w h' per face, in pixels.",
        epilog="Image i of a split depends only on the seed, the split and the size, so a larger sample begins with "
        "the images of a smaller one. A folder that holds an earlier sample is replaced; any other is left "
        "alone.",
    )
    parser.add_argument("--out", default="data/tvface", metavar="FOLDER", help="where to write (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other images (default: %(default)s)")
    for split, use in (("train", "to learn from"), ("val", "to choose by"), ("test", "to report on")):
        parser.add_argument(
            f"--{split}", type=int, default=COUNTS[split], metavar="N", help=f"images {use} (default: %(default)s)"
        )
    parser.add_argument("--width", type=int, default=SIZE[0], help="of the images, in pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=SIZE[1], help="of the images, in pixels (default: %(default)s)")
    args = parser.parse_args()
    counts = {split: getattr(args, split) for split in COUNTS}
    make_sample(args.out, counts, (args.width, args.height), args.seed)
    print(
        f"{args.out}: {counts['train']} train, {counts['val']} val and {counts['test']} test images, "
        f"{args.width} x {args.height}"
    )


if __name__ == "__main__":
    run(main)
