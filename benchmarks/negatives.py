"""Measure the effect of background images: false positives and AP with and without them.

    python benchmarks/negatives.py --dataset ../shared/faces --weights mobilenet0.25_Final.pth --folder negatives_runs

Background images are cut from the images of a dataset in the layout of TV Face: rectangles that touch no face, enlarged
by half its size. Training continues from the weights in three runs: on train/label.txt only; with the background images
of the training set as --negatives that are excluded from the loss, for an equal number of steps; and with them in the
loss. On dev and test the benchmark reports AP, the score of the best F1, and the false positives of at least that score
in their background images. Further flags go to train.py.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.annotations import read_annotations
from data.splits import LABELS
from models.detector import Detector, Scaling
from utils.errors import run
from utils.files import join_inside, make_folder, read_image, write_image

TRIES = 300
SHORTEST = 96  # pixels
SIZE = Scaling(640, 1100)  # best for images of half the size of television


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="with train/, val/ and test/")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="of MobileNet0.25, to start from")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="for images, weights and results")
    args, train_flags = parser.parse_known_args()
    make_folder(args.folder)
    for split in LABELS:
        count = cut_background(args.dataset / split, LABELS[split], args.folder / f"background_{split}")
        print(f"{split}: {count} background images", flush=True)
    negatives = ("--negatives", args.folder / "background_train")
    runs = {"without": (), "excluded": (*negatives, "--faceless_negatives", "0"), "with": negatives}
    for name, flags in runs.items():
        call(
            *("train.py", "--training_dataset", args.dataset / "train" / LABELS["train"], "--resume_net", args.weights),
            *("--save_folder", args.folder / name, "--tensorboard", "false", *flags, *train_flags),
        )
        for split in ("val", "test"):
            print(f"{name:10} {split:5} {score(args, name, split)}", flush=True)


def call(*command: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def cut_background(split: Path, label: str, folder: Path) -> int:
    """Write a background image for each image, the largest of some random rectangles, and return their number."""
    rng = np.random.default_rng(0)
    count = 0
    for annotation in read_annotations(split / label):
        image = read_image(join_inside(split / "images", annotation.name))
        height, width = image.shape[:2]
        margin = np.tile((annotation.boxes[:, 2:] - annotation.boxes[:, :2]) / 2, 2) * [-1, -1, 1, 1]
        x1, y1, x2, y2 = (annotation.boxes + margin).T
        sides = rng.uniform(0.2, 1, (TRIES, 2)) * [width, height]
        left, top = (rng.uniform(0, 1, (TRIES, 2)) * ([width, height] - sides)).T[..., None]
        right, bottom = left + sides[:, :1], top + sides[:, 1:]
        free = ((x1 >= right) | (x2 <= left) | (y1 >= bottom) | (y2 <= top)).all(axis=1)
        areas = np.where(free & (sides.min(axis=1) >= SHORTEST), sides.prod(axis=1), 0)
        best = areas.argmax()
        if areas[best]:
            rows = slice(int(top[best, 0]), int(bottom[best, 0]))
            columns = slice(int(left[best, 0]), int(right[best, 0]))
            factor = SIZE.factor(height, width)  # the scale at which the detector sees the whole image
            part = cv2.resize(image[rows, columns], None, fx=factor, fy=factor)
            write_image(folder / Path(annotation.name).with_suffix(".png").name, part)
            count += 1
    return count


def score(args: argparse.Namespace, name: str, split: str) -> str:
    weights, texts = args.folder / name / "mobilenet0.25_Final.pth", args.folder / f"{name}_{split}"
    call(
        *(f"{split}_tvface.py", "-m", weights, "--network", "mobile0.25", "--origin_size", "false"),
        *("--target_size", str(SIZE.target_size), "--max_size", str(SIZE.max_size)),
        *("--dataset_folder", args.dataset / split / "images", "--save_folder", texts),
    )
    call(
        *(f"{split}_dataset_evaluate/eval.py", "-p", texts, "-g", args.dataset / split),
        *("--result", args.folder / f"{name}_{split}_result"),
    )
    result = json.loads((args.folder / f"{name}_{split}_result" / "ap.json").read_text())
    scores = result["models"][texts.name]["subsets"]["all"]
    threshold = scores["best_f1"]["score"]
    detector = Detector.load(weights, "mobile0.25", "cpu", confidence_threshold=threshold)
    counts = [
        len(detector(read_image(path)).scores) for path in sorted((args.folder / f"background_{split}").iterdir())
    ]
    return (
        f"AP {100 * scores['ap']:.2f} %, best F1 at {threshold:.3f}, {sum(counts)} false positives in {len(counts)}"
        f" background images ({sum(counts) / len(counts):.3f} each)"
    )


if __name__ == "__main__":
    run(main)
