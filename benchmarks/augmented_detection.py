"""Score and time test-time augmentation: one row for each set of flags of val_tvface.py.

    python benchmarks/augmented_detection.py --labels ../shared/faces/val/tvval_label.txt -m mobilenet0.25_Final.pth
    python benchmarks/augmented_detection.py --labels wider_face_val_bbx_gt.txt --images WIDER_val/images -m FILE \
        --rows "" "--flip" "--scales 500 800 1100 --flip"

The columns are AP at IoU 0.5 and AP 50-95 in %, the recall in % with one false positive in ten images, and the time for
an image, which is also given as a multiple of the first row's. Reading of images is not timed.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.annotations import annotation_images, read_annotations
from data.annotations.record import Annotations
from engine.detect.detector_flags import add_detector_flags, load_detector
from engine.detect.prediction_writer import rounded_rows
from evaluation.protocol import evaluate
from utils.console import progress_bar
from utils.errors import run
from utils.files import join_inside, read_image
from utils.version import show_versions

ENLARGED = "--origin_size false --target_size 640 --max_size 1100"
ROWS = ("", "--flip", ENLARGED, f"{ENLARGED} --flip", "--scales 448 640 960", "--scales 448 640 960 --flip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--labels", type=Path, required=True, metavar="PATH", help="annotations in any known format")
    add("--images", type=Path, metavar="DIR", help="folder of the images (default: as for tools.check)")
    add("--rows", nargs="+", default=ROWS, metavar="FLAGS", help="flags of each row (default: %(default)s)")
    add("--decimals", type=int, choices=range(4), default=0, help="of the boxes, as for val_tvface.py")
    add("-m", "--trained_model", type=Path, required=True, metavar="FILE", help="weights")
    args = parser.parse_args()
    annotations = read_annotations(args.labels)
    folder = args.images or annotation_images(args.labels)
    print(show_versions(), end="\n\n")
    print("| flags | AP | AP 50-95 | recall | ms an image | times |\n|---|---|---|---|---|---|")
    first = None
    for row in args.rows:
        found, seconds = detect(flags_of(row, args.trained_model), annotations, folder, args.decimals)
        first = first or seconds
        score = evaluate(found, annotations)
        whole = score.subsets[score.main]
        values = (100 * whole.ap, 100 * whole.mean_ap, 100 * whole.recall_at[0.1])
        cells = [f"{value:.2f}" for value in values] + [f"{1000 * seconds / len(annotations):.0f}"]
        print("|", " | ".join([f"`{row}`" if row else "", *cells, f"{seconds / first:.1f}"]), "|", flush=True)


def flags_of(row: str, weights: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_detector_flags(parser, confidence_threshold=0.02, reason="")
    return parser.parse_args(["-m", str(weights), *shlex.split(row)])


def detect(
    flags: argparse.Namespace, annotations: Annotations, folder: Path, decimals: int
) -> tuple[dict[str, np.ndarray], float]:
    """Return image name -> detections, and the seconds that the detector took."""
    detector, found, seconds = load_detector(flags), {}, 0.0
    for annotation in progress_bar(iterable=annotations, desc="detecting", unit="image", leave=False, disable=None):
        image = read_image(join_inside(folder, annotation.name))
        begun = time.perf_counter()
        found[annotation.name] = rounded_rows(detector(image), decimals)
        seconds += time.perf_counter() - begun
    return found, seconds


if __name__ == "__main__":
    run(main)
